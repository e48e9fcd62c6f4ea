/* SPDX-License-Identifier: Apache-2.0 */
/* A sink hears that nobody reads its pipe any more, while nothing is written to it: as Linux tells
 * it, and as it is found out where the system does not. And where a reader's pipe is made. */
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/process.h"
#include "sink/reader.h"
#include "sink/sink.h"

struct fixture {
    struct loop *loop;
    struct sink sink;
    int fds[2];
};

static void on_ready(void *data)
{
    (void)data;
}

static int make_sink(void **state)
{
    static struct fixture fixture;
    struct error err;

    fixture.loop = loop_new(&err);
    assert_non_null(fixture.loop);
    fixture.sink =
        (struct sink){.loop = fixture.loop, .complaints = -1, .fd = -1, .ready = on_ready};
    assert_int_equal(process_pipe(fixture.fds, 1, &err), 0);
    assert_int_equal(sink_use_fd(&fixture.sink, fixture.fds[1], true, &err), 0);
    *state = &fixture;
    return 0;
}

static int free_sink(void **state)
{
    struct fixture *fixture = *state;

    sink_free(&fixture->sink);
    loop_free(fixture->loop);
    return 0;
}

static void until_ended(struct fixture *fixture)
{
    loop_step(fixture->loop, 0);
    assert_false(fixture->sink.ended);
    assert_int_equal(write(fixture->fds[1], "abc", 3), 3);
    close(fixture->fds[0]);
    while (!fixture->sink.ended)
        loop_step(fixture->loop, -1);
    assert_int_equal(fixture->sink.unread, 3);
    assert_int_equal(fixture->sink.fd, -1);
}

static void the_system_tells(void **state)
{
    until_ended(*state);
}

static void it_is_looked_for(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    loop_remove_fd(fixture->sink.watch);
    fixture->sink.watch = NULL;
    assert_int_equal(sink_look_for_end(&fixture->sink, &err), 0);
    until_ended(fixture);
}

/* A name of the cluster must not lead out of our folder. */
static void the_pipe_stays_in_its_folder(void **state)
{
    struct fixture *fixture = *state;
    struct sink *sink = &fixture->sink;
    char place[] = "/tmp/reader-XXXXXX", inside[64];
    struct stat st;
    struct error err = {0};

    assert_non_null(mkdtemp(place));
    snprintf(inside, sizeof(inside), "%s/in", place);
    assert_int_equal(mkdir(inside, 0700), 0);
    sink->scratch.path = inside;
    sink->subject = "../.profile";
    int made = reader_make_pipe(sink, &err);
    sink->scratch.path = NULL;
    snprintf(inside, sizeof(inside), "%s/in/_._.profile", place);
    bool within = stat(inside, &st) == 0 && S_ISFIFO(st.st_mode);
    unlink(sink->pipe);
    snprintf(inside, sizeof(inside), "%s/in", place);
    rmdir(inside);
    rmdir(place);
    close(fixture->fds[0]);
    assert_int_equal(made, 0);
    assert_true(within);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_system_tells, make_sink, free_sink),
        cmocka_unit_test_setup_teardown(it_is_looked_for, make_sink, free_sink),
        cmocka_unit_test_setup_teardown(the_pipe_stays_in_its_folder, make_sink, free_sink),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
