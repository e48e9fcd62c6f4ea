/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked once for all, of a server in a child process that counts what it is asked. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "kube/client.h"
#include "kube/node.h"
#include "method/facts.h"
#include "method/own_traffic.h"
#include "method/preflight.h"
#include "settings/settings.h"
#include "target/target.h"

#define LANES 6

/* ---- the server ---- */

/* A socket that listens on a free port of 127.0.0.1. */
static int listen_anywhere(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

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

/* Answers one request and tells @asked of it; of what is none of the above nothing is heard. */
static void answer_one(int fd, int asked)
{
    char request[8192] = "", reply[1000];
    size_t used = 0;
    ssize_t got;

    while (used < sizeof(request) - 1 && !strstr(request, "\"resource\":\"") &&
           !(strncmp(request, "GET", 3) == 0 && strstr(request, "\r\n\r\n")) &&
           (got = read(fd, request + used, sizeof(request) - 1 - used)) > 0)
        used += (size_t)got;
    if (write(asked, ".", 1) != 1)
        return;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (!strstr(request, answers[i].in))
            continue;
        int length = snprintf(reply, sizeof(reply), "HTTP/1.1 %.*s\r\nConnection: close%s",
                              (int)strcspn(answers[i].answer, "\r"), answers[i].answer,
                              strchr(answers[i].answer, '\r'));
        if (write(fd, reply, (size_t)length) != length)
            return;
        break;
    }
    shutdown(fd, SHUT_WR);
    while (read(fd, request, sizeof(request)) > 0)
        ;
}

/* One process for each connection. */
static void serve(int listener, int asked)
{
    signal(SIGCHLD, SIG_IGN);
    alarm(60); /* whatever becomes of the test */
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0 && fork() == 0) {
            answer_one(fd, asked);
            _exit(0);
        }
        close(fd);
    }
}

struct server {
    int listener, asked;
    pid_t pid; /* 0: nobody accepts */
    struct kube_config config;
    char url[64];
    struct loop *loop;
    struct kube_client *client;
    struct facts *facts;
};

static void start(struct server *server, bool answering)
{
    struct error err = {0};
    unsigned port;
    int ends[2];

    *server = (struct server){.listener = listen_anywhere(&port)};
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    server->asked = ends[0];
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", port);
    server->config = (struct kube_config){.server = server->url, .namespace = (char *)"lab"};
    if (answering) {
        server->pid = fork();
        assert_true(server->pid >= 0);
        if (server->pid == 0)
            serve(server->listener, ends[1]);
    }
    close(ends[1]);
    server->loop = loop_new(&err);
    assert_non_null(server->loop);
    assert_int_equal(kube_client_new(server->loop, &server->config, 0, &server->client, &err), 0);
    server->facts = facts_new(server->client);
    assert_non_null(server->facts);
}

static void stop(struct server *server)
{
    facts_free(server->facts);
    kube_client_free(server->client);
    loop_free(server->loop);
    if (server->pid) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    close(server->listener);
    close(server->asked);
}

/* How many requests there were since the last time. */
static size_t count_asked(const struct server *server)
{
    char bytes[64];
    ssize_t got = read(server->asked, bytes, sizeof(bytes));

    return got > 0 ? (size_t)got : 0;
}

/* ---- waiting ---- */

static void count(void *data)
{
    unsigned *times = data;

    (*times)++;
}

static void step_until(struct server *server, const unsigned *times, unsigned wanted)
{
    for (int i = 0; i < 300 && *times < wanted; i++)
        loop_step(server->loop, 100);
    assert_int_equal(*times, wanted);
}

static const struct kube_right rights[] = {
    {"create", "pods", "exec"}, {"delete", "pods", NULL}, {"patch", "pods", NULL},
    {"list", "pods", NULL},     {"watch", "pods", NULL},  {"get", "pods", "exec"},
    {"create", "pods", NULL},   {"delete", "pods", NULL}, {"create", "pods", "attach"}};
static const enum kube_access wanted[] = {
    KUBE_ACCESS_ALLOWED, KUBE_ACCESS_DENIED,  KUBE_ACCESS_UNKNOWN,
    KUBE_ACCESS_UNKNOWN, KUBE_ACCESS_UNKNOWN, KUBE_ACCESS_UNKNOWN,
    KUBE_ACCESS_ALLOWED, KUBE_ACCESS_DENIED,  KUBE_ACCESS_ALLOWED};

static void want_rights(struct server *server, struct facts_wait *wait)
{
    for (size_t i = 0; i < 9; i++)
        assert_non_null(facts_wait_add(wait, facts_right(server->facts, "lab", &rights[i])));
}

/* Two of the nine are the same. */
static void test_each_is_asked_once(void **state)
{
    struct facts_wait first = {0}, second = {0}, third = {0};
    struct server server;
    unsigned told = 0;

    (void)state;
    start(&server, true);
    want_rights(&server, &first);
    want_rights(&server, &second);
    facts_wait_begin(&first, server.facts, count, &told);
    facts_wait_begin(&second, server.facts, count, &told);
    assert_int_equal(told, 0);
    step_until(&server, &told, 2);
    for (size_t i = 0; i < 9; i++)
        if (fact_access(first.facts[i]) != wanted[i])
            fail_msg("%s: %d", rights[i].verb, fact_access(first.facts[i]));
    assert_int_equal(count_asked(&server), 8);

    want_rights(&server, &third);
    facts_wait_begin(&third, server.facts, count, &told);
    assert_int_equal(told, 3); /* at once */
    assert_int_equal(fact_access(facts_right(server.facts, "elsewhere", &rights[0])),
                     KUBE_ACCESS_UNKNOWN);
    stop(&server);
}

static void test_not_too_many_at_once(void **state)
{
    struct server server;
    char name[8];
    int connections = 0;

    (void)state;
    start(&server, false);
    fcntl(server.listener, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 3 * LANES; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        facts_namespace(server.facts, name);
    }
    for (int i = 0, more = 0; i < 3000 && more < 50; i++) {
        loop_step(server.loop, 2);
        connections += accept(server.listener, NULL, NULL) >= 0;
        more += connections >= LANES;
    }
    assert_int_equal(connections, LANES);
    stop(&server);
}

static void test_nobody_there(void **state)
{
    struct facts_wait wait = {0};
    struct server server;
    unsigned told = 0;

    (void)state;
    start(&server, false);
    close(server.listener);
    facts_wait_add(&wait, facts_right(server.facts, "lab", &rights[0]));
    facts_wait_add(&wait, facts_node(server.facts, "node1"));
    facts_wait_begin(&wait, server.facts, count, &told);
    step_until(&server, &told, 1);
    assert_int_equal(fact_access(wait.facts[0]), KUBE_ACCESS_UNKNOWN);
    assert_null(fact_object(wait.facts[1]));
    server.listener = -1;
    stop(&server);
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
    unsigned told = 0;

    (void)state;
    start(&server, true);
    facts_wait_add(&last, facts_namespace(server.facts, "lab"));
    facts_wait_begin(&last, server.facts, count, &told);
    for (int i = 0; i < 2; i++) {
        facts_wait_add(&couple.waits[i], facts_namespace(server.facts, "lab"));
        facts_wait_begin(&couple.waits[i], server.facts, end_both, &couple);
    }
    step_until(&server, &told, 1);
    assert_int_equal(couple.told, 1);
    stop(&server);
}

/* ---- of a target ---- */

static const struct settings settings = {.namespace = "lab"};

/* Ten nodes' worth of targets ask for what one does. */
static void test_targets_share(void **state)
{
    struct target targets[10];
    struct preflight preflights[10];
    struct server server;
    unsigned told = 0;

    (void)state;
    start(&server, true);
    for (int i = 0; i < 10; i++) {
        targets[i] = (struct target){.namespace = "", .name = "node1", .node_name = "node1"};
        preflights[i] =
            (struct preflight){.facts = server.facts, .settings = &settings, .target = &targets[i]};
        preflight_ask(&preflights[i], METHOD_NODE, count, &told);
    }
    step_until(&server, &told, 10);
    assert_int_equal(count_asked(&server), 8 + 1 + 1); /* rights, namespace, node */
    for (int i = 0; i < 10; i++) {
        assert_int_equal(preflights[i].helper_level, POD_SECURITY_BASELINE);
        assert_int_equal(preflights[i].rights[METHOD_NODE][0], KUBE_ACCESS_ALLOWED);
        assert_string_equal(targets[i].node->architecture, "arm64");
        target_free(&targets[i]);
    }
    stop(&server);
}

/* On the node's own interfaces what the capture's own stream is known by is learnt on the way. */
static void test_own_traffic(void **state)
{
    struct target target = {
        .namespace = "", .name = "node1", .node_name = "node1", .host_network = true};
    struct preflight preflight = {.settings = &settings, .target = &target};
    struct server server;
    struct error err;
    char wanted_filter[400];

    (void)state;
    start(&server, true);
    preflight.facts = server.facts;
    assert_int_equal(preflight_gather(&preflight, METHOD_UPLOAD, &err), 0);
    assert_int_equal(count_asked(&server), 2 + 1 + 1);
    char *filter = own_traffic_filter(server.facts, &target, "udp");
    snprintf(wanted_filter, sizeof(wanted_filter),
             "(udp) and not (tcp port 10255 or (host 127.0.0.1 and (tcp port %s or tcp port 8132 "
             "or tcp port 9345)) or (host 10.0.0.1 and (tcp port 6443 or tcp port 8132 or tcp port "
             "9345)))",
             strrchr(server.url, ':') + 1);
    assert_string_equal(filter, wanted_filter);
    assert_int_equal(count_asked(&server), 0);
    free(filter);
    target_free(&target);
    stop(&server);
}

static void test_interrupt(void **state)
{
    struct target target = {.namespace = "", .name = "node1", .node_name = "node1"};
    struct preflight preflight = {.settings = &settings, .target = &target};
    struct server server;
    struct error err = {0};

    (void)state;
    start(&server, false); /* a server that never answers */
    preflight.facts = server.facts;
    raise(SIGINT);
    assert_int_equal(preflight_gather(&preflight, METHOD_NODE, &err), -1);
    assert_int_equal(err.kind, ERROR_INTERRUPTED);
    stop(&server);
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
