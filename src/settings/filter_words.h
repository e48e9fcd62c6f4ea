/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of hosts in a capture filter, without compiling it.
 *
 * Source: pcap-filter(7): a name is a host's behind "host", and behind "src" and "dst" without
 * another type; behind "and", "or" and "not" the qualifiers before it go on.
 */
#ifndef KSNIFF_SETTINGS_FILTER_WORDS_H
#define KSNIFF_SETTINGS_FILTER_WORDS_H

#include <stddef.h>

enum filter_family { FILTER_ANY_FAMILY, FILTER_IPV4, FILTER_IPV6 };

struct filter_name {
    size_t at, length;         /* in the text, a backslash before it included */
    enum filter_family family; /* that its qualifiers let it have */
};

/*
 * filter_next_name - find the first name of a host from @from on
 * @text: the whole filter; what stands before @from counts
 *
 * Numeric addresses, and names of networks, ports and Ethernet hosts are none.
 * Return: its length, 0 when there is none.
 */
size_t filter_next_name(const char *text, size_t from, struct filter_name *ret_name);

#endif
