/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_KUBE_READ_AHEAD_H
#define KSNIFF_KUBE_READ_AHEAD_H

#include <curl/curl.h>

/*
 * kube_read_ahead - the connection of @easy reads more than one TLS record at once
 *
 * OpenSSL asks the kernel twice for each record otherwise, for its head of five bytes and for its
 * rest. Only for connections that are read with curl_easy_recv() until it says CURLE_AGAIN: poll()
 * does not tell of what was read ahead. Nothing happens where curl uses another TLS library than
 * this program was built with.
 */
void kube_read_ahead(CURL *easy);

#endif
