/* SPDX-License-Identifier: Apache-2.0 */
/* Which proxy: the cases of golang.org/x/net/http/httpproxy, and what is ours. */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "kube/proxy.h"

static const char *const variables[] = {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY",
                                        "http_proxy",  "NO_PROXY",    "no_proxy",
                                        "ALL_PROXY",   "all_proxy",   "REQUEST_METHOD"};

/* @environment: "NAME=VALUE NAME=VALUE"; nothing else is set. */
static void set_environment(const char *environment)
{
    char copy[512], *rest = copy;

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    snprintf(copy, sizeof(copy), "%s", environment);
    for (char *word; (word = strtok_r(rest, " ", &rest));) {
        *strchr(word, '=') = '\0';
        setenv(word, word + strlen(word) + 1, 1);
    }
}

struct proxy_case {
    const char *environment, *server;
    const char *url; /* NULL: none */
};

static void check(const struct proxy_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct kube_proxy proxy;
        struct error err = {0};

        set_environment(cases[i].environment);
        if (kube_proxy_choose(NULL, cases[i].server, &proxy, &err) < 0)
            fail_msg("%s, %s: %s", cases[i].environment, cases[i].server, err.text);
        if (!proxy.url != !cases[i].url || (proxy.url && strcmp(proxy.url, cases[i].url) != 0))
            fail_msg("%s, %s: %s", cases[i].environment, cases[i].server,
                     proxy.url ? proxy.url : "no proxy");
        kube_proxy_free(&proxy);
    }
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof((cases)[0]))

static void test_variables(void **state)
{
    static const struct proxy_case cases[] = {
        {"", "https://k.example:6443", NULL},
        {"HTTPS_PROXY=http://p:3128", "https://k.example:6443", "http://p:3128"},
        {"https_proxy=http://p:3128", "https://k.example:6443", "http://p:3128"},
        {"HTTPS_PROXY=http://upper:1 https_proxy=http://lower:1", "https://k.example",
         "http://upper:1"},
        {"HTTPS_PROXY= https_proxy=http://lower:1", "https://k.example", "http://lower:1"},
        {"HTTP_PROXY=http://p:3128", "https://k.example:6443", NULL},
        {"HTTP_PROXY=http://p:3128", "http://k.example:8080", "http://p:3128"},
        {"http_proxy=http://p:3128", "http://k.example:8080", "http://p:3128"},
        {"HTTPS_PROXY=http://p:3128", "http://k.example:8080", NULL},
        {"ALL_PROXY=http://p:3128 all_proxy=http://p:3128", "https://k.example", NULL},
        {"HTTPS_PROXY=http://p:3128 REQUEST_METHOD=GET", "https://k.example", "http://p:3128"},
    };

    (void)state;
    CHECK(cases);
}

static void test_forms(void **state)
{
    static const struct proxy_case cases[] = {
        {"HTTPS_PROXY=p:3128", "https://k.example", "http://p:3128"},
        {"HTTPS_PROXY=192.0.2.1:3128", "https://k.example", "http://192.0.2.1:3128"},
        {"HTTPS_PROXY=p", "https://k.example", "http://p:80"},
        {"HTTPS_PROXY=http://p/", "https://k.example", "http://p:80"},
        {"HTTPS_PROXY=HTTP://p:1/x?y#z", "https://k.example", "http://p:1"},
        {"HTTPS_PROXY=https://p", "https://k.example", "https://p:443"},
        {"HTTPS_PROXY=socks5://p", "https://k.example", "socks5h://p:1080"},
        {"HTTPS_PROXY=socks5h://p:1", "https://k.example", "socks5h://p:1"},
        {"HTTPS_PROXY=http://[fd00::1]:3128", "https://k.example", "http://[fd00::1]:3128"},
        {"HTTPS_PROXY=http://ada:pa%40ss@p:3128", "https://k.example", "http://ada:pa%40ss@p:3128"},
        {"HTTPS_PROXY=ada:secret@p:3128", "https://k.example", "http://ada:secret@p:3128"},
        {"HTTPS_PROXY=http://ada@p:3128", "https://k.example", "http://ada@p:3128"},
    };

    (void)state;
    CHECK(cases);
}

static void test_never_for_loopback(void **state)
{
    static const struct proxy_case cases[] = {
        {"HTTPS_PROXY=http://p:3128", "https://localhost:6443", NULL},
        {"HTTPS_PROXY=http://p:3128", "https://LocalHost:6443", NULL},
        {"HTTPS_PROXY=http://p:3128", "https://127.0.0.1:41234", NULL},
        {"HTTPS_PROXY=http://p:3128", "https://127.9.8.7", NULL},
        {"HTTPS_PROXY=http://p:3128", "https://[::1]:6443", NULL},
        {"HTTPS_PROXY=http://p:3128", "https://[::ffff:127.0.0.1]:6443", NULL},
        {"HTTP_PROXY=http://p:3128", "http://127.0.0.1:8001", NULL},
        {"HTTP_PROXY=http://p:3128 REQUEST_METHOD=GET", "https://127.0.0.1", NULL},
        {"HTTPS_PROXY=http://p:3128", "https://128.0.0.1", "http://p:3128"},
        {"HTTPS_PROXY=http://p:3128", "https://localhost.example", "http://p:3128"},
        {"HTTPS_PROXY=http://p:3128", "https://k.localhost", "http://p:3128"},
    };

    (void)state;
    CHECK(cases);
}

/* One entry of NO_PROXY a line: does it leave the server out? */
static void test_no_proxy(void **state)
{
    static const struct {
        const char *list, *server;
        bool left_out;
    } cases[] = {
        {"*", "https://k.example", true},
        {"a.test,*", "https://k.example", true},
        {"k.example", "https://k.example:6443", true},
        {"K.Example", "https://k.example:6443", true},
        {"k.example", "https://K.EXAMPLE:6443", true},
        {"k.example", "https://sub.k.example", true},
        {"k.example", "https://notk.example", false},
        {"example", "https://k.example", true},
        {".k.example", "https://k.example", false},
        {".k.example", "https://sub.k.example", true},
        {"*.k.example", "https://sub.k.example", true},
        {"*.k.example", "https://k.example", false},
        {"*.k.example:6443", "https://sub.k.example:6443", true},
        {"sub*.k.example", "https://sub1.k.example", false},
        {"k.example:6443", "https://k.example:6443", true},
        {"k.example:6443", "https://sub.k.example:6443", true},
        {"k.example:443", "https://k.example:6443", false},
        {"k.example:443", "https://k.example", true},
        {"k.example:80", "http://k.example", true},
        {"k.example:", "https://k.example", true},
        {":6443", "https://k.example:6443", false},
        {"192.0.2.7", "https://192.0.2.7:6443", true},
        {"192.0.2.7", "https://192.0.2.70:6443", false},
        {"192.0.2.7:6443", "https://192.0.2.7:6443", true},
        {"192.0.2.7:443", "https://192.0.2.7:6443", false},
        {"192.0.2.0/24", "https://192.0.2.7:6443", true},
        {"192.0.2.8/29", "https://192.0.2.15", true},
        {"192.0.2.8/29", "https://192.0.2.16", false},
        {"0.0.0.0/0", "https://192.0.2.7", true},
        {"0.0.0.0/0", "https://k.example", false},
        {"::/0", "https://192.0.2.7", false},
        {"192.0.2.7/33", "https://192.0.2.7", false},
        {"192.0.2.0/24:6443", "https://192.0.2.7:6443", false},
        {"192.0.2", "https://192.0.2.7", false},
        {"fd00::1", "https://[fd00::1]:6443", true},
        {"FD00:0::1", "https://[fd00::1]:6443", true},
        {"[fd00::1]:6443", "https://[fd00::1]:6443", true},
        {"[fd00::1]:443", "https://[fd00::1]:6443", false},
        {"fd00::/8", "https://[fd12:3456::7]:6443", true},
        {"fd00::/8", "https://[fe80::7]:6443", false},
        {"::ffff:192.0.2.7", "https://192.0.2.7", true},
        {" a.test , k.example ", "https://k.example", true},
        {",,k.example,", "https://k.example", true},
        {"a.test k.example", "https://k.example", false},
        {"", "https://k.example", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t lower = 0; lower < 2; lower++) {
            struct kube_proxy proxy;

            set_environment("HTTPS_PROXY=http://p:3128 HTTP_PROXY=http://p:3128");
            setenv(lower ? "no_proxy" : "NO_PROXY", cases[i].list, 1);
            assert_int_equal(kube_proxy_choose(NULL, cases[i].server, &proxy, NULL), 0);
            if (!proxy.url != cases[i].left_out)
                fail_msg("\"%s\", %s", cases[i].list, cases[i].server);
            kube_proxy_free(&proxy);
        }
    set_environment("HTTPS_PROXY=http://p:3128 NO_PROXY=a.test no_proxy=k.example");
    struct kube_proxy proxy;
    assert_int_equal(kube_proxy_choose(NULL, "https://k.example", &proxy, NULL), 0);
    assert_non_null(proxy.url);
    kube_proxy_free(&proxy);
}

/* The kubeconfig's proxy-url is used whatever the environment says, for loopback too. */
static void test_kubeconfig_wins(void **state)
{
    struct kube_proxy proxy;

    (void)state;
    set_environment("HTTPS_PROXY=http://env:1 NO_PROXY=*");
    assert_int_equal(
        kube_proxy_choose("socks5://ada:secret@p", "https://127.0.0.1:6443", &proxy, NULL), 0);
    assert_string_equal(proxy.url, "socks5h://ada:secret@p:1080");
    assert_string_equal(proxy.name, "socks5://p:1080");
    assert_string_equal(proxy.source, "proxy-url");
    assert_true(proxy.has_login);
    kube_proxy_free(&proxy);
}

static void test_bad_values(void **state)
{
    static const char *const values[] = {"ftp://ada:secret@p:21", "http://",
                                         "http://ada:secret@",    "http://secret p:1",
                                         "http://secret:99999",   "://secret"};
    struct kube_proxy proxy;
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        set_environment("");
        setenv("https_proxy", values[i], 1);
        err = (struct error){0};
        if (kube_proxy_choose(NULL, "https://k.example", &proxy, &err) == 0)
            fail_msg("%s was taken: %s", values[i], proxy.url);
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_string_equal(err.text, "the value of https_proxy is no proxy's URL");
        assert_null(strstr(err.remedy, "secret"));
        /* What is not used does no harm. */
        assert_int_equal(kube_proxy_choose(NULL, "https://localhost", &proxy, &err), 0);
        assert_null(proxy.url);
    }
    set_environment("http_proxy=http://p:3128 REQUEST_METHOD=GET");
    assert_int_equal(kube_proxy_choose(NULL, "http://k.example", &proxy, &err), -1);
    assert_non_null(strstr(err.text, "http_proxy"));
    assert_non_null(strstr(err.text, "CGI"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables),          cmocka_unit_test(test_forms),
        cmocka_unit_test(test_never_for_loopback), cmocka_unit_test(test_no_proxy),
        cmocka_unit_test(test_kubeconfig_wins),    cmocka_unit_test(test_bad_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
