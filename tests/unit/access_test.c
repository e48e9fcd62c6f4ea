/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked and how the answers are read; and the asking, of a server in a child process. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "kube/access.h"
#include "kube/client.h"

/* The JSON of a recording: of the request (what >  stands before), or of its answer. Owned by the
 * caller. */
static json_t *recorded(const char *name, bool request)
{
    static char text[1 << 16], body[1 << 16];
    char path[512], *save = NULL;
    size_t used = 0;

    snprintf(path, sizeof(path), "%s/kubernetes-api/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    if (!request)
        return json_loads(strstr(text, "<\n{") + 2, JSON_DISABLE_EOF_CHECK, NULL);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (used > 0 || strcmp(line, "> {") == 0)
            used += (size_t)snprintf(body + used, sizeof(body) - used, "%s\n", line + 2);
        if (strcmp(line, "> }") == 0)
            break;
    }
    return json_loads(body, 0, NULL);
}

static void test_review(void **state)
{
    static const struct kube_right exec = {"create", "pods", "exec"};
    static const struct kube_right pods = {"get", "pods", NULL};
    json_t *review = kube_access_review("lab", &exec), *wanted = recorded("can-i.http", true);

    (void)state;
    assert_non_null(wanted);
    assert_true(json_equal(review, wanted));
    json_decref(review);
    json_decref(wanted);
    review = kube_access_review("lab", &pods);
    assert_null(json_object_get(
        json_object_get(json_object_get(review, "spec"), "resourceAttributes"), "subresource"));
    json_decref(review);
}

static void test_recorded_answers(void **state)
{
    json_t *yes = recorded("can-i.http", false), *no = recorded("can-i-not.http", false);

    (void)state;
    assert_int_equal(kube_access_read(yes), KUBE_ACCESS_ALLOWED);
    assert_int_equal(kube_access_read(no), KUBE_ACCESS_DENIED);
    json_decref(yes);
    json_decref(no);
}

static void test_answers_that_are_none(void **state)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "{\"status\":{}}",
                                        "{\"status\":true}",
                                        "{\"status\":{\"allowed\":\"true\"}}",
                                        "{\"status\":{\"allowed\":1}}",
                                        "{\"status\":{\"allowed\":null}}"};

    (void)state;
    assert_int_equal(kube_access_read(NULL), KUBE_ACCESS_UNKNOWN);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *json = json_loads(texts[i], 0, NULL);

        assert_int_equal(kube_access_read(json), KUBE_ACCESS_UNKNOWN);
        json_decref(json);
    }
}

static void test_text(void **state)
{
    char text[40];

    (void)state;
    assert_string_equal(
        kube_right_text(text, sizeof(text), &(struct kube_right){"create", "pods", "exec"}),
        "create pods/exec");
    assert_string_equal(
        kube_right_text(text, sizeof(text), &(struct kube_right){"patch", "configmaps", NULL}),
        "patch configmaps");
    assert_string_equal(kube_right_text(text, 5, &(struct kube_right){"get", "pods", NULL}),
                        "get ");
}

/* ---- asking ---- */

/* A socket that listens on a free port of 127.0.0.1. */
static int listen_anywhere(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 32), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* Answers one request: "create" is allowed, "delete" is not, others have odd answers. */
static void answer_one(int fd)
{
    static const struct {
        const char *verb, *answer;
    } answers[] = {
        {"\"create\"",
         "201 Created\r\nContent-Length: 29\r\n\r\n{\"status\":{\"allowed\": true}} "},
        {"\"delete\"",
         "201 Created\r\nContent-Length: 29\r\n\r\n{\"status\":{\"allowed\":false}} "},
        {"\"patch\"", "403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"},
        {"\"list\"", "500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"},
        {"\"watch\"", "200 OK\r\nContent-Length: 5\r\n\r\n<html"},
    };
    char request[8192] = "", reply[400];
    size_t used = 0;
    ssize_t got;

    while (used < sizeof(request) - 1 && !strstr(request, "\"resource\":\"pods\"") &&
           (got = read(fd, request + used, sizeof(request) - 1 - used)) > 0)
        used += (size_t)got;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (!strstr(request, answers[i].verb))
            continue;
        int length = snprintf(reply, sizeof(reply), "HTTP/1.1 %s", answers[i].answer);
        if (write(fd, reply, (size_t)length) != length)
            return;
    }
    shutdown(fd, SHUT_WR); /* of "get" nothing is heard */
    while (read(fd, request, sizeof(request)) > 0)
        ;
}

/* One process for each connection. */
static void serve(int listener)
{
    signal(SIGCHLD, SIG_IGN);
    alarm(60); /* whatever becomes of the test */
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0 && fork() == 0) {
            answer_one(fd);
            _exit(0);
        }
        close(fd);
    }
}

struct server {
    int listener;
    pid_t pid; /* 0: nobody accepts */
    struct kube_config config;
    char url[64];
    struct loop *loop;
    struct kube_client *client;
};

static void start(struct server *server, bool answers)
{
    struct error err = {0};
    unsigned port;

    *server = (struct server){.listener = listen_anywhere(&port)};
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", port);
    server->config = (struct kube_config){.server = server->url, .namespace = (char *)"lab"};
    if (answers) {
        server->pid = fork();
        assert_true(server->pid >= 0);
        if (server->pid == 0)
            serve(server->listener);
    }
    server->loop = loop_new(&err);
    assert_non_null(server->loop);
    assert_int_equal(kube_client_new(server->loop, &server->config, 0, &server->client, &err), 0);
}

static void stop(struct server *server)
{
    kube_client_free(server->client);
    loop_free(server->loop);
    if (server->pid) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    close(server->listener);
}

static void test_ask(void **state)
{
    static const struct kube_right rights[] = {
        {"create", "pods", "exec"}, {"delete", "pods", NULL}, {"patch", "pods", NULL},
        {"list", "pods", NULL},     {"watch", "pods", NULL},  {"get", "pods", "exec"},
        {"create", "pods", NULL},   {"delete", "pods", NULL}, {"create", "pods", "attach"}};
    static const enum kube_access wanted[] = {
        KUBE_ACCESS_ALLOWED, KUBE_ACCESS_DENIED,  KUBE_ACCESS_UNKNOWN,
        KUBE_ACCESS_UNKNOWN, KUBE_ACCESS_UNKNOWN, KUBE_ACCESS_UNKNOWN,
        KUBE_ACCESS_ALLOWED, KUBE_ACCESS_DENIED,  KUBE_ACCESS_ALLOWED};
    enum kube_access answers[9];
    struct server server;
    struct error err = {0};

    (void)state;
    start(&server, true);
    assert_int_equal(kube_access_ask(server.client, "lab", rights, 9, answers, &err), 0);
    for (size_t i = 0; i < 9; i++)
        if (answers[i] != wanted[i])
            fail_msg("%s: %d", rights[i].verb, answers[i]);
    assert_int_equal(kube_access_ask(server.client, "lab", rights, 0, answers, &err), 0);
    stop(&server);
}

static void test_nobody_there(void **state)
{
    static const struct kube_right right = {"create", "pods", "exec"};
    enum kube_access answer = KUBE_ACCESS_ALLOWED;
    struct server server;
    struct error err = {0};

    (void)state;
    start(&server, false);
    close(server.listener);
    assert_int_equal(kube_access_ask(server.client, "lab", &right, 1, &answer, &err), 0);
    assert_int_equal(answer, KUBE_ACCESS_UNKNOWN);
    server.listener = -1;
    stop(&server);
}

static void test_interrupt(void **state)
{
    static const struct kube_right rights[] = {{"create", "pods", "exec"}, {"get", "pods", "exec"}};
    enum kube_access answers[2] = {KUBE_ACCESS_DENIED, KUBE_ACCESS_DENIED};
    struct server server;
    struct error err = {0};

    (void)state;
    start(&server, false); /* a server that never answers */
    raise(SIGINT);
    assert_int_equal(kube_access_ask(server.client, "lab", rights, 2, answers, &err), -1);
    assert_int_equal(err.kind, ERROR_INTERRUPTED);
    assert_int_equal(answers[0], KUBE_ACCESS_DENIED);
    stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_review),
        cmocka_unit_test(test_recorded_answers),
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_ask),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_interrupt),
    };

    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
