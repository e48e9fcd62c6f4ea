/* SPDX-License-Identifier: Apache-2.0 */
#include "base/resident.h"

#include <stdio.h>
#include <string.h>

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
    resident_trim();
    unsigned long after = resident_of_files();
    assert_true(after < before);
    assert_true(before - after > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_the_start_has_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
