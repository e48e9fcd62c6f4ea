/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "kube/node.h"
#include "target/set.h"

static struct target pod(const char *namespace, const char *name, const char *node,
                         bool host_network)
{
    json_t *json =
        json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:b, s:[{s:s}]}, s:{s:s}}", "metadata", "name", name,
                  "namespace", namespace, "uid", name, "spec", "nodeName", node, "hostNetwork",
                  host_network, "containers", "name", "app", "status", "phase", "Running");
    struct kube_pod *read = NULL;
    struct target target = {0};
    struct error err;

    assert_int_equal(kube_pod_read(json, &read, &err), 0);
    json_decref(json);
    assert_int_equal(target_of_pod(read, NULL, &target, &err), 0);
    return target;
}

static struct target node(const char *name)
{
    json_t *json = json_pack("{s:{s:s}, s:{}}", "metadata", "name", name, "status");
    struct target target = {0};
    struct error err;

    assert_int_equal(target_of_node_object(json, &target, &err), 0);
    json_decref(json);
    return target;
}

/* Return: the label of what was added, "" when nothing was. */
static const char *added(struct target_set *set, struct target target)
{
    struct target *kept = (struct target *)set; /* anything but NULL */
    struct error err;

    assert_int_equal(target_set_add(set, &target, &kept, &err), 0);
    return kept ? kept->label : "";
}

static void test_doubles(void **state)
{
    struct target_set set = {0};

    (void)state;
    assert_string_equal(added(&set, pod("shop", "web", "n1", false)), "pod \"web\"");
    assert_string_equal(added(&set, pod("shop", "api", "n1", false)), "pod \"api\"");
    assert_string_equal(added(&set, pod("shop", "web", "n1", false)), "");
    assert_string_equal(added(&set, node("n1")), "node \"n1\"");
    assert_string_equal(added(&set, node("n1")), "");
    assert_int_equal(set.count, 3);
    assert_true(target_set_has(&set, "web"));
    assert_false(target_set_has(&set, "other"));
    target_set_free(&set);
    assert_int_equal(set.count, 0);
}

/* The interfaces of a node are captured once: by itself if it is named, else by the first pod. */
static void test_shared_interfaces(void **state)
{
    struct target_set set = {0};

    (void)state;
    added(&set, pod("kube-system", "proxy", "n1", true));
    assert_string_equal(added(&set, pod("kube-system", "cni", "n1", true)), "");
    assert_string_equal(added(&set, pod("kube-system", "cni-2", "n2", true)), "pod \"cni-2\"");
    assert_string_equal(added(&set, pod("shop", "web", "n1", false)), "pod \"web\"");
    assert_int_equal(set.count, 3);
    assert_true(target_set_has(&set, "cni"));
    assert_int_equal(json_object_size(set.shared), 1);
    assert_string_equal(added(&set, node("n1")), "node \"n1\"");
    assert_int_equal(set.count, 3);
    assert_string_equal(set.targets[0]->label, "node \"n1\"");
    /* What was there by its node is not added when it is looked at again. */
    assert_true(target_set_has(&set, "proxy") && target_set_has(&set, "cni"));
    assert_string_equal(added(&set, pod("kube-system", "proxy", "n1", true)), "");
    target_set_free(&set);
}

/* The run takes targets out of the set. */
static void test_what_is_taken_out(void **state)
{
    struct target_set set = {0};

    (void)state;
    added(&set, pod("shop", "web", "n1", true));
    struct target *taken = set.targets[0];
    set.targets[0] = NULL;
    assert_string_equal(added(&set, pod("shop", "api", "n1", true)), "pod \"api\"");
    target_set_tell_shared(&set);
    target_set_name_namespaces(&set);
    target_free(taken);
    free(taken);
    target_set_free(&set);
}

static void test_namespaces(void **state)
{
    struct target_set set = {0};

    (void)state;
    added(&set, pod("shop", "web", "n1", false));
    added(&set, pod("shop", "api", "n1", false));
    added(&set, node("n1"));
    target_set_name_namespaces(&set);
    assert_string_equal(set.targets[0]->label, "pod \"web\"");
    added(&set, pod("data", "db", "n1", false));
    target_set_name_namespaces(&set);
    assert_string_equal(set.targets[0]->label, "pod \"shop/web\"");
    assert_string_equal(set.targets[2]->label, "node \"n1\"");
    assert_string_equal(set.targets[3]->label, "pod \"data/db\"");
    target_set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_shared_interfaces),
        cmocka_unit_test(test_what_is_taken_out),
        cmocka_unit_test(test_namespaces),
    };

    return cmocka_run_group_tests_name("set", tests, NULL, NULL);
}
