/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to an upgrade, as it comes in pieces. */
#include "tests/unit/unit.h"

#include "base/buf.h"
#include "kube/upgrade.h"

static enum kube_upgrade_state read_text(const char *text, size_t length, bool ended,
                                         struct kube_upgrade *upgrade)
{
    struct buf answer;

    buf_init(&answer, KUBE_UPGRADE_MAX);
    assert_true(buf_append(&answer, text, length));
    enum kube_upgrade_state state = kube_upgrade_read(&answer, ended, upgrade);
    buf_free(&answer);
    return state;
}

static void test_taken(void **state)
{
    static const char text[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nframes";
    struct kube_upgrade upgrade;
    char value[16];

    (void)state;
    for (size_t cut = 0; cut < strlen(text) - 6; cut++)
        assert_int_equal(read_text(text, cut, cut % 2, &upgrade), KUBE_UPGRADE_COMING);
    assert_int_equal(read_text(text, strlen(text), false, &upgrade), KUBE_UPGRADE_WHOLE);
    assert_int_equal(upgrade.code, 101);
    assert_int_equal(upgrade.rest, 6);
    assert_true(kube_upgrade_header(upgrade.head, "upgrade", value, sizeof(value)));
    assert_string_equal(value, "x");
    assert_false(kube_upgrade_header(upgrade.head, "Upgrad", value, sizeof(value)));
    assert_string_equal(value, "");
    kube_upgrade_free(&upgrade);
}

static void test_refused(void **state)
{
    static const char text[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnever";
    static const char open[] = "HTTP/1.0 400 Bad Request\r\n\r\nnev";
    struct kube_upgrade upgrade;

    (void)state;
    assert_int_equal(read_text(text, strlen(text) - 1, false, &upgrade), KUBE_UPGRADE_COMING);
    for (int ended = 0; ended < 2; ended++) {
        assert_int_equal(read_text(text, strlen(text) - ended, ended, &upgrade),
                         KUBE_UPGRADE_WHOLE);
        assert_int_equal(upgrade.code, 403);
        assert_int_equal(upgrade.body.length, 5 - ended);
        kube_upgrade_free(&upgrade);
    }
    /* Without a length it ends with the connection. */
    assert_int_equal(read_text(open, strlen(open), false, &upgrade), KUBE_UPGRADE_COMING);
    assert_int_equal(read_text(open, strlen(open), true, &upgrade), KUBE_UPGRADE_WHOLE);
    assert_memory_equal(buf_bytes(&upgrade.body), "nev", 3);
    kube_upgrade_free(&upgrade);
}

/* Of a page that never ends no more is waited for than a message needs. */
static void test_endless(void **state)
{
    static char text[100000];
    struct kube_upgrade upgrade;

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "HTTP/1.1 502 Bad\r\n\r\n", 20);
    assert_int_equal(read_text(text, sizeof(text), false, &upgrade), KUBE_UPGRADE_WHOLE);
    assert_true(upgrade.body.length > 1000 && upgrade.body.length < sizeof(text));
    kube_upgrade_free(&upgrade);
}

static void test_malformed(void **state)
{
    static const char *const cases[] = {"SSH-2.0-x\r\n\r\n", "HTTP/2 200\r\n\r\n",
                                        "HTTP/1.1 OK\r\n\r\n", "\r\n\r\n"};
    struct kube_upgrade upgrade;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(read_text(cases[i], strlen(cases[i]), false, &upgrade),
                         KUBE_UPGRADE_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
