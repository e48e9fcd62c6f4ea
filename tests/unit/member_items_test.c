/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent sends, as its member takes it. */
#include "tests/unit/unit.h"

#include "base/log.h"
#include "capture/member_parts.h"
#include "method/session.h"

static unsigned shown;

static void count(void *data, enum log_level level, const char *line)
{
    (void)data;
    (void)line;
    shown += level == LOG_LEVEL_WARNING;
}

/* A ring may have any number of them, and who keeps it may say so. */
static void test_no_end_of_gaps(void **state)
{
    static const struct capture_item item;
    struct session session = {.segments = {.missed = 1}};
    struct recorder recorder = {.begun = true};
    struct member member = {.state = MEMBER_RUNNING, .begun = true, .session = &session};

    (void)state;
    member.track.recorder = &recorder;
    track_init(&member.track);
    log_divert(count, NULL);
    assert_true(member_take_item(&member, CAPTURE_SEGMENT, &item));
    assert_int_equal(shown, 1);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(member_take_item(&member, CAPTURE_SEGMENT, &item));
    assert_in_range(shown, 1, 20);
    assert_true(member.gap_open);
    track_free(&member.track);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_end_of_gaps),
    };

    return cmocka_run_group_tests_name("member_items", tests, NULL, NULL);
}
