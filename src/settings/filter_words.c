/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/filter_words.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* What a keyword says about the names behind it. */
enum role {
    ROLE_NAME,      /* none: it is a name */
    ROLE_HOST,      /* a host's name follows */
    ROLE_DIRECTION, /* so it does, unless another type follows */
    ROLE_OTHER,     /* the name of something else, or none */
    ROLE_LINK,      /* hosts are those of the link layer */
    ROLE_IPV4,
    ROLE_IPV6,
    ROLE_PROTOCOL, /* any other */
    ROLE_JOIN,     /* the qualifiers go on behind it */
};

static const struct {
    const char *word;
    enum role role;
} keywords[] = {
    {"host", ROLE_HOST},       {"src", ROLE_DIRECTION},    {"dst", ROLE_DIRECTION},
    {"net", ROLE_OTHER},       {"mask", ROLE_OTHER},       {"port", ROLE_OTHER},
    {"portrange", ROLE_OTHER}, {"proto", ROLE_OTHER},      {"protochain", ROLE_OTHER},
    {"gateway", ROLE_OTHER},   {"broadcast", ROLE_OTHER},  {"multicast", ROLE_OTHER},
    {"less", ROLE_OTHER},      {"greater", ROLE_OTHER},    {"len", ROLE_OTHER},
    {"length", ROLE_OTHER},    {"inbound", ROLE_OTHER},    {"outbound", ROLE_OTHER},
    {"ifindex", ROLE_OTHER},   {"ifname", ROLE_OTHER},     {"on", ROLE_OTHER},
    {"type", ROLE_OTHER},      {"subtype", ROLE_OTHER},    {"dir", ROLE_OTHER},
    {"vlan", ROLE_OTHER},      {"mpls", ROLE_OTHER},       {"pppoed", ROLE_OTHER},
    {"pppoes", ROLE_OTHER},    {"geneve", ROLE_OTHER},     {"ra", ROLE_LINK},
    {"ta", ROLE_LINK},         {"addr1", ROLE_LINK},       {"addr2", ROLE_LINK},
    {"addr3", ROLE_LINK},      {"addr4", ROLE_LINK},       {"ether", ROLE_LINK},
    {"fddi", ROLE_LINK},       {"tr", ROLE_LINK},          {"wlan", ROLE_LINK},
    {"link", ROLE_LINK},       {"ppp", ROLE_LINK},         {"slip", ROLE_LINK},
    {"decnet", ROLE_LINK},     {"ip", ROLE_IPV4},          {"arp", ROLE_IPV4},
    {"rarp", ROLE_IPV4},       {"ip6", ROLE_IPV6},         {"tcp", ROLE_PROTOCOL},
    {"udp", ROLE_PROTOCOL},    {"sctp", ROLE_PROTOCOL},    {"icmp", ROLE_PROTOCOL},
    {"icmp6", ROLE_PROTOCOL},  {"igmp", ROLE_PROTOCOL},    {"igrp", ROLE_PROTOCOL},
    {"pim", ROLE_PROTOCOL},    {"vrrp", ROLE_PROTOCOL},    {"carp", ROLE_PROTOCOL},
    {"ah", ROLE_PROTOCOL},     {"esp", ROLE_PROTOCOL},     {"atalk", ROLE_PROTOCOL},
    {"aarp", ROLE_PROTOCOL},   {"iso", ROLE_PROTOCOL},     {"clnp", ROLE_PROTOCOL},
    {"esis", ROLE_PROTOCOL},   {"isis", ROLE_PROTOCOL},    {"stp", ROLE_PROTOCOL},
    {"ipx", ROLE_PROTOCOL},    {"netbeui", ROLE_PROTOCOL}, {"lat", ROLE_PROTOCOL},
    {"moprc", ROLE_PROTOCOL},  {"mopdl", ROLE_PROTOCOL},   {"sca", ROLE_PROTOCOL},
    {"and", ROLE_JOIN},        {"or", ROLE_JOIN},          {"not", ROLE_JOIN},
};

/* The qualifiers in force. */
struct qualifiers {
    bool link, host, direction, other;
    enum filter_family family;
    bool used; /* a name or a number has stood behind them: the next keyword begins new ones */
};

static enum role role_of(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (strlen(keywords[i].word) == length && memcmp(keywords[i].word, word, length) == 0)
            return keywords[i].role;
    return ROLE_NAME;
}

static void take_keyword(struct qualifiers *qualifiers, enum role role)
{
    if (role == ROLE_JOIN)
        return;
    if (qualifiers->used || role >= ROLE_LINK)
        *qualifiers = (struct qualifiers){0};
    qualifiers->link |= role == ROLE_LINK;
    qualifiers->host |= role == ROLE_HOST;
    qualifiers->direction |= role == ROLE_DIRECTION;
    qualifiers->other |= role == ROLE_OTHER;
    if (role == ROLE_IPV4 || role == ROLE_IPV6)
        qualifiers->family = role == ROLE_IPV4 ? FILTER_IPV4 : FILTER_IPV6;
}

/* Numbers and addresses begin with a digit, or have a colon; so may names, but not end so. */
static bool is_name(const char *word, size_t length)
{
    size_t digits = strspn(word, "0123456789.");

    return digits < length && !memchr(word, ':', length) &&
           !(length > 2 && word[0] == '0' && tolower((unsigned char)word[1]) == 'x' &&
             strspn(word + 2, "0123456789abcdefABCDEF") >= length - 2);
}

/* Return: the length of the word at @text, 0: none begins there. */
static size_t word_at(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-";
    size_t escape = text[0] == '\\';
    size_t length = isalnum((unsigned char)text[escape]) || text[escape] == ':'
                        ? strspn(text + escape, letters)
                        : 0;

    return length ? escape + length : 0;
}

/* Return: what @text begins with that is no word: an index in brackets is one thing. */
static size_t skip_other(const char *text)
{
    size_t length = text[0] == '[' ? strcspn(text, "]") : 1;

    return length > 0 ? length : 1;
}

size_t filter_next_name(const char *text, size_t from, struct filter_name *ret_name)
{
    struct qualifiers now = {0};

    for (size_t at = 0; text[at];) {
        size_t length = word_at(text + at), escape = text[at] == '\\';

        if (length == 0) {
            at += skip_other(text + at);
            continue;
        }
        enum role role = escape ? ROLE_NAME : role_of(text + at, length);
        if (role != ROLE_NAME) {
            take_keyword(&now, role);
        } else {
            now.used = true;
            if (at >= from && (now.host || now.direction) && !now.other && !now.link &&
                is_name(text + at + escape, length - escape)) {
                *ret_name = (struct filter_name){at, length, now.family};
                return length;
            }
        }
        at += length;
    }
    return 0;
}
