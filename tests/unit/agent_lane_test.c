/* SPDX-License-Identifier: Apache-2.0 */
/* What a recorder's writers and its supervisor tell each other of the packet that has triggered. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/lane.h"

#define TARGETS   2
#define STEPS_MAX 100000

static struct shared *share(void)
{
    size_t size = sizeof(struct shared) + TARGETS * sizeof(struct lane);
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(shared, MAP_FAILED);
    return shared;
}

static void free_shared(struct shared *shared)
{
    munmap(shared, sizeof(struct shared) + TARGETS * sizeof(struct lane));
}

static void test_the_first_one_counts(void **state)
{
    struct shared *shared = share();
    uint64_t target = 7;

    (void)state;
    assert_int_equal(shared_triggered(shared, &target), 0);
    assert_int_equal(target, 7);
    assert_true(shared_trigger(shared, 1, 100));
    assert_false(shared_trigger(shared, 0, 90));
    assert_int_equal(shared_triggered(shared, &target), 100);
    assert_int_equal(target, 1);
    free_shared(shared);
}

#ifdef __x86_64__ /* elsewhere an atomic instruction may be a loop that no step ever leaves */

/* A writer that waits at its beginning for somebody who takes it from instruction to instruction.
 */
static pid_t start_writer(struct shared *shared)
{
    pid_t pid = fork();

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        shared_trigger(shared, 1, 100);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &(int){0}, 0), pid);
    return pid;
}

static bool step(pid_t pid)
{
    int status;

    assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSTOPPED(status);
}

/* Whenever the supervisor looks, there is no trigger, or the whole of it. */
static void test_nobody_sees_half_of_it(void **state)
{
    struct shared *shared = share();
    pid_t pid = start_writer(shared);
    unsigned steps = 0, seen = 0;

    (void)state;
    while (step(pid)) {
        uint64_t target = 7, time = shared_triggered(shared, &target);

        seen += time != 0;
        assert_int_equal(time, time ? 100 : 0);
        assert_int_equal(target, time ? 1 : 7);
        assert_true(++steps < STEPS_MAX);
    }
    assert_true(seen > 0);
    free_shared(shared);
}

/* Wherever a writer is killed, it has triggered, or another can. */
static void test_killed_amid_it(void **state)
{
    bool ended = false;
    uint64_t target, last = 0;

    (void)state;
    for (unsigned steps = 0; last != 100; steps++) {
        struct shared *shared = share();
        pid_t pid = start_writer(shared);

        for (unsigned i = 0; i < steps && !ended; i++)
            ended = !step(pid);
        assert_false(ended);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        shared_trigger(shared, 0, 200);
        last = shared_triggered(shared, &target);
        assert_int_equal(last, target == 1 ? 100 : 200);
        free_shared(shared);
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_one_counts),
#ifdef __x86_64__
        cmocka_unit_test(test_nobody_sees_half_of_it),
        cmocka_unit_test(test_killed_amid_it),
#endif
    };

    return cmocka_run_group_tests_name("agent_lane", tests, NULL, NULL);
}
