/* SPDX-License-Identifier: Apache-2.0 */
/* The archive, judged by the machine's own tar. */
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "method/tar.h"

static void test_tar_takes_it(void **state)
{
    char directory[] = "/tmp/ksniff-tar-XXXXXX", command[256], path[256];
    unsigned char bytes[1300], back[1400];
    struct stat st;
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 7);
    unsigned char *archive = tar_of_executable(".ksniff-x", bytes, sizeof(bytes), &length);
    assert_int_equal(length % 512, 0);
    assert_non_null(mkdtemp(directory));
    snprintf(command, sizeof(command), "tar -xf - -C %s", directory);
    FILE *tar = popen(command, "w");
    assert_int_equal(fwrite(archive, 1, length, tar), length);
    assert_int_equal(pclose(tar), 0);
    snprintf(path, sizeof(path), "%s/.ksniff-x", directory);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    FILE *file = fopen(path, "rb");
    assert_int_equal(fread(back, 1, sizeof(back), file), sizeof(bytes));
    assert_memory_equal(back, bytes, sizeof(bytes));
    fclose(file);
    unlink(path);
    rmdir(directory);
    free(archive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tar_takes_it)};

    return cmocka_run_group_tests_name("tar", tests, NULL, NULL);
}
