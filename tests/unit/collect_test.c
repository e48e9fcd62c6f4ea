/* SPDX-License-Identifier: Apache-2.0 */
/* Who is taken, who is waited for, and what is told of it; with sources whose pods are given. */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "base/log.h"
#include "settings/settings.h"
#include "target/collect.h"

static char said[4000]; /* what the user is told */

static void take_line(void *data, enum log_level level, const char *line)
{
    (void)data;
    snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s%s\n",
             level == LOG_LEVEL_WARNING ? "WARN: " : "", line);
}

/* How often it was said. */
static size_t times(const char *text)
{
    size_t count = 0;

    for (const char *at = strstr(said, text); at; at = strstr(at + 1, text))
        count++;
    return count;
}

struct fixture {
    struct settings settings;
    struct source source, *sources[1];
    struct gather gather;
    struct target_set set;
    struct collect collect;
};

static void start(struct fixture *all, enum collect_mode mode)
{
    *all = (struct fixture){.settings = {.namespace = "shop"}};
    all->gather.context.settings = &all->settings;
    all->source = (struct source){.context = &all->gather.context,
                                  .kind = &target_kinds[TARGET_POD],
                                  .namespace = "shop",
                                  .pods = json_object()};
    all->sources[0] = &all->source;
    all->gather.sources = all->sources;
    all->gather.count = 1;
    all->collect = (struct collect){.mode = mode, .settings = &all->settings, .set = &all->set};
    said[0] = '\0';
    log_start(LOG_LEVEL_INFO);
    log_divert(take_line, NULL);
}

static void end(struct fixture *all)
{
    json_decref(all->source.pods);
    target_set_free(&all->set);
    collect_free(&all->collect);
}

static json_t *put(struct fixture *all, const char *namespace, const char *name, const char *phase)
{
    json_t *pod = json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:[{s:s}], s:[{s:s}, {s:s}]}, s:{s:s}}",
                            "metadata", "name", name, "namespace", namespace, "uid", name, "spec",
                            "nodeName", "n1", "initContainers", "name", "init", "containers",
                            "name", "app", "name", "proxy", "status", "phase", phase);

    json_object_set_new(all->source.pods, name, pod);
    return pod;
}

static void put_host(struct fixture *all, const char *name)
{
    json_object_set_new(json_object_get(put(all, "shop", name, "Running"), "spec"), "hostNetwork",
                        json_true());
}

static void run(json_t *pod, const char *statuses, const char *container)
{
    json_object_set_new(json_object_get(pod, "status"), statuses,
                        json_pack("[{s:s, s:{s:{}}}]", "name", container, "state", "running"));
}

/* Return: how many are in the set by now. */
static size_t look(struct fixture *all)
{
    struct error err;

    assert_int_equal(collect_all(&all->collect, &all->gather, &err), 0);
    return all->set.count;
}

/* Where one can wait, a container that runs is not enough: it must be the one that is taken. */
static void test_pending(void **state)
{
    static const enum collect_mode modes[] = {COLLECT_WAIT, COLLECT_FOLLOW};
    struct fixture all;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        start(&all, modes[i]);
        json_t *pod = put(&all, "shop", "web", "Pending");

        run(pod, "initContainerStatuses", "init");
        assert_int_equal(look(&all), 0);
        assert_int_equal(all.collect.yet.kind, i == 0 ? ERROR_TIMEOUT : ERROR_NONE);
        run(pod, "containerStatuses", "proxy");
        assert_int_equal(look(&all), 0);
        run(pod, "containerStatuses", "app");
        assert_int_equal(look(&all), 1);
        assert_int_equal(all.collect.yet.kind, ERROR_NONE);
        end(&all);
    }
}

/* The init container itself may be wanted; and the node method needs none. */
static void test_pending_where_that_will_do(void **state)
{
    struct fixture all;

    (void)state;
    start(&all, COLLECT_FOLLOW);
    all.settings.container = "init";
    run(put(&all, "shop", "web", "Pending"), "initContainerStatuses", "init");
    assert_int_equal(look(&all), 1);
    end(&all);
    start(&all, COLLECT_FOLLOW);
    all.settings.by_node = true;
    run(put(&all, "shop", "web", "Pending"), "initContainerStatuses", "init");
    assert_int_equal(look(&all), 1);
    end(&all);
    start(&all, COLLECT_NOW);
    run(put(&all, "shop", "web", "Pending"), "initContainerStatuses", "init");
    assert_int_equal(look(&all), 1);
    end(&all);
}

/* Of a node that is captured already: in one line, and that is not one more. */
static void test_interfaces_that_are_captured(void **state)
{
    struct fixture all;

    (void)state;
    start(&all, COLLECT_FOLLOW);
    all.settings.max_targets = 1;
    put_host(&all, "first");
    assert_int_equal(look(&all), 1);
    all.collect.started = true;
    put_host(&all, "second");
    put(&all, "shop", "third", "Running");
    for (int i = 0; i < 2; i++)
        assert_int_equal(look(&all), 1);
    assert_int_equal(
        times("pod \"second\" has the interfaces of node 'n1': it is captured already, "
              "as pod \"first\""),
        1);
    assert_int_equal(times("WARN"), 1);
    assert_int_equal(times("pod 'third' is not captured: there are 1 targets, and --max-targets "
                           "allows no more"),
                     1);
    end(&all);
}

static void test_namespaces(void **state)
{
    struct fixture all;

    (void)state;
    start(&all, COLLECT_FOLLOW);
    all.source.namespace = NULL;
    all.settings.all_namespaces = true;
    put(&all, "shop", "web", "Running");
    look(&all);
    assert_string_equal(all.set.targets[0]->label, "pod \"shop/web\"");
    all.collect.started = true;
    all.settings.max_targets = 1;
    put(&all, "data", "db", "Running");
    look(&all);
    assert_int_equal(times("pod 'data/db' is not captured"), 1);
    end(&all);
    /* One that comes later is the first of another namespace. */
    start(&all, COLLECT_FOLLOW);
    put(&all, "shop", "web", "Running");
    look(&all);
    assert_string_equal(all.set.targets[0]->label, "pod \"web\"");
    put(&all, "data", "db", "Running");
    look(&all);
    assert_string_equal(all.set.targets[1]->label, "pod \"data/db\"");
    end(&all);
}

/* Of which pod, and once, though it is looked at again and again. */
static void test_containers_that_are_not_there(void **state)
{
    struct fixture all;

    (void)state;
    start(&all, COLLECT_WAIT);
    json_t *pod = put(&all, "shop", "web", "Running");
    json_object_set_new(json_object_get(pod, "metadata"), "annotations",
                        json_pack("{s:s}", "kubectl.kubernetes.io/default-container", "old"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(look(&all), 1);
        target_set_free(&all.set);
    }
    assert_int_equal(times("pod 'web': its default-container annotation names 'old', which it does "
                           "not have"),
                     1);
    assert_int_equal(times("WARN"), 1);
    end(&all);
    start(&all, COLLECT_WAIT);
    all.settings.container = "other";
    put(&all, "shop", "web", "Running");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(look(&all), 1);
        target_set_free(&all.set);
    }
    assert_int_equal(times("pod 'web': no container 'other' there, another one is taken"), 1);
    end(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_pending_where_that_will_do),
        cmocka_unit_test(test_interfaces_that_are_captured),
        cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_containers_that_are_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
