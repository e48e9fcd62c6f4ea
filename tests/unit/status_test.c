/* SPDX-License-Identifier: Apache-2.0 */
/* The messages, from the answers of a real API server (tests/data/kubernetes-api). */
#include "tests/unit/unit.h"

#include <errno.h>

#include "base/error.h"
#include "kube/status.h"

static const struct kube_config config = {.server = (char *)"https://cluster.example:6443",
                                          .user = (char *)"ada",
                                          .namespace = (char *)"lab"};

/* Reads a recording. Return: its text, owned by the caller. */
static char *recording(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/kubernetes-api/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("no recording %s", path);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* The error made of a recorded answer. */
static struct error error_of(const char *name)
{
    char *text = recording(name), method[16], path[512];
    const char *answer = strstr(text, "< HTTP/1.1 "), *request = strstr(text, "> ");
    const char *body = strstr(text, "<\n{");
    struct error err = {0};

    assert_non_null(answer);
    assert_int_equal(sscanf(request, "> %15s %511s", method, path), 2);
    kube_error_from_answer(&config, method, path, strtol(answer + 11, NULL, 10),
                           body ? body + 2 : "", body ? strlen(body + 2) : 0, &err);
    free(text);
    return err;
}

static void test_recorded_answers(void **state)
{
    static const struct {
        const char *recording;
        enum error_kind kind;
        const char *text, *remedy;
    } cases[] = {
        {"pod-get-not-found.http", ERROR_NOT_FOUND,
         "pods \"absent\" not found in namespace \"lab\"",
         "list them with: kubectl get pods -n lab; choose a namespace with -n"},
        {"exec-pod-not-found.ws", ERROR_NOT_FOUND, "pods \"absent\" not found in namespace \"lab\"",
         "list them with: kubectl get pods -n lab; choose a namespace with -n"},
        {"forbidden-exec.http", ERROR_FORBIDDEN,
         "forbidden: User \"system:serviceaccount:lab:viewer\" cannot create resource "
         "\"pods/exec\" in "
         "API group \"\" in the namespace \"lab\"",
         "needs: create pods/exec"},
        {"forbidden-get.http", ERROR_FORBIDDEN,
         "forbidden: User \"system:serviceaccount:lab:viewer\" cannot get resource \"pods\" in API "
         "group "
         "\"\" in the namespace \"default\"",
         "needs: get pods"},
        {"forbidden-create.http", ERROR_FORBIDDEN, NULL, "needs: create pods"},
        {"unauthorized.http", ERROR_UNAUTHORIZED,
         "the server \"cluster.example:6443\" does not accept the credentials of user \"ada\"",
         "log in again; kubectl auth whoami tells who you are"},
        {"exec-no-such-container.ws", ERROR_INVALID, "container nope is not valid for pod web", ""},
        {"pod-create-conflict.http", ERROR_CONFLICT, "pods \"web\" already exists", ""},
        {"podsecurity-baseline-forbids.http", ERROR_FORBIDDEN, NULL, ""},
        {"exec-bad-protocol.ws", ERROR_REFUSED, NULL,
         "something before the API server refuses it: let the path through (kubectl proxy: "
         "--reject-paths), or use the API server itself"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = error_of(cases[i].recording);

        assert_int_equal(err.kind, cases[i].kind);
        if (cases[i].text)
            assert_string_equal(err.text, cases[i].text);
        assert_string_equal(err.remedy, cases[i].remedy);
        assert_null(strchr(err.text, '\n'));
        assert_null(strchr(err.text, '{'));
    }
}

static struct error error_for(const char *path, long code, const char *body)
{
    struct error err = {0};

    assert_int_equal(kube_error_from_answer(&config, "GET", path, code, body, strlen(body), &err),
                     -1);
    assert_null(strpbrk(err.text, "\x1b\n"));
    return err;
}

#define EXEC "/api/v1/namespaces/lab/pods/web/exec"
#define ANSWERED                                                                                   \
    "the server \"cluster.example:6443\" answered GET " EXEC " with HTTP %ld, not as an API "      \
    "server"

/* What is no Status: a refusal, or a bad moment; in the words of who answered. */
static void test_answers_of_something_else(void **state)
{
    static const struct {
        long code;
        const char *body;
        enum error_kind kind;
        const char *words; /* behind ANSWERED */
    } cases[] = {
        /* kubectl proxy's filter */
        {403, "Forbidden\n", ERROR_REFUSED, ": \"Forbidden\""},
        {403, "", ERROR_REFUSED, ""},
        {404, "404 page not found\n", ERROR_REFUSED, ": \"404 page not found\""},
        {302, "<a href=\"https://sso.example/login\">Found</a>.\n", ERROR_REFUSED, ": \"Found .\""},
        {200, "<html><title>Log in</title></html>", ERROR_REFUSED, ": \"Log in\""},
        {451, "Unavailable For Legal Reasons", ERROR_REFUSED,
         ": \"Unavailable For Legal Reasons\""},
        {403, "{\"message\":\"no access\\u001b[2J\"}", ERROR_REFUSED, ": \"no access\\x1b[2J\""},
        {403, "{\"a\":[1,2,3]}", ERROR_REFUSED, ""},
        {502, "<html>\x1b[31m502 Bad Gateway</html>", ERROR_SERVER,
         ": \"\\x1b[31m502 Bad Gateway\""},
        {503, "no healthy upstream", ERROR_SERVER, ": \"no healthy upstream\""},
        {429, "slow down", ERROR_SERVER, ": \"slow down\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = error_for(EXEC "?command=sh", cases[i].code, cases[i].body);
        char text[600];

        snprintf(text, sizeof(text), ANSWERED "%s", cases[i].code, cases[i].words);
        assert_string_equal(err.text, text);
        assert_int_equal(err.kind, cases[i].kind);
        assert_int_equal(err.remedy[0] != '\0', cases[i].kind == ERROR_REFUSED);
        assert_int_equal(error_is_passing(&err), cases[i].kind == ERROR_SERVER);
    }
    struct error err = error_for("/x", 500, "{\"kind\":\"Status\",\"message\":\"a\\u001b[2Jb\"}");
    assert_string_equal(err.text, "a\\x1b[2Jb");
    err = error_for("/x", 503, "{\"kind\":\"Status\"}");
    assert_string_equal(err.text, "the server \"cluster.example:6443\" failed with HTTP 503");
    err = error_for("/x", 401, "<title>Please log in</title>");
    assert_int_equal(err.kind, ERROR_UNAUTHORIZED);
    assert_non_null(strstr(err.text, "of user \"ada\": \"Please log in\""));
}

/* By SPDY its plain text comes as it is. It is no refusal, whatever its code. */
static void test_answers_of_a_kubelet(void **state)
{
    static const struct {
        long code;
        const char *body, *words;
    } cases[] = {
        {404, "pod does not exist\n", "404: \"pod does not exist\""},
        {500, "container not found (\"app\")\nat x\n", "500: \"container not found (\"app\")\""},
        {500, "rpc error: code = Unknown desc = container is in CONTAINER_EXITED state",
         "500: \"rpc error: code = Unknown desc = container is in CONTAINER_EXITED state\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = error_for(EXEC "?command=sh", cases[i].code, cases[i].body);
        char text[400];

        snprintf(text, sizeof(text), "the kubelet answered GET " EXEC " with HTTP %s",
                 cases[i].words);
        assert_string_equal(err.text, text);
        assert_int_equal(err.kind, ERROR_SERVER);
        assert_string_equal(err.remedy, "");
    }
}

/* The script of an exec stands in the URL of the request that failed, and the reason behind it. */
static void test_queries_are_dropped(void **state)
{
    static const char status[] =
        "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"Internal error occurred: error "
        "sending request: Post \\\"https://10.0.0.1:10250/exec/lab/web/app?command=sh&command=-c"
        "&command=umask+077\\\": dial tcp 10.0.0.1:10250: connect: connection refused\"}";
    static const char says[] = "Internal error occurred: error sending request: Post "
                               "\"https://10.0.0.1:10250/exec/lab/web/app\": dial tcp "
                               "10.0.0.1:10250: connect: connection refused";
    struct kube_exit exit;

    (void)state;
    assert_string_equal(error_for(EXEC, 500, status).text, says);
    assert_int_equal(kube_exit_from_status(status, strlen(status), &exit), 0);
    assert_string_equal(exit.message, says);
    assert_string_equal(
        error_for("/x", 500, "{\"kind\":\"Status\",\"message\":\"what? no command=x\"}").text,
        "what? no command=x");
}

static void test_curl(void **state)
{
    static const struct {
        CURLcode code;
        long os_errno;
        enum error_kind kind;
        const char *says;
    } cases[] = {
        {CURLE_COULDNT_RESOLVE_HOST, 0, ERROR_NETWORK, "cannot resolve the host of the server"},
        {CURLE_COULDNT_CONNECT, ECONNREFUSED, ERROR_NETWORK,
         "connection to the server \"cluster.example:6443\" was refused"},
        {CURLE_COULDNT_CONNECT, EHOSTUNREACH, ERROR_NETWORK, "no route to the server"},
        {CURLE_COULDNT_CONNECT, 0, ERROR_NETWORK, "cannot connect to the server"},
        {CURLE_OPERATION_TIMEDOUT, 0, ERROR_TIMEOUT, "no answer from the server"},
        {CURLE_PEER_FAILED_VERIFICATION, 0, ERROR_TLS, "is not trusted: because"},
        {CURLE_SSL_CERTPROBLEM, 0, ERROR_TLS, "the client certificate of user \"ada\""},
        {CURLE_RECV_ERROR, 0, ERROR_NETWORK, "failed: because"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};

        assert_int_equal(
            kube_error_from_curl(&config, cases[i].code, "because", cases[i].os_errno, &err), -1);
        assert_int_equal(err.kind, cases[i].kind);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].says, err.text);
    }
}

/* The Status of channel 3 as recorded: the last payload that begins with \x03. */
static struct kube_exit exit_of(const char *name)
{
    char *text = recording(name), *status = strstr(text, "b'\\x03{"), *out;
    struct kube_exit exit;

    assert_non_null(status);
    status += 6;
    *strchr(status, '\n') = '\0';
    *strrchr(status, '\'') = '\0';
    /* A Python bytes literal: a backslash stands doubled. */
    out = status;
    for (const char *in = status; *in; in++) {
        if (in[0] == '\\' && in[1] == '\\')
            in++;
        *out++ = *in;
    }
    assert_int_equal(kube_exit_from_status(status, (size_t)(out - status), &exit), 0);
    free(text);
    return exit;
}

static void test_recorded_exits(void **state)
{
    (void)state;
    assert_int_equal(exit_of("exec-ok-v5.ws").kind, KUBE_EXIT_CODE);
    assert_int_equal(exit_of("exec-ok-v4.ws").code, 0);
    assert_int_equal(exit_of("exec-exit-code-v5.ws").code, 3);
    assert_int_equal(exit_of("exec-killed-v5.ws").code, 137);
    assert_int_equal(exit_of("exec-pod-deleted.ws").code, 137);
    struct kube_exit exit = exit_of("exec-no-such-command.ws");
    assert_int_equal(exit.kind, KUBE_EXIT_START_FAILED);
    assert_non_null(strstr(exit.message, "executable file not found in $PATH"));
}

/* Who ended the exec: the runtime, or somebody before it? */
static void test_reached(void **state)
{
    static const struct {
        const char *message;
        bool reached;
    } cases[] = {
        {"Internal error occurred: error executing command in container: whatever the runtime says",
         true},
        {"command terminated: OCI runtime exec failed: exec failed: no such file or directory",
         true},
        {"exec failed: executable file not found in $PATH", true},
        {"Internal error occurred: error sending request: Post "
         "\"https://10.0.0.1:10250/exec/lab/web/"
         "app\": dial tcp 10.0.0.1:10250: connect: connection refused",
         false},
        {"Internal error occurred: error dialing backend: No agent available", false},
        {"unable to upgrade connection: Forbidden (user=x, verb=create, resource=nodes)", false},
        {"Internal error occurred: dial unix /run/containerd/containerd.sock: connect: no such "
         "file "
         "or directory",
         false},
        {"", false},
    };
    struct kube_exit exit = exit_of("exec-no-such-command.ws");

    (void)state;
    assert_true(kube_exit_reached(&exit));
    exit = exit_of("exec-exit-code-v5.ws");
    assert_true(kube_exit_reached(&exit));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        exit = (struct kube_exit){.kind = KUBE_EXIT_START_FAILED};
        snprintf(exit.message, sizeof(exit.message), "%s", cases[i].message);
        assert_int_equal(kube_exit_reached(&exit), cases[i].reached);
        exit.kind = KUBE_EXIT_LOST;
        assert_false(kube_exit_reached(&exit));
    }
}

static void test_exits_that_are_none(void **state)
{
    static const char *const bad[] = {"", "{", "[]", "{}", "\"x\"", "{\"kind\":\"Status\"}"};
    struct kube_exit exit = {.code = 42};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(kube_exit_from_status(bad[i], strlen(bad[i]), &exit), -1);
    assert_int_equal(exit.code, 42);
    static const char odd[] =
        "{\"status\":\"Failure\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
        "\"message\":\"999999\"}]}}";
    assert_int_equal(kube_exit_from_status(odd, strlen(odd), &exit), 0);
    assert_int_equal(exit.kind, KUBE_EXIT_START_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_answers),
        cmocka_unit_test(test_answers_of_something_else),
        cmocka_unit_test(test_answers_of_a_kubelet),
        cmocka_unit_test(test_queries_are_dropped),
        cmocka_unit_test(test_curl),
        cmocka_unit_test(test_recorded_exits),
        cmocka_unit_test(test_reached),
        cmocka_unit_test(test_exits_that_are_none),
    };

    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
