/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"
#include "kube/client.h"

/* What a gateway compares: the host as Go writes it. */
static void test_host_header(void **state)
{
    static const struct {
        const char *server, *tls_server_name, *host;
    } cases[] = {
        {"https://k.example", NULL, "k.example"},
        {"https://k.example:443", NULL, "k.example"},
        {"https://k.example:443/k8s/clusters/c-1", NULL, "k.example"},
        {"https://k.example:6443", NULL, "k.example:6443"},
        {"https://k.example:80", NULL, "k.example:80"},
        {"http://k.example", NULL, "k.example"},
        {"http://k.example:80", NULL, "k.example"},
        {"http://k.example:443", NULL, "k.example:443"},
        {"https://[fd00::1]", NULL, "[fd00::1]"},
        {"https://[fd00::1]:443", NULL, "[fd00::1]"},
        {"https://[fd00::1]:6443", NULL, "[fd00::1]:6443"},
        {"https://192.0.2.7", "kubernetes", "192.0.2.7"},
    };
    struct loop *loop = loop_new(NULL);

    (void)state;
    assert_non_null(loop);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kube_config config = {.server = (char *)(uintptr_t)cases[i].server,
                                     .tls_server_name =
                                         (char *)(uintptr_t)cases[i].tls_server_name};
        struct kube_client *client = NULL;
        struct buf request;
        char line[128];

        buf_init(&request, 4096);
        assert_int_equal(kube_client_new(loop, &config, 0, &client, NULL), 0);
        assert_true(kube_client_headers(client, &request));
        snprintf(line, sizeof(line), "Host: %s\r\n", cases[i].host);
        if (strncmp(buf_string(&request), line, strlen(line)) != 0)
            fail_msg("%s: %s", cases[i].server, buf_string(&request));
        buf_free(&request);
        kube_client_free(client);
    }
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
