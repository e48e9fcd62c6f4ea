/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/display_filter.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* What the fields begin with that people look for in pods; the second half stands alone, too. */
static const char *const protocols[] = {
    "arp",   "eth",   "frame",  "icmp",  "icmpv6",    "ip",   "ipv6",  "sctp", "sll",
    "tcp",   "udp",   "vlan",   "amqp",  "dhcp",      "dns",  "grpc",  "http", "http2",
    "http3", "kafka", "ldap",   "mdns",  "mongo",     "mqtt", "mysql", "nfs",  "ntp",
    "pgsql", "quic",  "redis",  "resp",  "rtp",       "sip",  "smb",   "smtp", "ssh",
    "ssl",   "tls",   "telnet", "vxlan", "websocket",
};

#define PROTOCOLS   (sizeof(protocols) / sizeof(protocols[0]))
#define FIRST_ALONE 12 /* libpcap knows those before it */

static bool is_among(const char *word, size_t length, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0)
            return true;
    return false;
}

/* Words of capture filters, behind which a name follows. */
static bool names_something(const char *word, size_t length)
{
    static const char *const words[] = {"host",    "src",       "dst",   "net",       "port",
                                        "gateway", "portrange", "proto", "protochain"};

    return is_among(word, length, words, sizeof(words) / sizeof(words[0]));
}

static bool is_displays(const char *word, size_t length)
{
    static const char *const operators[] = {"contains", "matches", "eq", "ne"};
    const char *dot = memchr(word, '.', length);

    if (dot)
        return isalpha((unsigned char)dot[1]) &&
               is_among(word, (size_t)(dot - word), protocols, PROTOCOLS);
    return is_among(word, length, protocols + FIRST_ALONE, PROTOCOLS - FIRST_ALONE) ||
           is_among(word, length, operators, sizeof(operators) / sizeof(operators[0]));
}

bool display_filter_is_meant(const char *text)
{
    static const char in_word[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
    bool named = false; /* the word before wants a name */

    for (size_t length; *text; text += length) {
        length = strspn(text, in_word);
        if (length == 0) {
            length = 1;
            continue;
        }
        if (!named && is_displays(text, length))
            return true;
        named = names_something(text, length);
    }
    return false;
}
