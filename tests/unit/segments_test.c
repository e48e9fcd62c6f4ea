/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of a recording: how far they have been fetched, and how they are read. */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "common/pcapng.h"
#include "common/recording.h"
#include "method/segments.h"
#include "pcapng/reader.h"

static struct segments segments;

static int begin(void **state)
{
    (void)state;
    segments = (struct segments){0};
    return 0;
}

/* So many packets come. Return: how many of them are new. */
static unsigned packets(unsigned count)
{
    unsigned new = 0;

    for (unsigned i = 0; i < count; i++) {
        if (segments_skips(&segments))
            continue;
        segments_took(&segments);
        new ++;
    }
    return new;
}

/* ---- how far ---- */

static void test_one_after_the_other(void **state)
{
    (void)state;
    assert_int_equal(segments_begin(&segments, 7), 0); /* older ones have gone before we came */
    assert_int_equal(segments.missed, 0);
    assert_int_equal(packets(5), 5);
    segments_end(&segments);
    assert_int_equal(segments_begin(&segments, 8), 0);
    assert_int_equal(segments.missed, 0);
    assert_false(segments.repeated);
    assert_int_equal(packets(5), 5);
}

static void test_a_cut_is_taken_up_where_it_was(void **state)
{
    (void)state;
    segments_begin(&segments, 3);
    packets(10);
    for (unsigned cut = 0; cut < 3; cut++) {
        segments_resume(&segments);
        assert_int_equal(segments.number, 3);
        assert_int_equal(segments_begin(&segments, 3), 0);
        assert_true(segments.repeated);
        assert_int_equal(segments.missed, 0);
        assert_int_equal(packets(8), 0); /* and cut again before it was where it had been */
    }
    segments_resume(&segments);
    segments_resume(&segments); /* the try before has brought nothing */
    assert_int_equal(segments_begin(&segments, 3), 0);
    assert_int_equal(packets(12), 2);
    assert_int_equal(segments_begin(&segments, 4), 0);
    assert_false(segments.repeated);
    assert_int_equal(segments.missed, 0);
    assert_int_equal(packets(3), 3);
}

static void test_a_cut_before_anything_has_come(void **state)
{
    (void)state;
    segments_resume(&segments);
    assert_int_equal(segments_begin(&segments, 5), 0);
    assert_int_equal(segments.missed, 0);
    assert_int_equal(packets(2), 2);
}

static void test_what_was_overwritten_is_counted(void **state)
{
    (void)state;
    segments_begin(&segments, 3);
    packets(10);
    assert_int_equal(segments_begin(&segments, 6), 0); /* the ring is quicker than we are */
    assert_int_equal(segments.missed, 2);
    packets(4);
    segments_resume(&segments);
    assert_int_equal(segments_begin(&segments, 8), 0); /* with the rest of 6 */
    assert_int_equal(segments.missed, 2);
    assert_int_equal(packets(4), 4);
    segments_end(&segments);
    segments_resume(&segments);
    assert_int_equal(segments_begin(&segments, 9), 0); /* there was no rest of 8 */
    assert_int_equal(segments.missed, 0);
}

static void test_no_recorder_goes_back(void **state)
{
    (void)state;
    segments_begin(&segments, 3);
    assert_int_equal(segments_begin(&segments, 3), -1);
    assert_int_equal(segments_begin(&segments, 2), -1);
    segments_resume(&segments);
    assert_int_equal(segments_begin(&segments, 2), -1);
}

/* ---- reading ---- */

static unsigned char bytes[4096];
static size_t length;

static uint32_t order(uint32_t value, bool swapped)
{
    return swapped ? __builtin_bswap32(value) : value;
}

static uint16_t order16(uint16_t value, bool swapped)
{
    return swapped ? __builtin_bswap16(value) : value;
}

static void put(const void *what, size_t size)
{
    assert_true(length + size <= sizeof(bytes));
    memcpy(bytes + length, what, size);
    length += size;
}

/* A section with this comment, padded to @padded bytes, and @interfaces of them. */
static void put_section(const char *comment, bool swapped, unsigned interfaces)
{
    size_t padded = PCAPNG_PAD4(strlen(comment));
    uint32_t total = (uint32_t)(sizeof(struct pcapng_shb) + 4 + padded + 4 + 4);
    const struct pcapng_shb shb = {PCAPNG_SHB,
                                   order(total, swapped),
                                   order(PCAPNG_BYTE_ORDER_MAGIC, swapped),
                                   order16(1, swapped),
                                   0,
                                   -1,
                                   -1};
    const struct pcapng_option option = {order16(PCAPNG_OPT_COMMENT, swapped),
                                         order16((uint16_t)strlen(comment), swapped)};
    const uint32_t end = 0;
    char text[64] = "";

    snprintf(text, sizeof(text), "%s", comment);
    put(&shb, sizeof(shb));
    put(&option, sizeof(option));
    put(text, padded);
    put(&end, 4);
    total = order(total, swapped);
    put(&total, 4);
    for (unsigned i = 0; i < interfaces; i++) {
        const uint32_t words[] = {order(PCAPNG_IDB, swapped), order(20, swapped),
                                  swapped ? 0x01000000u : 1, order(262144, swapped),
                                  order(20, swapped)};

        put(words, sizeof(words));
    }
}

static void put_packet(uint32_t interface, bool swapped)
{
    const uint32_t words[] = {
        order(PCAPNG_EPB, swapped), order(32, swapped), order(interface, swapped), 0, 0, 0, 0,
        order(32, swapped)};

    put(words, sizeof(words));
}

/* Reads all, so many bytes at a time. Return: the kinds, a letter each. */
static const char *read_all(size_t step, uint64_t *ret_last, struct error *err)
{
    static const char letters[] = {[CAPTURE_INTERFACE] = 'i',
                                   [CAPTURE_PACKET] = 'p',
                                   [CAPTURE_SEGMENT] = 's',
                                   [CAPTURE_MALFORMED] = '!'};
    struct capture_reader *reader = capture_reader_segments();
    enum capture_item_kind kind = CAPTURE_MORE;
    static struct capture_item item;
    static char seen[64];
    size_t count = 0;

    for (size_t at = 0; at < length && kind != CAPTURE_MALFORMED; at += step) {
        capture_reader_feed(reader, bytes + at, length - at < step ? length - at : step);
        while ((kind = capture_reader_next(reader, &item, err)) != CAPTURE_MORE) {
            seen[count++] = letters[kind];
            if (kind == CAPTURE_SEGMENT)
                *ret_last = item.segment.number;
            if (kind == CAPTURE_MALFORMED)
                break;
        }
    }
    seen[count] = '\0';
    capture_reader_free(reader);
    return seen;
}

/* Of any byte order each, and with interfaces of their own. */
static void test_sections_are_read_one_after_the_other(void **state)
{
    static const size_t steps[] = {1, 3, 4, 29, 4096};
    uint64_t last = 0;
    struct error err;

    (void)state;
    length = 0;
    put_section("segment: 0", false, 2);
    put_packet(1, false);
    put_section("segment: 1", true, 1);
    put_packet(0, true);
    put_section("segment: 4294967299", false, 0);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        assert_string_equal(read_all(steps[i], &last, &err), "siipsips");
        assert_true(last == 4294967299);
    }
}

static void test_what_is_no_segment_is_refused(void **state)
{
    static const char *const comments[] = {"segment: ", "segment: 1x", "segment: -1", "segmeNt: 1",
                                           "segment: 12345678901"};
    uint64_t last;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
        length = 0;
        put_section(comments[i], false, 1);
        assert_string_equal(read_all(4096, &last, &err), "!");
        assert_non_null(strstr(err.text, "a segment without a number"));
    }
    /* An interface of the section before is none of this one. */
    length = 0;
    put_section("segment: 1", false, 2);
    put_section("segment: 2", false, 1);
    put_packet(1, false);
    assert_string_equal(read_all(4096, &last, &err), "siisi!");
    assert_non_null(strstr(err.text, "interface 1, which is not described"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_after_the_other, begin),
        cmocka_unit_test_setup(test_a_cut_is_taken_up_where_it_was, begin),
        cmocka_unit_test_setup(test_a_cut_before_anything_has_come, begin),
        cmocka_unit_test_setup(test_what_was_overwritten_is_counted, begin),
        cmocka_unit_test_setup(test_no_recorder_goes_back, begin),
        cmocka_unit_test(test_sections_are_read_one_after_the_other),
        cmocka_unit_test(test_what_is_no_segment_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
