/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_SETTINGS_DISPLAY_FILTER_H
#define KSNIFF_SETTINGS_DISPLAY_FILTER_H

#include <stdbool.h>

/*
 * display_filter_is_meant - does a text that is no capture filter look like a display filter of
 * Wireshark's: a field ("tcp.port"), a protocol that libpcap does not know, or "contains"?
 *
 * Source: wireshark-filter(4).
 */
bool display_filter_is_meant(const char *text);

#endif
