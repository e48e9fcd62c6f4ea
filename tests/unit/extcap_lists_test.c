/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "extcap/lists.h"

/* A pod as the API server lists it: name, phase, owner's kind and name, hash of its template. */
static json_t *pod(const char *name, const char *phase, const char *kind, const char *owner,
                   const char *hash)
{
    return json_pack("{s:{s:s, s:{s:s}, s:[{s:s, s:s}]}, s:{s:[{s:s}, {s:s}]}, s:{s:s}}",
                     "metadata", "name", name, "labels", "pod-template-hash", hash,
                     "ownerReferences", "kind", kind, "name", owner, "spec", "containers", "name",
                     "app", "name", "proxy", "status", "phase", phase);
}

static json_t *answer(void)
{
    return json_pack("{s:[o,o,o,o,o,o]}", "items",
                     pod("shop-6b9-x1", "Running", "ReplicaSet", "shop-6b9", "6b9"),
                     pod("shop-6b9-x2", "Pending", "ReplicaSet", "shop-6b9", "6b9"),
                     pod("db-0", "Running", "StatefulSet", "db", ""),
                     pod("once", "Succeeded", "Job", "once", ""),
                     pod("bare", "Running", "ReplicaSet", "bare", "zzz"),
                     pod("evil}{value=x", "Running", "DaemonSet", "evil}", ""));
}

static char *joined(json_t *names)
{
    static char text[400];
    json_t *each;
    size_t i;

    *text = '\0';
    json_array_foreach(names, i, each)
    {
        strcat(text, i ? " " : "");
        strcat(text, json_string_value(each));
    }
    json_decref(names);
    return text;
}

static void workloads_stand_before_pods_that_live(void **state)
{
    json_t *list = answer();

    (void)state;
    assert_string_equal(joined(lists_take_pods(list, EXTCAP_POD, "")),
                        "deploy/shop sts/db rs/bare shop-6b9-x1 shop-6b9-x2 db-0 bare");
    json_decref(list);
}

static void containers_are_those_of_the_pod_or_its_workload(void **state)
{
    json_t *list = answer();

    (void)state;
    assert_string_equal(joined(lists_take_pods(list, EXTCAP_CONTAINER, "db-0")), "app proxy");
    assert_string_equal(joined(lists_take_pods(list, EXTCAP_CONTAINER, "deploy/shop")),
                        "app proxy");
    assert_string_equal(joined(lists_take_pods(list, EXTCAP_CONTAINER, "nosuch")), "");
    json_decref(list);
}

static void takes_any_answer(void **state)
{
    json_t *list = json_pack("{s:[s, n, {}, {s:s}, {s:{s:i}}]}", "items", "x", "metadata", "x",
                             "metadata", "name", 1);

    (void)state;
    assert_string_equal(joined(lists_take_pods(list, EXTCAP_POD, "")), "");
    assert_string_equal(joined(lists_take_pods(NULL, EXTCAP_POD, "")), "");
    json_decref(list);
}

static void an_answer_may_go_on(void **state)
{
    static const struct {
        const char *metadata;
        bool more;
    } cases[] = {{"{}", false},
                 {"{\"continue\": \"\"}", false},
                 {"{\"continue\": \"eyJ2IjoibWV0\", \"remainingItemCount\": 1}", true},
                 {"{\"continue\": 1}", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *list = json_pack("{s:o}", "metadata", json_loads(cases[i].metadata, 0, NULL));

        assert_int_equal(lists_go_on(list), cases[i].more);
        json_decref(list);
    }
    assert_false(lists_go_on(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_may_go_on),
        cmocka_unit_test(workloads_stand_before_pods_that_live),
        cmocka_unit_test(containers_are_those_of_the_pod_or_its_workload),
        cmocka_unit_test(takes_any_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
