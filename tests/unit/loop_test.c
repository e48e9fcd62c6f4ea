/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/process.h"

struct seen {
    struct loop *loop;
    int calls;
    int status;
    struct loop_fd *watch;
    struct loop_timer *timer;
};

static void on_timer(void *data)
{
    struct seen *seen = data;

    if (++seen->calls < 3)
        loop_set_timer(seen->timer, 1);
}

static void on_fd(void *data, int fd, short revents)
{
    struct seen *seen = data;
    char byte;

    assert_true(revents & POLLIN);
    assert_int_equal(read(fd, &byte, 1), 1);
    seen->calls++;
    loop_remove_fd(seen->watch); /* its own, from within */
    raise(SIGTERM);
}

static void on_child(void *data, int status)
{
    struct seen *seen = data;

    seen->calls++;
    seen->status = status;
}

static void test_timer_rearms_itself(void **state)
{
    struct seen seen = {.loop = *state};

    seen.timer = loop_add_timer(seen.loop, 1, on_timer, &seen);
    while (seen.calls < 3)
        loop_step(seen.loop, -1);
    loop_remove_timer(seen.timer);
    loop_step(seen.loop, 5);
    assert_int_equal(seen.calls, 3);
}

static void test_fd_and_interrupt(void **state)
{
    struct seen seen = {.loop = *state};
    struct error err;
    int fds[2];

    assert_int_equal(process_pipe(fds, 0, &err), 0);
    seen.watch = loop_add_fd(seen.loop, fds[0], POLLIN, on_fd, &seen);
    assert_int_equal(write(fds[1], "xy", 2), 2);
    while (!loop_interrupted(seen.loop))
        loop_step(seen.loop, -1);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(loop_acknowledge(seen.loop), SIGTERM);
    assert_false(loop_interrupted(seen.loop));
    loop_step(seen.loop, 5); /* the second byte is nobody's any more */
    assert_int_equal(seen.calls, 1);
    close(fds[0]);
    close(fds[1]);
}

static void test_child(void **state)
{
    static const char *const argv[] = {"sh", "-c", "exit $NUMBER", NULL};
    static const char *const env[] = {"NUMBER=7", NULL};
    struct process_options options = {.path = "/bin/sh",
                                      .argv = argv,
                                      .env = env,
                                      .stdin_fd = PROCESS_NULL,
                                      .stdout_fd = PROCESS_INHERIT,
                                      .stderr_fd = PROCESS_INHERIT};
    struct seen seen = {.loop = *state};
    struct error err;
    pid_t pid;

    assert_int_equal(process_start(&options, &pid, &err), 0);
    assert_non_null(loop_add_child(seen.loop, pid, on_child, &seen));
    while (!seen.calls)
        loop_step(seen.loop, -1);
    assert_true(WIFEXITED(seen.status));
    assert_int_equal(WEXITSTATUS(seen.status), 7);
}

/* The time of day, which goes on as fast as any clock. */
static void test_time(void **state)
{
    struct timespec before, after;

    (void)state;
    clock_gettime(CLOCK_REALTIME, &before);
    uint64_t first = loop_time(), now = loop_now(), time = loop_time();
    clock_gettime(CLOCK_REALTIME, &after);
    assert_in_range(first / 1000000000u, before.tv_sec, after.tv_sec);
    assert_true(time >= first);
    while (loop_now() < now + 3)
        time = loop_time();
    assert_in_range(loop_time() - first, 2000000, UINT64_MAX / 2);
}

static void test_process_that_cannot_start(void **state)
{
    static const char *const argv[] = {"x", NULL};
    struct process_options options = {.path = "/nonexistent/x", .argv = argv};
    struct error err;
    pid_t pid = 0;

    (void)state;
    assert_int_equal(process_start(&options, &pid, &err), -1);
    assert_string_equal(err.text, "cannot start \"/nonexistent/x\": No such file or directory");
    assert_int_equal(pid, 0);
}

static void test_find(void **state)
{
    (void)state;
    char *path = process_find("sh");
    assert_non_null(path);
    assert_int_equal(access(path, X_OK), 0);
    free(path);
    assert_null(process_find("no-such-program-at-all"));
    assert_null(process_find("/etc/passwd")); /* not executable */
    assert_null(process_find("/"));
    assert_null(process_find(""));
}

static int set_up(void **state)
{
    struct error err;

    *state = loop_new(&err);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    loop_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_rearms_itself),
        cmocka_unit_test(test_fd_and_interrupt),
        cmocka_unit_test(test_child),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_process_that_cannot_start),
        cmocka_unit_test(test_find),
    };

    return cmocka_run_group_tests_name("loop", tests, set_up, tear_down);
}
