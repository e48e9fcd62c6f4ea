/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked once for all, of a server in a child process that counts what it is asked. */
#include "tests/unit/unit.h"
#include "tests/unit/server.h"

#include "kube/node.h"
#include "method/facts.h"
#include "method/own_traffic.h"
#include "method/preflight.h"
#include "settings/settings.h"
#include "target/target.h"

#define LANES 6

/* "create" is allowed, "delete" is not, others have odd answers; there is one namespace, and one
 * node. */
static const struct {
    const char *in, *answer;
} answers[] = {
    {"\"create\"", "201 Created\r\n\r\n{\"status\":{\"allowed\":true}}"},
    {"\"delete\"", "201 Created\r\n\r\n{\"status\":{\"allowed\":false}}"},
    {"\"patch\"", "403 Forbidden\r\n\r\n{}"},
    {"\"list\"", "500 Internal Server Error\r\n\r\n"},
    {"\"watch\"", "200 OK\r\n\r\n<html"},
    {"GET /api/v1/namespaces/lab ", "200 OK\r\n\r\n{\"metadata\":{\"name\":\"lab\",\"labels\":"
                                    "{\"pod-security.kubernetes.io/enforce\":\"baseline\"}}}"},
    {"GET /api/v1/nodes/node1 ",
     "200 OK\r\n\r\n{\"metadata\":{\"name\":\"node1\"},\"status\":{\"nodeInfo\":"
     "{\"architecture\":\"arm64\"},\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":10255}}}}"},
    {"GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes ",
     "200 OK\r\n\r\n{\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]}],\"ports\":[{\"port\":6443}]}"},
};

static bool overloaded;

static const char *answer(const char *request, int mode)
{
    (void)mode;
    if (overloaded)
        return "500 Internal Server Error\r\n\r\n";
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (strstr(request, answers[i].in))
            return answers[i].answer;
    return NULL;
}

/* ---- waiting ---- */

static void count(void *data)
{
    unsigned *times = data;

    (*times)++;
}

static const struct kube_right rights[] = {
    {"create", "pods", "exec", NULL},  {"delete", "pods", NULL, NULL},
    {"patch", "pods", NULL, NULL},     {"list", "pods", NULL, NULL},
    {"watch", "pods", NULL, NULL},     {"get", "pods", "exec", NULL},
    {"create", "pods", NULL, NULL},    {"delete", "pods", NULL, NULL},
    {"create", "pods", "attach", NULL}};
static const enum kube_access wanted[] = {
    KUBE_ACCESS_ALLOWED, KUBE_ACCESS_DENIED,  KUBE_ACCESS_UNKNOWN,
    KUBE_ACCESS_UNKNOWN, KUBE_ACCESS_UNKNOWN, KUBE_ACCESS_UNKNOWN,
    KUBE_ACCESS_ALLOWED, KUBE_ACCESS_DENIED,  KUBE_ACCESS_ALLOWED};

static void want_rights(struct facts *facts, struct facts_wait *wait)
{
    for (size_t i = 0; i < 9; i++)
        assert_non_null(facts_wait_add(wait, facts_right(facts, "lab", &rights[i])));
}

/* Two of the nine are the same. */
static void test_each_is_asked_once(void **state)
{
    struct facts_wait first = {0}, second = {0}, third = {0}, fourth = {0}, fifth = {0};
    struct server server;
    struct facts *facts;
    unsigned told = 0;

    (void)state;
    server_start(&server, answer);
    facts = facts_new(server.client);
    want_rights(facts, &first);
    want_rights(facts, &second);
    facts_wait_begin(&first, facts, count, &told);
    facts_wait_begin(&second, facts, count, &told);
    assert_int_equal(told, 0);
    server_step_until(&server, &told, 2);
    for (size_t i = 0; i < 9; i++)
        if (fact_access(first.facts[i]) != wanted[i])
            fail_msg("%s: %d", rights[i].verb, fact_access(first.facts[i]));
    assert_int_equal(server_asked(&server, ""), 8);

    want_rights(facts, &third);
    facts_wait_begin(&third, facts, count, &told);
    assert_int_equal(told, 3); /* at once */
    assert_int_equal(fact_access(facts_right(facts, "elsewhere", &rights[0])), KUBE_ACCESS_UNKNOWN);

    facts_forget(facts);
    want_rights(facts, &fourth);
    facts_wait_begin(&fourth, facts, count, &told);
    assert_int_equal(told, 3);
    assert_int_equal(fact_access(fourth.facts[0]), wanted[0]); /* the last answer, meanwhile */
    server_step_until(&server, &told, 4);
    assert_int_equal(server_asked(&server, ""), 8 + 1); /* and the one of elsewhere */
    assert_int_equal(fact_access(fourth.facts[0]), wanted[0]);

    facts_forget(facts);
    overloaded = true;
    want_rights(facts, &fifth);
    facts_wait_begin(&fifth, facts, count, &told);
    server_step_until(&server, &told, 5);
    overloaded = false;
    for (size_t i = 0; i < 2; i++) /* it does not know better */
        assert_int_equal(fact_access(fifth.facts[i]), wanted[i]);
    facts_free(facts);
    server_stop(&server);
}

static void test_not_too_many_at_once(void **state)
{
    struct server server;
    struct facts *facts;
    char name[8];
    int connections = 0;

    (void)state;
    server_start(&server, NULL);
    facts = facts_new(server.client);
    fcntl(server.listener, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 3 * LANES; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        facts_namespace(facts, name);
    }
    for (int i = 0, more = 0; i < 3000 && more < 50; i++) {
        loop_step(server.loop, 2);
        connections += accept(server.listener, NULL, NULL) >= 0;
        more += connections >= LANES;
    }
    assert_int_equal(connections, LANES);
    facts_free(facts);
    server_stop(&server);
}

static void test_nobody_there(void **state)
{
    struct facts_wait wait = {0};
    struct server server;
    struct facts *facts;
    unsigned told = 0;

    (void)state;
    server_start(&server, NULL);
    facts = facts_new(server.client);
    close(server.listener);
    facts_wait_add(&wait, facts_right(facts, "lab", &rights[0]));
    facts_wait_add(&wait, facts_node(facts, "node1"));
    facts_wait_begin(&wait, facts, count, &told);
    server_step_until(&server, &told, 1);
    assert_int_equal(fact_access(wait.facts[0]), KUBE_ACCESS_UNKNOWN);
    assert_null(fact_object(wait.facts[1]));
    server.listener = -1;
    facts_free(facts);
    server_stop(&server);
}

/* Whoever is told ends another's wait, which would have been next. */
struct couple {
    struct facts_wait waits[2];
    unsigned told;
};

static void end_both(void *data)
{
    struct couple *couple = data;

    couple->told++;
    facts_wait_end(&couple->waits[0]);
    facts_wait_end(&couple->waits[1]);
}

static void test_no_word_after_the_end(void **state)
{
    struct couple couple = {.told = 0};
    struct facts_wait last = {0};
    struct server server;
    struct facts *facts;
    unsigned told = 0;

    (void)state;
    server_start(&server, answer);
    facts = facts_new(server.client);
    facts_wait_add(&last, facts_namespace(facts, "lab"));
    facts_wait_begin(&last, facts, count, &told);
    for (int i = 0; i < 2; i++) {
        facts_wait_add(&couple.waits[i], facts_namespace(facts, "lab"));
        facts_wait_begin(&couple.waits[i], facts, end_both, &couple);
    }
    server_step_until(&server, &told, 1);
    assert_int_equal(couple.told, 1);
    facts_free(facts);
    server_stop(&server);
}

/* ---- of a target ---- */

static const struct settings settings = {.namespace = "lab"};

/* Ten nodes' worth of targets ask for what one does. */
static void test_targets_share(void **state)
{
    struct target targets[10];
    struct preflight preflights[10];
    struct server server;
    struct facts *facts;
    unsigned told = 0;

    (void)state;
    server_start(&server, answer);
    facts = facts_new(server.client);
    for (int i = 0; i < 10; i++) {
        targets[i] = (struct target){.namespace = "", .name = "node1", .node_name = "node1"};
        preflights[i] =
            (struct preflight){.facts = facts, .settings = &settings, .target = &targets[i]};
        preflight_ask(&preflights[i], METHOD_NODE, count, &told);
    }
    server_step_until(&server, &told, 10);
    assert_int_equal(server_asked(&server, ""), 8 + 1 + 1); /* rights, namespace, node */
    for (int i = 0; i < 10; i++) {
        assert_int_equal(preflights[i].helper_level, POD_SECURITY_BASELINE);
        assert_int_equal(preflights[i].rights[METHOD_NODE][0], KUBE_ACCESS_ALLOWED);
        assert_string_equal(targets[i].node->architecture, "arm64");
        target_free(&targets[i]);
    }
    facts_free(facts);
    server_stop(&server);
}

/* On the node's own interfaces what the capture's own stream is known by is learnt on the way. */
static void test_own_traffic(void **state)
{
    struct target target = {
        .namespace = "", .name = "node1", .node_name = "node1", .host_network = true};
    struct preflight preflight = {.settings = &settings, .target = &target};
    struct server server;
    struct facts *facts;
    struct error err;
    char wanted_filter[400];

    (void)state;
    server_start(&server, answer);
    facts = facts_new(server.client);
    preflight.facts = facts;
    assert_int_equal(preflight_gather(&preflight, METHOD_UPLOAD, &err), 0);
    assert_int_equal(server_asked(&server, ""), 2 + 1 + 1);
    char *filter = own_traffic_filter(facts, &target, "udp");
    snprintf(wanted_filter, sizeof(wanted_filter),
             "(udp) and not (tcp port 10255 or (host 127.0.0.1 and (tcp port %s or tcp port 8132 "
             "or tcp port 9345)) or (host 10.0.0.1 and (tcp port 6443 or tcp port 8132 or tcp port "
             "9345)))",
             strrchr(server.url, ':') + 1);
    assert_string_equal(filter, wanted_filter);
    assert_int_equal(server_asked(&server, ""), 0);
    free(filter);
    target_free(&target);
    facts_free(facts);
    server_stop(&server);
}

static void test_interrupt(void **state)
{
    struct target target = {.namespace = "", .name = "node1", .node_name = "node1"};
    struct preflight preflight = {.settings = &settings, .target = &target};
    struct server server;
    struct facts *facts;
    struct error err = {0};

    (void)state;
    server_start(&server, NULL); /* one that never answers */
    facts = facts_new(server.client);
    preflight.facts = facts;
    raise(SIGINT);
    assert_int_equal(preflight_gather(&preflight, METHOD_NODE, &err), -1);
    assert_int_equal(err.kind, ERROR_INTERRUPTED);
    facts_free(facts);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_asked_once), cmocka_unit_test(test_not_too_many_at_once),
        cmocka_unit_test(test_nobody_there),       cmocka_unit_test(test_no_word_after_the_end),
        cmocka_unit_test(test_targets_share),      cmocka_unit_test(test_own_traffic),
        cmocka_unit_test(test_interrupt),
    };

    return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
