/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* nftw() */
#include "tests/unit/unit.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "sink/wireshark_find.h"

#define INSIDE "/Applications/Wireshark.app/Contents/MacOS/Wireshark"

struct places {
    char root[32], home[32], bin[32];
};

/* An executable, with the directories above it. */
static void add(const char *place, const char *path)
{
    cleanup_free char *whole = text_format("%s%s", place, path);

    for (char *slash = strchr(whole + strlen(place) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(whole, 0700) == 0 || access(whole, X_OK) == 0);
        *slash = '/';
    }
    FILE *file = fopen(whole, "we");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(chmod(whole, 0755), 0);
}

static void assert_found(const struct places *places, const char *place, const char *path)
{
    cleanup_free char *found = wireshark_find(places->root);
    cleanup_free char *wanted = path ? text_format("%s%s", place, path) : NULL;

    if (wanted)
        assert_string_equal(found, wanted);
    else
        assert_null(found);
}

static int make_places(void **state)
{
    static struct places places;

    for (char *place = places.root; place <= places.bin; place += sizeof(places.root)) {
        strcpy(place, "/tmp/wireshark-find-XXXXXX");
        assert_non_null(mkdtemp(place));
    }
    setenv("HOME", places.home, 1);
    setenv("PATH", places.bin, 1);
    *state = &places;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int remove_places(void **state)
{
    const struct places *places = *state;

    nftw(places->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    nftw(places->home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    nftw(places->bin, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

/* Each place is looked at before the one that was filled before it. */
static void looks_in_path_then_among_applications(void **state)
{
    const struct places *places = *state;

    assert_found(places, NULL, NULL);
    add(places->home, INSIDE);
    assert_found(places, places->home, INSIDE);
    add(places->root, INSIDE);
    assert_found(places, places->root, INSIDE);
    add(places->bin, "/Wireshark");
    assert_found(places, places->bin, "/Wireshark");
    add(places->bin, "/wireshark");
    assert_found(places, places->bin, "/wireshark");
}

/* An application that was not copied wholly is none. */
static void takes_what_can_be_run_alone(void **state)
{
    const struct places *places = *state;
    cleanup_free char *inside = text_format("%s" INSIDE, places->root);

    add(places->root, INSIDE);
    assert_int_equal(chmod(inside, 0644), 0);
    assert_found(places, NULL, NULL);
    unsetenv("HOME");
    assert_found(places, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(looks_in_path_then_among_applications, make_places,
                                        remove_places),
        cmocka_unit_test_setup_teardown(takes_what_can_be_run_alone, make_places, remove_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
