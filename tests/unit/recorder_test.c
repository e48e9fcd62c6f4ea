/* SPDX-License-Identifier: Apache-2.0 */
/* Items in, bytes of a file out, read back by the program's own reader. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/loop.h"
#include "capture/recorder.h"
#include "capture/track.h"
#include "settings/settings.h"
#include "common/pcapng.h"
#include "pcapng/reader.h"
#include "sink/sink.h"

#define FILE_MAX    (4u << 20) /* bytes of a file that a test reads back */
#define PACKETS_MAX 10000
#define PIECE       (64u << 10) /* bytes the reader is given at once */

/* A recorder into a file of its own, and what it has told. */
struct fixture {
    char path[64];
    struct settings settings;
    struct sink sink;
    struct recorder recorder;
    struct track track;
    unsigned started, enough, failed;
};

static char *describe(void *data, const struct share *share)
{
    (void)data;
    (void)share;
    return strdup("pod: web");
}

/* What stands between them elsewhere: nothing here. */
static bool give(void *data, enum capture_item_kind kind, const struct capture_item *item)
{
    struct recorder *recorder = data;

    if (kind == CAPTURE_PACKET)
        return recorder_packet(recorder, &item->packet);
    return recorder_statistics(recorder, &item->statistics);
}

static void begin_track(struct fixture *fixture)
{
    fixture->track = (struct track){.recorder = &fixture->recorder,
                                    .share = {.prefix = "default/web"},
                                    .give = give,
                                    .data = &fixture->recorder};
    track_init(&fixture->track);
}

static void on_started(void *data)
{
    ((struct fixture *)data)->started++;
}

static void on_enough(void *data)
{
    ((struct fixture *)data)->enough++;
}

static void on_failed(void *data)
{
    ((struct fixture *)data)->failed++;
}

/* @path: of the output; NULL: a temporary file, in which something stands already */
static struct fixture *begin(const char *path)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;

    assert_non_null(fixture);
    snprintf(fixture->path, sizeof(fixture->path), "%s", path ? path : "/tmp/recorder-XXXXXX");
    if (!path) {
        int fd = mkstemp(fixture->path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, "old", 3), 3);
        close(fd);
    }
    fixture->settings.format = &capture_format_pcapng;
    fixture->sink.output = fixture->path;
    assert_int_equal(sink_prepare(&fixture->sink, &err), 0);
    fixture->recorder = (struct recorder){.settings = &fixture->settings,
                                          .sink = &fixture->sink,
                                          .describe = describe,
                                          .title = "default/web/httpd",
                                          .started = on_started,
                                          .enough = on_enough,
                                          .failed = on_failed,
                                          .data = fixture};
    recorder_init(&fixture->recorder);
    begin_track(fixture);
    return fixture;
}

static void end(struct fixture *fixture)
{
    track_free(&fixture->track);
    recorder_free(&fixture->recorder);
    sink_free(&fixture->sink);
    if (strncmp(fixture->path, "/tmp/", 5) == 0)
        unlink(fixture->path);
    free(fixture);
}

/* ---- items ---- */

static uint8_t payload[1500];

/* Return: was it taken? */
static bool offer_interface(struct fixture *fixture, const char *name, uint16_t linktype)
{
    static struct capture_item item;

    item.interface = (struct capture_interface){.linktype = linktype, .snaplen = 262144};
    snprintf(item.interface.name, sizeof(item.interface.name), "%s", name);
    return track_item(&fixture->track, CAPTURE_INTERFACE, &item);
}

static void give_interface(struct fixture *fixture, const char *name, uint16_t linktype)
{
    assert_true(offer_interface(fixture, name, linktype));
}

/* Return: was it taken? */
static bool offer_packet(struct fixture *fixture, uint32_t interface, uint32_t length)
{
    static struct capture_item item;

    item.packet = (struct capture_packet){.interface = interface,
                                          .timestamp = 1790000000123456789u,
                                          .captured_length = length,
                                          .original_length = 2 * length,
                                          .flags = PCAPNG_FLAG_INBOUND,
                                          .data = payload};
    return track_item(&fixture->track, CAPTURE_PACKET, &item);
}

static void give_packet(struct fixture *fixture, uint32_t interface, uint32_t length)
{
    assert_true(offer_packet(fixture, interface, length));
}

static bool offer_statistics(struct fixture *fixture, uint32_t interface, uint64_t dropped)
{
    static struct capture_item item;

    item.statistics = (struct capture_statistics){.interface = interface, .dropped = dropped};
    return track_item(&fixture->track, CAPTURE_STATISTICS, &item);
}

static void give_statistics(struct fixture *fixture, uint32_t interface, uint64_t dropped)
{
    assert_true(offer_statistics(fixture, interface, dropped));
}

/* ---- reading back ---- */

struct seen {
    char names[8][CAPTURE_NAME_MAX];
    struct {
        uint32_t interface, length;
        char comment[700];
    } packets[PACKETS_MAX];
    struct {
        uint32_t interface;
        uint64_t received, dropped, timestamp;
    } statistics[8];
    size_t interface_count, packet_count, statistics_count;
    size_t size; /* bytes of the file */
};

static struct seen seen;
static uint8_t bytes[FILE_MAX];

/* The reader does not tell comments: they are looked for in the blocks themselves. */
static void see_comments(void)
{
    struct pcapng_block_header head;
    size_t packet = 0;

    for (size_t at = 0; at < seen.size; at += head.total_length) {
        struct pcapng_option option;
        struct pcapng_epb epb;

        memcpy(&head, bytes + at, sizeof(head));
        if (head.type != PCAPNG_EPB)
            continue;
        memcpy(&epb, bytes + at, sizeof(epb));
        size_t place = at + sizeof(epb) + PCAPNG_PAD4(epb.captured_len);
        for (; place < at + head.total_length - 4;
             place += sizeof(option) + PCAPNG_PAD4(option.length)) {
            memcpy(&option, bytes + place, sizeof(option));
            if (option.code == PCAPNG_OPT_COMMENT)
                snprintf(seen.packets[packet].comment, sizeof(seen.packets[packet].comment), "%.*s",
                         (int)option.length, (const char *)bytes + place + sizeof(option));
        }
        packet++;
    }
    assert_int_equal(packet, seen.packet_count);
}

static void see_item(enum capture_item_kind kind, const struct capture_item *item)
{
    if (kind == CAPTURE_INTERFACE) {
        if (seen.interface_count < 8)
            memcpy(seen.names[seen.interface_count], item->interface.name, CAPTURE_NAME_MAX);
        seen.interface_count++;
    } else if (kind == CAPTURE_PACKET) {
        assert_true(seen.packet_count < PACKETS_MAX);
        assert_int_equal(item->packet.timestamp, 1790000000123456789u);
        assert_int_equal(item->packet.original_length, 2 * item->packet.captured_length);
        assert_int_equal(item->packet.flags, PCAPNG_FLAG_INBOUND);
        assert_memory_equal(item->packet.data, payload, item->packet.captured_length);
        seen.packets[seen.packet_count].interface = item->packet.interface;
        seen.packets[seen.packet_count++].length = item->packet.captured_length;
    } else {
        assert_true(seen.statistics_count < 8);
        seen.statistics[seen.statistics_count].interface = item->statistics.interface;
        seen.statistics[seen.statistics_count].timestamp = item->statistics.timestamp;
        seen.statistics[seen.statistics_count].received = item->statistics.received;
        seen.statistics[seen.statistics_count++].dropped = item->statistics.dropped;
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Reads what stands in bytes[]; it must be whole blocks. */
static void see(size_t size)
{
    struct capture_reader *reader = capture_reader_pcapng();
    enum capture_item_kind kind;
    struct capture_item item;
    struct error err;

    memset(&seen, 0, sizeof(seen));
    seen.size = size;
    for (size_t at = 0; at < size; at += PIECE) {
        assert_int_equal(capture_reader_feed(reader, bytes + at, least(size - at, PIECE)), 0);
        while ((kind = capture_reader_next(reader, &item, &err)) != CAPTURE_MORE) {
            if (kind == CAPTURE_MALFORMED)
                fail_msg("%s", err.text);
            see_item(kind, &item);
        }
    }
    assert_int_equal(capture_reader_pending(reader), 0);
    capture_reader_free(reader);
    see_comments();
}

static size_t read_file(const char *path)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_true(size < sizeof(bytes));
    return size;
}

/* Everything is written, and read back into seen. */
static void finish(struct fixture *fixture)
{
    struct error err;

    recorder_flush(&fixture->recorder);
    assert_int_equal(fixture->recorder.outlet.out.length, 0);
    assert_int_equal(sink_finish(&fixture->sink, &err), 0);
    see(read_file(fixture->path));
}

/* ---- a capture ---- */

static void test_capture(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    assert_int_equal(fixture->started, 1);
    give_interface(fixture, "tun0", LINKTYPE_RAW);
    give_packet(fixture, 1, 100);
    give_packet(fixture, 0, 0);
    give_packet(fixture, 0, 1499);
    give_statistics(fixture, 0, 3);
    give_statistics(fixture, 1, 4);
    give_statistics(fixture, 0, 5); /* of the same ring, later: no sum */
    finish(fixture);

    assert_int_equal(seen.interface_count, 2);
    assert_string_equal(seen.names[0], "default/web:eth0");
    assert_string_equal(seen.names[1], "default/web:tun0");
    assert_int_equal(seen.packet_count, 3);
    assert_int_equal(seen.packets[0].interface, 1);
    assert_int_equal(seen.packets[0].length, 100);
    assert_int_equal(seen.packets[1].length, 0);
    assert_int_equal(seen.packets[2].interface, 0);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(seen.packets[i].comment, "");
    assert_int_equal(seen.statistics_count, 3);
    assert_int_equal(seen.statistics[2].dropped, 5);

    assert_int_equal(fixture->recorder.packets, 3);
    assert_int_equal(fixture->recorder.bytes, 2 * (100 + 0 + 1499));
    assert_int_equal(share_dropped(&fixture->track.share), 5 + 4);
    assert_int_equal(fixture->started, 1);
    assert_int_equal(fixture->enough, 0);
    assert_int_equal(fixture->failed, 0);
    end(fixture);
}

static void test_section(void **state)
{
    struct fixture *fixture = begin(NULL);
    struct pcapng_shb shb;
    struct pcapng_option option;

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    finish(fixture);
    memcpy(&shb, bytes, sizeof(shb));
    assert_int_equal(shb.type, PCAPNG_SHB);
    memcpy(&option, bytes + sizeof(shb), sizeof(option));
    assert_int_equal(option.code, PCAPNG_OPT_COMMENT);
    assert_int_equal(option.length, 8);
    assert_memory_equal(bytes + sizeof(shb) + sizeof(option), "pod: web", 8);
    assert_memory_equal(bytes + sizeof(shb) + 2 * sizeof(option) + 8,
                        "kubectl-sniff " KSNIFF_VERSION, 14 + strlen(KSNIFF_VERSION));
    end(fixture);
}

/* Until the first interface is known, a file that is there stays as it is. */
static void test_file_before_the_capture(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    track_gap(&fixture->track, 100, "cut before it began");
    recorder_flush(&fixture->recorder);
    assert_int_equal(read_file(fixture->path), 3);
    assert_memory_equal(bytes, "old", 3);
    assert_int_equal(fixture->started, 0);
    assert_false(fixture->recorder.begun);
    end(fixture);
}

/* The agent may call an interface anything. */
static void test_names(void **state)
{
    struct fixture *fixture = begin(NULL);
    char longest[CAPTURE_NAME_MAX];

    (void)state;
    memset(longest, '\x1b', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    give_interface(fixture, "eth0\x1b[2J\n%s", LINKTYPE_ETHERNET);
    give_interface(fixture, longest, LINKTYPE_ETHERNET);
    give_interface(fixture, "", LINKTYPE_ETHERNET);
    finish(fixture);
    assert_string_equal(seen.names[0], "default/web:eth0\\x1b[2J\\n%s");
    assert_int_equal(strncmp(seen.names[1], "default/web:\\x1b\\x1b", 20), 0);
    assert_null(strchr(seen.names[1], '\x1b'));
    assert_string_equal(seen.names[2], "default/web:");
    end(fixture);
}

/* ---- agents that follow each other ---- */

static void test_gap(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "lo", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 1, 1);
    give_statistics(fixture, 1, 2);
    track_follow(&fixture->track);
    track_gap(&fixture->track, 12345, "the connection was closed");
    give_interface(fixture, "lo", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_statistics(fixture, 0, 30);
    give_packet(fixture, 0, 2);
    give_packet(fixture, 1, 3);
    track_follow(&fixture->track);
    track_gap(&fixture->track, 999, "again");
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 4);
    give_packet(fixture, 0, 5);
    give_statistics(fixture, 0, 400);
    finish(fixture);

    static const struct {
        uint32_t interface;
        const char *comment;
    } wanted[] = {
        {1, ""},
        {0, "kubectl-sniff: up to 12.3 s of packets before this one are missing: the connection "
            "was closed"},
        {1, ""},
        {1, "kubectl-sniff: up to 0.9 s of packets before this one are missing: again"},
        {1, ""},
    };
    assert_int_equal(seen.interface_count, 2);
    assert_int_equal(seen.packet_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(seen.packets[i].interface, wanted[i].interface);
        assert_int_equal(seen.packets[i].length, i + 1);
        assert_string_equal(seen.packets[i].comment, wanted[i].comment);
    }
    assert_int_equal(seen.statistics[0].interface, 1);
    assert_int_equal(seen.statistics[1].interface, 0);
    assert_int_equal(seen.statistics[2].interface, 1);
    assert_int_equal(seen.statistics[2].dropped, 2 + 400); /* they count on */
    assert_int_equal(share_dropped(&fixture->track.share), 2 + 30 + 400);
    assert_int_equal(fixture->started, 1);
    end(fixture);
}

/* Each segment names its interfaces and counts anew; one that comes again counts once. */
static void test_segments(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    track_segment(&fixture->track, false);
    give_interface(fixture, "lo", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 1, 1);
    give_statistics(fixture, 0, 1);
    give_statistics(fixture, 1, 10);
    track_segment(&fixture->track, false);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 2);
    give_statistics(fixture, 0, 100);
    track_segment(&fixture->track, true); /* after a cut */
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_statistics(fixture, 0, 100);
    give_interface(fixture, "lo", LINKTYPE_ETHERNET); /* that had not come before */
    give_packet(fixture, 0, 3);
    give_statistics(fixture, 0, 300);
    give_statistics(fixture, 1, 2);
    track_segment(&fixture->track, false);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_statistics(fixture, 0, 1000);
    finish(fixture);

    assert_int_equal(seen.interface_count, 2);
    assert_int_equal(seen.packet_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(seen.packets[i].interface, 1);
    static const uint64_t dropped[] = {1, 10, 110, 310, 3, 1310};
    assert_int_equal(seen.statistics_count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(seen.statistics[i].dropped, dropped[i]);
    /* As many as there are, and those that were dropped, whatever of the segments was wanted. */
    assert_int_equal(seen.statistics[5].received, 3 + 1310);
    assert_int_equal(share_dropped(&fixture->track.share), 3 + 1310);
    end(fixture);
}

/* An agent that brought nothing, not even an interface, or interfaces alone. */
static void test_gap_after_gap(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    track_follow(&fixture->track);
    track_gap(&fixture->track, 1000, "one");
    track_follow(&fixture->track);
    track_gap(&fixture->track, 2000, "two");
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    track_follow(&fixture->track);
    track_gap(&fixture->track, 3000, "three");
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 1);
    give_packet(fixture, 0, 1);
    finish(fixture);
    assert_int_equal(seen.packets[0].interface, 0);
    assert_string_equal(seen.packets[0].comment,
                        "kubectl-sniff: up to 3.0 s of packets before this one are missing: three");
    assert_string_equal(seen.packets[1].comment, "");
    end(fixture);
}

static void test_gap_with_a_long_reason(void **state)
{
    struct fixture *fixture = begin(NULL);
    char why[ERROR_TEXT_MAX];

    (void)state;
    memset(why, 'w', sizeof(why) - 1);
    why[sizeof(why) - 1] = '\0';
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    track_follow(&fixture->track);
    track_gap(&fixture->track, UINT64_MAX, why);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 1);
    finish(fixture);
    assert_int_equal(strlen(seen.packets[0].comment), sizeof(fixture->track.gap) - 1);
    end(fixture);
}

/* A node's pods come and go for a day: what the last of their interfaces has dropped counts too. */
static void test_many_interfaces(void **state)
{
    struct fixture *fixture = begin(NULL);
    const uint32_t count = 5000;

    (void)state;
    for (uint32_t i = 0; i < count; i++)
        give_interface(fixture, "veth", LINKTYPE_ETHERNET);
    give_statistics(fixture, count - 1, 1);
    give_statistics(fixture, 7, 4);
    give_statistics(fixture, 7, 6);
    assert_int_equal(share_dropped(&fixture->track.share), 7);
    track_follow(&fixture->track);
    track_gap(&fixture->track, 0, "cut");
    give_interface(fixture, "veth", LINKTYPE_ETHERNET);
    recorder_flush(&fixture->recorder);
    size_t before = (size_t)fixture->sink.written;
    give_packet(fixture, 0, 1);
    give_statistics(fixture, 0, 2);
    recorder_flush(&fixture->recorder);
    assert_int_equal(read_file(fixture->path), fixture->sink.written);
    struct pcapng_epb epb;
    struct pcapng_isb isb;
    memcpy(&epb, bytes + before, sizeof(epb));
    memcpy(&isb, bytes + before + epb.total_length, sizeof(isb));
    assert_int_equal(epb.interface_id, 0);
    assert_int_equal(isb.interface_id, 0);
    assert_int_equal(share_dropped(&fixture->track.share), 9);
    end(fixture);
}

/* ---- limits ---- */

static void test_count(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    fixture->settings.count = 3;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 1);
    give_packet(fixture, 0, 2);
    assert_int_equal(fixture->enough, 0);
    give_packet(fixture, 0, 3);
    assert_int_equal(fixture->enough, 1);
    /* The agent sends on until it has stopped. */
    give_packet(fixture, 0, 4);
    give_packet(fixture, 0, 5);
    give_statistics(fixture, 0, 6);
    finish(fixture);
    assert_int_equal(seen.packet_count, 3);
    assert_int_equal(seen.packets[2].length, 3);
    assert_int_equal(seen.statistics_count, 1);
    assert_int_equal(fixture->recorder.packets, 3);
    assert_int_equal(fixture->recorder.bytes, 2 * (1 + 2 + 3));
    assert_int_equal(fixture->failed, 0);
    end(fixture);
}

/* What a capture with this limit becomes, with packets of every length. Return: its size, bytes. */
static size_t limited_to(uint64_t max_size, bool flush)
{
    struct fixture *fixture = begin(NULL);

    fixture->settings.max_size = max_size;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    track_follow(&fixture->track);
    track_gap(&fixture->track, 1000, "because of nothing");
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    for (uint32_t length = 0; fixture->enough == 0; length = (length + 7) % 200) {
        give_packet(fixture, 0, length);
        if (flush)
            recorder_flush(&fixture->recorder);
    }
    finish(fixture);
    assert_int_equal(seen.packet_count, fixture->recorder.packets);
    assert_int_equal(fixture->sink.written, seen.size);
    end(fixture);
    return seen.size;
}

static void test_max_size(void **state)
{
    (void)state;
    for (uint64_t limit = 500; limit < 2000; limit++) {
        size_t size = limited_to(limit, limit % 2);

        if (size > limit || size + 400 < limit)
            fail_msg("%zu bytes with a limit of %zu", size, (size_t)limit);
    }
    /* Most of it is in the file already, the rest waits to be written. */
    assert_in_range(limited_to(900000, false), 899600, 900000);
}

/* A limit that not even the first packet fits in would be an empty file without a word. */
static void test_max_size_without_room_for_one(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    fixture->settings.max_size = fixture->recorder.outlet.out.length + 100;
    give_packet(fixture, 0, 1400);
    assert_int_equal(fixture->recorder.packets, 0);
    assert_int_equal(fixture->recorder.failure.kind, ERROR_USAGE);
    assert_non_null(strstr(fixture->recorder.failure.text, "too small for one packet"));
    assert_non_null(strstr(fixture->recorder.failure.text, "the first has 1400 bytes"));
    end(fixture);
}

static void test_the_limit_that_is_reached_is_known(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    fixture->settings.count = 2;
    give_packet(fixture, 0, 10);
    assert_null(fixture->recorder.limit);
    give_packet(fixture, 0, 10);
    assert_string_equal(fixture->recorder.limit, "--count");
    end(fixture);
    fixture = begin(NULL);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 10);
    fixture->settings.max_size = fixture->recorder.outlet.out.length;
    give_packet(fixture, 0, 10);
    assert_string_equal(fixture->recorder.limit, "--max-size");
    end(fixture);
}

/* What is said about a gap counts too. */
static void test_max_size_and_gap(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    track_follow(&fixture->track);
    track_gap(&fixture->track, 1000, "because of nothing");
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    size_t gap = strlen(fixture->track.gap), before = fixture->recorder.outlet.out.length;
    fixture->settings.max_size = before + 10 + 64 + gap - 1;
    give_packet(fixture, 0, 10);
    assert_int_equal(fixture->enough, 1);
    assert_int_equal(fixture->recorder.packets, 0);
    track_gap(&fixture->track, 1000, "because of nothing");
    fixture->settings.max_size++;
    give_packet(fixture, 0, 10);
    assert_int_equal(fixture->enough, 1);
    finish(fixture);
    assert_int_equal(seen.packet_count, 1);
    assert_in_range(seen.size, before + 10 + gap, fixture->settings.max_size);
    end(fixture);
}

/* ---- sinks that do not take everything ---- */

/* A file system that takes 5000 bytes: the file ends with a whole block. */
static void test_full_disk(void **state)
{
    struct rlimit old, small;
    struct fixture *fixture = begin(NULL);

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 5000, .rlim_max = old.rlim_max};
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    for (int i = 0; i < 10; i++)
        give_packet(fixture, 0, 999);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    recorder_flush(&fixture->recorder);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(fixture->failed, 1);
    assert_int_equal(fixture->recorder.failure.kind, ERROR_OUTPUT);
    assert_non_null(strstr(fixture->recorder.failure.text, strerror(EFBIG)));
    assert_non_null(strstr(fixture->recorder.failure.text, fixture->path));
    /* Whatever comes now is taken and forgotten. */
    give_packet(fixture, 0, 999);
    give_interface(fixture, "eth1", LINKTYPE_ETHERNET);
    give_statistics(fixture, 0, 1);
    finish(fixture);
    assert_int_equal(seen.packet_count, 4);
    assert_int_equal(seen.interface_count, 1);
    assert_int_equal(fixture->failed, 1);
    end(fixture);
}

static void test_first_failure_is_kept(void **state)
{
    struct fixture *fixture = begin("/dev/full");
    struct loop *loop;
    struct error err;

    (void)state;
    fixture->sink.loop = loop = loop_new(&err);
    assert_non_null(loop);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    error_set(&fixture->recorder.failure, ERROR_INTERNAL, "the first");
    recorder_flush(&fixture->recorder);
    assert_int_equal(fixture->failed, 1);
    assert_string_equal(fixture->recorder.failure.text, "the first");
    assert_int_equal(fixture->recorder.outlet.out.length, 0);
    end(fixture);
    loop_free(loop);
}

static void test_cannot_be_opened(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    unlink(fixture->path);
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    assert_int_equal(fixture->failed, 1);
    assert_int_equal(fixture->started, 0);
    assert_int_equal(fixture->recorder.failure.kind, ERROR_OUTPUT);
    assert_non_null(strstr(fixture->recorder.failure.text, strerror(EISDIR)));
    give_packet(fixture, 0, 1);
    assert_int_equal(fixture->recorder.packets, 0);
    rmdir(fixture->path);
    end(fixture);
}

/* Pcap holds one link type: an interface of another is left out, and the capture goes on. */
static void test_not_in_this_format(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    fixture->settings.format = &capture_format_pcap;
    recorder_free(&fixture->recorder);
    recorder_init(&fixture->recorder);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 1);
    track_follow(&fixture->track);
    track_gap(&fixture->track, 1000, "cut");
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 2);
    assert_int_equal(fixture->failed, 0);
    give_interface(fixture, "tun0", LINKTYPE_RAW);
    give_packet(fixture, 1, 3);
    give_packet(fixture, 1, 3);
    give_interface(fixture, "eth1", LINKTYPE_ETHERNET);
    give_packet(fixture, 2, 4);
    assert_int_equal(fixture->failed, 0);
    assert_int_equal(fixture->recorder.packets, 3);
    assert_int_equal(fixture->recorder.left_out, 2);
    recorder_flush(&fixture->recorder);
    assert_int_equal(read_file(fixture->path), 24 + 16 + 1 + 16 + 2 + 16 + 4);
    end(fixture);
}

/* A named pipe, and who reads it. */
struct pipe {
    char path[40];
    int fd;
    struct loop *loop;
};

static struct fixture *begin_pipe(struct pipe *pipe)
{
    struct error err;

    snprintf(pipe->path, sizeof(pipe->path), "/tmp/recorder-%d", (int)getpid());
    assert_int_equal(mkfifo(pipe->path, 0600), 0);
    pipe->fd = open(pipe->path, O_RDONLY | O_NONBLOCK);
    assert_true(pipe->fd >= 0);
    pipe->loop = loop_new(&err);
    assert_non_null(pipe->loop);
    struct fixture *fixture = begin(pipe->path);
    fixture->sink.loop = pipe->loop;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    assert_int_equal(fixture->failed, 0);
    return fixture;
}

/* Reads what there is. Return: bytes, behind the @used ones. */
static size_t read_pipe(const struct pipe *pipe, size_t used)
{
    size_t before = used;
    ssize_t got;

    while ((got = read(pipe->fd, bytes + used, sizeof(bytes) - used)) > 0)
        used += (size_t)got;
    return used - before;
}

/* Until nothing waits any more, and there it is read. */
static size_t read_rest(struct fixture *fixture, const struct pipe *pipe, size_t used)
{
    while (fixture->recorder.outlet.out.length > 0) {
        used += read_pipe(pipe, used);
        loop_step(pipe->loop, 1000);
    }
    used += read_pipe(pipe, used);
    return used;
}

/* Nobody reads: what is not taken is kept here, up to a limit, and the agent is made to wait. */
static void test_slow_reader(void **state)
{
    struct pipe pipe;
    struct fixture *fixture = begin_pipe(&pipe);
    size_t given = 0, used = 0, refused = 0;

    (void)state;
    while (offer_packet(fixture, 0, 1400))
        assert_true(++given < 1000);
    assert_false(recorder_has_room(&fixture->recorder));
    assert_in_range(fixture->recorder.outlet.out.length, 512 << 10, 514 << 10);
    assert_false(offer_statistics(fixture, 0, 7));
    assert_int_equal(share_dropped(&fixture->track.share), 0);
    assert_false(offer_interface(fixture, "eth1", LINKTYPE_ETHERNET));
    used += read_pipe(&pipe, used);
    loop_step(pipe.loop, 1000);
    give_statistics(fixture, 0, 7);
    give_interface(fixture, "eth1", LINKTYPE_ETHERNET);
    while (given < 1500) {
        if (offer_packet(fixture, 1, 1400)) {
            given++;
            continue;
        }
        refused++;
        used += read_pipe(&pipe, used);
        loop_step(pipe.loop, 1000);
    }
    used = read_rest(fixture, &pipe, used);
    see(used);
    assert_int_equal(seen.packet_count, 1500);
    assert_int_equal(seen.interface_count, 2);
    assert_int_equal(seen.statistics_count, 1);
    assert_true(refused > 2);
    assert_int_equal(fixture->enough + fixture->failed, 0);
    end(fixture);
    close(pipe.fd);
    loop_free(pipe.loop);
}

/* An agent that has nothing but interfaces is made to wait as well, and ends nobody's capture. */
static void test_slow_reader_of_interfaces(void **state)
{
    struct pipe pipe;
    struct fixture *fixture = begin_pipe(&pipe);
    size_t used = 0;
    char name[20];

    (void)state;
    for (uint32_t i = 1; i < TRACK_DEVICES_MAX; i++) {
        snprintf(name, sizeof(name), "veth%u", i);
        while (!offer_interface(fixture, name, LINKTYPE_ETHERNET)) {
            used += read_pipe(&pipe, used);
            loop_step(pipe.loop, 1000);
        }
    }
    assert_int_equal(fixture->failed, 0);
    assert_true(used > 0);
    used = read_rest(fixture, &pipe, used);
    see(used);
    assert_int_equal(seen.interface_count, TRACK_DEVICES_MAX);
    end(fixture);
    close(pipe.fd);
    loop_free(pipe.loop);
}

/* In a capture that is given up nothing waits, and what is written at its end does not either. */
static void test_end_that_nobody_reads(void **state)
{
    struct pipe pipe;
    struct fixture *fixture = begin_pipe(&pipe);

    (void)state;
    while (offer_packet(fixture, 0, 1400))
        ;
    recorder_discard(&fixture->recorder);
    for (uint64_t i = 0; i < 10000; i++) {
        const struct capture_statistics statistics = {.received = RECORDER_AS_RECORDED,
                                                      .dropped = i};
        assert_true(recorder_statistics(&fixture->recorder, &statistics));
    }
    assert_int_equal(fixture->failed, 0);
    assert_int_equal(share_dropped(&fixture->track.share), 9999);
    end(fixture);
    close(pipe.fd);
    loop_free(pipe.loop);
}

/* It was late, and leaves what it was to get: each packet that it has not got whole is counted. */
static void test_late_reader_goes(void **state)
{
    struct pipe pipe;
    struct fixture *fixture = begin_pipe(&pipe);
    size_t given = 0, used = 0;

    (void)state;
    while (offer_packet(fixture, 0, 1400))
        given++;
    while (used < 30000) {
        ssize_t got = read(pipe.fd, bytes + used, 4096);

        assert_true(got > 0);
        used += (size_t)got;
    }
    loop_step(pipe.loop, 1000);
    assert_false(fixture->recorder.behind);
    close(pipe.fd);
    while (!fixture->recorder.sink_ended)
        loop_step(pipe.loop, 1000);
    assert_true(fixture->recorder.behind);
    size_t whole = fixture->sink.format->whole(bytes, used, true), packets = 0;
    for (size_t at = 0; at < whole; packets++) {
        struct pcapng_block_header head;

        memcpy(&head, bytes + at, sizeof(head));
        at += head.total_length;
    }
    packets -= 2; /* section and interface */
    assert_int_equal(recorder_unwritten(&fixture->recorder, NULL), given - packets);
    end(fixture);
    loop_free(pipe.loop);
}

/* Who read it has gone: that is an end, and no failure. */
static void test_reader_goes(void **state)
{
    struct pipe pipe;
    struct fixture *fixture = begin_pipe(&pipe);

    (void)state;
    give_packet(fixture, 0, 1);
    recorder_flush(&fixture->recorder);
    close(pipe.fd);
    loop_step(pipe.loop, 1000);
    assert_int_equal(fixture->enough, 1);
    assert_true(fixture->recorder.sink_ended);
    for (size_t i = 0; i < 1000; i++)
        give_packet(fixture, 0, 1400);
    recorder_flush(&fixture->recorder);
    assert_int_equal(fixture->enough, 1);
    assert_int_equal(fixture->failed, 0);
    assert_int_equal(fixture->recorder.packets, 1);
    end(fixture);
    loop_free(pipe.loop);
}

/* ---- the end ---- */

static void check_comment(size_t packet, const char *comment)
{
    assert_string_equal(seen.packets[packet].comment, comment);
}

/* The last packet waits for its comment; what did not come is counted where the agent counts drops.
 */
static void test_end_with_a_loss(void **state)
{
    struct fixture *fixture = begin(NULL);
    const struct track_end end_of_it = {
        .dropped = 5, .lost = 30, .timestamp = 9, .comment = "30 were lost"};

    (void)state;
    give_interface(fixture, "lo", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth1", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 1);
    give_packet(fixture, 1, 2);
    give_statistics(fixture, 1, 4);
    track_hold(&fixture->track);
    give_packet(fixture, 1, 3);
    assert_int_equal(fixture->recorder.packets, 2);
    give_packet(fixture, 1, 1500);
    assert_int_equal(fixture->recorder.packets, 3);
    track_close(&fixture->track, &end_of_it);
    finish(fixture);

    assert_int_equal(seen.packet_count, 4);
    assert_int_equal(seen.packets[3].length, 1500);
    check_comment(2, "");
    check_comment(3, "30 were lost");
    assert_int_equal(seen.statistics_count, 3);
    assert_int_equal(seen.statistics[1].interface, 0);
    assert_int_equal(seen.statistics[1].received, 1);
    assert_int_equal(seen.statistics[1].dropped, 0);
    assert_int_equal(seen.statistics[2].interface, 1);
    assert_int_equal(seen.statistics[2].received, 3 + 5 + 30);
    assert_int_equal(seen.statistics[2].dropped, 5 + 30);
    assert_int_equal(seen.statistics[2].timestamp, 1790000000123456789u); /* the packets' */
    assert_int_equal(share_dropped(&fixture->track.share), 5);
    end(fixture);
}

static void test_end_without_a_loss(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    track_hold(&fixture->track);
    give_packet(fixture, 0, 7);
    give_statistics(fixture, 0, 4);
    track_close(&fixture->track, NULL);
    track_close(&fixture->track, NULL);
    finish(fixture);
    assert_int_equal(seen.packet_count, 1);
    check_comment(0, "");
    assert_int_equal(seen.statistics_count, 1);
    assert_int_equal(share_dropped(&fixture->track.share), 4);
    end(fixture);
}

/* One packet with a gap before it and a loss behind it. */
static void test_end_behind_a_gap(void **state)
{
    struct fixture *fixture = begin(NULL);
    const struct track_end end_of_it = {.lost = 1, .comment = "1 was lost"};

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 7);
    track_follow(&fixture->track);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    track_gap(&fixture->track, 1500, "cut");
    track_hold(&fixture->track);
    give_packet(fixture, 0, 7);
    track_close(&fixture->track, &end_of_it);
    finish(fixture);
    check_comment(1,
                  "kubectl-sniff: up to 1.5 s of packets before this one are missing: cut\n1 was "
                  "lost");
    assert_int_equal(seen.statistics_count, 1);
    assert_int_equal(seen.statistics[0].interface, 0);
    assert_int_equal(seen.statistics[0].received, 3);
    end(fixture);
}

/* Another device, or the same name again from one agent, is another interface. */
static void test_other_devices(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    track_follow(&fixture->track);
    give_interface(fixture, "eth0", LINKTYPE_RAW);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    for (uint32_t i = 0; i < 4; i++)
        give_packet(fixture, i, i);
    finish(fixture);
    assert_int_equal(seen.interface_count, 4);
    assert_int_equal(seen.packets[0].interface, 2);
    assert_int_equal(seen.packets[1].interface, 0);
    assert_int_equal(seen.packets[2].interface, 1);
    assert_int_equal(seen.packets[3].interface, 3);
    end(fixture);
}

/* Two targets share a section: each has its own numbers, and its own count. */
static void test_two_tracks(void **state)
{
    struct fixture *fixture = begin(NULL);
    struct track first;

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 1);
    first = fixture->track;
    begin_track(fixture);
    fixture->track.share.prefix = "shop/db";
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 2);
    give_packet(fixture, 0, 3);
    give_statistics(fixture, 0, 5);
    recorder_flush(&fixture->recorder);
    assert_int_equal(recorder_unwritten(&fixture->recorder, NULL), 0);
    assert_int_equal(first.share.packets, 1);
    assert_int_equal(first.share.dropped, 0);
    assert_int_equal(fixture->track.share.packets, 2);
    assert_int_equal(fixture->track.share.bytes, 2 * (2 + 3));
    assert_int_equal(share_dropped(&fixture->track.share), 5);
    assert_int_equal(fixture->recorder.packets, 3);
    finish(fixture);
    assert_int_equal(seen.interface_count, 2);
    assert_string_equal(seen.names[1], "shop/db:eth0");
    assert_int_equal(seen.packets[2].interface, 1);
    track_free(&first);
    end(fixture);
}

/* What other devices of an agent have said of its drops is not said again. */
static void test_drops_count_once(void **state)
{
    struct fixture *fixture = begin(NULL);
    const struct track_end end_of_it = {.dropped = 7, .lost = 1, .comment = "1 was lost"};

    (void)state;
    give_interface(fixture, "lo", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_statistics(fixture, 0, 3);
    give_statistics(fixture, 1, 2);
    assert_true(track_close(&fixture->track, &end_of_it));
    assert_int_equal(share_dropped(&fixture->track.share), 7);
    end(fixture);
}

static void test_discarded(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 7);
    recorder_discard(&fixture->recorder);
    for (size_t i = 0; i < 3; i++)
        give_packet(fixture, 0, 7);
    give_statistics(fixture, 0, 4);
    finish(fixture);
    assert_int_equal(seen.packet_count, 1);
    assert_int_equal(fixture->track.share.discarded, 3);
    assert_int_equal(share_dropped(&fixture->track.share), 4);
    end(fixture);
}

/* A pause leaves packets out, and the next one says how many; what that pause has seen, not all. */
static void test_pauses(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    for (unsigned skipped = 3; skipped <= 4; skipped++) {
        give_packet(fixture, 0, 7);
        recorder_pause(&fixture->recorder, true);
        recorder_pause(&fixture->recorder, true); /* it is told again and again */
        for (unsigned i = 0; i < skipped; i++)
            give_packet(fixture, 0, 7);
        recorder_pause(&fixture->recorder, false);
        recorder_pause(&fixture->recorder, false);
    }
    give_packet(fixture, 0, 7);
    give_packet(fixture, 0, 7);
    finish(fixture);
    assert_int_equal(seen.packet_count, 4);
    assert_string_equal(seen.packets[0].comment, "");
    assert_string_equal(seen.packets[1].comment,
                        "paused: 3 packets before this one were not written");
    assert_string_equal(seen.packets[2].comment,
                        "paused: 4 packets before this one were not written");
    assert_string_equal(seen.packets[3].comment, "");
    assert_int_equal(fixture->recorder.skipped, 7);
    end(fixture);
}

static unsigned until_refused; /* items that are taken before one is not; 0: all are */

/* As what puts them in order does while there is no room behind it. */
static bool give_or_refuse(void *data, enum capture_item_kind kind, const struct capture_item *item)
{
    if (until_refused > 0 && --until_refused == 0)
        return false;
    return give(data, kind, item);
}

/* Statistics that cannot be taken come again, as packets do: an agent's, and those of its end. */
/* What an agent says that it has no end of does not take all memory: the others' packets are kept.
 */
static void test_no_end_of_devices(void **state)
{
    struct fixture *fixture = begin(NULL);
    char name[20];

    (void)state;
    for (uint32_t i = 0; i <= TRACK_DEVICES_MAX; i++) {
        snprintf(name, sizeof(name), "veth%u", i);
        give_interface(fixture, name, LINKTYPE_ETHERNET);
        if (i % 1024 == 0)
            give_packet(fixture, i == TRACK_DEVICES_MAX ? 0 : i, 60); /* what waits is written */
    }
    assert_int_equal(fixture->recorder.interface_count, TRACK_DEVICES_MAX);
    give_packet(fixture, TRACK_DEVICES_MAX - 1, 60);
    assert_int_equal(fixture->track.share.discarded, 0);
    give_packet(fixture, TRACK_DEVICES_MAX, 60);
    assert_int_equal(fixture->track.share.discarded, 1);
    end(fixture);
}

/* Nor do those that are no devices take all time: each would be compared with all that there are.
 */
static void test_no_end_of_interfaces(void **state)
{
    struct fixture *fixture = begin(NULL);

    (void)state;
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    track_follow(&fixture->track);
    for (uint32_t i = 0; i < TRACK_DEVICES_MAX; i++)
        give_interface(fixture, "eth1", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET); /* is not looked for any more */
    give_packet(fixture, TRACK_DEVICES_MAX - 2, 60);
    assert_int_equal(fixture->track.share.discarded, 0);
    give_packet(fixture, TRACK_DEVICES_MAX, 60);
    assert_int_equal(fixture->track.share.discarded, 1);
    track_follow(&fixture->track);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 60);
    assert_int_equal(fixture->track.share.discarded, 1);
    end(fixture);
}

static void test_statistics_that_are_refused(void **state)
{
    struct fixture *fixture = begin(NULL);
    const struct track_end end_of_it = {.dropped = 9, .lost = 2, .comment = "2 were lost"};
    const struct capture_item item = {.statistics = {.received = 5, .dropped = 4}};

    (void)state;
    fixture->track.give = give_or_refuse;
    give_interface(fixture, "lo", LINKTYPE_ETHERNET);
    give_interface(fixture, "eth0", LINKTYPE_ETHERNET);
    give_packet(fixture, 0, 7);
    until_refused = 1;
    assert_false(track_item(&fixture->track, CAPTURE_STATISTICS, &item));
    assert_int_equal(share_dropped(&fixture->track.share), 0);
    assert_true(track_item(&fixture->track, CAPTURE_STATISTICS, &item));
    assert_int_equal(share_dropped(&fixture->track.share), 4);

    track_hold(&fixture->track);
    give_packet(fixture, 1, 9);
    /* The packet; the first statistics, behind it; the second. */
    for (unsigned i = 0; i < 3; i++) {
        until_refused = i == 0 ? 1 : 2;
        assert_false(track_close(&fixture->track, &end_of_it));
    }
    until_refused = 0;
    assert_true(track_close(&fixture->track, &end_of_it));
    assert_int_equal(share_dropped(&fixture->track.share), 9);
    assert_int_equal(fixture->track.share.lost, 2);
    finish(fixture);
    assert_int_equal(seen.packet_count, 2);
    check_comment(1, "2 were lost");
    end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capture),
        cmocka_unit_test(test_section),
        cmocka_unit_test(test_file_before_the_capture),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_gap_after_gap),
        cmocka_unit_test(test_gap_with_a_long_reason),
        cmocka_unit_test(test_many_interfaces),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_max_size),
        cmocka_unit_test(test_max_size_and_gap),
        cmocka_unit_test(test_max_size_without_room_for_one),
        cmocka_unit_test(test_the_limit_that_is_reached_is_known),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_first_failure_is_kept),
        cmocka_unit_test(test_cannot_be_opened),
        cmocka_unit_test(test_not_in_this_format),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_slow_reader_of_interfaces),
        cmocka_unit_test(test_end_that_nobody_reads),
        cmocka_unit_test(test_late_reader_goes),
        cmocka_unit_test(test_reader_goes),
        cmocka_unit_test(test_end_with_a_loss),
        cmocka_unit_test(test_end_without_a_loss),
        cmocka_unit_test(test_end_behind_a_gap),
        cmocka_unit_test(test_other_devices),
        cmocka_unit_test(test_two_tracks),
        cmocka_unit_test(test_drops_count_once),
        cmocka_unit_test(test_discarded),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_statistics_that_are_refused),
        cmocka_unit_test(test_no_end_of_devices),
        cmocka_unit_test(test_no_end_of_interfaces),
    };

    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
