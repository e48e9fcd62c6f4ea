/* SPDX-License-Identifier: Apache-2.0 */
/* Where secrets stand in files: read back block by block, as letters. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "capture/recorder.h"
#include "capture/secrets.h"
#include "common/pcapng.h"
#include "settings/settings.h"
#include "sink/sink.h"

#define LINE 170 /* bytes, its newline included: what one takes as a rule */

struct fixture {
    char directory[40], output[80];
    struct settings settings;
    struct sink sink;
    struct recorder recorder;
    struct share shares[2];
    unsigned failed, enough;
};

static char *describe(void *data, const struct share *share)
{
    (void)data;
    (void)share;
    return NULL;
}

static void on_started(void *data)
{
    (void)data;
}

static void on_enough(void *data)
{
    ((struct fixture *)data)->enough++;
}

static void on_failed(void *data)
{
    ((struct fixture *)data)->failed++;
}

static struct fixture *begin(const char *name, uint64_t rotate_size, uint64_t max_size)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct capture_interface interface = {.linktype = 1, .snaplen = 1000, .name = "eth0"};
    struct error err;

    strcpy(fixture->directory, "/tmp/secrets-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->output, sizeof(fixture->output), "%s/%s", fixture->directory, name);
    fixture->settings = (struct settings){.format = &capture_format_pcapng,
                                          .rotate_size = rotate_size,
                                          .max_size = max_size,
                                          .keylog = "/keys"};
    fixture->sink = (struct sink){.output = fixture->output, .numbered = rotate_size > 0};
    assert_int_equal(sink_prepare(&fixture->sink, &err), 0);
    fixture->recorder = (struct recorder){.settings = &fixture->settings,
                                          .sink = &fixture->sink,
                                          .describe = describe,
                                          .started = on_started,
                                          .enough = on_enough,
                                          .failed = on_failed,
                                          .data = fixture};
    recorder_init(&fixture->recorder);
    for (size_t i = 0; i < 2; i++) {
        fixture->shares[i] =
            (struct share){.prefix = i ? "b" : "a", .values = {.pod = i ? "b" : "a"}};
        assert_int_equal(recorder_interface(&fixture->recorder, &fixture->shares[i], &interface),
                         i);
    }
    return fixture;
}

static void end(struct fixture *fixture)
{
    char command[80];

    recorder_free(&fixture->recorder);
    sink_free(&fixture->sink);
    snprintf(command, sizeof(command), "rm -r %s", fixture->directory);
    assert_int_equal(system(command), 0);
    free(fixture);
}

static void finish(struct fixture *fixture)
{
    struct error err;

    assert_int_equal(recorder_finish(&fixture->recorder, &err), 0);
    assert_int_equal(fixture->failed, 0);
}

static bool secret(struct fixture *fixture, size_t share, unsigned number)
{
    char line[LINE];

    snprintf(line, sizeof(line), "%0*u", LINE - 1, number);
    return secrets_add(&fixture->recorder, &fixture->shares[share], line, LINE - 1);
}

static void packet(struct fixture *fixture, uint32_t interface)
{
    static const uint8_t data[400];
    const struct capture_packet packet = {
        .interface = interface, .captured_length = 400, .original_length = 400, .data = data};

    assert_true(recorder_packet(&fixture->recorder, &packet));
}

/* ---- reading back ---- */

static uint8_t bytes[1 << 20];

static uint32_t word_at(size_t at)
{
    uint32_t word;

    memcpy(&word, bytes + at, sizeof(word));
    return word;
}

/* The lines of a block: each is a number, and a letter of them is its last digit. */
static size_t see_secrets(size_t at, char *out)
{
    const char *lines = (const char *)bytes + at + sizeof(struct pcapng_dsb);
    size_t length = word_at(at + 12);

    assert_int_equal(word_at(at + 8), 0x544c534b);
    assert_int_equal(length % LINE, 0);
    assert_true(length > 0 && length <= (32u << 10));
    assert_int_equal(word_at(at + 4), 16 + (length + 3) / 4 * 4 + 4);
    for (size_t i = 0; i < length; i += LINE)
        *out++ = lines[i + LINE - 2];
    return length / LINE;
}

/* Return: packets as P, and secrets as the last digits of their numbers. */
static const char *read_file(const char *path, size_t *ret_size)
{
    static char seen[10000];
    size_t used = 0, size;
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    for (size_t at = 0; at < size; at += word_at(at + 4)) {
        if (word_at(at) == PCAPNG_EPB)
            seen[used++] = 'P';
        else if (word_at(at) == PCAPNG_DSB)
            used += see_secrets(at, seen + used);
    }
    seen[used] = '\0';
    if (ret_size)
        *ret_size = size;
    return seen;
}

static void expect(const struct fixture *fixture, const char *name, const char *seen)
{
    char path[120];

    snprintf(path, sizeof(path), "%s/%s", fixture->directory, name);
    assert_string_equal(read_file(path, NULL), seen);
}

/* ---- tests ---- */

static void test_before_the_next_packet(void **state)
{
    struct fixture *fixture = begin("x.pcapng", 0, 0);

    (void)state;
    assert_true(secret(fixture, 0, 1));
    packet(fixture, 0);
    packet(fixture, 1);
    assert_true(secret(fixture, 0, 2));
    assert_true(secret(fixture, 1, 3));
    assert_false(secret(fixture, 1, 2)); /* it is there */
    packet(fixture, 0);
    assert_true(secret(fixture, 0, 4));
    finish(fixture);
    expect(fixture, "x.pcapng", "1PP23P4");
    end(fixture);
}

static void test_each_target_has_its_own(void **state)
{
    struct fixture *fixture = begin("%p.pcapng", 0, 0);

    (void)state;
    secret(fixture, 0, 1);
    secret(fixture, 1, 1);
    secret(fixture, 1, 2);
    packet(fixture, 0);
    packet(fixture, 1);
    secret(fixture, 0, 3);
    packet(fixture, 1);
    packet(fixture, 0);
    finish(fixture);
    expect(fixture, "a.pcapng", "1P3P");
    expect(fixture, "b.pcapng", "12PP");
    end(fixture);
}

static void test_each_file_is_complete(void **state)
{
    struct fixture *fixture = begin("x-%i.pcapng", 3600, 0);

    (void)state;
    secret(fixture, 0, 1);
    for (unsigned i = 0; i < 6; i++)
        packet(fixture, i % 2);
    secret(fixture, 0, 2);
    for (unsigned i = 0; i < 4; i++)
        packet(fixture, i % 2);
    finish(fixture);
    expect(fixture, "x-00001.pcapng", "1PPPPPP");
    expect(fixture, "x-00002.pcapng", "12PPPP");
    end(fixture);
}

static void test_files_stay_as_small_as_asked_for(void **state)
{
    struct fixture *fixture = begin("x-%i.pcapng", 8000, 0);
    char path[120];
    size_t size;

    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        secret(fixture, i % 2, i);
        packet(fixture, i % 2);
    }
    finish(fixture);
    const uint64_t files = fixture->sink.values.number;
    assert_in_range(files, 50, 150);
    for (unsigned i = 1; i <= files; i++) {
        snprintf(path, sizeof(path), "%s/x-%05u.pcapng", fixture->directory, i);
        const char *seen = read_file(path, &size);

        assert_true(size <= 8000);
        assert_non_null(strchr(seen, 'P'));
        /* As many of those before as half of it takes, and the last of them is the newest. */
        assert_true(i < 10 || strchr(seen, 'P') - seen >= 20);
    }
    end(fixture);
}

static void test_more_than_the_output_holds_at_once(void **state)
{
    struct fixture *fixture = begin("x.pcapng", 0, 0);

    (void)state;
    for (unsigned i = 0; i < 5000; i++) /* 830 KiB */
        secret(fixture, 0, i);
    packet(fixture, 0);
    finish(fixture);
    char path[120];
    snprintf(path, sizeof(path), "%s/x.pcapng", fixture->directory);
    const char *seen = read_file(path, NULL);
    assert_int_equal(strlen(seen), 5001);
    assert_string_equal(seen + 4990, "0123456789P");
    end(fixture);
}

static void test_max_size_counts_them(void **state)
{
    struct fixture *fixture = begin("x.pcapng", 0, 3000);
    char path[120];
    size_t size;

    (void)state;
    packet(fixture, 0);
    for (unsigned i = 0; i < 50; i++)
        secret(fixture, 0, i);
    packet(fixture, 0);
    assert_int_equal(fixture->enough, 1);
    assert_string_equal(fixture->recorder.limit, "--max-size");
    finish(fixture);
    snprintf(path, sizeof(path), "%s/x.pcapng", fixture->directory);
    assert_string_equal(read_file(path, &size), "P");
    assert_true(size <= 3000);
    end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_next_packet),
        cmocka_unit_test(test_each_target_has_its_own),
        cmocka_unit_test(test_each_file_is_complete),
        cmocka_unit_test(test_files_stay_as_small_as_asked_for),
        cmocka_unit_test(test_more_than_the_output_holds_at_once),
        cmocka_unit_test(test_max_size_counts_them),
    };

    return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
