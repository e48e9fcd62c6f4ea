/* SPDX-License-Identifier: Apache-2.0 */
/* -o tcp://...: who gets which blocks, over real connections on loopback. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "capture/outlet.h"
#include "settings/settings.h"
#include "sink/sink.h"
#include "sink/tcp_server.h"

#define BIG (200u << 10) /* bytes of a packet */

struct fixture {
    struct loop *loop;
    struct sink sink;
    struct buf bytes;
    struct capture_writer writer;
};

static void on_ready(void *data)
{
    (void)data;
}

static void give(struct fixture *fixture)
{
    struct error err = {0};

    if (sink_write(&fixture->sink, &fixture->bytes, &err) < 0)
        fail_msg("%s", err.text);
    for (int i = 0; i < 5; i++)
        loop_step(fixture->loop, 0);
}

static void add_interface(struct fixture *fixture, const char *name)
{
    struct capture_interface interface = {.linktype = 1, .snaplen = 262144};
    struct error err;

    snprintf(interface.name, sizeof(interface.name), "%s", name);
    assert_int_equal(fixture->writer.format->interface(&fixture->writer, &interface, &err), 0);
    give(fixture);
}

static void add_packet(struct fixture *fixture, uint8_t fill, uint32_t length)
{
    static uint8_t data[BIG];
    struct error err;
    const struct capture_packet packet = {
        .timestamp = 1, .captured_length = length, .original_length = length, .data = data};

    memset(data, fill, length);
    assert_int_equal(fixture->writer.format->packet(&fixture->writer, &packet, &err), 0);
    give(fixture);
}

static struct fixture *begin(const struct capture_format *format)
{
    static const struct capture_section section = {.comment = "c", .application = "test"};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err = {0};

    fixture->loop = loop_new(&err);
    fixture->sink = (struct sink){.output = "tcp://127.0.0.1:0"};
    if (sink_prepare(&fixture->sink, &err) < 0)
        fail_msg("%s", err.text);
    fixture->sink.loop = fixture->loop;
    fixture->sink.ready = on_ready;
    fixture->sink.format = format;
    buf_init(&fixture->bytes, 64u << 20);
    fixture->writer = (struct capture_writer){.format = format, .out = &fixture->bytes};
    assert_int_equal(format->begin(&fixture->writer, &section, &err), 0);
    assert_int_equal(sink_begin(&fixture->sink, &err), 0);
    add_interface(fixture, "one");
    return fixture;
}

static void end(struct fixture *fixture)
{
    sink_free(&fixture->sink);
    loop_free(fixture->loop);
    buf_free(&fixture->bytes);
    free(fixture);
}

/* Return: a reader that is connected, and known to the sink. @room: of its buffer; 0: any */
static int connect_to(struct fixture *fixture, int room)
{
    union tcp_address address;
    struct error err;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(tcp_address_parse(fixture->sink.path, &address, &err), 0);
    if (room)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    assert_int_equal(connect(fd, &address.any, sizeof(address.v4)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 5; i++)
        loop_step(fixture->loop, 0);
    return fd;
}

/* Reads all that comes. Return: "S1p2p": the section, interfaces by how many bytes their name has,
 * packets by what they are filled with; "!" behind them where the connection is over. */
static const char *heard(struct fixture *fixture, int fd)
{
    static char text[4096];
    static uint8_t bytes[40u << 20];
    size_t length = 0, used = 0;
    ssize_t got = -1;

    for (int idle = 0; idle < 20 && got != 0;) {
        got = read(fd, bytes + length, sizeof(bytes) - length);
        length += got > 0 ? (size_t)got : 0;
        idle = got > 0 ? 0 : idle + 1;
        loop_step(fixture->loop, got > 0 ? 0 : 1);
    }
    for (size_t at = 0; at + 8 <= length;) {
        uint32_t type, total;

        memcpy(&type, bytes + at, 4);
        memcpy(&total, bytes + at + 4, 4);
        assert_true(total >= 12 && at + total <= length);
        text[used++] = type == 0x0a0d0d0au ? 'S' : type == 1 ? 'I' : (char)bytes[at + 28];
        at += total;
    }
    snprintf(text + used, sizeof(text) - used, "%s", got == 0 ? "!" : "");
    return text;
}

static void test_each_gets_a_whole_section(void **state)
{
    struct fixture *fixture = begin(&capture_format_pcapng);

    (void)state;
    add_packet(fixture, 'a', 60);
    int first = connect_to(fixture, 0); /* what has waited for a reader is its own */
    assert_string_equal(heard(fixture, first), "SIa");
    assert_int_equal(fixture->sink.pending, 0);
    add_packet(fixture, 'b', 60);
    int second = connect_to(fixture, 0);
    assert_string_equal(heard(fixture, second), "SI");
    add_interface(fixture, "two");
    add_packet(fixture, 'c', 60);
    assert_string_equal(heard(fixture, first), "bIc");
    assert_string_equal(heard(fixture, second), "Ic");
    int third = connect_to(fixture, 0);
    assert_string_equal(heard(fixture, third), "SII");
    close(first);
    close(second);
    close(third);
    end(fixture);
}

static void test_between_two_readers(void **state)
{
    struct fixture *fixture = begin(&capture_format_pcapng);
    int first = connect_to(fixture, 0);

    (void)state;
    add_packet(fixture, 'a', 60);
    assert_string_equal(heard(fixture, first), "SIa");
    close(first);
    add_packet(fixture, 'b', 60); /* a closed connection is seen when it is written to */
    add_packet(fixture, 'c', 60);
    add_packet(fixture, 'd', 60);
    assert_true(fixture->sink.pending > 0);
    assert_false(fixture->sink.unserved);
    int second = connect_to(fixture, 0);
    const char *text = heard(fixture, second);
    assert_true(strncmp(text, "SI", 2) == 0 && strcmp(text + strlen(text) - 2, "cd") == 0);
    close(second);
    end(fixture);
}

/* Nobody reads: what there is no room for stays with whoever gives it. */
static void test_without_readers_nothing_is_thrown_away(void **state)
{
    struct fixture *fixture = begin(&capture_format_pcapng);

    (void)state;
    for (int i = 0; i < 100; i++)
        add_packet(fixture, 'x', BIG);
    assert_true(fixture->bytes.length > 3u << 20);
    assert_true(fixture->sink.unserved);
    int reader = connect_to(fixture, 0);
    const char *text = heard(fixture, reader);
    size_t before = strlen(text);
    assert_true(before > 70 && before < 102);
    give(fixture);
    assert_int_equal(before + strlen(heard(fixture, reader)), 102);
    assert_false(fixture->sink.unserved);
    close(reader);
    end(fixture);
}

/* As many packets as the window holds are remembered, also of the smallest. */
static void test_small_packets_wait_for_a_reader(void **state)
{
    static const struct capture_section section = {.comment = "c", .application = "test"};
    static const struct capture_packet packet = {.timestamp = 1, .data = (const uint8_t *)""};
    const struct settings settings = {.format = &capture_format_pcap};
    struct fixture *fixture = begin(&capture_format_pcap);
    struct outlet outlet;
    struct error err = {0};
    uint64_t given = 0;
    int room;

    (void)state;
    outlet_init(&outlet, &fixture->sink, &settings);
    outlet.begun = true;
    assert_int_equal(settings.format->begin(&outlet.writer, &section, &err), 0);
    while ((room = outlet_make_room(&outlet, &err)) > 0 &&
           outlet_packet(&outlet, &packet, NULL, &err) == 0)
        given++;
    assert_string_equal(err.text, "");
    assert_int_equal(room, 0);
    assert_true(given > (16u << 20) / 16);
    assert_int_equal(outlet_unwritten(&outlet, NULL), given);
    outlet_free(&outlet);
    end(fixture);
}

static void test_the_end_waits_for_nobody(void **state)
{
    struct fixture *fixture = begin(&capture_format_pcapng);

    (void)state;
    for (int i = 0; i < 100; i++)
        add_packet(fixture, 'x', BIG);
    fixture->sink.stopping = true;
    give(fixture);
    assert_int_equal(fixture->bytes.length, 0);
    assert_true(fixture->sink.unserved && !sink_is_busy(&fixture->sink));
    assert_true(fixture->sink.pending > 100 * BIG && fixture->sink.written == 0);
    end(fixture);
}

/* One that takes nothing is cut; the other gets everything. */
static void test_a_slow_reader_is_cut(void **state)
{
    struct fixture *fixture = begin(&capture_format_pcapng);
    int slow = connect_to(fixture, 4096), fast = connect_to(fixture, 0);
    size_t packets = 0;

    (void)state;
    for (int i = 0; i < 150; i++) {
        add_packet(fixture, 'x', BIG);
        packets += strlen(heard(fixture, fast)) - (i == 0 ? 2 : 0);
    }
    assert_int_equal(packets, 150);
    assert_int_equal(fixture->bytes.length, 0);
    /* What the kernel has taken for it may still be on its way; then it is over. */
    uint8_t byte[4096];
    ssize_t got;
    fcntl(slow, F_SETFL, 0);
    while ((got = read(slow, byte, sizeof(byte))) > 0)
        ;
    assert_true(got == 0 || errno == ECONNRESET);
    close(slow);
    close(fast);
    end(fixture);
}

/* There is no descriptor for another reader: it waits until there is, and the program sleeps. */
static void test_no_descriptor_is_left(void **state)
{
    struct fixture *fixture = begin(&capture_format_pcapng);
    struct rlimit limit, none;
    int next = dup(0);

    (void)state;
    close(next);
    getrlimit(RLIMIT_NOFILE, &limit);
    none = (struct rlimit){(rlim_t)next + 1, limit.rlim_max}; /* for the reader's own end */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int reader = connect_to(fixture, 0);
    uint64_t before = loop_now();
    loop_step(fixture->loop, 200);
    uint64_t slept = loop_now() - before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_in_range(slept, 100, 5000);
    while (loop_now() - before < 10000 && fixture->sink.unserved)
        loop_step(fixture->loop, 100);
    assert_string_equal(heard(fixture, reader), "SI");
    close(reader);
    end(fixture);
}

static void test_pcap_has_its_head_too(void **state)
{
    struct fixture *fixture = begin(&capture_format_pcap);
    int first = connect_to(fixture, 0), second;
    uint8_t bytes[4096];

    (void)state;
    add_packet(fixture, 'a', 60);
    assert_int_equal(read(first, bytes, sizeof(bytes)), 24 + 16 + 60);
    second = connect_to(fixture, 0);
    add_packet(fixture, 'b', 10);
    assert_int_equal(read(second, bytes, sizeof(bytes)), 24 + 16 + 10);
    assert_int_equal(read(first, bytes, sizeof(bytes)), 16 + 10);
    close(first);
    close(second);
    end(fixture);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        bool good, loopback;
    } tries[] = {{"tcp://127.0.0.1:4000", true, true},
                 {"tcp://:4000", true, true},
                 {"tcp://localhost:0", true, true},
                 {"tcp://[::1]:65535", true, true},
                 {"tcp://0.0.0.0:4000", true, false},
                 {"tcp://[::]:4000", true, false},
                 {"tcp://192.0.2.1:1", true, false},
                 {"tcp://127.0.0.1", false, false},
                 {"tcp://127.0.0.1:", false, false},
                 {"tcp://127.0.0.1:65536", false, false},
                 {"tcp://127.0.0.1:+1", false, false},
                 {"tcp://127.0.0.1:1x", false, false},
                 {"tcp://::1:4000", false, false},
                 {"tcp://[::1:4000", false, false},
                 {"tcp://[127.0.0.1]:1", false, false},
                 {"tcp://example.com:1", false, false},
                 {"tcp://", false, false},
                 {"tcp://[]:1", false, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        union tcp_address address;
        struct error err;
        bool good = tcp_address_parse(tries[i].text, &address, &err) == 0;

        if (good != tries[i].good ||
            (good && tcp_address_is_loopback(&address) != tries[i].loopback))
            fail_msg("%s", tries[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_gets_a_whole_section),
        cmocka_unit_test(test_between_two_readers),
        cmocka_unit_test(test_without_readers_nothing_is_thrown_away),
        cmocka_unit_test(test_small_packets_wait_for_a_reader),
        cmocka_unit_test(test_the_end_waits_for_nobody),
        cmocka_unit_test(test_a_slow_reader_is_cut),
        cmocka_unit_test(test_no_descriptor_is_left),
        cmocka_unit_test(test_pcap_has_its_head_too),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests_name("tcp", tests, NULL, NULL);
}
