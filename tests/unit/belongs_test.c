/* SPDX-License-Identifier: Apache-2.0 */
/* Which pods are whose, held against what a real API server answers. */
#include "tests/unit/unit.h"

#include "target/belongs.h"
#include "target/selector.h"
#include "target/source.h"

/* The body of a recorded answer; owned by the caller. */
static json_t *recorded(const char *name)
{
    static char text[1 << 20];
    char path[512];

    snprintf(path, sizeof(path), "%s/kubernetes-api/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const char *body = strstr(text, "<\n{");
    assert_non_null(body);
    json_t *json = json_loads(body + 2, JSON_DISABLE_EOF_CHECK, NULL);
    assert_non_null(json);
    return json;
}

static json_t *item(const json_t *list, size_t at)
{
    json_t *found = json_array_get(json_object_get(list, "items"), at);

    assert_non_null(found);
    return found;
}

/* How many of the recorded pods belong to it. */
static size_t pods_of(const struct source *source)
{
    json_t *pods = recorded("pods-list-selector.http");
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(json_object_get(pods, "items")); i++)
        count += belongs_to(source, item(pods, i));
    json_decref(pods);
    return count;
}

static void test_deployment(void **state)
{
    json_t *deployment = recorded("deployment-get.http");
    json_t *sets = recorded("replicasets-list.http"), *set = item(sets, 0);
    struct source source = {
        .kind = &target_kinds[TARGET_DEPLOYMENT], .object = deployment, .owned = json_object()};

    (void)state;
    assert_string_equal(belongs_between(&source)->resource, "replicasets");
    assert_string_equal(belongs_controller(set), belongs_uid(deployment));
    assert_int_equal(pods_of(&source), 0); /* its ReplicaSets are not known yet */
    json_object_set_new(source.owned, belongs_uid(set), json_string(belongs_controller(set)));
    assert_int_equal(pods_of(&source), 3);
    /* Of another Deployment, and of nobody's that cares for it. */
    json_object_set_new(source.owned, belongs_uid(set), json_string("another"));
    assert_int_equal(pods_of(&source), 0);
    source.object = NULL;
    json_object_set_new(source.owned, belongs_uid(set), json_string(""));
    assert_int_equal(pods_of(&source), 0);
    json_decref(source.owned);
    json_decref(sets);
    json_decref(deployment);
}

static void test_replica_set(void **state)
{
    json_t *sets = recorded("replicasets-list.http");
    struct source source = {.kind = &target_kinds[TARGET_REPLICA_SET], .object = item(sets, 0)};

    (void)state;
    assert_null(belongs_between(&source));
    assert_int_equal(pods_of(&source), 3);
    json_decref(sets);
}

static void test_service(void **state)
{
    json_t *slices = recorded("endpointslices-list.http"), *endpoint, *names = json_object();
    struct source source = {.kind = &target_kinds[TARGET_SERVICE], .slices = json_object()};
    size_t i;

    (void)state;
    assert_int_equal(pods_of(&source), 0);
    json_array_foreach(json_object_get(item(slices, 0), "endpoints"), i, endpoint)
    {
        json_t *target = json_object_get(endpoint, "targetRef");

        json_object_set_new(names, json_string_value(json_object_get(target, "name")), json_true());
    }
    json_object_set_new(source.slices, "a", names);
    assert_int_equal(pods_of(&source), 3);
    json_object_del(names, "shop-57f57cf564-f9wd8");
    assert_int_equal(pods_of(&source), 2);
    source.slices_hidden = true;
    assert_int_equal(pods_of(&source), 3);
    json_decref(source.slices);
    json_decref(slices);
}

static void test_names_and_patterns(void **state)
{
    struct source source = {.kind = &target_kinds[TARGET_POD]};
    struct source_name names[] = {{.name = "shop-57f57cf564-f9wd8"}, {.name = "shop"}};

    (void)state;
    assert_int_equal(pods_of(&source), 3); /* whatever has been listed */
    source.name = "shop-*-[fs]*";
    assert_int_equal(pods_of(&source), 2);
    source.name = "shop";
    assert_int_equal(pods_of(&source), 0);
    source.name = NULL;
    source.names = names;
    source.name_count = 2;
    assert_int_equal(pods_of(&source), 1);
}

static void test_selectors(void **state)
{
    static const char *const recordings[][2] = {{"deployment-get.http", "app=shop"},
                                                {"statefulset-get.http", "app=db"},
                                                {"daemonset-get.http", "app=logger"}};

    (void)state;
    for (size_t i = 0; i < sizeof(recordings) / sizeof(recordings[0]); i++) {
        json_t *object = recorded(recordings[i][0]);
        char *text =
            selector_of_object(json_object_get(json_object_get(object, "spec"), "selector"));

        assert_non_null(text);
        assert_string_equal(text, recordings[i][1]);
        free(text);
        json_decref(object);
    }
}

/* Odd types are no reason to crash, and belong to nobody. */
static void test_odd_objects(void **state)
{
    static const char *const texts[] = {
        "{}", "{\"metadata\":5}", "{\"metadata\":{\"name\":1,\"uid\":[],\"ownerReferences\":{}}}",
        "{\"metadata\":{\"ownerReferences\":[1,{\"controller\":true},{\"controller\":1}]}}"};
    struct source source = {.kind = &target_kinds[TARGET_JOB]};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *odd = json_loads(texts[i], 0, NULL);

        source.object = odd;
        assert_non_null(odd);
        assert_false(belongs_to(&source, odd));
        assert_string_equal(belongs_controller(odd), "");
        json_decref(odd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deployment), cmocka_unit_test(test_replica_set),
        cmocka_unit_test(test_service),    cmocka_unit_test(test_names_and_patterns),
        cmocka_unit_test(test_selectors),  cmocka_unit_test(test_odd_objects),
    };

    return cmocka_run_group_tests_name("belongs", tests, NULL, NULL);
}
