/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wireshark's columns as the user has them, and one more: where a packet was seen. Given to it with
 * -o, they hold for that window; a configuration profile of our own would have none of the user's
 * settings, and would stay.
 *
 * Source: https://www.wireshark.org/docs/wsug_html_chunked/ChAppFilesConfigurationSection.html
 */
#ifndef KSNIFF_SINK_COLUMNS_H
#define KSNIFF_SINK_COLUMNS_H

#include <stdbool.h>

/*
 * columns_seen_at - what -o takes: "gui.column.format:...", with a column "Seen at"
 *
 * Return: owned by the caller; NULL: the user has such a column already, or his columns cannot be
 * made out.
 */
char *columns_seen_at(void);

/*
 * columns_insert - the same of a list as preferences have it: "TITLE", "FORMAT", ...
 * @hidden: columns are hidden by their number: no other may be moved
 *
 * Return: as columns_seen_at(), the list alone.
 */
char *columns_insert(const char *list, bool hidden);

#endif
