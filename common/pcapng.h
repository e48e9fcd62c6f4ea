/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pcapng block layout, as far as the agent writes it and the client reads and writes it.
 * Source: draft-ietf-opsawg-pcapng, "PCAP Next Generation (pcapng) Capture File Format"; the
 * section numbers below are those of draft-ietf-opsawg-pcapng-02. Link types:
 * draft-ietf-opsawg-pcaplinktype.
 *
 * Everything is in the byte order of the machine that writes the section. Block bodies and options
 * are padded to 32 bits; the padding does not count in option_length and captured_len.
 */
#ifndef KSNIFF_COMMON_PCAPNG_H
#define KSNIFF_COMMON_PCAPNG_H

#include <stdint.h>

/* Block types (section 11.1). */
#define PCAPNG_SHB              0x0a0d0d0au /* Section Header Block, 4.1 */
#define PCAPNG_IDB              0x00000001u /* Interface Description Block, 4.2 */
#define PCAPNG_NRB              0x00000004u /* Name Resolution Block, 4.5 */
#define PCAPNG_ISB              0x00000005u /* Interface Statistics Block, 4.6 */
#define PCAPNG_EPB              0x00000006u /* Enhanced Packet Block, 4.3 */
#define PCAPNG_DSB              0x0000000au /* Decryption Secrets Block, 4.7 */

#define PCAPNG_BYTE_ORDER_MAGIC 0x1a2b3c4du

/* Options of every block (3.5) and of each kind. */
#define PCAPNG_OPT_END        0
#define PCAPNG_OPT_COMMENT    1
#define PCAPNG_SHB_HARDWARE   2
#define PCAPNG_SHB_OS         3
#define PCAPNG_SHB_USERAPPL   4
#define PCAPNG_IF_NAME        2
#define PCAPNG_IF_DESCRIPTION 3
#define PCAPNG_IF_MACADDR     6  /* 6 bytes */
#define PCAPNG_IF_SPEED       8  /* uint64, bits per second */
#define PCAPNG_IF_TSRESOL     9  /* 1 byte; 9: units of 10^-9 s */
#define PCAPNG_IF_FILTER      11 /* 1 byte kind (0: text), then the filter */
#define PCAPNG_IF_OS          12
#define PCAPNG_IF_HARDWARE    15
#define PCAPNG_EPB_FLAGS      2 /* uint32, 4.3.1 */
#define PCAPNG_ISB_STARTTIME  2 /* uint32 high, uint32 low, in units of the interface */
#define PCAPNG_ISB_ENDTIME    3
#define PCAPNG_ISB_IFRECV     4 /* uint64, packets received */
#define PCAPNG_ISB_IFDROP     5 /* uint64, dropped by the interface for lack of resources */
#define PCAPNG_ISB_OSDROP     7 /* uint64, dropped by the operating system */

/* EPB flags word: bits 0-1 direction, bits 2-4 reception type, 5-8 length of the FCS, 9-11 what
 * whoever captured knows of the transport's checksum and of segmentation (later drafts; the first
 * have these reserved, as Wireshark 4.0: frame.packet_flags_reserved), 16-31 errors of the link. */
#define PCAPNG_FLAG_INBOUND     1u
#define PCAPNG_FLAG_OUTBOUND    2u
#define PCAPNG_FLAG_UNICAST     (1u << 2)
#define PCAPNG_FLAG_MULTICAST   (2u << 2)
#define PCAPNG_FLAG_BROADCAST   (3u << 2)
#define PCAPNG_FLAG_PROMISCUOUS (4u << 2)
#define PCAPNG_FLAG_CSUM_UNSET  (1u << 9)  /* not computed yet: the device is to do it */
#define PCAPNG_FLAG_CSUM_VALID  (1u << 10) /* it was checked, and is right */
#define PCAPNG_FLAG_TCP_OFFLOAD (1u << 11) /* several segments in one, for the device to cut */

/* Records of a Name Resolution Block (4.5): a pcapng_option with this code, then an address in
 * network order and its names, each with a NUL behind it. */
#define PCAPNG_NRB_END  0
#define PCAPNG_NRB_IPV4 1
#define PCAPNG_NRB_IPV6 2

/* Secrets of a Decryption Secrets Block: lines of a TLS key log (common/keylog.h). */
#define PCAPNG_SECRETS_TLS 0x544c534bu

/* Link types. */
#define LINKTYPE_ETHERNET            1
#define LINKTYPE_IEEE802_5           6 /* token ring */
#define LINKTYPE_FDDI                10
#define LINKTYPE_RAW                 101 /* IPv4 or IPv6, told apart by the version nibble */
#define LINKTYPE_C_HDLC              104
#define LINKTYPE_IEEE802_11          105
#define LINKTYPE_FRELAY              107
#define LINKTYPE_LINUX_SLL           113
#define LINKTYPE_IEEE802_11_PRISM    119
#define LINKTYPE_IEEE802_11_RADIOTAP 127
#define LINKTYPE_ARCNET_LINUX        129
#define LINKTYPE_AX25_KISS           202
#define LINKTYPE_CAN_SOCKETCAN       227
#define LINKTYPE_IEEE802_15_4_NOFCS  230
#define LINKTYPE_NETLINK             253
#define LINKTYPE_VSOCK               271
#define LINKTYPE_LINUX_SLL2          276

/* First eight bytes of every block; total_length stands again as its last four bytes. */
struct pcapng_block_header {
    uint32_t type;
    uint32_t total_length; /* bytes, a multiple of 4, all included */
};

struct pcapng_shb {
    uint32_t type;
    uint32_t total_length;
    uint32_t byte_order_magic;
    uint16_t major;             /* 1 */
    uint16_t minor;             /* 0 */
    int32_t section_length_low; /* -1, -1: unknown */
    int32_t section_length_high;
};

struct pcapng_idb {
    uint32_t type;
    uint32_t total_length;
    uint16_t linktype;
    uint16_t reserved;
    uint32_t snaplen;
};

struct pcapng_epb {
    uint32_t type;
    uint32_t total_length;
    uint32_t interface_id;
    uint32_t timestamp_high;
    uint32_t timestamp_low;
    uint32_t captured_len;
    uint32_t original_len;
};

struct pcapng_isb {
    uint32_t type;
    uint32_t total_length;
    uint32_t interface_id;
    uint32_t timestamp_high;
    uint32_t timestamp_low;
};

struct pcapng_dsb {
    uint32_t type;
    uint32_t total_length;
    uint32_t secrets_type;
    uint32_t secrets_length; /* bytes, without the padding */
};

struct pcapng_option {
    uint16_t code;
    uint16_t length; /* bytes of the value, without the padding */
};

#define PCAPNG_PAD4(n) (((n) + 3u) & ~3u)

#endif
