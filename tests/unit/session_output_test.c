/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent says to a person: all of it may be anybody's, and there is an end of it. */
#include "tests/unit/unit.h"

#include "base/log.h"
#include "common/agent.h"
#include "method/method.h"
#include "method/session.h"
#include "settings/settings.h"

#define LINES 1000
#define MOST  20 /* lines that are shown */

static const struct settings settings = {.snaplen = 262144};
static unsigned shown;

static void count(void *data, enum log_level level, const char *line)
{
    (void)data;
    (void)line;
    shown += level != LOG_LEVEL_DEBUG;
}

static void begin(struct session *session)
{
    *session = (struct session){
        .state = SESSION_RUNNING, .settings = &settings, .method = &method_upload, .where = "here"};
    buf_init(&session->complaint, 4096);
    log_divert(count, NULL);
    shown = 0;
}

static void say(struct session *session, const char *text)
{
    session_complaint(session, (const unsigned char *)text, strlen(text));
    session_complaint(session, (const unsigned char *)"\n", 1);
}

static void test_no_end_of_lines(void **state)
{
    static const char *const lines[] = {
        "something is wrong",
        "ksniff-agent: " AGENT_NOTE "all is well",
        AGENT_CARRIED " udp 10.0.0.1 51820 10.0.0.2 51820",
        AGENT_CARRIED " nothing",
        AGENT_FILTER_SET,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct session session;

        begin(&session);
        say(&session, lines[i]);
        assert_int_equal(shown, 1);
        for (unsigned k = 0; k < LINES; k++)
            say(&session, lines[i]);
        assert_in_range(shown, 1, MOST);
        buf_free(&session.complaint);
    }
}

/* As often as it was asked for, and no more. */
static void test_each_filter_is_told(void **state)
{
    struct session session;

    (void)state;
    begin(&session);
    for (unsigned i = 0; i < LINES; i++) {
        session.unanswered++;
        say(&session, "ksniff-agent: " AGENT_FILTER_SET);
    }
    assert_int_equal(shown, LINES);
    assert_int_equal(session.complaints, 0);
    buf_free(&session.complaint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_end_of_lines),
        cmocka_unit_test(test_each_filter_is_told),
    };

    return cmocka_run_group_tests_name("session_output", tests, NULL, NULL);
}
