/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capture consists of, apart from the format it is written in: readers (reader.h,
 * pcap_reader.h) give these, writers (writer.h) take them.
 */
#ifndef KSNIFF_PCAPNG_ITEM_H
#define KSNIFF_PCAPNG_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_NAME_MAX     640    /* bytes of an interface's name, NUL included */
#define CAPTURE_HARDWARE_MAX 64     /* of the hardware that it is, NUL included */
#define CAPTURE_COMMENT_MAX  1024   /* bytes of a comment, NUL included */
#define CAPTURE_PACKET_MAX   262144 /* bytes of one packet that are taken from an agent */

/* Interfaces that are taken from one agent. They come and go with a node's pods, and each that
 * comes gets a number of its own: one each second for twelve days. */
#define CAPTURE_INTERFACES_MAX (1u << 20)

struct capture_interface {
    uint16_t linktype; /* LINKTYPE_* */
    uint32_t snaplen;  /* bytes */
    char name[CAPTURE_NAME_MAX];
    bool has_mac;
    uint8_t mac[6];
    uint64_t speed;                      /* bits per second, 0: unknown */
    char hardware[CAPTURE_HARDWARE_MAX]; /* its driver, such as "veth"; "": unknown */
    /* For a person; borrowed; NULL: none. Readers give none. */
    const char *description, *filter;
};

struct capture_packet {
    uint32_t interface; /* index, in the order in which the interfaces were given */
    uint64_t timestamp; /* nanoseconds since 1970 */
    uint32_t captured_length;
    uint32_t original_length;
    uint32_t flags; /* PCAPNG_FLAG_*, 0: unknown */
    bool last;      /* of an agent: written, even where what it has is not wanted any more */
    const char *comment;
    const uint8_t *data; /* captured_length bytes, valid until the reader is used again */
};

#define CAPTURE_HOST_MAX  256 /* bytes of an address's name, NUL included: what DNS allows */
#define CAPTURE_NAMES_MAX 4   /* names of one address */

/* An address and its names. Readers of a file show the last of them. */
struct capture_address {
    bool v6;
    uint8_t bytes[16];                    /* in network order; the first four for IPv4 */
    const char *names[CAPTURE_NAMES_MAX]; /* UTF-8; NULL: no more */
};

struct capture_statistics {
    uint32_t interface;
    uint64_t timestamp;
    uint64_t received; /* packets */
    uint64_t dropped;  /* packets that were lost because nobody took them in time */
    bool last;         /* with the time of the capture's end */
    char comment[CAPTURE_COMMENT_MAX];
};

/* Lines of a TLS key log (common/keylog.h), each with its newline. Readers give what there is. */
struct capture_secrets {
    const char *lines;
    size_t length; /* bytes */
};

/* Where several sections follow each other, one begins: interfaces are numbered anew. */
struct capture_segment {
    uint64_t number; /* as its comment says it (common/recording.h) */
};

enum capture_item_kind {
    CAPTURE_MORE, /* nothing whole is there: feed more */
    CAPTURE_INTERFACE,
    CAPTURE_PACKET,
    CAPTURE_STATISTICS,
    CAPTURE_SECRETS,
    CAPTURE_SEGMENT,
    CAPTURE_MALFORMED, /* the error is set; the reader is of no use any more */
};

/* One of them; the names stay those of the kind. */
struct capture_item {
    struct capture_interface interface;
    struct capture_packet packet;
    struct capture_statistics statistics;
    struct capture_secrets secrets;
    struct capture_segment segment;
};

#endif
