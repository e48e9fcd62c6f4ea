/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <limits.h>

#include "base/error.h"
#include "sink/pattern.h"

static const struct pattern_values web = {
    .namespace = "shop", .pod = "web-0", .container = "app", .time = 1795894200};

static void check(const char *pattern, const struct pattern_values *values, const char *expected)
{
    struct error err;
    char *name = pattern_expand(pattern, values);

    assert_int_equal(pattern_check(pattern, &err), 0);
    assert_string_equal(name, expected);
    free(name);
}

static void test_values(void **state)
{
    (void)state;
    check("dir/%n-%p-%c-%t.pcapng", &web, "dir/shop-web-0-app-20261128T193000.pcapng");
    check("%p%p.gz", &web, "web-0web-0.gz");
    check("100%%/100%%.pcap", &web, "100%/100%.pcap");
    check("%p-%i.pcapng", &web, "web-0-00001.pcapng");
    check("plain.pcapng", &web, "plain.pcapng");
}

static void test_kinds(void **state)
{
    (void)state;
    assert_true(pattern_is_per_target("%p.pcapng"));
    assert_true(pattern_is_per_target("x-%n"));
    assert_true(pattern_is_per_target("%t%c"));
    assert_false(pattern_is_per_target("%t-%i.pcapng"));
    assert_false(pattern_is_per_target("%%p.pcapng"));
    assert_false(pattern_is_per_target("web.pcapng"));
    assert_true(pattern_is_fixed("%%p.pcapng"));
    assert_true(pattern_is_fixed("web.pcapng"));
    assert_false(pattern_is_fixed("%t"));
    assert_false(pattern_is_fixed("%i"));
}

static void refuse(const char *pattern, const char *text)
{
    struct error err = {0};

    assert_int_equal(pattern_check(pattern, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.text, text);
    assert_true(*err.remedy);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("web-%x.pcapng", "\"%x\" in \"web-%x.pcapng\" stands for nothing");
    refuse("100%.pcapng", "\"%.\" in \"100%.pcapng\" stands for nothing");
    refuse("%p%", "\"%\" in \"%p%\" stands for nothing");
    refuse("%%%", "\"%\" in \"%%%\" stands for nothing");
    refuse("%n/%p.pcapng", "\"%n\" in \"%n/%p.pcapng\" stands in a directory's name");
}

/* Names come from the cluster, and could be anything. */
static void test_names_of_any_origin(void **state)
{
    struct pattern_values values = {.pod = "../../etc/passwd", .namespace = ".hidden"};
    char long_name[400];

    (void)state;
    check("dir/%p", &values, "dir/_._.._etc_passwd");
    check("%n", &values, "_hidden");
    values.pod = "a/b\n\x1b[31m%n\xc3\xa4";
    check("%p.pcapng", &values, "a_b___31m_n__.pcapng");
    values.pod = "..";
    check("%p", &values, "_.");
    values.pod = "";
    check("%p-%c.pcapng", &values, "none-none.pcapng");
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    values.pod = values.namespace = long_name;
    char *name = pattern_expand("d/%n-%p.pcapng", &values);
    assert_int_equal(strlen(name), 2 + 100 + 1 + 100 + 7);
    free(name);
}

static void test_numbers(void **state)
{
    struct pattern_values values = web;

    (void)state;
    values.number = 12;
    check("web.pcapng", &values, "web_00012_20261128193000.pcapng");
    check("web.pcapng.gz", &values, "web_00012_20261128193000.pcapng.gz");
    check("a.b/web", &values, "a.b/web_00012_20261128193000");
    check("a.b/.web", &values, "a.b/.web_00012_20261128193000");
    check("web.zst", &values, "web_00012_20261128193000.zst");
    check("%p.cap", &values, "web-0_00012_20261128193000.cap");
    check("v1.%p", &values, "v1.web-0_00012_20261128193000");
    check("%p-%t.pcap", &values, "web-0-20261128T193000_00012.pcap");
    check("%i-%p.pcap", &values, "00012-web-0.pcap");
    values.number = 123456;
    check("%i", &values, "123456");
}

static unsigned twin(struct pattern_names *names, const char *pattern,
                     const struct pattern_values *values, const char *expected)
{
    struct pattern_values chosen = *values;
    struct error err;

    assert_int_equal(pattern_choose_twin(names, pattern, &chosen, &err), 0);
    check(pattern, &chosen, expected);
    return chosen.twin;
}

/* Two targets never write into one file. */
static void test_twins(void **state)
{
    struct pattern_names names = {0};
    struct pattern_values other = web, numbered = web;

    (void)state;
    other.pod = "web-1";
    assert_int_equal(twin(&names, "%n-%p.pcapng.gz", &web, "shop-web-0.pcapng.gz"), 0);
    twin(&names, "%n-%p.pcapng.gz", &other, "shop-web-1.pcapng.gz");
    twin(&names, "%n-%p.pcapng.gz", &web, "shop-web-0-2.pcapng.gz");
    assert_int_equal(twin(&names, "%n-%p.pcapng.gz", &web, "shop-web-0-3.pcapng.gz"), 3);
    twin(&names, "%n.pcapng", &web, "shop.pcapng");
    twin(&names, "%n.pcapng", &other, "shop-2.pcapng");
    /* The time tells them apart, but not those of files that follow. */
    twin(&names, "%n-%t", &web, "shop-20261128T193000");
    other.time++;
    twin(&names, "%n-%t", &other, "shop-20261128T193001");
    numbered.number = other.number = 1;
    twin(&names, "%n", &numbered, "shop_00001_20261128193000");
    twin(&names, "%n", &other, "shop-2_00001_20261128193001");
    pattern_names_free(&names);
}

static void fits(const char *pattern, const struct pattern_values *values, size_t *ret_base)
{
    char *name = pattern_expand(pattern, values);

    assert_in_range(strlen(name), 1, 255);
    *ret_base = strspn(name, "n-p");
    free(name);
}

/* A name may have 253 bytes, and there may be three, a twin and a number. */
static void test_long_names(void **state)
{
    static char namespace[100], pod[254];
    struct pattern_values values = {.namespace = namespace, .pod = pod, .container = namespace};
    struct pattern_names names = {0};
    struct pattern_values other = values;
    struct error err;
    size_t first, later;

    (void)state;
    memset(namespace, 'n', sizeof(namespace) - 1);
    memset(pod, 'p', sizeof(pod) - 1);
    fits("%n-%p-%c.pcapng.gz", &values, &first);
    assert_in_range(first, 200, 245);
    values.number = other.number = 1;
    fits("%n-%p-%c.pcapng.gz", &values, &first);
    values.number = UINT_MAX;
    values.twin = 12345;
    fits("%n-%p-%c.pcapng.gz", &values, &later);
    assert_int_equal(first, later - 1); /* with the twin's dash */
    fits("%p%p%p%p%p%p-%t-%i.pcapng", &values, &later);
    values.number = 1;
    assert_int_equal(pattern_choose_twin(&names, "%n-%p-%c", &values, &err), 0);
    assert_int_equal(pattern_choose_twin(&names, "%n-%p-%c", &other, &err), 0);
    assert_int_equal(values.twin, 0);
    assert_int_equal(other.twin, 2);
    pattern_names_free(&names);
    /* Short ones leave their room to the others. */
    values = (struct pattern_values){.namespace = "n", .pod = pod, .container = "n"};
    fits("%n-%p-%c.pcapng", &values, &first);
    assert_int_equal(first, 2 + 100 + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_names_of_any_origin),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_twins),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
