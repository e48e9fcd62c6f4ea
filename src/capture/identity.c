/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity.h"

#include <string.h>

#include "base/siphash.h"
#include "common/pcapng.h"
#include "pcapng/item.h"

#define PROTOCOL_ICMP    1
#define PROTOCOL_TCP     6
#define PROTOCOL_UDP     17
#define PROTOCOL_ICMPV6  58

#define TCP_OPTION_END   0
#define TCP_OPTION_NOP   1
#define TCP_OPTION_TIMES 8 /* RFC 7323: 10 bytes */

#define EXTENSIONS_MAX   8   /* of IPv6 */
#define TEXT_MAX         128 /* bytes that are hashed, without the payload's */

/* Bytes that are still to be looked at. */
struct view {
    const uint8_t *bytes;
    uint32_t length;
};

struct parts {
    struct view rest; /* behind the IP headers */
    const uint8_t *from, *to;
    uint32_t address_length;
    uint8_t version, protocol;
    uint32_t length;         /* of what is behind the IP headers, on the wire */
    uint32_t identification; /* 0: none */
    uint16_t fragment;       /* offset and flag, as they stand there */
};

static uint16_t u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool skip(struct view *view, uint32_t length)
{
    if (view->length < length)
        return false;
    view->bytes += length;
    view->length -= length;
    return true;
}

/* ---- link headers ---- */

static bool is_tag(uint16_t ethertype)
{
    return ethertype == 0x8100 || ethertype == 0x88a8 || ethertype == 0x9100;
}

/* Takes the link header away. Return: is it followed by an IP packet? */
static bool skip_link(struct view *view, uint16_t linktype)
{
    uint32_t length = linktype == LINKTYPE_ETHERNET     ? 14
                      : linktype == LINKTYPE_LINUX_SLL  ? 16
                      : linktype == LINKTYPE_LINUX_SLL2 ? 20
                                                        : 0;
    uint32_t type_at = linktype == LINKTYPE_LINUX_SLL2 ? 0 : length - 2;

    if (length == 0)
        return linktype == LINKTYPE_RAW;
    if (view->length < length)
        return false;
    uint16_t ethertype = u16(view->bytes + type_at);
    skip(view, length);
    for (unsigned i = 0; i < 3 && is_tag(ethertype); i++) {
        if (view->length < 4)
            return false;
        ethertype = u16(view->bytes + 2);
        skip(view, 4);
    }
    return ethertype == 0x0800 || ethertype == 0x86dd;
}

/* ---- IP (RFC 791, RFC 8200) ---- */

static bool read_ipv4(struct view *view, struct parts *parts)
{
    const uint8_t *ip = view->bytes;

    if (view->length < 20)
        return false;
    uint32_t header = (ip[0] & 15u) * 4, total = u16(ip + 2);
    /* 0: the sender's device cuts it into packets of a size of its own. */
    if (header < 20 || (total && total < header) || !skip(view, header))
        return false;
    parts->length = total ? total - header : view->length;
    parts->identification = u16(ip + 4);
    parts->fragment = u16(ip + 6) & 0x3fff;
    parts->protocol = ip[9];
    parts->from = ip + 12;
    parts->to = ip + 16;
    parts->address_length = 4;
    return true;
}

static bool is_extension(uint8_t header)
{
    return header == 0 || header == 43 || header == 44 || header == 60;
}

static bool read_ipv6(struct view *view, struct parts *parts)
{
    const uint8_t *ip = view->bytes;

    if (!skip(view, 40))
        return false;
    parts->length = u16(ip + 4) ? u16(ip + 4) : view->length;
    parts->protocol = ip[6];
    parts->from = ip + 8;
    parts->to = ip + 24;
    parts->address_length = 16;
    for (unsigned i = 0; i < EXTENSIONS_MAX && is_extension(parts->protocol); i++) {
        const uint8_t *header = view->bytes;
        bool fragment = parts->protocol == 44;

        if (view->length < 8)
            return false;
        uint32_t length = fragment ? 8 : (header[1] + 1u) * 8;
        if (length > parts->length || !skip(view, length))
            return false;
        parts->length -= length;
        parts->protocol = header[0];
        if (fragment) {
            parts->fragment = u16(header + 2);
            parts->identification = (uint32_t)u16(header + 4) << 16 | u16(header + 6);
        }
    }
    return true;
}

static bool read_ip(struct view *view, struct parts *parts)
{
    if (view->length == 0)
        return false;
    parts->version = view->bytes[0] >> 4;
    bool whole = parts->version == 4   ? read_ipv4(view, parts)
                 : parts->version == 6 ? read_ipv6(view, parts)
                                       : false;
    /* What pads a short frame is none of it. */
    if (view->length > parts->length)
        view->length = parts->length;
    parts->rest = *view;
    return whole;
}

/* ---- what is hashed ---- */

struct text {
    uint8_t bytes[TEXT_MAX];
    size_t length;
};

static void add(struct text *text, const void *bytes, size_t length)
{
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

/* Looks for the time stamps among TCP's options. */
static const uint8_t *find_times(const uint8_t *options, uint32_t length)
{
    for (uint32_t at = 0; at < length && options[at] != TCP_OPTION_END;) {
        if (options[at] == TCP_OPTION_NOP) {
            at++;
            continue;
        }
        if (at + 2 > length || options[at + 1] < 2 || options[at + 1] > length - at)
            return NULL;
        if (options[at] == TCP_OPTION_TIMES && options[at + 1] == 10)
            return options + at + 2;
        at += options[at + 1];
    }
    return NULL;
}

static bool add_tcp(struct text *text, struct view *rest)
{
    const uint8_t *tcp = rest->bytes;

    if (rest->length < 20)
        return false;
    uint32_t header = (tcp[12] >> 4) * 4u;
    if (header < 20 || !skip(rest, header))
        return false;
    add(text, tcp + 4, 12); /* numbers, flags, window */
    add(text, tcp + 18, 2); /* urgent */
    const uint8_t *times = find_times(tcp + 20, header - 20);
    if (times)
        add(text, times, 8);
    return true;
}

/* Takes the transport header away, and notes what of it stays the same. */
static bool add_transport(struct text *text, const struct parts *parts, struct view *rest)
{
    if (parts->fragment & 0x1fff)
        return true;
    if (parts->protocol == PROTOCOL_TCP)
        return add_tcp(text, rest);
    if (parts->protocol == PROTOCOL_UDP)
        return skip(rest, 8);
    if (parts->protocol == PROTOCOL_ICMP || parts->protocol == PROTOCOL_ICMPV6) {
        if (rest->length < 8)
            return false;
        add(text, rest->bytes, 2);     /* type, code */
        add(text, rest->bytes + 6, 2); /* the number of an echo; its identifier is a port to NAT */
        return skip(rest, 8);
    }
    return true;
}

static uint64_t hash_end(const uint8_t *key, const struct parts *parts, const uint8_t *address,
                         unsigned port_at)
{
    struct text text = {.length = 0};

    add(&text, address, parts->address_length);
    if ((parts->protocol == PROTOCOL_TCP || parts->protocol == PROTOCOL_UDP) &&
        !(parts->fragment & 0x1fff) && parts->rest.length >= 4)
        add(&text, parts->rest.bytes + port_at, 2);
    return siphash(key, text.bytes, text.length);
}

bool identity_of(const uint8_t *key, uint16_t linktype, const struct capture_packet *packet,
                 uint32_t payload, struct identity *ret_identity)
{
    struct view view = {packet->data, packet->captured_length};
    struct parts parts = {0};
    struct text text = {.length = 0};

    if (!skip_link(&view, linktype) || !read_ip(&view, &parts))
        return false;
    struct view rest = parts.rest;
    add(&text, &parts.version, 1);
    add(&text, &parts.protocol, 1);
    add(&text, &parts.length, sizeof(parts.length));
    add(&text, &parts.identification, sizeof(parts.identification));
    add(&text, &parts.fragment, sizeof(parts.fragment));
    if (!add_transport(&text, &parts, &rest))
        return false;
    uint64_t of_payload = siphash(key, rest.bytes, rest.length < payload ? rest.length : payload);
    add(&text, &of_payload, sizeof(of_payload));
    *ret_identity = (struct identity){
        .hash = siphash(key, text.bytes, text.length),
        .from = hash_end(key, &parts, parts.from, 0),
        .to = hash_end(key, &parts, parts.to, 2),
        .strong = parts.protocol == PROTOCOL_TCP || parts.identification != 0,
    };
    return true;
}
