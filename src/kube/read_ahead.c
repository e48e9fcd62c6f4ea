/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/read_ahead.h"

#ifdef KSNIFF_OPENSSL
#include <openssl/ssl.h>
#include <stdbool.h>
#include <string.h>

/*
 * Bytes: two records of the largest kind. OpenSSL 3.0 moves what is left to the front of its buffer
 * for each record that it takes out, so that a larger one costs more in copies than it saves in
 * calls (measured: 64 KiB are no better than none).
 */
#define READ_AHEAD (2 * SSL3_RT_MAX_ENCRYPTED_LENGTH + 2 * SSL3_RT_HEADER_LENGTH)

static CURLcode set_read_ahead(CURL *easy, void *context, void *data)
{
    (void)easy;
    (void)data;
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
    /* curl has each buffer given back as soon as it is empty, after nearly each record: musl's
     * malloc has such a large one from the kernel, page by page, each time. */
    SSL_CTX_clear_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return CURLE_OK;
}

/* Is the context that curl gives one of the library that we would give it to? */
static bool is_ours(void)
{
    const char *theirs = curl_version_info(CURLVERSION_NOW)->ssl_version;
    const char *version = OpenSSL_version(OPENSSL_VERSION_STRING);

    return theirs && strncmp(theirs, "OpenSSL/", 8) == 0 && strcmp(theirs + 8, version) == 0;
}

void kube_read_ahead(CURL *easy)
{
    if (is_ours())
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_read_ahead);
}
#else
void kube_read_ahead(CURL *easy)
{
    (void)easy;
}
#endif
