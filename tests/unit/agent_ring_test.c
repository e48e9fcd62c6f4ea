/* SPDX-License-Identifier: Apache-2.0 */
/* Which segments a ring has, as files come and go, and what else may be there. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ring.h"

static char directory[64];

static void path_of(char *out, const char *name)
{
    snprintf(out, 128, "%s/%s", directory, name);
}

static void make(const char *name)
{
    char path[128];

    path_of(path, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, name, strlen(name)), strlen(name));
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/ksniff-ring-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

static void check(struct ring *ring, uint64_t from, uint64_t first, uint64_t last)
{
    uint64_t got_first, got_last;

    ring_look(ring, from, &got_first, &got_last);
    assert_int_equal(got_first, first);
    assert_int_equal(got_last, last);
}

static void test_numbers(void **state)
{
    char path[128];
    struct ring ring;

    (void)state;
    assert_int_equal(ring_open(&ring, directory, 12), 0);
    check(&ring, 0, RING_NONE, RING_NONE); /* the target is not there yet */
    path_of(path, "12");
    assert_int_equal(mkdir(path, 0700), 0);
    check(&ring, 0, RING_NONE, RING_NONE);
    make("12/0000000007");
    make("12/0000000003");
    make("12/9999999999");
    check(&ring, 0, 3, 9999999999);
    check(&ring, 3, 3, 9999999999);
    check(&ring, 4, 7, 9999999999);
    check(&ring, 8, 9999999999, 9999999999);
    check(&ring, 10000000000, RING_NONE, RING_NONE);
    path_of(path, "12/9999999999");
    assert_int_equal(unlink(path), 0);
    check(&ring, 0, 3, 7);
}

static void test_other_names(void **state)
{
    struct ring ring;

    (void)state;
    assert_int_equal(ring_open(&ring, directory, 12), 0);
    make("12/state");
    make("12/11");
    make("12/00000000011");
    make("12/000000001x");
    make("12/-000000001");
    make("12/0000000011.new");
    check(&ring, 0, 3, 7);
}

/* So many that the kernel lists them in several pieces. */
static void test_many(void **state)
{
    struct ring ring;
    char name[32], path[128];

    (void)state;
    path_of(path, "5");
    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "5/%010d", 100 + i * 7919 % 3000);
        make(name);
    }
    assert_int_equal(ring_open(&ring, directory, 5), 0);
    check(&ring, 0, 100, 3099);
    check(&ring, 1234, 1234, 3099);
}

static void test_files(void **state)
{
    struct ring ring;
    uint64_t first;
    char text[32], path[128];

    (void)state;
    assert_int_equal(ring_open(&ring, directory, 12), 0);
    ring_look(&ring, 0, &first, NULL);
    int fd = ring_segment(&ring, first);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof(text)), 13);
    assert_memory_equal(text, "12/0000000003", 13);
    close(fd);
    assert_int_equal(ring_segment(&ring, 4), -1);
    assert_int_equal(errno, ENOENT);

    /* None of these is a recorder's. */
    path_of(path, "12/0000000020");
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(ring_segment(&ring, 20), -1);
    assert_int_equal(errno, ELOOP);
    path_of(path, "12/0000000021");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ring_segment(&ring, 21), -1);
    path_of(path, "12/0000000022");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(ring_segment(&ring, 22), -1);
}

static void test_no_ring(void **state)
{
    struct ring ring;
    char path[128];

    (void)state;
    path_of(path, "nothing");
    assert_int_equal(ring_open(&ring, path, 0), -1);
    path_of(path, "12/state");
    assert_int_equal(ring_open(&ring, path, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_many),    cmocka_unit_test(test_files),
        cmocka_unit_test(test_no_ring),
    };

    return cmocka_run_group_tests_name("agent_ring", tests, set_up, tear_down);
}
