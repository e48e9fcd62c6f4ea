/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "capture/summary.h"

static struct summary_row rows[] = {
    {.namespace = "shop",
     .pod = "web",
     .container = "app",
     .node = "node1",
     .method = "upload",
     .state = "capturing",
     .up = true,
     .captured = true,
     .packets = 1200,
     .bytes = 345678,
     .kept = 45678,
     .dropped = 3,
     .lost = 2,
     .late = 7,
     .cuts = 2,
     .gap = 1250,
     .clock_known = true,
     .clock_offset = -12345678,
     .clock_bound = 210000},
    {.node = "node2",
     .state = "ended",
     .ended = true,
     .error = "no method can capture node \"node2\""},
};

static struct summary begin(void)
{
    return (struct summary){.context = "prod",
                            .output = "x.pcapng",
                            .started = 1790000000,
                            .ended = 1790000060,
                            .elapsed = 65000,
                            .left = UINT64_MAX,
                            .rate = 12000,
                            .note = "",
                            .total = rows[0],
                            .rows = rows,
                            .count = 2,
                            .present = 2,
                            .up = 1};
}

static const char *live(const struct summary *summary, size_t columns, size_t lines)
{
    static char text[4096];
    struct buf out;

    buf_init(&out, sizeof(text));
    summary_live(summary, columns, lines, &out);
    snprintf(text, sizeof(text), "%s", buf_string(&out));
    buf_free(&out);
    return text;
}

static void test_live(void **state)
{
    struct summary summary = begin();

    (void)state;
    assert_string_equal(live(&summary, 200, 0),
                        "1 of 2 targets, 1200 packets, 345.7 kB, 12.0 kB/s, 5 dropped (3 kernel, 2 "
                        "pipe), 7 late, 1:05");
    summary.left = 24001;
    summary.note = "9 packets still to come";
    summary.total.lost = summary.total.late = 0;
    assert_string_equal(live(&summary, 200, 0),
                        "1 of 2 targets, 1200 packets, 345.7 kB, 12.0 kB/s, 3 dropped (kernel), "
                        "1:05, 0:25 left, 9 packets still to come");
    summary.count = 1;
    summary.total.dropped = 0;
    summary.total.packets = 1;
    summary.elapsed = 3725000;
    assert_memory_equal(live(&summary, 200, 0), "1 packet, ", 10);
    assert_non_null(strstr(live(&summary, 200, 0), ", 0 dropped, 1:02:05, "));
}

/* What matters least goes first; packets stay. */
static void test_live_fits(void **state)
{
    struct summary summary = begin();

    (void)state;
    for (size_t columns = 1; columns < 120; columns++) {
        const char *line = live(&summary, columns, 0);

        assert_true(strlen(line) < columns || strcmp(line, "1200 packets") == 0);
        assert_non_null(strstr(line, "1200 packets"));
        if (columns > 55)
            assert_non_null(strstr(line, "5 dropped"));
    }
    assert_string_equal(live(&summary, 50, 0), "1200 packets, 5 dropped (3 kernel, 2 pipe)");
}

static void test_a_row_for_each(void **state)
{
    struct summary summary = begin();
    const char *text = live(&summary, 200, 10);

    (void)state;
    assert_non_null(strstr(text, "\n  shop/web    capturing         1200   345.7 kB  5 dropped"));
    assert_non_null(strstr(text, "\n  node/node2  ended                0        0 B  0 dropped"));
}

/* Of twenty rollouts: what has gone neither counts nor stands before what runs. */
static void test_what_has_gone(void **state)
{
    struct summary_row many[43] = {0};
    struct summary summary = begin();
    struct buf out;

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        many[i] = rows[1];
        many[i].gone = true;
    }
    many[40] = rows[1];
    many[41] = many[42] = rows[0];
    many[42].pod = "api";
    summary.rows = many;
    summary.count = 43;
    summary.present = 3;
    summary.up = 2;
    const char *text = live(&summary, 200, 10);
    assert_memory_equal(text, "2 of 3 targets, ", 16);
    assert_non_null(strstr(text, "1:05\n  shop/web "));
    assert_non_null(strstr(strstr(text, "\n  shop/web "), "\n  shop/api "));
    const char *ended = strstr(strstr(text, "\n  shop/api "), "\n  node/node2 ");
    assert_non_null(ended);
    assert_null(strstr(ended + 1, "\n"));
    /* The table has them all. */
    buf_init(&out, 64u << 10);
    summary_table(&summary, &out);
    size_t lines = 0;
    for (const char *at = buf_string(&out); (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 1 + 43);
    buf_free(&out);
}

static void test_more_than_fit(void **state)
{
    struct summary_row many[100];
    struct summary summary = begin();

    (void)state;
    many[0] = rows[1];
    for (size_t i = 1; i < 100; i++)
        many[i] = rows[0];
    summary.rows = many;
    summary.count = summary.present = 100;
    const char *text = live(&summary, 200, 50), *more = strstr(text, "\n  ... and 51 more");
    size_t lines = 0;
    assert_non_null(more);
    assert_string_equal(more, "\n  ... and 51 more");
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 50);
    assert_null(strstr(text, "node/node2"));
    assert_non_null(strstr(live(&summary, 200, 1), "\n  ... and 100 more"));
    assert_null(strstr(live(&summary, 200, 100), "more"));
}

static void test_totals(void **state)
{
    struct summary summary = begin();
    char text[300];

    (void)state;
    assert_string_equal(
        summary_totals(&summary, "up to 2 packets", text, sizeof(text)),
        "1200 packets captured, 345.7 kB, 3 dropped, up to 2 packets lost on the way, 7 late");
    summary.total.late = 0;
    summary.total.packets = 1;
    assert_string_equal(summary_totals(&summary, "", text, sizeof(text)),
                        "1 packet captured, 345.7 kB, 3 dropped");
}

static void test_table(void **state)
{
    struct summary summary = begin();
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    summary_table(&summary, &out);
    assert_string_equal(
        buf_string(&out),
        "TARGET      NODE   METHOD        PACKETS      BYTES   DROPPED  GAPS        CLOCK\n"
        "shop/web    node1  upload           1200   345.7 kB         5  2, 1.2 s    -12.35 ms "
        "+-0.21\n"
        "node/node2  node2  -                   0        0 B         0  -           -  no method "
        "can capture node \"node2\"\n");
    buf_free(&out);
}

static void test_help(void **state)
{
    struct summary summary = begin();
    char text[300];

    (void)state;
    assert_non_null(strstr(summary_help(&summary, text, sizeof(text)), "3 packets were dropped"));
    assert_non_null(strstr(text, "raise --buffer-size"));
    summary.total.dropped = 0;
    assert_non_null(strstr(summary_help(&summary, text, sizeof(text)), "raise --reorder-window"));
    summary.total.late = 0;
    assert_string_equal(summary_help(&summary, text, sizeof(text)), "");
}

static void test_json(void **state)
{
    struct summary summary = begin();
    const char *output;
    int code;

    (void)state;
    summary.exit_code = 3;
    summary.output = "not\xffutf-8";
    json_t *object = summary_json(&summary), *first, *second;
    assert_int_equal(json_unpack(object, "{s:s, s:i, s:[o, o]}", "output", &output, "exitCode",
                                 &code, "targets", &first, &second),
                     0);
    assert_string_equal(output, "not\\xffutf-8");
    assert_int_equal(code, 3);
    assert_string_equal(json_string_value(json_object_get(object, "started")),
                        "2026-09-21T14:13:20Z");
    assert_true(json_is_null(json_object_get(object, "error")));
    assert_int_equal(json_integer_value(json_object_get(object, "packets")), 1200);
    assert_int_equal(json_integer_value(json_object_get(object, "bytes")), 345678);
    assert_int_equal(json_integer_value(json_object_get(object, "capturedBytes")), 45678);
    assert_string_equal(json_string_value(json_object_get(first, "container")), "app");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(first, "clock"), "offsetNanoseconds")),
        -12345678);
    assert_int_equal(json_integer_value(json_object_get(first, "gapMilliseconds")), 1250);
    assert_true(json_is_null(json_object_get(second, "pod")));
    assert_true(json_is_null(json_object_get(second, "clock")));
    assert_true(json_is_false(json_object_get(second, "captured")));
    assert_true(json_is_false(json_object_get(second, "gone")));
    json_decref(object);
}

static void test_cannot_be_written(void **state)
{
    struct summary summary = begin();
    struct error err;

    (void)state;
    assert_int_equal(summary_write(&summary, "/dev/full", &err), -1);
    assert_int_equal(err.kind, ERROR_OUTPUT);
    assert_non_null(strstr(err.text, "\"/dev/full\""));
    assert_int_equal(summary_write(&summary, "/nowhere/x", &err), -1);
}

/* Text of the cluster reaches a terminal without control characters, and programs as it is. */
static void test_shown_on_a_terminal(void **state)
{
    static const char text[] = "a\x7f\x7f\xc2\x9b"
                               "31m\u202e\u00fcz";
    struct summary summary = begin();
    char path[] = "/tmp/summary-XXXXXX", bytes[4096] = "";
    struct error err;
    int fd = mkstemp(path);

    (void)state;
    summary.context = text;
    assert_int_equal(summary_write(&summary, path, &err), 0);
    ssize_t length = read(fd, bytes, sizeof(bytes));
    unlink(path);
    close(fd);
    for (ssize_t i = 0; i < length; i++)
        if (bytes[i] != '\n' && (bytes[i] < ' ' || bytes[i] > '~'))
            fail_msg("byte 0x%02x: %s", (unsigned char)bytes[i], bytes);
    json_t *object = json_loadb(bytes, (size_t)length, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "context")), text);
    json_decref(object);
}

/* Return: 0 when a document came. */
static int read_slowly(int fd)
{
    FILE *file = fdopen(fd, "r");

    usleep(200000);
    fcntl(fd, F_SETFL, 0);
    return json_loadf(file, 0, NULL) ? 0 : 1;
}

/* Nobody knows when a reader would come, if ever. One that is there gets all, though it is slow. */
static void test_a_pipe(void **state)
{
    struct summary_row many[1000];
    struct summary summary = begin();
    char folder[] = "/tmp/summary-XXXXXX", path[40];
    struct error err;
    int status;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    assert_int_equal(summary_write(&summary, path, &err), -1);
    assert_non_null(strstr(err.text, "nobody reads the pipe \"/tmp/"));
    assert_string_equal(err.remedy, "start the reader first");
    for (size_t i = 0; i < 1000; i++)
        many[i] = rows[0];
    summary.rows = many;
    summary.count = 1000;
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    pid_t child = fork();
    if (child == 0)
        _exit(read_slowly(fd));
    assert_int_equal(summary_write(&summary, path, &err), 0);
    close(fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    alarm(0);
    unlink(path);
    rmdir(folder);
    assert_int_equal(status, 0);
}

static void touch(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs("old", file);
    fclose(file);
}

static void refused(const char *path, const char *output, enum error_kind kind)
{
    struct error err = {0};

    if (summary_prepare(path, output, &err) == 0)
        fail_msg("\"%s\" is taken beside \"%s\"", path, output ? output : "nothing");
    assert_int_equal(err.kind, kind);
}

static void taken(const char *path, const char *output)
{
    struct error err = {0};

    if (summary_prepare(path, output, &err) < 0)
        fail_msg("%s", err.text);
}

/* What is there stays as it is, and nothing is made. */
static void test_prepared(void **state)
{
    char folder[] = "/tmp/summary-XXXXXX";
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    touch("there");
    taken("-", NULL);
    taken("-", "-");
    taken("there", NULL);
    taken("new", "there");
    taken("/dev/null", "/dev/null");
    refused("", NULL, ERROR_OUTPUT);
    refused("none/x", NULL, ERROR_OUTPUT);
    refused("there/x", NULL, ERROR_OUTPUT);
    refused(folder, NULL, ERROR_OUTPUT);
    refused("there", "./there", ERROR_USAGE);
    refused("new", "new", ERROR_USAGE);
    refused("./new", "new", ERROR_USAGE);
    assert_int_equal(symlink("there", "link"), 0);
    refused("link", "there", ERROR_USAGE);
    assert_int_equal(stat("there", &st), 0);
    assert_int_equal(st.st_size, 3);
    assert_int_equal(stat("new", &st), -1);
    unlink("there");
    unlink("link");
    assert_int_equal(chdir("/"), 0);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_live_fits),
        cmocka_unit_test(test_a_row_for_each),
        cmocka_unit_test(test_what_has_gone),
        cmocka_unit_test(test_more_than_fit),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_cannot_be_written),
        cmocka_unit_test(test_a_pipe),
        cmocka_unit_test(test_shown_on_a_terminal),
        cmocka_unit_test(test_shown_on_a_terminal),
        cmocka_unit_test(test_prepared),
    };

    return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
