/* SPDX-License-Identifier: Apache-2.0 */
/* The readers and writers: what is written is read back; what is malformed is refused. */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "common/pcapng.h"
#include "pcapng/reader.h"
#include "pcapng/writer.h"

static const struct capture_section section = {.comment = "pod: web", .application = "test"};

static struct capture_interface make_interface(const char *name, uint16_t linktype)
{
    struct capture_interface interface = {.linktype = linktype,
                                          .snaplen = 262144,
                                          .has_mac = true,
                                          .mac = {2, 0, 0, 0, 0, 1},
                                          .speed = 10000000000,
                                          .hardware = "veth",
                                          .description = "node: node1",
                                          .filter = "tcp port 80"};

    snprintf(interface.name, sizeof(interface.name), "%s", name);
    return interface;
}

static uint8_t payload[] = {0, 1, 2, 3, 4, 5, 6};

static struct capture_packet make_packet(uint32_t interface)
{
    return (struct capture_packet){.interface = interface,
                                   .timestamp = 1790000000123456789u,
                                   .captured_length = sizeof(payload),
                                   .original_length = 1500,
                                   .flags = PCAPNG_FLAG_OUTBOUND | PCAPNG_FLAG_UNICAST,
                                   .data = payload};
}

/* A whole capture in @out: section, two interfaces, a packet, statistics. */
static void write_sample(struct capture_writer *writer, struct buf *out)
{
    struct capture_interface eth0 = make_interface("eth0", LINKTYPE_ETHERNET);
    struct capture_interface tun0 = make_interface("tun0", LINKTYPE_RAW);
    struct capture_packet packet = make_packet(1);
    struct capture_statistics statistics = {
        .interface = 1, .timestamp = 1790000000123456790u, .received = 5, .dropped = 2};
    struct error err;

    *writer = (struct capture_writer){.format = &capture_format_pcapng, .out = out};
    snprintf(statistics.comment, sizeof(statistics.comment), "one ring");
    assert_int_equal(writer->format->begin(writer, &section, &err), 0);
    assert_int_equal(writer->format->interface(writer, &eth0, &err), 0);
    assert_int_equal(writer->format->interface(writer, &tun0, &err), 0);
    assert_int_equal(writer->format->packet(writer, &packet, &err), 0);
    assert_int_equal(writer->format->statistics(writer, &statistics, &err), 0);
}

static void read_sample(struct capture_reader *reader, const uint8_t *bytes, size_t length,
                        size_t step)
{
    enum capture_item_kind kinds[8];
    struct capture_item items[8];
    size_t count = 0;
    struct error err;

    for (size_t at = 0; at < length; at += step) {
        size_t piece = step < length - at ? step : length - at;

        assert_int_equal(capture_reader_feed(reader, bytes + at, piece), 0);
        for (;;) {
            assert_true(count < 8);
            kinds[count] = capture_reader_next(reader, &items[count], &err);
            if (kinds[count] == CAPTURE_MORE)
                break;
            assert_int_not_equal(kinds[count], CAPTURE_MALFORMED);
            if (kinds[count] == CAPTURE_PACKET)
                assert_memory_equal(items[count].packet.data, payload, sizeof(payload));
            count++;
        }
    }
    assert_int_equal(count, 4);
    assert_int_equal(kinds[0], CAPTURE_INTERFACE);
    assert_string_equal(items[0].interface.name, "eth0");
    assert_int_equal(items[1].interface.linktype, LINKTYPE_RAW);
    assert_true(items[1].interface.has_mac);
    assert_int_equal(items[1].interface.mac[5], 1);
    assert_int_equal(items[1].interface.speed, 10000000000);
    assert_string_equal(items[1].interface.hardware, "veth");
    assert_int_equal(kinds[2], CAPTURE_PACKET);
    assert_int_equal(items[2].packet.interface, 1);
    assert_int_equal(items[2].packet.timestamp, 1790000000123456789u);
    assert_int_equal(items[2].packet.original_length, 1500);
    assert_int_equal(items[2].packet.flags, PCAPNG_FLAG_OUTBOUND | PCAPNG_FLAG_UNICAST);
    assert_int_equal(kinds[3], CAPTURE_STATISTICS);
    assert_int_equal(items[3].statistics.received, 5);
    assert_int_equal(items[3].statistics.dropped, 2);
    assert_string_equal(items[3].statistics.comment, "one ring");
    assert_int_equal(capture_reader_pending(reader), 0);
}

static void test_what_is_written_is_read(void **state)
{
    static const size_t steps[] = {1, 3, 4, 7, 29, 1 << 20};
    struct capture_writer writer;
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    write_sample(&writer, &out);
    assert_int_equal(writer.interface_count, 2);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct capture_reader *reader = capture_reader_pcapng();

        read_sample(reader, buf_bytes(&out), out.length, steps[i]);
        capture_reader_free(reader);
    }
    buf_free(&out);
}

/* ---- names ---- */

static struct capture_address make_address(bool v6, uint8_t last, const char *name)
{
    struct capture_address address = {.v6 = v6, .bytes = {10, 0, 0}, .names = {name}};

    address.bytes[v6 ? 15 : 3] = last;
    return address;
}

/* Byte for byte as the draft has it (4.5). */
static void test_name_resolution_block(void **state)
{
    static const uint8_t wanted[] = {
        4,   0,   0,   0, 72,  0,   0,   0,                       /* head */
        1,   0,   15,  0, 10,  0,   0,   7,                       /* IPv4: 4 + 4 + 7 */
        'd', 'b', '.', 0, 'w', 'e', 'b', '.', 0xc3, 0xa4, 0,   0, /* two names and padding */
        2,   0,   19,  0, 10,  0,   0,   0,   0,    0,    0,   0, /* IPv6: 16 + 3 */
        0,   0,   0,   0, 0,   0,   0,   9,   'n',  '1',  0,   0, /* */
        1,   0,   8,   0, 10,  0,   0,   8,   'n',  '1',  'x', 0, /* no padding */
        0,   0,   0,   0,                                         /* end of records */
        72,  0,   0,   0,
    };
    struct capture_address addresses[] = {
        make_address(false, 7, "db."), make_address(true, 9, "n1"), make_address(false, 8, "n1x"),
        make_address(false, 6, NULL), make_address(false, 5, "")};
    struct capture_writer writer = {.format = &capture_format_pcapng};
    struct buf out;
    struct error err;

    (void)state;
    addresses[0].names[1] = "web.\xc3\xa4";
    buf_init(&out, 1 << 16);
    writer.out = &out;
    assert_int_equal(writer.format->names(&writer, addresses, 5, &err), 5);
    assert_int_equal(out.length, sizeof(wanted));
    assert_memory_equal(buf_bytes(&out), wanted, sizeof(wanted));
    assert_int_equal(writer.format->whole(buf_bytes(&out), out.length, false), out.length);
    assert_int_equal(writer.format->whole(buf_bytes(&out), out.length - 1, false), 0);
    assert_null(capture_format_pcap.names);
    buf_free(&out);
}

/* A name that is too long is left out, with its address where it has no other. */
static void test_long_names(void **state)
{
    char most[CAPTURE_HOST_MAX], more[CAPTURE_HOST_MAX + 1];
    struct capture_address addresses[] = {
        make_address(false, 7, more), make_address(false, 8, more), make_address(true, 9, most)};
    struct capture_writer writer = {.format = &capture_format_pcapng};
    struct buf out;
    struct error err;

    (void)state;
    memset(most, 'm', sizeof(most));
    memset(more, 'o', sizeof(more));
    most[sizeof(most) - 1] = more[sizeof(more) - 1] = '\0';
    addresses[1].names[1] = "short";
    buf_init(&out, 1 << 16);
    writer.out = &out;
    assert_int_equal(writer.format->names(&writer, addresses, 3, &err), 3);
    assert_int_equal(out.length, 8 + (4 + 12) + (4 + 16 + 256) + 4 + 4);
    assert_memory_equal(buf_bytes(&out) + 16, "short", 6);
    buf_free(&out);
}

/* Many of them need several blocks, each of them no larger than there is room for. */
static void test_many_names(void **state)
{
    enum { COUNT = 5000 };
    struct capture_address *addresses = calloc(COUNT, sizeof(*addresses));
    struct capture_writer writer = {.format = &capture_format_pcapng};
    struct buf out;
    struct error err;
    size_t at = 0, blocks = 0;

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        addresses[i] = make_address(i % 2, (uint8_t)i, "some-pod-0123456789.some-namespace");
    buf_init(&out, CAPTURE_ITEM_ROOM);
    writer.out = &out;
    for (; at < COUNT; blocks++) {
        int taken = writer.format->names(&writer, addresses + at, COUNT - at, &err);

        assert_true(taken > 0);
        at += (size_t)taken;
        assert_true(out.length < 40000);
        assert_int_equal(writer.format->whole(buf_bytes(&out), out.length, false), out.length);
        buf_take(&out, out.length);
    }
    assert_int_equal(at, COUNT);
    assert_in_range(blocks, 5, 20);
    buf_free(&out);
    buf_init(&out, 100);
    assert_int_equal(writer.format->names(&writer, addresses, COUNT, &err), -1);
    assert_int_equal(out.length, 0);
    buf_free(&out);
    free(addresses);
}

/* The next is of this kind, as often as it is given back. */
static void check_again(struct capture_reader *reader, enum capture_item_kind kind)
{
    struct capture_item item;
    struct error err;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(capture_reader_next(reader, &item, &err), kind);
        capture_reader_unread(reader);
    }
    assert_int_equal(capture_reader_next(reader, &item, &err), kind);
}

static void test_unread(void **state)
{
    const struct capture_packet nobodys = make_packet(2);
    struct capture_writer writer;
    struct capture_item item;
    struct buf out;
    struct error err;

    (void)state;
    buf_init(&out, 1 << 20);
    write_sample(&writer, &out);
    assert_int_equal(writer.format->packet(&writer, &nobodys, &err), 0);
    struct capture_reader *reader = capture_reader_pcapng();
    capture_reader_feed(reader, buf_bytes(&out), out.length);
    check_again(reader, CAPTURE_INTERFACE);
    check_again(reader, CAPTURE_INTERFACE);
    check_again(reader, CAPTURE_PACKET);
    check_again(reader, CAPTURE_STATISTICS);
    /* An interface that was given again is one. */
    assert_int_equal(capture_reader_next(reader, &item, &err), CAPTURE_MALFORMED);
    capture_reader_free(reader);
    buf_free(&out);
}

static void test_whole_blocks(void **state)
{
    struct capture_writer writer;
    struct buf out;
    size_t boundary = 0;

    (void)state;
    buf_init(&out, 1 << 20);
    write_sample(&writer, &out);
    for (size_t length = 0; length <= out.length; length++) {
        size_t whole = capture_format_pcapng.whole(buf_bytes(&out), length, true);

        assert_true(whole <= length && whole >= boundary);
        boundary = whole;
    }
    assert_int_equal(boundary, out.length);
    buf_free(&out);
}

/* Feeds the sample with one 32-bit word changed. Return: the last kind that was read. */
static enum capture_item_kind read_with(size_t offset, uint32_t word, struct error *err)
{
    enum capture_item_kind kind = CAPTURE_MORE;
    struct capture_writer writer;
    struct capture_item item;
    struct buf out;

    buf_init(&out, 1 << 20);
    write_sample(&writer, &out);
    memcpy(out.data + offset, &word, sizeof(word));
    struct capture_reader *reader = capture_reader_pcapng();
    capture_reader_feed(reader, buf_bytes(&out), out.length);
    do
        kind = capture_reader_next(reader, &item, err);
    while (kind != CAPTURE_MORE && kind != CAPTURE_MALFORMED);
    capture_reader_free(reader);
    buf_free(&out);
    return kind;
}

/* Return: where the block of that type begins in the sample. */
static size_t find_block(uint32_t type)
{
    struct capture_writer writer;
    struct buf out;
    size_t at = 0, found = SIZE_MAX;

    buf_init(&out, 1 << 20);
    write_sample(&writer, &out);
    while (at < out.length) {
        struct pcapng_block_header head;

        memcpy(&head, out.data + at, sizeof(head));
        if (head.type == type)
            found = at;
        at += head.total_length;
    }
    buf_free(&out);
    assert_int_not_equal(found, SIZE_MAX);
    return found;
}

static void test_hostile_agent(void **state)
{
    size_t epb = find_block(PCAPNG_EPB), isb = find_block(PCAPNG_ISB), idb = find_block(PCAPNG_IDB);
    const struct {
        size_t offset;
        uint32_t word;
        const char *says;
    } cases[] = {
        {0, PCAPNG_EPB, "does not begin with a section header"},
        {8, 0x4d3c1a2b, "a section in no byte order: 0x4d3c1a2b"},
        {12, 2, "pcapng version 2"},
        {4, 8, "a block of 8 bytes"},
        {4, 30, "a block of 30 bytes"},
        {4, 0xfffffffc, "a block of 4294967292 bytes"},
        {epb, 0x0bad, "a block of type 0x00000bad"},
        {epb, PCAPNG_SHB, "a second section"},
        {epb + 8, 2, "interface 2, which is not described"},
        {epb + 8, 0xffffffff, "interface 4294967295, which is not described"},
        {epb + 20, 0xffffffff, "a packet of 4294967295 bytes"},
        {epb + 20, 40, "a packet of 40 bytes in a block of"},
        {epb + 24, 3, "7 bytes captured of a packet of 3"},
        {epb + 36, 0x7fff0002, "an option reaches out of its packet block"},
        {isb + 8, 9, "statistics of interface 9"},
        {isb + 20, 0xfff00004, "an option reaches out of its statistics"},
        {idb + 16, 0xfff00002, "an option reaches out of its interface description"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};

        if (read_with(cases[i].offset, cases[i].word, &err) != CAPTURE_MALFORMED)
            fail_msg("not refused: %s", cases[i].says);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].says, err.text);
        assert_int_equal(err.kind, ERROR_PROTOCOL);
    }
}

/* A section with one block of secrets, as a machine of the other byte order writes it or of ours.
 */
static enum capture_item_kind read_secrets(uint32_t type, uint32_t claimed, bool swapped,
                                           struct capture_item *item, struct error *err)
{
    static const char lines[8] = "CLIENT_R";
    const struct pcapng_shb shb = {PCAPNG_SHB, 28, PCAPNG_BYTE_ORDER_MAGIC, 1, 0, -1, -1};
    const uint32_t head[] = {PCAPNG_DSB, 28, type, claimed}, tail = 28;
    struct capture_reader *reader = capture_reader_pcapng();
    uint32_t words[14];

    memcpy(words, &shb, 24);
    words[6] = 28;
    memcpy(words + 7, head, sizeof(head));
    memcpy(words + 11, lines, sizeof(lines));
    words[13] = tail;
    for (size_t i = 0; swapped && i < 14; i++)
        if (i != 3 && i != 11 && i != 12) /* the version is two words of half the size */
            words[i] = __builtin_bswap32(words[i]);
    if (swapped)
        words[3] = 0x00000100;
    capture_reader_feed(reader, words, sizeof(words));
    enum capture_item_kind kind = capture_reader_next(reader, item, err);
    if (kind == CAPTURE_SECRETS)
        assert_memory_equal(item->secrets.lines, lines, item->secrets.length);
    capture_reader_free(reader);
    return kind;
}

static void test_secrets(void **state)
{
    static struct capture_item item;
    struct error err = {0};

    (void)state;
    for (int swapped = 0; swapped < 2; swapped++) {
        assert_int_equal(read_secrets(PCAPNG_SECRETS_TLS, 8, swapped, &item, &err),
                         CAPTURE_SECRETS);
        assert_int_equal(item.secrets.length, 8);
        assert_int_equal(read_secrets(PCAPNG_SECRETS_TLS, 5, swapped, &item, &err),
                         CAPTURE_SECRETS);
        assert_int_equal(item.secrets.length, 5);
        /* WireGuard's, which are not read. */
        assert_int_equal(read_secrets(0x57474b4c, 8, swapped, &item, &err), CAPTURE_MORE);
        assert_int_equal(read_secrets(PCAPNG_SECRETS_TLS, 9, swapped, &item, &err),
                         CAPTURE_MALFORMED);
        assert_non_null(strstr(err.text, "9 bytes of secrets in a block of 28"));
    }
}

/* As many as come and go on a node in days are read; without an end they are not. */
static void test_interfaces_without_end(void **state)
{
    struct capture_reader *reader = capture_reader_pcapng();
    const struct pcapng_shb shb = {PCAPNG_SHB, 28, PCAPNG_BYTE_ORDER_MAGIC, 1, 0, -1, -1};
    const struct pcapng_idb idb = {PCAPNG_IDB, 20, LINKTYPE_ETHERNET, 0, 0};
    const uint32_t lengths[] = {28, 20};
    static struct capture_item item;
    struct error err = {0};
    uint32_t count = 0;

    (void)state;
    capture_reader_feed(reader, &shb, sizeof(shb));
    capture_reader_feed(reader, &lengths[0], 4);
    for (enum capture_item_kind kind = CAPTURE_INTERFACE; kind == CAPTURE_INTERFACE; count++) {
        capture_reader_feed(reader, &idb, sizeof(idb));
        capture_reader_feed(reader, &lengths[1], 4);
        kind = capture_reader_next(reader, &item, &err);
    }
    assert_int_equal(count, CAPTURE_INTERFACES_MAX + 1);
    assert_string_equal(err.text,
                        "the agent sends what is no capture: more than 1048576 interfaces");
    capture_reader_free(reader);
}

/* Whatever the bytes, the reader neither crashes nor goes round for ever. */
static void test_noise(void **state)
{
    struct capture_writer writer;
    struct capture_item item;
    struct buf out;
    struct error err;

    (void)state;
    srand(1);
    buf_init(&out, 1 << 20);
    write_sample(&writer, &out);
    for (int round = 0; round < 20000; round++) {
        uint8_t copy[1024];

        memcpy(copy, buf_bytes(&out), out.length);
        for (int i = 0; i < 1 + round % 5; i++)
            copy[(size_t)rand() % out.length] = (uint8_t)rand();
        struct capture_reader *reader =
            round % 4 ? capture_reader_pcapng() : capture_reader_pcap("any");
        assert_int_equal(capture_reader_feed(reader, copy, out.length), 0);
        for (int items = 0;; items++) {
            enum capture_item_kind kind = capture_reader_next(reader, &item, &err);

            assert_true(items < 64);
            if (kind == CAPTURE_MORE || kind == CAPTURE_MALFORMED)
                break;
        }
        capture_reader_free(reader);
    }
    buf_free(&out);
}

/* ---- pcap ---- */

static uint32_t order(uint32_t value, bool swapped)
{
    return swapped ? __builtin_bswap32(value) : value;
}

static void test_pcap_of_any_kind(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        bool swapped = variant & 1, nanoseconds = variant & 2;
        uint32_t version = swapped ? 0x02000400u : 0x00040002u; /* major 2, minor 4 */
        const uint32_t head[] = {order(nanoseconds ? 0xa1b23c4du : 0xa1b2c3d4u, swapped),
                                 version,
                                 0,
                                 0,
                                 order(65535, swapped),
                                 order(LINKTYPE_LINUX_SLL2, swapped),
                                 order(1790000000, swapped),
                                 order(nanoseconds ? 123456789 : 123456, swapped),
                                 order(20, swapped),
                                 order(60, swapped)};
        uint8_t sll2[20] = {[10] = 4}; /* outgoing */
        struct capture_item item;
        struct error err;
        struct capture_reader *reader = capture_reader_pcap("any");

        for (size_t i = 0; i < sizeof(head); i++) {
            assert_int_equal(capture_reader_next(reader, &item, &err),
                             i == 24 ? CAPTURE_INTERFACE : CAPTURE_MORE);
            capture_reader_feed(reader, (const uint8_t *)head + i, 1);
        }
        assert_int_equal(item.interface.linktype, LINKTYPE_LINUX_SLL2);
        assert_int_equal(item.interface.snaplen, 65535);
        assert_string_equal(item.interface.name, "any");
        capture_reader_feed(reader, sll2, 19);
        assert_int_equal(capture_reader_next(reader, &item, &err), CAPTURE_MORE);
        capture_reader_feed(reader, sll2 + 19, 1);
        assert_int_equal(capture_reader_next(reader, &item, &err), CAPTURE_PACKET);
        assert_int_equal(item.packet.timestamp,
                         1790000000ull * 1000000000 + (nanoseconds ? 123456789 : 123456000));
        assert_int_equal(item.packet.captured_length, 20);
        assert_int_equal(item.packet.original_length, 60);
        assert_int_equal(item.packet.flags, PCAPNG_FLAG_OUTBOUND);
        capture_reader_free(reader);
    }
}

static void test_pcap_writer(void **state)
{
    struct capture_interface eth0 = make_interface("shop/web:eth0", LINKTYPE_ETHERNET);
    struct capture_interface tun0 = make_interface("shop/web:tun0", LINKTYPE_RAW);
    struct capture_packet packet = make_packet(0);
    struct capture_item item;
    struct buf out;
    struct error err;

    (void)state;
    buf_init(&out, 1 << 20);
    struct capture_writer writer = {.format = &capture_format_pcap, .out = &out};
    assert_int_equal(writer.format->begin(&writer, &section, &err), 0);
    assert_int_equal(writer.format->interface(&writer, &eth0, &err), 0);
    assert_int_equal(writer.format->interface(&writer, &eth0, &err), 0);
    assert_int_equal(writer.format->packet(&writer, &packet, &err), 0);
    assert_int_equal(writer.format->interface(&writer, &tun0, &err), 1);
    assert_int_equal(writer.format->interface(&writer, &eth0, &err), 0);
    assert_int_equal(out.length, 24 + 16 + sizeof(payload));
    assert_int_equal(writer.format->whole(out.data, out.length - 1, true), 24);
    assert_int_equal(writer.format->whole(out.data, out.length, true), out.length);
    struct capture_reader *reader = capture_reader_pcap("x");
    capture_reader_feed(reader, out.data, out.length);
    check_again(reader, CAPTURE_INTERFACE);
    assert_int_equal(capture_reader_next(reader, &item, &err), CAPTURE_PACKET);
    assert_int_equal(item.packet.timestamp, packet.timestamp);
    capture_reader_free(reader);
    buf_free(&out);
}

static void test_formats_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(capture_format_find("pcap"), &capture_format_pcap);
    assert_ptr_equal(capture_format_find("pcapng"), &capture_format_pcapng);
    assert_null(capture_format_find("cap"));
    assert_ptr_equal(capture_format_of_file("x/y.pcap", strlen("x/y.pcap")), &capture_format_pcap);
    assert_ptr_equal(capture_format_of_file("Y.PCAPNG", strlen("Y.PCAPNG")),
                     &capture_format_pcapng);
    assert_null(capture_format_of_file(".pcap", strlen(".pcap")));
    assert_null(capture_format_of_file("pcap", strlen("pcap")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_name_resolution_block),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_unread),
        cmocka_unit_test(test_whole_blocks),
        cmocka_unit_test(test_hostile_agent),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_interfaces_without_end),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_pcap_of_any_kind),
        cmocka_unit_test(test_pcap_writer),
        cmocka_unit_test(test_formats_by_name),
    };

    return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
