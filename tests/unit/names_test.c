/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked for the names of addresses, of a server that lets us list namespaces alone. */
#include "tests/unit/unit.h"

#include "tests/unit/server.h"

#include "capture/names.h"
#include "method/facts.h"

static const char *answer(const char *request, int mode)
{
    (void)mode;
    return strncmp(request, "GET /api/v1/namespaces/", 23) == 0
               ? "200 OK\r\n\r\n{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"web\","
                 "\"uid\":\"1\","
                 "\"namespace\":\"shop\"},\"status\":{\"podIPs\":[{\"ip\":\"10.0.0.1\"}]}}]}"
               : "403 Forbidden\r\n\r\n{}";
}

static void on_news(void *data)
{
    (*(unsigned *)data)++;
}

/* Was a list asked for whose path begins so, of a target in @namespace? */
static bool is_asked(const char *namespace, const char *beginning)
{
    struct server server;
    unsigned news = 0;

    server_start(&server, answer);
    struct facts *facts = facts_new(server.client);
    struct names *names = names_start(facts, &namespace, 1, false, on_news, &news);
    assert_non_null(names);
    server_step_until(&server, &news, 1);
    bool asked = server_asked(&server, beginning) > 0;
    names_free(names);
    facts_free(facts);
    server_stop(&server);
    return asked;
}

/* What may not be listed in the whole cluster is in the targets' namespaces. */
static void test_namespaces(void **state)
{
    (void)state;
    assert_true(is_asked("shop", "GET /api/v1/namespaces/shop/"));
}

/* What a server calls a namespace does not lead to another path. */
static void test_a_name_that_is_a_path(void **state)
{
    (void)state;
    assert_true(is_asked("../x?y", "GET /api/v1/namespaces/..%2Fx%3Fy/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_a_name_that_is_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
