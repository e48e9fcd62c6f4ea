/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw, posix_openpt */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/credentials.h"
#include "kube/exec_credential.h"
#include "kube/kubeconfig_files.h"

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\\nMII\\n-----END CERTIFICATE-----\\n"
#define KEY         "-----BEGIN PRIVATE KEY-----\\nMII\\n-----END PRIVATE KEY-----\\n"
#define ANSWER(status)                                                                             \
    "cat <<'END'\n{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": "                \
    "\"ExecCredential\", \"status\": " status "}\nEND\n"

static char folder[64];
static struct loop *loop;

/* The configuration that the tests fill in: a real one would come out of kube_config_load(). */
static struct kube_config config;
static struct kube_exec_plugin plugin;
static char plugin_path[128];

static const char *path_of(const char *name)
{
    static char paths[8][160];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *content)
{
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, strlen(content), file), strlen(content));
    assert_int_equal(fclose(file), 0);
}

/* Return: what stands in the file, owned by the caller. */
static char *get(const char *name)
{
    struct kube_blob content;
    struct error err;

    if (kube_read_file(path_of(name), 1024 * 1024, &content, &err) < 0)
        fail_msg("%s", err.text);
    return (char *)content.data;
}

/* Makes the plugin this shell script; each run leaves a line in "runs". */
static void use_plugin(const char *script)
{
    cleanup_free char *text =
        text_format("#!/bin/sh\necho run >>'%s'\n%s", path_of("runs"), script);

    put("plugin", text);
    assert_int_equal(chmod(plugin_path, 0700), 0);
    config.exec = &plugin;
}

static size_t count_runs(void)
{
    cleanup_free char *runs = get("runs");

    return strlen(runs) / strlen("run\n");
}

static struct kube_credentials *make(void)
{
    struct error err;
    struct kube_credentials *credentials = kube_credentials_new(loop, &config, &err);

    if (!credentials)
        fail_msg("%s", err.text);
    return credentials;
}

static bool refresh(struct kube_credentials *credentials, bool rejected)
{
    struct error err;
    bool changed = false;

    if (kube_credentials_refresh(credentials, rejected, &changed, &err) < 0)
        fail_msg("%s (%s)", err.text, err.remedy);
    return changed;
}

static void expect_failure(struct kube_credentials *credentials, bool rejected,
                           enum error_kind kind, const char *text, const char *remedy)
{
    struct error err = {.kind = ERROR_NONE};

    assert_int_equal(kube_credentials_refresh(credentials, rejected, NULL, &err), -1);
    if (!strstr(err.text, text) || err.kind != kind)
        fail_msg("\"%s\" is not in \"%s\" (kind %d)", text, err.text, err.kind);
    if (!strstr(err.remedy, remedy))
        fail_msg("\"%s\" is not in \"%s\"", remedy, err.remedy);
}

static void expect_plugin_remedy(const char *script, const char *text, const char *remedy)
{
    use_plugin(script);
    struct kube_credentials *credentials = make();
    expect_failure(credentials, false, ERROR_CONFIG, text, remedy);
    assert_null(kube_credentials_authorization(credentials));
    kube_credentials_free(credentials);
}

static void expect_plugin_failure(const char *script, const char *text)
{
    expect_plugin_remedy(script, text, "");
}

/* Standard error, for a while, into the file "stderr". Return: the one before. */
static int divert_stderr(void)
{
    int before = dup(STDERR_FILENO);
    int file = open(path_of("stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(before >= 0 && file >= 0);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    close(file);
    return before;
}

static void restore_stderr(int before)
{
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    close(before);
}

static int set_up(void **state)
{
    struct error err;

    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/ksniff-credentials-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(plugin_path, sizeof(plugin_path), "%s/plugin", folder);
    plugin = (struct kube_exec_plugin){.api_version = "client.authentication.k8s.io/v1",
                                       .command = plugin_path,
                                       .interactive_mode = "Never"};
    config = (struct kube_config){.user = "alice", .server = "https://k:6443"};
    loop = loop_new(&err);
    assert_non_null(loop);
    alarm(120); /* guards against a hang, nothing else */
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what stands in the configuration ---- */

static void test_fixed_credentials(void **state)
{
    struct kube_credentials *credentials;

    (void)state;
    credentials = make();
    assert_false(refresh(credentials, true));
    assert_null(kube_credentials_authorization(credentials));
    assert_null(kube_credentials_certificate(credentials).data);
    kube_credentials_free(credentials);

    config.token = "abc";
    config.client_certificate = (struct kube_blob){(unsigned char *)"c", 1};
    config.client_key = (struct kube_blob){(unsigned char *)"key", 3};
    credentials = make();
    assert_false(refresh(credentials, false));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer abc");
    assert_int_equal(kube_credentials_certificate(credentials).length, 1);
    assert_int_equal(kube_credentials_key(credentials).length, 3);
    kube_credentials_free(credentials);

    config.token = NULL;
    config.username = "Aladdin"; /* the example of RFC 7617 */
    config.password = "open sesame";
    credentials = make();
    assert_string_equal(kube_credentials_authorization(credentials),
                        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    kube_credentials_free(credentials);
    kube_credentials_free(NULL);
}

static void test_token_that_would_break_the_header(void **state)
{
    static const char *const tokens[] = {"hunter2\r\nX: y", "hunter2 x", "hunter2\n", "hunter2\x7f",
                                         "hunter2\xc3\xa4"};
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        config.token = (char *)(uintptr_t)tokens[i];
        assert_null(kube_credentials_new(loop, &config, &err));
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_non_null(strstr(err.text, "token of user \"alice\""));
        assert_null(strstr(err.text, "hunter2"));
    }
}

/* ---- token files ---- */

static void test_token_file(void **state)
{
    struct kube_credentials *credentials;

    (void)state;
    put("token", " first\n");
    config.token_file = (char *)(uintptr_t)path_of("token");
    config.token = "fixed";
    credentials = make();
    assert_true(refresh(credentials, false));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer first");
    put("token", "second");
    assert_false(refresh(credentials, false)); /* not a minute old */
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer first");
    assert_true(refresh(credentials, true));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer second");
    assert_false(refresh(credentials, true)); /* read, but the same */

    kube_token_file_age = 0;
    put("token", "third");
    assert_true(refresh(credentials, false));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer third");
    assert_int_equal(unlink(path_of("token")), 0);
    assert_false(refresh(credentials, false)); /* while it is rotated */
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer third");
    expect_failure(credentials, true, ERROR_CONFIG, "token: cannot read", "");
    kube_token_file_age = 60 * 1000;
    kube_credentials_free(credentials);
}

static void test_bad_token_files(void **state)
{
    struct kube_credentials *credentials;

    (void)state;
    config.token_file = (char *)(uintptr_t)path_of("token");
    credentials = make();
    expect_failure(credentials, false, ERROR_CONFIG, "No such file", "");
    put("token", " \n");
    expect_failure(credentials, false, ERROR_CONFIG, "is empty", "");
    put("token", "one\ntwo\n");
    expect_failure(credentials, false, ERROR_CONFIG, "does not hold one token", "");
    kube_credentials_free(credentials);
    config.token = "fixed"; /* takes the place of a file that cannot be read */
    credentials = make();
    assert_false(refresh(credentials, false));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer fixed");
    kube_credentials_free(credentials);
}

/* ---- plugins that work ---- */

static void test_plugin_token(void **state)
{
    static char *args[] = {"get token", "--x=$HOME", NULL};
    static struct kube_pair env[] = {
        {"A", "early"}, {"A", "late"}, {"KUBERNETES_EXEC_INFO", "no"}, {"PLUGIN_PATH_TEST", "set"}};
    struct kube_credentials *credentials;

    (void)state;
    setenv("PLUGIN_PATH_TEST", "ours", 1);
    plugin.args = args;
    plugin.env = env;
    plugin.env_count = 4;
    cleanup_free char *script =
        text_format("printf '%%s|' \"$#\" \"$1\" \"$2\" \"$A\" \"$PLUGIN_PATH_TEST\" >'%s'\n"
                    "printf '%%s' \"$KUBERNETES_EXEC_INFO\" >'%s'\n"
                    "if read -r line; then echo \"stdin: $line\" >&2; exit 1; fi\n%s",
                    path_of("args"), path_of("info"), ANSWER("{\"token\": \"t-1\"}"));
    use_plugin(script);
    credentials = make();
    assert_null(kube_credentials_authorization(credentials)); /* not before it is wanted */
    assert_true(refresh(credentials, false));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer t-1");
    cleanup_free char *seen = get("args");
    assert_string_equal(seen, "2|get token|--x=$HOME|late|set|");
    cleanup_free char *info = get("info");
    assert_string_equal(info, "{\"kind\":\"ExecCredential\",\"apiVersion\":"
                              "\"client.authentication.k8s.io/v1\",\"spec\":{\"interactive\":"
                              "false}}");
    assert_false(refresh(credentials, false)); /* without an expiry it stays */
    assert_int_equal(count_runs(), 1);
    assert_false(refresh(credentials, true)); /* asked again, the same answer */
    assert_int_equal(count_runs(), 2);
    kube_credentials_free(credentials);
}

static void test_cluster_info(void **state)
{
    (void)state;
    plugin.provide_cluster_info = true;
    plugin.api_version = "client.authentication.k8s.io/v1beta1";
    config.exec = &plugin;
    config.tls_server_name = "kubernetes";
    config.proxy_url = "socks5://p:1";
    config.insecure_skip_tls_verify = true;
    config.certificate_authority = (struct kube_blob){(unsigned char *)"PEM", 3};
    config.cluster_extension = "{\"audience\":[1]}";
    cleanup_free char *request = exec_credential_request(&config, true);
    json_t *seen = json_loads(request, 0, NULL);
    json_t *expected =
        json_pack("{s:s, s:s, s:{s:b, s:{s:s, s:s, s:s, s:b, s:s, s:{s:[i]}}}}", "kind",
                  "ExecCredential", "apiVersion", "client.authentication.k8s.io/v1beta1", "spec",
                  "interactive", 1, "cluster", "server", "https://k:6443", "tls-server-name",
                  "kubernetes", "proxy-url", "socks5://p:1", "insecure-skip-tls-verify", 1,
                  "certificate-authority-data", "UEVN", "config", "audience", 1);

    assert_non_null(expected);
    assert_true(json_equal(seen, expected));
    json_decref(seen);
    json_decref(expected);
    plugin.provide_cluster_info = false;
    cleanup_free char *without = exec_credential_request(&config, true);
    assert_null(strstr(without, "cluster"));
}

static void test_plugin_certificate(void **state)
{
    struct kube_credentials *credentials;

    (void)state;
    use_plugin(
        ANSWER("{\"clientCertificateData\": \"" CERTIFICATE "\", \"clientKeyData\": \"" KEY "\"}"));
    credentials = make();
    assert_true(refresh(credentials, false));
    assert_null(kube_credentials_authorization(credentials));
    assert_memory_equal(kube_credentials_certificate(credentials).data, "-----BEGIN CERT", 15);
    assert_memory_equal(kube_credentials_key(credentials).data, "-----BEGIN PRIV", 15);
    assert_false(refresh(credentials, true));
    use_plugin(ANSWER("{\"token\": \"t\", \"clientCertificateData\": \"" CERTIFICATE CERTIFICATE
                      "\", \"clientKeyData\": \"" KEY "\"}"));
    assert_true(refresh(credentials, true));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer t");
    use_plugin(ANSWER("{\"token\": \"t\"}"));
    assert_true(refresh(credentials, true));
    assert_null(kube_credentials_certificate(credentials).data);
    kube_credentials_free(credentials);
}

static void use_expiring(int64_t seconds)
{
    char stamp[64];
    time_t then = time(NULL) + seconds;
    struct tm parts;

    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&then, &parts));
    cleanup_free char *script = text_format(
        "printf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
        "\"status\":{\"token\":\"t-%%d\",\"expirationTimestamp\":\"%s\"}}' \"$(wc -l <'%s')\"\n",
        stamp, path_of("runs"));
    use_plugin(script);
}

static void test_expiry(void **state)
{
    struct kube_credentials *credentials;

    (void)state;
    use_expiring(3600);
    credentials = make();
    assert_true(refresh(credentials, false));
    assert_false(refresh(credentials, false));
    assert_int_equal(count_runs(), 1);
    use_expiring(5); /* so near that it would be over on the way */
    assert_true(refresh(credentials, true));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer t-2");
    assert_true(refresh(credentials, false));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer t-3");
    kube_credentials_free(credentials);
}

static void ask_too(void *data)
{
    struct kube_credentials *credentials = data;

    assert_false(refresh(credentials, false));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer t-1");
}

/* Many agents' requests come while the plugin runs: it is not run for each of them. */
static void test_one_plugin_at_a_time(void **state)
{
    struct kube_credentials *credentials;
    struct loop_timer *timers[3];

    (void)state;
    use_expiring(5);
    credentials = make();
    assert_true(refresh(credentials, false));
    for (size_t i = 0; i < 3; i++)
        timers[i] = loop_add_timer(loop, 0, ask_too, credentials);
    assert_true(refresh(credentials, false));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer t-2");
    assert_int_equal(count_runs(), 2);
    for (size_t i = 0; i < 3; i++)
        loop_remove_timer(timers[i]);
    kube_credentials_free(credentials);
}

static void test_plugin_on_path(void **state)
{
    cleanup_free char *before = strdup(getenv("PATH"));
    struct kube_credentials *credentials;
    char here[1024];

    (void)state;
    use_plugin(ANSWER("{\"token\": \"t\"}"));
    plugin.command = "plugin";
    cleanup_free char *path = text_format("%s:%s", folder, before);
    setenv("PATH", path, 1);
    credentials = make();
    assert_true(refresh(credentials, false));
    kube_credentials_free(credentials);

    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(folder), 0);
    cleanup_free char *dot = text_format(".:%s", before);
    setenv("PATH", dot, 1);
    credentials = make();
    expect_failure(credentials, false, ERROR_CONFIG,
                   "\"plugin\" of user \"alice\" is not installed", "PATH");
    kube_credentials_free(credentials);
    assert_int_equal(chdir(here), 0);
    setenv("PATH", before, 1);
}

/* A process that the plugin leaves behind, holding its output, is not waited for; an answer that
 * such a process still owes is. */
static void test_plugin_that_leaves_a_process(void **state)
{
    struct kube_credentials *credentials;

    (void)state;
    cleanup_free char *leaving =
        text_format("sleep 300 & echo $! >'%s'\n%s", path_of("pid"), ANSWER("{\"token\": \"t\"}"));
    use_plugin(leaving);
    credentials = make();
    assert_true(refresh(credentials, false));
    cleanup_free char *pid = get("pid");
    assert_int_equal(kill((pid_t)atol(pid), SIGKILL), 0);

    cleanup_free char *later =
        text_format("(while [ ! -e '%s' ]; do sleep 0.01; done\n%s) &\ntouch '%s'\n", path_of("go"),
                    ANSWER("{\"token\": \"late\"}"), path_of("go"));
    use_plugin(later);
    assert_true(refresh(credentials, true));
    assert_string_equal(kube_credentials_authorization(credentials), "Bearer late");
    kube_credentials_free(credentials);
}

static void test_stderr_passes_through(void **state)
{
    struct kube_credentials *credentials;

    (void)state;
    use_plugin("printf 'open \\033[1mhttps://login\\033[0m: ' >&2\n" ANSWER("{\"token\": \"t\"}"));
    credentials = make();
    int before = divert_stderr();
    refresh(credentials, false);
    restore_stderr(before);
    cleanup_free char *seen = get("stderr");
    assert_string_equal(seen, "open \033[1mhttps://login\033[0m: ");
    kube_credentials_free(credentials);
}

/* ---- plugins that fail ---- */

static void test_missing_plugin(void **state)
{
    struct kube_credentials *credentials;

    (void)state;
    config.exec = &plugin;
    plugin.command = "no-such-login-plugin";
    plugin.install_hint = "Install it with:\n\n  brew install \033[1mlogin\n";
    credentials = make();
    expect_failure(credentials, false, ERROR_CONFIG,
                   "the credential plugin \"no-such-login-plugin\" of user \"alice\" is not "
                   "installed",
                   "Install it with: brew install \\x1b[1mlogin");
    plugin.install_hint = NULL;
    expect_failure(credentials, false, ERROR_CONFIG, "is not installed", "PATH");
    plugin.command = (char *)(uintptr_t)path_of("text");
    put("text", "not executable");
    expect_failure(credentials, false, ERROR_CONFIG, "is not installed", "kubeconfig");
    plugin.command = plugin_path;
    put("plugin", "#!/no/such/interpreter\n");
    assert_int_equal(chmod(plugin_path, 0700), 0);
    expect_failure(credentials, false, ERROR_CONFIG, "cannot start", "");
    kube_credentials_free(credentials);
}

static void test_failing_plugin(void **state)
{
    int before;

    (void)state;
    before = divert_stderr();
    expect_plugin_failure("seq 1000 >&2; printf 'a\\n\\n  \\nnot \\033[1mlogged in\\r\\nlast' >&2\n"
                          "exit 3\n",
                          "failed with exit code 3: a | not \\x1b[1mlogged in | last");
    expect_plugin_remedy("kill -9 $$\n", "was ended by signal 9", "run the command by hand");
    expect_plugin_remedy("echo hunter2; exit 1\n", "failed with exit code 1", "log in again");
    plugin.install_hint = "Install more of it";
    expect_plugin_remedy("exit 1\n", "failed with exit code 1", "log in again");
    expect_plugin_remedy("exit 127\n", "failed with exit code 127", "Install more of it");
    plugin.install_hint = NULL;
    restore_stderr(before);
}

static void test_bad_answers(void **state)
{
    (void)state;
    expect_plugin_remedy("exit 0\n", "printed no credentials", "log in again");
    expect_plugin_failure("echo please log in first\n", "its answer is not JSON");
    expect_plugin_failure("echo '{} {}'\n", "its answer is not JSON");
    expect_plugin_failure("echo '{\"kind\": \"Status\"}'\n",
                          "did not answer with an ExecCredential");
    expect_plugin_failure("echo '[]'\n", "did not answer with an ExecCredential");
    expect_plugin_failure("echo '{\"kind\": \"ExecCredential\"}'\n", "it answered in version \"\"");
    expect_plugin_failure("echo '{\"kind\": \"ExecCredential\", \"apiVersion\": "
                          "\"client.authentication.k8s.io/v1beta1\", \"status\": {}}'\n",
                          "it answered in version \"client.authentication.k8s.io/v1beta1\", not");
    expect_plugin_failure(ANSWER("null"), "without a status");
    expect_plugin_failure(ANSWER("{}"), "neither a token nor a client certificate");
    expect_plugin_failure(ANSWER("{\"token\": 1}"), "a \"token\" that is no string");
    expect_plugin_failure(ANSWER("{\"token\": \"a b\"}"), "cannot stand in an HTTP header");
    expect_plugin_failure(ANSWER("{\"token\": \"a\\r\\nX: y\"}"), "cannot stand in an HTTP header");
    expect_plugin_failure(ANSWER("{\"clientKeyData\": \"" KEY "\"}"), "only one of");
    expect_plugin_failure(ANSWER("{\"clientCertificateData\": \"x\", \"clientKeyData\": \"y\"}"),
                          "not in PEM form");
    expect_plugin_failure(ANSWER("{\"token\": \"t\", \"expirationTimestamp\": \"tomorrow\"}"),
                          "no RFC 3339 time");
}

static void test_errors_do_not_quote_the_answer(void **state)
{
    struct error err;
    struct kube_credentials *credentials;

    (void)state;
    use_plugin("echo '{\"token\": hunter2'\n");
    credentials = make();
    assert_int_equal(kube_credentials_refresh(credentials, false, NULL, &err), -1);
    assert_null(strstr(err.text, "hunter2"));
    kube_credentials_free(credentials);
}

static void test_endless_answer(void **state)
{
    (void)state;
    expect_plugin_failure("exec yes\n", "printed more than 1048576 bytes");
}

/* ---- interrupts and terminals ---- */

static void interrupt(void *data)
{
    struct loop_timer **timer = data;

    if (access(path_of("ready"), F_OK) == 0)
        raise(SIGINT);
    else
        loop_set_timer(*timer, 10);
}

static void expect_interrupt(const char *script)
{
    struct kube_credentials *credentials;
    struct loop_timer *timer;

    cleanup_free char *all = text_format("echo $$ >'%s'\n%s", path_of("pid"), script);
    use_plugin(all);
    timer = loop_add_timer(loop, 10, interrupt, &timer);
    credentials = make();
    expect_failure(credentials, false, ERROR_INTERRUPTED,
                   "interrupted while waiting for the "
                   "credential plugin",
                   "");
    assert_true(loop_interrupted(loop)); /* the caller acts on it */
    loop_remove_timer(timer);
    kube_credentials_free(credentials);
    cleanup_free char *pid = get("pid");
    errno = 0;
    assert_int_equal(kill((pid_t)atol(pid), 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void test_interrupt_ends_the_plugin(void **state)
{
    (void)state;
    cleanup_free char *script =
        text_format("touch '%s'\nexec tail -f /dev/null\n", path_of("ready"));
    expect_interrupt(script);
}

static void test_interrupt_kills_a_stubborn_plugin(void **state)
{
    (void)state;
    cleanup_free char *script =
        text_format("trap '' TERM INT\ntouch '%s'\nexec tail -f /dev/null\n", path_of("ready"));
    expect_interrupt(script);
}

static void test_always_interactive_wants_a_terminal(void **state)
{
    int before = dup(STDIN_FILENO), null = open("/dev/null", O_RDONLY);
    struct kube_credentials *credentials;

    (void)state;
    dup2(null, STDIN_FILENO);
    close(null);
    use_plugin(ANSWER("{\"token\": \"t\"}"));
    plugin.interactive_mode = "Always";
    credentials = make();
    expect_failure(credentials, false, ERROR_CONFIG, "needs a terminal", "from a terminal");
    plugin.interactive_mode = "IfAvailable";
    assert_true(refresh(credentials, false));
    kube_credentials_free(credentials);
    if (before >= 0) {
        dup2(before, STDIN_FILENO);
        close(before);
    } else {
        close(STDIN_FILENO);
    }
}

/* In a process of its own whose controlling terminal is @terminal. Never returns: exits with 0, or
 * with the number of what went wrong. */
static void refresh_on_terminal(const char *terminal, enum error_kind expected)
{
    struct error err = {.kind = ERROR_NONE};
    struct termios mode;
    int fd;

    setsid();
    fd = open(terminal, O_RDWR);
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(2);
    struct loop *own = loop_new(&err);
    struct kube_credentials *credentials = kube_credentials_new(own, &config, &err);
    if (!credentials)
        _exit(3);
    kube_credentials_refresh(credentials, false, NULL, &err);
    if (err.kind != expected)
        _exit(4);
    const char *authorization = kube_credentials_authorization(credentials);
    if (expected == ERROR_NONE && strcmp(authorization, "Bearer typed") != 0)
        _exit(5);
    if (tcgetattr(STDIN_FILENO, &mode) < 0 || !(mode.c_lflag & ECHO))
        _exit(6);
    _exit(0);
}

/* Waits for the prompt on the terminal, then types @answer. Return: the exit code of the above. */
static int type_answer(const char *mode, const char *answer, enum error_kind expected)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY), status;
    char shown[256];
    size_t used = 0;

    assert_true(terminal >= 0);
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    plugin.interactive_mode = (char *)(uintptr_t)mode;
    cleanup_free char *name = strdup(ptsname(terminal));
    pid_t pid = fork();
    if (pid == 0)
        refresh_on_terminal(name, expected);
    assert_true(pid > 0);
    do {
        ssize_t got = read(terminal, shown + used, sizeof(shown) - used - 1);

        assert_true(got > 0);
        used += (size_t)got;
        shown[used] = '\0';
    } while (!strstr(shown, "password: "));
    assert_int_equal(write(terminal, answer, strlen(answer)), strlen(answer));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(terminal);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_log_in_on_a_terminal(void **state)
{
    (void)state;
    use_plugin("case $KUBERNETES_EXEC_INFO in *'\"interactive\":true'*) ;; *) exit 9 ;; esac\n"
               "printf 'password: ' >&2; read -r word\n"
               "printf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":"
               "\"ExecCredential\",\"status\":{\"token\":\"%s\"}}' \"$word\"\n");
    assert_int_equal(type_answer("Always", "typed\n", ERROR_NONE), 0);
    assert_int_equal(type_answer("IfAvailable", "typed\n", ERROR_NONE), 0);
}

/* Ctrl-C reaches both; the plugin had switched the echo off, and it must come back. */
static void test_ctrl_c_on_a_terminal(void **state)
{
    (void)state;
    use_plugin("stty -echo\nprintf 'password: ' >&2; read -r word\n");
    assert_int_equal(type_answer("IfAvailable", "\003", ERROR_INTERRUPTED), 0);
    use_plugin("trap '' INT\nstty -echo\nprintf 'password: ' >&2; read -r word\n");
    assert_int_equal(type_answer("Always", "\003", ERROR_INTERRUPTED), 0);
}

/* ---- pure parts ---- */

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2000-02-29T12:00:00Z", 951825600},
        {"2026-11-23T01:02:03.123456789Z", 1795395723},
        {"2026-11-23T03:02:03+02:00", 1795395723},
        {"2026-11-22t19:32:03-05:30", 1795395723},
        {"9999-12-31T23:59:59z", 253402300799},
        {"0001-01-01T00:00:00Z", -62135596800},
    };
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-01-32T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:00:00",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00Zx",
                                      "2026-01-01T00:00:00+2:00",
                                      "2026-01-01T00:00:00+24:00",
                                      "-026-01-01T00:00:00Z",
                                      "tomorrow"};
    int64_t seconds = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(text_parse_time(good[i].text, &seconds), 0);
        assert_int_equal(seconds, good[i].seconds);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(text_parse_time(bad[i], &seconds), -1);
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Random damage to a whole answer: it is taken or refused, cleanly. */
static void test_mutated_answers(void **state)
{
    static const char whole[] =
        "{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", "
        "\"status\": {\"token\": \"abc\", \"expirationTimestamp\": "
        "\"2026-11-23T03:02:03.5+02:00\", "
        "\"clientCertificateData\": \"" CERTIFICATE "\", \"clientKeyData\": \"" KEY "\"}}";
    char damaged[sizeof(whole)];
    unsigned seed = 1, taken = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct exec_credential credential;
        struct error err = {.kind = ERROR_NONE};

        memcpy(damaged, whole, sizeof(whole));
        for (unsigned n = next_random(&seed) % 3 + 1; n > 0; n--)
            damaged[next_random(&seed) % (sizeof(whole) - 1)] =
                next_random(&seed) % 2 ? (char)next_random(&seed)
                                       : whole[next_random(&seed) % (sizeof(whole) - 1)];
        size_t length = round % 5 ? sizeof(whole) - 1 : next_random(&seed) % sizeof(whole);
        if (exec_credential_parse(&plugin, damaged, length, &credential, &err) < 0) {
            assert_true(err.text[0]);
            continue;
        }
        taken++;
        if (credential.token)
            assert_true(exec_credential_is_header_value(credential.token));
        exec_credential_free(&credential);
    }
    assert_true(taken > 0 && taken < 20000);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fixed_credentials),
        TEST(test_token_that_would_break_the_header),
        TEST(test_token_file),
        TEST(test_bad_token_files),
        TEST(test_plugin_token),
        TEST(test_cluster_info),
        TEST(test_plugin_certificate),
        TEST(test_expiry),
        TEST(test_one_plugin_at_a_time),
        TEST(test_plugin_on_path),
        TEST(test_plugin_that_leaves_a_process),
        TEST(test_stderr_passes_through),
        TEST(test_missing_plugin),
        TEST(test_failing_plugin),
        TEST(test_bad_answers),
        TEST(test_errors_do_not_quote_the_answer),
        TEST(test_endless_answer),
        TEST(test_interrupt_ends_the_plugin),
        TEST(test_interrupt_kills_a_stubborn_plugin),
        TEST(test_always_interactive_wants_a_terminal),
        TEST(test_log_in_on_a_terminal),
        TEST(test_ctrl_c_on_a_terminal),
        TEST(test_times),
        TEST(test_mutated_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
