/* SPDX-License-Identifier: Apache-2.0 */
/* What a JSON Web Token says of its end; the issuer's side is in tests/e2e/test_oidc.py. */
#include "tests/unit/unit.h"

#include "base/text.h"
#include "kube/oidc.h"

static void test_expiry(void **state)
{
    static const struct {
        const char *claims;
        int64_t expiry; /* -1: no token */
    } cases[] = {
        {"{\"exp\":1700000000}", 1700000000},
        {"{\"exp\":1700000000.75,\"sub\":\"a\"}", 1700000000},
        {"{\"exp\":1.7e9,\"sub\":\"ab\"}", 1700000000},
        {"{\"sub\":\"\xc3\xbf\xc3\xbf>>>???\",\"exp\":5}", 5}, /* - and _ in base64url */
        {"{}", 0},
        {"{\"exp\":\"soon\"}", -1},
        {"[1]", -1},
        {"exp", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *payload = text_base64_encode(cases[i].claims, strlen(cases[i].claims), true);
        char *token = text_format("eyJhbGciOiJub25lIn0.%s.c2ln", payload);
        int64_t expiry = -2;
        int result = kube_jwt_expiry(token, &expiry);

        if (cases[i].expiry < 0 ? result == 0 : result < 0 || expiry != cases[i].expiry)
            fail_msg("%s: %d, %lld", cases[i].claims, result, (long long)expiry);
        free(payload);
        free(token);
    }
}

static void test_no_token(void **state)
{
    static const char *const tokens[] = {"", "a", "a.b", "a.e30.c.d", "a.*.c", "a..c", "a.e.c"};
    int64_t expiry;

    (void)state;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
        if (kube_jwt_expiry(tokens[i], &expiry) == 0)
            fail_msg("\"%s\" was taken", tokens[i]);
    assert_int_equal(kube_jwt_expiry("a.e30.c", &expiry), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_no_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
