/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* F_GETPIPE_SZ */
#include "base/system.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

/* Return: kB of files' pages that this process has in memory; 0: the kernel does not say. */
static unsigned long resident_of_files(void)
{
    char line[200];
    unsigned long found = 0;
    FILE *status = fopen("/proc/self/status", "re");

    while (status && fgets(line, sizeof(line), status))
        if (sscanf(line, "RssFile: %lu", &found) == 1)
            break;
    if (status)
        fclose(status);
    return found;
}

static void gives_back_what_the_start_has_read(void **state)
{
    unsigned long before = resident_of_files();

    (void)state;
    if (before == 0) {
        print_message("skipped: this kernel does not tell how much of files is resident\n");
        skip();
    }
    system_trim();
    unsigned long after = resident_of_files();
    assert_true(after < before);
    assert_true(before - after > 500);
}

static void random_bytes_are_all_others(void **state)
{
    unsigned char bytes[256] = {0}, others[256] = {0};

    (void)state;
    assert_int_equal(system_random(bytes, sizeof(bytes)), 0);
    assert_int_equal(system_random(others, sizeof(others)), 0);
    assert_memory_not_equal(bytes, others, 128);
    assert_memory_not_equal(bytes + 128, others + 128, 128);
}

/* The start of the machine is its zero, as sleep counts, and it goes forward. */
static void clock_counts_since_the_start(void **state)
{
    struct timespec since;
    uint64_t before = system_clock(), after = system_clock();

    (void)state;
    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &since), 0);
    assert_true(after >= before);
    assert_true((uint64_t)since.tv_sec * 1000000000u + (uint64_t)since.tv_nsec >= after);
    assert_true((uint64_t)since.tv_sec - after / 1000000000u < 60);
}

static void opens_a_pipe_again_for_itself(void **state)
{
    int fds[2];
    char bytes[4];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    int again = system_open_again(fds[1]);
    assert_true(again >= 0);
    assert_true(fcntl(again, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(again, F_GETFD) & FD_CLOEXEC);
    assert_false(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
    assert_int_equal(system_unread(again), 0);
    assert_int_equal(write(again, "abc", 3), 3);
    assert_int_equal(system_unread(again), 3);
    assert_int_equal(read(fds[0], bytes, sizeof(bytes)), 3);
    system_widen_pipe(again, 1 << 18);
    assert_int_equal(fcntl(again, F_GETPIPE_SZ), 1 << 18);
    close(again);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(system_open_again(fds[1]), -1);
}

static void allows_more_files_but_not_fewer(void **state)
{
    struct rlimit own, limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &own), 0);
    limit = (struct rlimit){.rlim_cur = 64, .rlim_max = own.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    system_allow_files();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, own.rlim_max < 4096 ? own.rlim_max : 4096);
    if (own.rlim_max > 4100) {
        limit.rlim_cur = 4100;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        system_allow_files();
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(limit.rlim_cur, 4100);
    }
    setrlimit(RLIMIT_NOFILE, &own);
}

static void knows_its_own_path(void **state)
{
    char *path = system_program();
    const char *slash = strrchr(path, '/');

    (void)state;
    assert_int_equal(path[0], '/');
    assert_string_equal(slash, "/system_test");
    assert_int_equal(access(path, X_OK), 0);
    free(path);
}

static void knows_what_can_be_polled(void **state)
{
    (void)state;
    assert_true(system_can_poll(S_IFIFO));
    assert_true(system_can_poll(S_IFSOCK));
    assert_false(system_can_poll(S_IFREG));
    assert_false(system_can_poll(S_IFBLK));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_are_all_others),
        cmocka_unit_test(clock_counts_since_the_start),
        cmocka_unit_test(opens_a_pipe_again_for_itself),
        cmocka_unit_test(allows_more_files_but_not_fewer),
        cmocka_unit_test(knows_its_own_path),
        cmocka_unit_test(knows_what_can_be_polled),
        cmocka_unit_test(gives_back_what_the_start_has_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
