/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* nftw */

#include "tests/unit/unit.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/kubeconfig.h"
#include "kube/kubeconfig_files.h"
#include "kube/kubeconfig_service_account.h"
#include "kube/kubeconfig_yaml.h"

#define PEM      "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
#define PEM_DATA "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSQotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg=="
#define KEY      "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n"

static const char basic[] = "apiVersion: v1\n"
                            "kind: Config\n"
                            "current-context: dev\n"
                            "clusters:\n"
                            "- name: one\n"
                            "  cluster: {server: 'https://one.example:6443/'}\n"
                            "- name: two\n"
                            "  cluster:\n"
                            "    server: https://two.example\n"
                            "    tls-server-name: kubernetes\n"
                            "    proxy-url: socks5://127.0.0.1:1080\n"
                            "    certificate-authority-data: " PEM_DATA "\n"
                            "contexts:\n"
                            "- name: dev\n"
                            "  context: {cluster: one, user: alice, namespace: shop}\n"
                            "- name: production\n"
                            "  context: {cluster: two, user: bob}\n"
                            "users:\n"
                            "- name: alice\n"
                            "  user: {token: secret-alice}\n"
                            "- name: bob\n"
                            "  user: {username: bob, password: \"12:3\"}\n";

static char folder[64];

/* A path in the test's folder, and what stands there. Return: the path, for the test's life. */
static const char *put(const char *name, const char *content)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    FILE *file;

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, strlen(content), file), strlen(content));
    assert_int_equal(fclose(file), 0);
    return path;
}

static void use(const char *content)
{
    setenv("KUBECONFIG", put("config", content), 1);
}

static struct kube_config *load(const struct kube_overrides *overrides)
{
    struct error err = {.kind = ERROR_NONE};
    struct kube_config *config = NULL;

    if (kube_config_load(overrides, &config, &err) < 0)
        fail_msg("%s (%s)", err.text, err.remedy);
    return config;
}

static struct kube_config *load_with(const char *content)
{
    use(content);
    return load(&(struct kube_overrides){.server = NULL});
}

static void expect_error(const struct kube_overrides *overrides, const char *text,
                         const char *remedy)
{
    struct error err = {.kind = ERROR_NONE};
    struct kube_config *config = NULL;

    assert_int_equal(kube_config_load(overrides, &config, &err), -1);
    assert_null(config);
    assert_true(err.kind == ERROR_CONFIG || err.kind == ERROR_USAGE);
    if (!strstr(err.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, err.text);
    if (!strstr(err.remedy, remedy))
        fail_msg("\"%s\" is not in \"%s\"", remedy, err.remedy);
}

static void expect_bad(const char *content, const char *text, const char *remedy)
{
    use(content);
    expect_error(&(struct kube_overrides){.server = NULL}, text, remedy);
}

/* One cluster and one user of which only the body is of interest. */
static const char *with_user(const char *user)
{
    static char text[8192];

    snprintf(text, sizeof(text),
             "current-context: c\n"
             "clusters: [{name: k, cluster: {server: 'https://k'}}]\n"
             "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
             "users:\n- name: u\n  user:\n%s\n",
             user);
    return text;
}

static const char *with_cluster(const char *cluster)
{
    static char text[8192];

    snprintf(text, sizeof(text),
             "current-context: c\n"
             "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
             "users: [{name: u, user: {token: t}}]\n"
             "clusters:\n- name: k\n  cluster:\n%s\n",
             cluster);
    return text;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/ksniff-kubeconfig-XXXXXX");
    assert_non_null(mkdtemp(folder));
    setenv("HOME", folder, 1);
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
    unsetenv("POD_NAMESPACE");
    kube_service_account_directory = folder;
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
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- contexts and overrides ---- */

static void test_current_context(void **state)
{
    struct kube_config *config = load_with(basic);

    (void)state;
    assert_string_equal(config->context, "dev");
    assert_string_equal(config->cluster, "one");
    assert_string_equal(config->user, "alice");
    assert_string_equal(config->namespace, "shop");
    assert_string_equal(config->server, "https://one.example:6443");
    assert_string_equal(config->token, "secret-alice");
    assert_false(config->in_cluster);
    assert_null(config->certificate_authority.data);
    assert_null(config->exec);
    kube_config_free(config);
    kube_config_free(NULL);
}

static void test_chosen_context(void **state)
{
    struct kube_config *config;

    (void)state;
    use(basic);
    config = load(&(struct kube_overrides){.context = "production"});
    assert_string_equal(config->namespace, "default");
    assert_string_equal(config->server, "https://two.example");
    assert_string_equal(config->tls_server_name, "kubernetes");
    assert_string_equal(config->proxy_url, "socks5://127.0.0.1:1080");
    assert_int_equal(config->certificate_authority.length, strlen(PEM));
    assert_memory_equal(config->certificate_authority.data, PEM, strlen(PEM));
    assert_string_equal(config->username, "bob");
    assert_string_equal(config->password, "12:3");
    assert_null(config->token);
    kube_config_free(config);
}

static void test_names_are_overridden(void **state)
{
    struct kube_config *config;

    (void)state;
    use(basic);
    config =
        load(&(struct kube_overrides){.cluster = "two", .user = "bob", .namespace = "kube-system"});
    assert_string_equal(config->context, "dev");
    assert_string_equal(config->server, "https://two.example");
    assert_string_equal(config->username, "bob");
    assert_string_equal(config->namespace, "kube-system");
    kube_config_free(config);
}

static void test_names_that_are_not_there(void **state)
{
    (void)state;
    use(basic);
    expect_error(&(struct kube_overrides){.context = "prodution"},
                 "context \"prodution\" does not exist", "did you mean \"production\"?");
    expect_error(&(struct kube_overrides){.cluster = "nowhere-near-it"},
                 "cluster \"nowhere-near-it\" does not exist", "it has: \"one\", \"two\"");
    expect_error(&(struct kube_overrides){.user = "alise"}, "user \"alise\" does not exist",
                 "did you mean \"alice\"?");
    expect_bad("current-context: gone\n", "context \"gone\" does not exist", "");
    expect_bad("current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n",
               "cluster \"k\" does not exist", "");
    expect_bad("current-context: c\ncontexts: [{name: c, context: {user: u}}]\n",
               "context \"c\" names no cluster", "");
    expect_bad("current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
               "clusters: [{name: k, cluster: {server: 'https://k'}}]\n",
               "user \"u\" does not exist", "");
    /* A flag that replaces the user's credentials makes up for the missing entry. */
    kube_config_free(load(&(struct kube_overrides){.token = "t"}));
}

static void test_server_flag(void **state)
{
    struct kube_config *config;

    (void)state;
    use(basic);
    /* tls-server-name belongs to the file's server; the user stays. */
    config =
        load(&(struct kube_overrides){.context = "production", .server = "HTTPS://[::1]:8443///"});
    assert_string_equal(config->server, "https://[::1]:8443");
    assert_null(config->tls_server_name);
    assert_string_equal(config->username, "bob");
    assert_non_null(config->certificate_authority.data);
    kube_config_free(config);

    setenv("KUBECONFIG", "/nonexistent/kubeconfig", 1);
    config = load(&(struct kube_overrides){.server = "https://h/base/?x#y",
                                           .token = "t",
                                           .tls_server_name = "inside",
                                           .insecure_skip_tls_verify = true});
    assert_null(config->context);
    assert_null(config->user);
    assert_string_equal(config->server, "https://h/base");
    assert_string_equal(config->tls_server_name, "inside");
    assert_string_equal(config->token, "t");
    assert_true(config->insecure_skip_tls_verify);
    kube_config_free(config);
}

static void test_no_credentials_without_tls(void **state)
{
    struct kube_config *config;

    (void)state;
    use(basic);
    config = load(&(struct kube_overrides){.server = "http://127.0.0.1:8001", .as = "carol"});
    assert_string_equal(config->server, "http://127.0.0.1:8001");
    assert_null(config->token);
    assert_string_equal(config->as, "carol");
    kube_config_free(config);
}

static void test_bad_servers(void **state)
{
    (void)state;
    use(basic);
    expect_error(&(struct kube_overrides){.server = "one.example:6443"},
                 "the server \"one.example:6443\" is no http or https URL",
                 "did you mean \"https://one.example:6443\"?");
    expect_error(&(struct kube_overrides){.server = "ftp://x"}, "no http or https URL", "");
    expect_error(&(struct kube_overrides){.server = "https://"}, "no http or https URL", "");
    expect_error(&(struct kube_overrides){.server = "https:///path"}, "no http or https URL", "");
    expect_error(&(struct kube_overrides){.server = "https://a b"}, "no http or https URL", "");
    expect_error(&(struct kube_overrides){.server = ""}, "no http or https URL", "");
    expect_bad(with_cluster("    tls-server-name: x"), "cluster \"k\" in kubeconfig", "");
}

static void expect_hidden(const char *content, const char *text, const char *secret)
{
    struct error err;
    struct kube_config *config;

    use(content);
    assert_int_equal(kube_config_load(&(struct kube_overrides){.server = NULL}, &config, &err), -1);
    assert_non_null(strstr(err.text, text));
    assert_null(strstr(err.text, secret));
    assert_null(strstr(err.remedy, secret));
}

static void test_secrets_stay_out_of_errors(void **state)
{
    (void)state;
    expect_hidden(with_cluster("    server: https://me:hunter2@host"), "user name in its URL",
                  "hunter2");
    expect_hidden(with_cluster("    server: me:hunter2@host:6443"), "user name in its URL",
                  "hunter2");
    expect_hidden(with_cluster("    server: https://k\n    proxy-url: ftp://me:hunter2@host"),
                  "proxy-url of cluster \"k\"", "hunter2");
    expect_hidden(with_user("    client-certificate-data: 'hunter2!'"), "is not base64", "hunter2");
    expect_hidden(with_user("    token: [hunter2]"), "\"token\" of user \"u\"", "hunter2");
    expect_hidden(with_user("    token: \"hunter2"), "line", "hunter2");
}

static void test_proxies(void **state)
{
    static const char *const good[] = {"http://p:3128", "https://p", "socks5://me:pw@p:1080",
                                       "socks5h://[::1]:1080"};
    static const char *const bad[] = {"p:3128", "socks4://p", "http://", "http:///x", "http://a b"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        snprintf(text, sizeof(text), "    server: https://k\n    proxy-url: '%s'", good[i]);
        struct kube_config *config = load_with(with_cluster(text));
        assert_string_equal(config->proxy_url, good[i]);
        kube_config_free(config);
    }
    for (size_t i = 0; i < 5; i++) {
        snprintf(text, sizeof(text), "    server: https://k\n    proxy-url: '%s'", bad[i]);
        expect_bad(with_cluster(text), "proxy-url of cluster \"k\"", "socks5h://");
    }
}

/* ---- files ---- */

static void test_files_are_merged(void **state)
{
    char list[512];
    struct kube_config *config;

    (void)state;
    put("a", "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
             "clusters: [{name: k, cluster: {server: 'https://first'}}]\n"
             "current-context: ''\n");
    put("b", "current-context: c\n"
             "clusters: [{name: k, cluster: {server: 'https://second', tls-server-name: x}}]\n"
             "users: [{name: u, user: {token: of-b}}]\n");
    put("c", "current-context: other\nusers: [{name: u, user: {token: of-c, as: root}}]\n");
    snprintf(list, sizeof(list), ":%s/a::%s/missing:%s/b:%s/c:", folder, folder, folder, folder);
    setenv("KUBECONFIG", list, 1);
    config = load(&(struct kube_overrides){.server = NULL});
    assert_string_equal(config->context, "c");
    assert_string_equal(config->server, "https://first");
    assert_null(config->tls_server_name); /* entries are not mixed */
    assert_string_equal(config->token, "of-b");
    assert_null(config->as);
    kube_config_free(config);
    put("c", "users: 1\n"); /* one broken file spoils the list */
    expect_error(&(struct kube_overrides){.server = NULL}, "\"users\" in kubeconfig", "");
}

static void test_missing_files(void **state)
{
    char list[512], path[128];

    (void)state;
    expect_error(&(struct kube_overrides){.server = NULL}, "/.kube/config\" does not exist",
                 "KUBECONFIG");
    snprintf(list, sizeof(list), "%s/x:%s/y", folder, folder);
    setenv("KUBECONFIG", list, 1);
    expect_error(&(struct kube_overrides){.server = NULL}, "/y\" does not exist", "KUBECONFIG");
    use(basic);
    snprintf(path, sizeof(path), "%s/x", folder);
    expect_error(&(struct kube_overrides){.kubeconfig = path}, "No such file", "");
    expect_error(&(struct kube_overrides){.kubeconfig = folder}, "Is a directory", "");
    setenv("KUBECONFIG", folder, 1);
    expect_error(&(struct kube_overrides){.server = NULL}, "Is a directory", "");
    expect_bad("", "selects no context", "--context");
    expect_bad(with_user("    {}") + strlen("current-context: c\n"), "selects no context", "");
}

static void test_explicit_file(void **state)
{
    struct kube_config *config;
    const char *other;

    (void)state;
    use("this: is: broken");
    other = put("other", basic);
    config = load(&(struct kube_overrides){.kubeconfig = other});
    assert_string_equal(config->context, "dev");
    kube_config_free(config);
}

static void test_home(void **state)
{
    char path[128];
    struct kube_config *config;

    (void)state;
    snprintf(path, sizeof(path), "%s/.kube", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put(".kube/config", basic);
    config = load(&(struct kube_overrides){.server = NULL});
    assert_string_equal(config->context, "dev");
    kube_config_free(config);
    setenv("KUBECONFIG", "", 1); /* as if unset */
    kube_config_free(load(&(struct kube_overrides){.server = NULL}));
}

static void test_paths_resolve_against_their_file(void **state)
{
    char path[128], here[1024], text[256];
    struct kube_config *config;

    (void)state;
    snprintf(path, sizeof(path), "%s/pki", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put("pki/cert.pem", PEM);
    put("pki/key.pem", KEY);
    config = load_with(with_user("    client-certificate: pki/cert.pem\n"
                                 "    client-key: pki/key.pem"));
    assert_memory_equal(config->client_certificate.data, PEM, strlen(PEM));
    assert_memory_equal(config->client_key.data, KEY, strlen(KEY));
    kube_config_free(config);

    /* Also when the kubeconfig itself is named by a relative path; flags go by the working
     * directory. */
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(folder), 0);
    put("pki/config", with_user("    tokenFile: tokens/now\n"));
    config = load(&(struct kube_overrides){.kubeconfig = "pki/config",
                                           .certificate_authority = "pki/cert.pem"});
    snprintf(text, sizeof(text), "%s/pki/tokens/now", folder);
    assert_string_equal(config->token_file, text);
    assert_memory_equal(config->certificate_authority.data, PEM, strlen(PEM));
    kube_config_free(config);
    expect_error(
        &(struct kube_overrides){.kubeconfig = "pki/config", .certificate_authority = "cert.pem"},
        "certificate-authority: cannot read \"cert.pem\"", "");
    assert_int_equal(chdir(here), 0);
}

static void test_certificates(void **state)
{
    struct kube_config *config;

    (void)state;
    put("key", KEY);
    put("junk", "junk");
    config = load_with(with_user("    client-certificate-data: " PEM_DATA "\n"
                                 "    client-certificate: missing\n" /* data wins */
                                 "    client-key: key\n"
                                 "    client-key-data: ''"));
    assert_int_equal(config->client_certificate.length, strlen(PEM));
    assert_int_equal(config->client_key.length, strlen(KEY));
    kube_config_free(config);
    kube_config_free(load_with(with_user("    client-key: missing"))); /* nothing without a cert */

    expect_bad(with_user("    client-certificate-data: " PEM_DATA),
               "has a client certificate, but no client-key", "");
    expect_bad(with_user("    client-certificate-data: '*'"), "is not base64", "");
    expect_bad(with_user("    client-certificate-data: anVuawo="), "is not in PEM form", "");
    expect_bad(with_user("    client-certificate: junk\n    client-key: key"), "is not in PEM form",
               "");
    expect_bad(with_user("    client-certificate: missing"), "client-certificate: cannot read", "");
    expect_bad(with_cluster("    server: https://k\n    certificate-authority: missing"),
               "certificate-authority: cannot read", "");
    use(basic);
    expect_error(&(struct kube_overrides){.client_key = "x"}, "--client-key is given", "");
}

static void test_trust(void **state)
{
    const char *authority;
    struct kube_config *config;

    (void)state;
    config = load_with(with_cluster("    server: https://k\n    insecure-skip-tls-verify: true"));
    assert_true(config->insecure_skip_tls_verify);
    kube_config_free(config);
    authority = put("ca", PEM);
    config = load(&(struct kube_overrides){.certificate_authority = authority});
    assert_false(config->insecure_skip_tls_verify);
    assert_non_null(config->certificate_authority.data);
    kube_config_free(config);

    use(with_cluster("    server: https://k\n    certificate-authority-data: " PEM_DATA));
    config = load(&(struct kube_overrides){.insecure_skip_tls_verify = true});
    assert_true(config->insecure_skip_tls_verify);
    assert_null(config->certificate_authority.data);
    kube_config_free(config);

    expect_error(&(struct kube_overrides){.certificate_authority = authority,
                                          .insecure_skip_tls_verify = true},
                 "contradict", "");
    expect_bad(with_cluster("    server: https://k\n    insecure-skip-tls-verify: true\n"
                            "    certificate-authority-data: " PEM_DATA),
               "remove one", "");
    expect_bad(with_cluster("    server: https://k\n    insecure-skip-tls-verify: 'true'"),
               "is not true or false", "");
}

/* ---- users ---- */

static void test_token_flag(void **state)
{
    struct kube_config *config;

    (void)state;
    use(with_user("    token: t\n    tokenFile: f\n"
                  "    auth-provider: {name: gcp}\n"));
    config = load(&(struct kube_overrides){.token = "flag"});
    assert_string_equal(config->token, "flag");
    assert_null(config->token_file);
    kube_config_free(config);
    use(basic);
    config = load(&(struct kube_overrides){.context = "production", .token = "flag"});
    assert_string_equal(config->token, "flag");
    assert_null(config->username);
    kube_config_free(config);
    expect_bad(with_user("    token: t\n    username: u\n    password: p"),
               "both a token and a user name", "");
}

static void test_exec(void **state)
{
    struct kube_config *config = load_with(with_user("    exec:\n"
                                                     "      apiVersion: "
                                                     "client.authentication.k8s.io/v1\n"
                                                     "      command: bin/login\n"
                                                     "      args: [get, '--x=1']\n"
                                                     "      env:\n"
                                                     "      - {name: A, value: b}\n"
                                                     "      - {name: EMPTY}\n"
                                                     "      installHint: get it\n"
                                                     "      interactiveMode: Never\n"
                                                     "      provideClusterInfo: true"));
    const struct kube_exec_plugin *exec = config->exec;
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/bin/login", folder);
    assert_string_equal(exec->command, path);
    assert_string_equal(exec->api_version, "client.authentication.k8s.io/v1");
    assert_string_equal(exec->args[0], "get");
    assert_string_equal(exec->args[1], "--x=1");
    assert_null(exec->args[2]);
    assert_int_equal(exec->env_count, 2);
    assert_string_equal(exec->env[0].name, "A");
    assert_string_equal(exec->env[0].value, "b");
    assert_string_equal(exec->env[1].value, "");
    assert_string_equal(exec->install_hint, "get it");
    assert_string_equal(exec->interactive_mode, "Never");
    assert_true(exec->provide_cluster_info);
    kube_config_free(config);
    config = load(&(struct kube_overrides){.token = "flag"});
    assert_null(config->exec);
    kube_config_free(config);
}

static void test_exec_defaults(void **state)
{
    static const char text[] = "    exec: {apiVersion: client.authentication.k8s.io/v1beta1, "
                               "command: login, args: null}";
    struct kube_config *config = load_with(with_user(text));

    (void)state;
    assert_string_equal(config->exec->command, "login"); /* for PATH */
    assert_string_equal(config->exec->interactive_mode, "IfAvailable");
    assert_false(config->exec->provide_cluster_info);
    assert_null(config->exec->args[0]);
    assert_int_equal(config->exec->env_count, 0);
    kube_config_free(config);

    /* Whatever else there is comes first, as in kubectl. */
    char both[512];
    snprintf(both, sizeof(both), "%s\n    token: t", text);
    config = load_with(with_user(both));
    assert_null(config->exec);
    kube_config_free(config);
}

static void test_bad_exec(void **state)
{
#define V1 "apiVersion: client.authentication.k8s.io/v1, "
    (void)state;
    expect_bad(with_user("    exec: {" V1 "command: x}"), "no interactiveMode", "IfAvailable");
    expect_bad(with_user("    exec: {" V1 "command: x, interactiveMode: Sometimes}"),
               "unknown interactiveMode \"Sometimes\"", "IfAvailable");
    expect_bad(with_user("    exec: {" V1 "interactiveMode: Never}"), "has no command", "");
    expect_bad(with_user("    exec: {command: x, interactiveMode: Never}"), "has no apiVersion",
               "v1beta1");
    expect_bad(with_user("    exec: {apiVersion: client.authentication.k8s.io/v1alpha1, "
                         "command: x, interactiveMode: Never}"),
               "\"client.authentication.k8s.io/v1alpha1\", which is not supported", "v1beta1");
    expect_bad(with_user("    exec: {" V1 "command: x, interactiveMode: Never, args: [1]}"),
               "argument 1 of the credential plugin of user \"u\"", "quotation marks");
    expect_bad(with_user("    exec: {" V1 "command: x, interactiveMode: Never, args: {}}"),
               "is not a list", "");
    expect_bad(with_user("    exec: {" V1 "command: x, interactiveMode: Never, env: [{value: a}]}"),
               "has no valid name", "");
    expect_bad(with_user("    exec: {" V1 "command: x, interactiveMode: Never, "
                         "env: [{name: a, value: 1}]}"),
               "\"value\" of user \"u\"", "quotation marks");
    expect_bad(with_user("    exec: []"), "is not a map", "");
}

static void test_auth_providers(void **state)
{
    (void)state;
    expect_bad(with_user("    auth-provider: {name: gcp}"), "auth-provider \"gcp\"",
               "gke-gcloud-auth-plugin");
    expect_bad(with_user("    auth-provider: {name: azure}"), "auth-provider \"azure\"",
               "kubelogin convert-kubeconfig");
    expect_bad(with_user("    auth-provider: {name: gcp}\n    token: t"), "auth-provider \"gcp\"",
               "");
    expect_bad(with_user("    auth-provider: {name: openstack}"), "auth-provider \"openstack\"",
               "exec credential plugin");
    expect_bad(with_user("    auth-provider: {}"), "auth-provider \"\"", "exec credential plugin");
}

#define OIDC "name: oidc, config: {idp-issuer-url: 'https://i', client-id: k"

static void test_oidc(void **state)
{
    struct kube_config *config = load_with(
        with_user("    auth-provider: {" OIDC ", client-secret: s, id-token: t, refresh-token: r, "
                  "extra-scopes: 'a,b', idp-certificate-authority-data: " PEM_DATA "}}"));

    (void)state;
    assert_non_null(config->oidc);
    assert_string_equal(config->oidc->issuer, "https://i");
    assert_string_equal(config->oidc->client_id, "k");
    assert_string_equal(config->oidc->client_secret, "s");
    assert_string_equal(config->oidc->id_token, "t");
    assert_string_equal(config->oidc->refresh_token, "r");
    assert_non_null(config->oidc->certificate_authority.data);
    assert_true(config->oidc->path[0] == '/');
    kube_config_free(config);
    /* What says Authorization itself comes first. */
    config = load_with(with_user("    auth-provider: {" OIDC "}}\n    token: t"));
    assert_null(config->oidc);
    assert_string_equal(config->token, "t");
    kube_config_free(config);
    use(with_user("    auth-provider: {" OIDC "}}"));
    config = load(&(struct kube_overrides){.token = "flag"});
    assert_null(config->oidc);
    kube_config_free(config);

    expect_bad(with_user("    auth-provider: {name: oidc}"),
               "the auth-provider of user \"u\" has no idp-issuer-url", "config");
    expect_bad(with_user("    auth-provider: {name: oidc, config: {idp-issuer-url: 'https://i'}}"),
               "has no client-id", "config");
    expect_bad(with_user("    auth-provider: {" OIDC ", id-token: 7}}"), "\"id-token\" of user",
               "quotation marks");
    expect_bad(with_user("    auth-provider: {" OIDC "}}\n    exec: {" V1
                         "command: x, interactiveMode: Never}"),
               "both an auth-provider and an exec credential plugin", "");
    expect_bad(with_user("    auth-provider: {" OIDC ", idp-certificate-authority: /nowhere}}"),
               "cannot read \"/nowhere\"", "");
    expect_bad(with_user("    auth-provider: {" OIDC ", idp-certificate-authority-data: '*'}}"),
               "is not base64", "");
}

static void test_impersonation(void **state)
{
    static const char *const groups[] = {"flag-group", NULL};
    static const char user[] = "    as: root\n    as-uid: '7'\n    as-groups: [g1, g2]\n"
                               "    as-user-extra: {scopes: [a, b], reason: [c], none: null}";
    struct kube_config *config = load_with(with_user(user));

    (void)state;
    assert_string_equal(config->as, "root");
    assert_string_equal(config->as_uid, "7");
    assert_string_equal(config->as_groups[1], "g2");
    assert_null(config->as_groups[2]);
    assert_int_equal(config->as_extra_count, 3);
    assert_string_equal(config->as_extra[0].name, "scopes");
    assert_string_equal(config->as_extra[1].name, "scopes");
    assert_string_equal(config->as_extra[1].value, "b");
    assert_string_equal(config->as_extra[2].value, "c");
    kube_config_free(config);
    config = load(&(struct kube_overrides){.as = "me", .as_uid = "8", .as_groups = groups});
    assert_string_equal(config->as, "me");
    assert_string_equal(config->as_uid, "8");
    assert_string_equal(config->as_groups[0], "flag-group");
    assert_null(config->as_groups[1]);
    kube_config_free(config);
    expect_bad(with_user("    as-groups: [g]"), "no user to act as", "add \"as\"");
    expect_bad(with_user("    as: a\n    as-groups: [1]"), "no list of strings", "");
    expect_bad(with_user("    as: a\n    as-user-extra: {k: v}"), "no map of lists", "");
    use(basic);
    expect_error(&(struct kube_overrides){.as_groups = groups}, "no user to act as", "--as");
}

static void test_extension(void **state)
{
    struct kube_config *config = load_with(
        with_cluster("    server: https://k\n"
                     "    extensions:\n"
                     "    - {name: other, extension: 1}\n"
                     "    - name: client.authentication.k8s.io/exec\n"
                     "      extension: {audience: abc, n: [1, 2.5, true, null, '1', 0x1f]}"));

    (void)state;
    assert_string_equal(config->cluster_extension,
                        "{\"audience\":\"abc\",\"n\":[1,2.5,true,null,\"1\",31]}");
    kube_config_free(config);
}

/* ---- YAML ---- */

static void test_yaml(void **state)
{
    struct kube_config *config;

    (void)state;
    config = load_with("base: &base {server: 'https://k', tls-server-name: a}\n"
                       "current-context: c\n"
                       "contexts:\n- name: c\n  context: &ctx {cluster: k, user: &u bob}\n"
                       "clusters: [{name: k, cluster: {<<: *base, tls-server-name: b}}]\n"
                       "users: [{name: *u, user: {token: ! 'x'}}]\n"
                       "unknown: {a: [*ctx, 1]}\n--- second document\n");
    assert_string_equal(config->server, "https://k");
    assert_string_equal(config->tls_server_name, "b");
    assert_string_equal(config->user, "bob");
    kube_config_free(config);
    config = load_with("{\"apiVersion\": \"v1\", \"current-context\": \"c\", \"contexts\": "
                       "[{\"name\": \"c\", \"context\": {\"cluster\": \"k\"}}],\n\t\"clusters\": "
                       "[{\"name\": \"k\", \"cluster\": {\"server\": \"https:\\/\\/k\"}}]}");
    assert_string_equal(config->server, "https://k");
    assert_null(config->user);
    kube_config_free(config);
}

static void test_bad_yaml(void **state)
{
    (void)state;
    expect_bad("clusters:\n- name: a\n  cluster: {server: [}\n", "line 3, column 22: ", "");
    expect_bad("\tclusters:\n", "line 1, column 1: ", "");
    expect_bad("a: \xff\xfe", "byte 4: ", "");
    expect_bad("just text", "it is not a map", "");
    expect_bad("- a\n", "it is not a map", "");
    expect_bad("kind: Pod\n", "its kind is not \"Config\"", "");
    expect_bad("apiVersion: v2\n", "its apiVersion is not \"v1\"", "");
    expect_bad("clusters: {}\n", "\"clusters\" in kubeconfig", "");
    expect_bad("clusters: [1]\n", "cluster number 1 in kubeconfig", "");
    expect_bad("clusters: [{name: 1}]\n", "cluster number 1 in kubeconfig", "");
    expect_bad("users: [{user: {}}]\n", "selects no context", ""); /* no name, no harm */
    expect_bad("users: [{name: a}, {name: b}, {name: a}]\n", "user \"a\" stands twice", "");
    expect_bad("contexts: [{name: a, context: 3}]\n", "context \"a\" in kubeconfig", "");
    expect_bad("current-context: 3\n", "\"current-context\"", "");
    expect_bad("a: *b\n", "line 1, column 4: found undefined alias", "");
    expect_bad("[a]: b\n", "a key that is not text", "");
    expect_bad("a: \"x\\0y\"\n", "a NUL character", "");
    expect_bad("<<: 1\n", "a merge key whose value is no map", "");
    expect_bad("a: &x [*x]\n", "nested too deeply", "");
    expect_bad(with_user("    token: 12345"), "\"token\" of user \"u\" in kubeconfig",
               "quotation marks");
    expect_bad(with_user("    token: {}"), "is not a string", "");
}

/* Nine lists of nine aliases each: 9^9 values if they were all made. */
static void test_alias_bomb(void **state)
{
    char text[2048];
    size_t used = 0;

    (void)state;
    used += (size_t)snprintf(text, sizeof(text), "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used,
                                 "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    expect_bad(text, "too many values", "");
}

static void test_plain_scalars(void **state)
{
    static const char text[] = "[~, null, yes, Off, y, 12, -3, 0x10, 010, 1.5, .5, 1e3, 08, +1, "
                               "inf, .inf, 1_000, 12a, 2026-01-01, '1', \"no\", -, 1e999, 0x, "
                               "99999999999999999999]";
    static const char expected[] =
        "[null,null,true,false,\"y\",12,-3,16,8,1.5,0.5,1000.0,8.0,1,"
        "\"inf\",\".inf\",\"1_000\",\"12a\",\"2026-01-01\",\"1\",\"no\",\"-\",\"1e999\",\"0x\","
        "1e20]";
    struct error err = {.kind = ERROR_NONE};
    json_t *tree = NULL;

    (void)state;
    if (kube_yaml_parse(text, strlen(text), "x", &tree, &err) < 0)
        fail_msg("%s", err.text);
    char *json = json_dumps(tree, JSON_COMPACT);
    assert_string_equal(json, expected);
    free(json);
    json_decref(tree);
}

/* ---- in the cluster ---- */

static void test_in_cluster(void **state)
{
    char path[128];
    struct kube_config *config;

    (void)state;
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    expect_error(&(struct kube_overrides){.server = NULL}, "no kubeconfig", ""); /* no token */
    put("token", "abc\n");
    config = load(&(struct kube_overrides){.server = NULL});
    assert_true(config->in_cluster);
    assert_string_equal(config->server, "https://10.96.0.1:443");
    assert_string_equal(config->namespace, "default");
    assert_null(config->certificate_authority.data);
    assert_null(config->context);
    assert_null(config->token);
    snprintf(path, sizeof(path), "%s/token", folder);
    assert_string_equal(config->token_file, path);
    kube_config_free(config);

    put("ca.crt", PEM);
    put("namespace", "team-a\n");
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    config = load(&(struct kube_overrides){.server = NULL});
    assert_string_equal(config->server, "https://[fd00::1]:443");
    assert_string_equal(config->namespace, "team-a");
    assert_memory_equal(config->certificate_authority.data, PEM, strlen(PEM));
    kube_config_free(config);
    setenv("POD_NAMESPACE", "team-b", 1);
    config = load(&(struct kube_overrides){.server = NULL});
    assert_string_equal(config->namespace, "team-b");
    kube_config_free(config);
}

static void test_in_cluster_overrides(void **state)
{
    const char *authority = put("other", KEY);
    struct kube_config *config;

    (void)state;
    setenv("KUBERNETES_SERVICE_HOST", "h", 1);
    setenv("KUBERNETES_SERVICE_PORT", "1", 1);
    put("token", "abc");
    put("ca.crt", PEM);
    config = load(&(struct kube_overrides){.token = "t",
                                           .namespace = "ns",
                                           .as = "me",
                                           .certificate_authority = authority,
                                           .tls_server_name = "kubernetes"});
    assert_string_equal(config->token, "t");
    assert_null(config->token_file);
    assert_string_equal(config->namespace, "ns");
    assert_string_equal(config->as, "me");
    assert_string_equal(config->tls_server_name, "kubernetes");
    assert_memory_equal(config->certificate_authority.data, KEY, strlen(KEY));
    kube_config_free(config);
    config = load(&(struct kube_overrides){.insecure_skip_tls_verify = true});
    assert_true(config->insecure_skip_tls_verify);
    assert_null(config->certificate_authority.data);
    assert_non_null(config->token_file);
    kube_config_free(config);
    expect_error(&(struct kube_overrides){.context = "x"}, "context \"x\" does not exist", "");
    expect_error(&(struct kube_overrides){.user = "x"}, "user \"x\" does not exist", "");
    setenv("KUBERNETES_SERVICE_PORT", "x/y", 1);
    expect_error(&(struct kube_overrides){.server = NULL}, "is no address", "");

    /* A kubeconfig that selects something comes first. */
    config = load_with(basic);
    assert_false(config->in_cluster);
    assert_string_equal(config->server, "https://one.example:6443");
    kube_config_free(config);
}

/* ---- anything at all ---- */

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Random damage to a kubeconfig that has everything: it loads or it fails, cleanly. */
static void test_mutations(void **state)
{
    static const char special[] = "{}[]:,-&*!|>'\"%@#\n\t \\\0<~=0";
    const char *user = "    client-certificate-data: " PEM_DATA "\n    client-key: key\n"
                       "    as: a\n    as-groups: [g, h]\n    as-user-extra: {k: [v, w]}\n"
                       "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n"
                       "      command: ./x\n      args: [a, b]\n      env: [{name: n, value: v}]\n"
                       "      interactiveMode: &m Always\n      installHint: *m\n";
    char *whole = text_format("%s%s", with_user(user), "extensions: [{name: a, extension: 1}]\n");
    size_t length = strlen(whole);
    unsigned seed = 1, loaded = 0;

    (void)state;
    put("key", KEY);
    for (int round = 0; round < 3000; round++) {
        struct kube_config *config = NULL;
        struct error err;
        cleanup_free char *damaged = strdup(whole);

        for (unsigned n = next_random(&seed) % 4 + 1; n > 0; n--) {
            size_t at = next_random(&seed) % length;

            damaged[at] = next_random(&seed) % 2 ? special[next_random(&seed) % sizeof(special)]
                                                 : whole[next_random(&seed) % length];
        }
        if (round % 7 == 0)
            damaged[next_random(&seed) % length] = '\0';
        use(damaged);
        if (kube_config_load(&(struct kube_overrides){.server = NULL}, &config, &err) == 0)
            loaded++;
        else
            assert_true(err.text[0]);
        kube_config_free(config);
    }
    assert_true(loaded > 0 && loaded < 3000);
    free(whole);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_current_context),
        TEST(test_chosen_context),
        TEST(test_names_are_overridden),
        TEST(test_names_that_are_not_there),
        TEST(test_server_flag),
        TEST(test_no_credentials_without_tls),
        TEST(test_bad_servers),
        TEST(test_secrets_stay_out_of_errors),
        TEST(test_proxies),
        TEST(test_files_are_merged),
        TEST(test_missing_files),
        TEST(test_explicit_file),
        TEST(test_home),
        TEST(test_paths_resolve_against_their_file),
        TEST(test_certificates),
        TEST(test_trust),
        TEST(test_token_flag),
        TEST(test_exec),
        TEST(test_exec_defaults),
        TEST(test_bad_exec),
        TEST(test_auth_providers),
        TEST(test_oidc),
        TEST(test_impersonation),
        TEST(test_extension),
        TEST(test_yaml),
        TEST(test_bad_yaml),
        TEST(test_alias_bomb),
        TEST(test_plain_scalars),
        TEST(test_in_cluster),
        TEST(test_in_cluster_overrides),
        TEST(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
