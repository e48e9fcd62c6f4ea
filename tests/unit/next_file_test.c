/* SPDX-License-Identifier: Apache-2.0 */
/* A recorder whose files follow each other, read back with the program's own reader. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "capture/recorder.h"
#include "capture/track.h"
#include "common/pcapng.h"
#include "settings/settings.h"
#include "sink/sink.h"

struct fixture {
    char directory[32], output[64];
    struct settings settings;
    struct sink sink;
    struct recorder recorder;
    struct track tracks[2];
    size_t names; /* that there are */
    unsigned started, failed;
};

static char *describe(void *data, const struct share *share)
{
    (void)data;
    return strdup(share ? share->prefix : "all of them");
}

static bool give(void *data, enum capture_item_kind kind, const struct capture_item *item)
{
    if (kind == CAPTURE_PACKET)
        return recorder_packet(data, &item->packet);
    return recorder_statistics(data, &item->statistics);
}

static size_t next_names(void *data, uint64_t *cursor, struct capture_address *ret_addresses,
                         size_t most)
{
    const struct fixture *fixture = data;
    size_t count = 0;

    for (; *cursor < fixture->names && count < most; ++*cursor)
        ret_addresses[count++] = (struct capture_address){.bytes = {10, 0, 0, (uint8_t)*cursor},
                                                          .names = {"web.default"}};
    return count;
}

static void on_started(void *data)
{
    ((struct fixture *)data)->started++;
}

static void on_failed(void *data)
{
    ((struct fixture *)data)->failed++;
}

static void on_enough(void *data)
{
    (void)data;
}

/* Files of @size bytes. */
static struct fixture *begin(const char *name, uint64_t size)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;

    assert_non_null(fixture);
    strcpy(fixture->directory, "/tmp/next-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->output, sizeof(fixture->output), "%s/%s", fixture->directory, name);
    fixture->settings.format = capture_format_of_file(name, strlen(name));
    fixture->settings.rotate_size = size;
    fixture->sink = (struct sink){.output = fixture->output, .numbered = size > 0};
    assert_int_equal(sink_prepare(&fixture->sink, &err), 0);
    fixture->recorder = (struct recorder){.settings = &fixture->settings,
                                          .sink = &fixture->sink,
                                          .describe = describe,
                                          .next_names = next_names,
                                          .started = on_started,
                                          .enough = on_enough,
                                          .failed = on_failed,
                                          .data = fixture};
    recorder_init(&fixture->recorder);
    for (size_t i = 0; i < 2; i++) {
        fixture->tracks[i] = (struct track){
            .recorder = &fixture->recorder,
            .share = {.prefix = i ? "default/b" : "default/a", .values = {.pod = i ? "b" : "a"}},
            .give = give,
            .data = &fixture->recorder};
        track_init(&fixture->tracks[i]);
    }
    return fixture;
}

static void end(struct fixture *fixture)
{
    char command[64];

    assert_int_equal(fixture->started, 1);
    assert_int_equal(fixture->failed, 0);
    for (size_t i = 0; i < 2; i++)
        track_free(&fixture->tracks[i]);
    recorder_free(&fixture->recorder);
    sink_free(&fixture->sink);
    snprintf(command, sizeof(command), "rm -r %s", fixture->directory);
    assert_int_equal(system(command), 0);
    free(fixture);
}

/* ---- items ---- */

static void give_interface(struct track *track, const char *name, uint16_t linktype)
{
    static struct capture_item item;

    item.interface = (struct capture_interface){.linktype = linktype, .snaplen = 262144};
    snprintf(item.interface.name, sizeof(item.interface.name), "%s", name);
    assert_true(track_item(track, CAPTURE_INTERFACE, &item));
}

static void give_packet(struct track *track, uint32_t interface)
{
    static const uint8_t payload[400];
    static struct capture_item item;

    item.packet = (struct capture_packet){.interface = interface,
                                          .timestamp = 1790000000000000000u,
                                          .captured_length = sizeof(payload),
                                          .original_length = sizeof(payload),
                                          .data = payload};
    assert_true(track_item(track, CAPTURE_PACKET, &item));
}

static void give_statistics(struct track *track, uint32_t interface, uint64_t received,
                            uint64_t dropped)
{
    static struct capture_item item;

    item.statistics = (struct capture_statistics){
        .interface = interface, .received = received, .dropped = dropped};
    assert_true(track_item(track, CAPTURE_STATISTICS, &item));
}

/* ---- reading back ---- */

struct seen {
    char names[4][64]; /* of interfaces */
    uint64_t packets[4], received[4], dropped[4];
    size_t interfaces, name_blocks;
};

static uint8_t bytes[65536];

static uint64_t number_at(size_t at, size_t size)
{
    uint64_t number = 0;

    memcpy(&number, bytes + at, size);
    return number;
}

/* Return: where the value of an option stands, between these places. */
static size_t option_at(size_t at, size_t stop, uint16_t code)
{
    for (; at < stop; at += 4 + PCAPNG_PAD4(number_at(at + 2, 2)))
        if (number_at(at, 2) == code)
            return at + 4;
    fail_msg("no option %u", code);
    return 0;
}

/* The program's own reader takes what agents send, which names are not. */
static void see_block(size_t at, size_t stop, struct seen *seen)
{
    const uint64_t type = number_at(at, 4), interface = number_at(at + 8, 4);

    if (type == PCAPNG_EPB)
        seen->packets[interface]++;
    if (type == PCAPNG_IDB)
        snprintf(seen->names[seen->interfaces++], 64, "%.14s", bytes + option_at(at + 16, stop, 2));
    if (type == PCAPNG_ISB) {
        seen->received[interface] = number_at(option_at(at + 20, stop, 4), 8);
        seen->dropped[interface] = number_at(option_at(at + 20, stop, 5), 8);
    }
    seen->name_blocks += type == 4;
}

static void see(const struct fixture *fixture, const char *name, struct seen *seen)
{
    char path[80];
    size_t length;

    *seen = (struct seen){0};
    snprintf(path, sizeof(path), "%s/%s", fixture->directory, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_int_equal(fixture->settings.format->whole(bytes, size, true), size);
    for (size_t at = 0; at < size; at += length) {
        length = number_at(at + 4, 4);
        see_block(at, at + length - 4, seen);
    }
}

static void finish(struct fixture *fixture)
{
    struct error err;

    recorder_flush(&fixture->recorder);
    assert_true(recorder_is_flushed(&fixture->recorder));
    assert_int_equal(recorder_finish(&fixture->recorder, &err), 0);
}

/* ---- tests ---- */

/* 1200 bytes: a head, two interfaces, and a packet or two. */
static void test_files_are_complete(void **state)
{
    struct fixture *fixture = begin("%i.pcapng", 1200);
    struct track *track = &fixture->tracks[0];
    struct seen seen;
    uint64_t packets = 0, received = 0, dropped = 0;

    (void)state;
    give_interface(track, "eth0", LINKTYPE_ETHERNET);
    give_interface(track, "tun0", LINKTYPE_ETHERNET);
    for (int i = 0; i < 3; i++) {
        give_packet(track, 1);
        give_packet(track, 1);
        give_statistics(track, 1, (uint64_t)i * 3 + 3, (uint64_t)i + 1);
    }
    give_packet(track, 0); /* and its statistics never come */
    finish(fixture);
    assert_true(fixture->sink.values.number > 2);
    for (unsigned i = 1; i <= fixture->sink.values.number; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%05u.pcapng", i);
        see(fixture, name, &seen);
        assert_int_equal(seen.interfaces, 2);
        assert_string_equal(seen.names[0], "default/a:eth0");
        assert_string_equal(seen.names[1], "default/a:tun0");
        assert_true(seen.packets[0] + seen.packets[1] > 0);
        packets += seen.packets[1];
        received += seen.received[1];
        dropped += seen.dropped[1];
    }
    assert_int_equal(seen.packets[0], 1);
    assert_int_equal(seen.received[0], 1);
    assert_int_equal(packets, 6);
    assert_int_equal(received, 9);
    assert_int_equal(dropped, 3);
    end(fixture);
}

/* One packet a file. The second agent does not have tun0: the files that begin then need not have
 * it. */
static void test_ended_interfaces(void **state)
{
    struct fixture *fixture = begin("%i.pcapng", 1000);
    struct track *track = &fixture->tracks[0];
    struct seen seen;

    (void)state;
    give_interface(track, "tun0", LINKTYPE_ETHERNET);
    give_interface(track, "eth0", LINKTYPE_ETHERNET);
    give_packet(track, 0);
    track_follow(track);
    give_interface(track, "eth0", LINKTYPE_ETHERNET);
    give_packet(track, 0);
    give_packet(track, 0);
    /* Both again. */
    track_follow(track);
    give_interface(track, "tun0", LINKTYPE_ETHERNET);
    give_packet(track, 0);
    give_packet(track, 0);
    finish(fixture);
    see(fixture, "00001.pcapng", &seen);
    assert_int_equal(seen.interfaces, 2);
    see(fixture, "00002.pcapng", &seen);
    assert_int_equal(seen.interfaces, 1);
    assert_string_equal(seen.names[0], "default/a:eth0");
    see(fixture, "00003.pcapng", &seen);
    assert_string_equal(seen.names[0], "default/a:eth0");
    see(fixture, "00004.pcapng", &seen);
    assert_int_equal(seen.interfaces, 1);
    assert_string_equal(seen.names[0], "default/a:tun0");
    end(fixture);
}

/* Each section has the names, those that come late too. */
static void test_names(void **state)
{
    struct fixture *fixture = begin("%i.pcapng", 3000);
    struct track *track = &fixture->tracks[0];
    struct seen seen;

    (void)state;
    fixture->names = 1;
    give_interface(track, "eth0", LINKTYPE_ETHERNET);
    fixture->names = 2;
    recorder_names(&fixture->recorder);
    recorder_names(&fixture->recorder);
    while (fixture->sink.values.number < 2)
        give_packet(track, 0);
    finish(fixture);
    see(fixture, "00001.pcapng", &seen);
    assert_int_equal(seen.name_blocks, 2);
    see(fixture, "00002.pcapng", &seen);
    assert_int_equal(seen.name_blocks, 1); /* both in one block */
    end(fixture);
}

/* The next file is opened, and its disk is full before its head is there. */
static int next_on_a_full_disk(struct sink *sink, struct error *err)
{
    int result = sink_file.next(sink, err), full = open("/dev/full", O_WRONLY);

    assert_int_equal(result, 0);
    assert_int_equal(dup2(full, sink->fd), sink->fd);
    close(full);
    return 0;
}

static int no_next(struct sink *sink, struct error *err)
{
    return error_set(err, ERROR_OUTPUT, "cannot write the file \"%s\"", sink_name(sink));
}

/* Of a ring of one: the old file is removed when the new one has begun, and not before. */
static void check_ring(int (*next)(struct sink *, struct error *), bool kept)
{
    struct fixture *fixture = begin("%i.pcapng", 1000);
    struct sink_kind kind = sink_file;
    char first[80];

    fixture->recorder.outlet.rotation.files = 1;
    kind.next = next;
    fixture->sink.kind = &kind;
    snprintf(first, sizeof(first), "%s/00001.pcapng", fixture->directory);
    give_interface(&fixture->tracks[0], "eth0", LINKTYPE_ETHERNET);
    for (int i = 0; i < 3; i++)
        give_packet(&fixture->tracks[0], 0);
    assert_int_equal(access(first, F_OK) == 0, kept);
    assert_int_equal(fixture->recorder.failure.kind != ERROR_NONE, kept);
    fixture->failed = 0;
    end(fixture);
}

static void test_ring(void **state)
{
    (void)state;
    check_ring(sink_file.next, false);
    check_ring(next_on_a_full_disk, true);
    check_ring(no_next, true);
}

static void test_a_file_for_each(void **state)
{
    struct fixture *fixture = begin("%p.pcapng", 0);
    struct seen seen;

    (void)state;
    fixture->names = 1;
    fixture->settings.count = 5;
    for (size_t i = 0; i < 2; i++)
        give_interface(&fixture->tracks[i], "eth0", LINKTYPE_ETHERNET);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(fixture->recorder.limited, i >= 5);
        give_packet(&fixture->tracks[i % 2], 0);
    }
    give_statistics(&fixture->tracks[1], 0, 4, 2);
    finish(fixture);
    see(fixture, "a.pcapng", &seen);
    assert_int_equal(seen.interfaces, 1);
    assert_string_equal(seen.names[0], "default/a:eth0");
    assert_int_equal(seen.packets[0], 3);
    assert_int_equal(seen.name_blocks, 1);
    see(fixture, "b.pcapng", &seen);
    assert_string_equal(seen.names[0], "default/b:eth0");
    assert_int_equal(seen.packets[0], 2);
    assert_int_equal(seen.dropped[0], 2);
    assert_int_equal(seen.name_blocks, 1);
    end(fixture);
}

/* A target that has gone does not keep its file open, and the rest goes on. */
static void test_a_file_of_one_that_ends(void **state)
{
    struct fixture *fixture = begin("%p.pcapng", 0);
    const struct share *gone = &fixture->tracks[0].share;
    struct error err;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        give_interface(&fixture->tracks[i], "eth0", LINKTYPE_ETHERNET);
        give_packet(&fixture->tracks[i], 0);
    }
    recorder_end(&fixture->recorder, gone);
    assert_int_equal(gone->outlet->sink->fd, -1);
    assert_int_equal(recorder_unwritten(&fixture->recorder, gone), 0);
    recorder_end(&fixture->recorder, gone);
    give_packet(&fixture->tracks[1], 0);
    fixture->names = 1;
    recorder_names(&fixture->recorder);
    assert_int_equal(recorder_finish(&fixture->recorder, &err), 0);
    end(fixture);
}

/* A file of its own may have another link type. */
static void test_pcap(void **state)
{
    struct fixture *fixture = begin("%p.pcap", 0);

    (void)state;
    fixture->names = 1;
    give_interface(&fixture->tracks[0], "eth0", LINKTYPE_ETHERNET);
    give_interface(&fixture->tracks[1], "tun0", LINKTYPE_RAW);
    give_packet(&fixture->tracks[0], 0);
    give_packet(&fixture->tracks[1], 0);
    finish(fixture);
    assert_int_equal(fixture->recorder.left_out, 0);
    assert_int_equal(fixture->recorder.packets, 2);
    end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_complete),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_ended_interfaces),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_a_file_for_each),
        cmocka_unit_test(test_a_file_of_one_that_ends),
        cmocka_unit_test(test_pcap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
