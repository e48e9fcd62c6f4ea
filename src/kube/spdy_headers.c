/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/spdy_headers.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define DICTIONARY_MAX 2048

/* The dictionary of section 2.6.10.1: these words, each behind its length, and then the tail. */
static const char *const dictionary_words[] = {"options",
                                               "head",
                                               "post",
                                               "put",
                                               "delete",
                                               "trace",
                                               "accept",
                                               "accept-charset",
                                               "accept-encoding",
                                               "accept-language",
                                               "accept-ranges",
                                               "age",
                                               "allow",
                                               "authorization",
                                               "cache-control",
                                               "connection",
                                               "content-base",
                                               "content-encoding",
                                               "content-language",
                                               "content-length",
                                               "content-location",
                                               "content-md5",
                                               "content-range",
                                               "content-type",
                                               "date",
                                               "etag",
                                               "expect",
                                               "expires",
                                               "from",
                                               "host",
                                               "if-match",
                                               "if-modified-since",
                                               "if-none-match",
                                               "if-range",
                                               "if-unmodified-since",
                                               "last-modified",
                                               "location",
                                               "max-forwards",
                                               "pragma",
                                               "proxy-authenticate",
                                               "proxy-authorization",
                                               "range",
                                               "referer",
                                               "retry-after",
                                               "server",
                                               "te",
                                               "trailer",
                                               "transfer-encoding",
                                               "upgrade",
                                               "user-agent",
                                               "vary",
                                               "via",
                                               "warning",
                                               "www-authenticate",
                                               "method",
                                               "get",
                                               "status",
                                               "200 OK",
                                               "version",
                                               "HTTP/1.1",
                                               "url",
                                               "public",
                                               "set-cookie",
                                               "keep-alive",
                                               "origin"};

static const char dictionary_tail[] =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, "
    "Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,"
    "sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/* Return: the dictionary's length; @out has room for DICTIONARY_MAX bytes. */
static unsigned build_dictionary(unsigned char *out)
{
    size_t used = 0;

    for (size_t i = 0; i < sizeof(dictionary_words) / sizeof(dictionary_words[0]); i++) {
        size_t length = strlen(dictionary_words[i]);

        spdy_put32(out + used, (uint32_t)length);
        memcpy(out + used + 4, dictionary_words[i], length);
        used += 4 + length;
    }
    memcpy(out + used, dictionary_tail, sizeof(dictionary_tail) - 1);
    return (unsigned)(used + sizeof(dictionary_tail) - 1);
}

/* ---- what goes out ---- */

static int prepare_compressor(struct spdy_compressor *compressor)
{
    unsigned char dictionary[DICTIONARY_MAX];

    if (compressor->ready)
        return 0;
    if (deflateInit(&compressor->zlib, Z_BEST_COMPRESSION) != Z_OK)
        return -1;
    compressor->ready = true;
    return deflateSetDictionary(&compressor->zlib, dictionary, build_dictionary(dictionary)) == Z_OK
               ? 0
               : -1;
}

static bool append_word(struct buf *out, const char *word)
{
    unsigned char length[4];

    spdy_put32(length, (uint32_t)strlen(word));
    return buf_append(out, length, sizeof(length)) && buf_append(out, word, strlen(word));
}

/* Compresses a block, up to a boundary of bytes, behind @out. */
static int deflate_block(z_stream *zlib, const struct buf *plain, struct buf *out)
{
    unsigned long most = deflateBound(zlib, plain->length) + 16;
    unsigned char *room = buf_reserve(out, most);

    if (!room)
        return -1;
    zlib->next_in = (unsigned char *)(uintptr_t)buf_bytes(plain);
    zlib->avail_in = (unsigned)plain->length;
    zlib->next_out = room;
    zlib->avail_out = (unsigned)most;
    if (deflate(zlib, Z_SYNC_FLUSH) != Z_OK || zlib->avail_in > 0 || zlib->avail_out == 0)
        return -1;
    buf_added(out, most - zlib->avail_out);
    return 0;
}

int spdy_compress(struct spdy_compressor *compressor, const char *name, const char *value,
                  struct buf *out)
{
    static const unsigned char one[] = {0, 0, 0, 1};
    struct buf plain;
    int result = -1;

    buf_init(&plain, SPDY_HEADERS_MAX);
    if (prepare_compressor(compressor) == 0 && buf_append(&plain, one, sizeof(one)) &&
        append_word(&plain, name) && append_word(&plain, value))
        result = deflate_block(&compressor->zlib, &plain, out);
    buf_free(&plain);
    return result;
}

void spdy_compressor_free(struct spdy_compressor *compressor)
{
    if (compressor->ready)
        deflateEnd(&compressor->zlib);
    *compressor = (struct spdy_compressor){0};
}

/* ---- what comes in ---- */

static int prepare_decompressor(struct spdy_decompressor *decompressor)
{
    if (decompressor->ready)
        return 0;
    decompressor->text = malloc(SPDY_HEADERS_MAX);
    decompressor->ready = decompressor->text && inflateInit(&decompressor->zlib) == Z_OK;
    return decompressor->ready ? 0 : -1;
}

int spdy_decompress(struct spdy_decompressor *decompressor, const unsigned char *block,
                    size_t length, const unsigned char **ret_text, size_t *ret_length)
{
    z_stream *zlib = &decompressor->zlib;
    unsigned char dictionary[DICTIONARY_MAX];

    if (length > SPDY_HEADERS_MAX || prepare_decompressor(decompressor) < 0)
        return -1;
    zlib->next_in = (unsigned char *)(uintptr_t)block;
    zlib->avail_in = (unsigned)length;
    zlib->next_out = decompressor->text;
    zlib->avail_out = SPDY_HEADERS_MAX;
    int result = inflate(zlib, Z_SYNC_FLUSH);
    if (result == Z_NEED_DICT &&
        inflateSetDictionary(zlib, dictionary, build_dictionary(dictionary)) == Z_OK)
        result = inflate(zlib, Z_SYNC_FLUSH);
    /* A block that fills all the room may go on: it is too long. */
    if (result != Z_OK || zlib->avail_in > 0 || zlib->avail_out == 0)
        return -1;
    *ret_text = decompressor->text;
    *ret_length = SPDY_HEADERS_MAX - zlib->avail_out;
    return 0;
}

void spdy_decompressor_free(struct spdy_decompressor *decompressor)
{
    if (decompressor->ready)
        inflateEnd(&decompressor->zlib);
    free(decompressor->text);
    *decompressor = (struct spdy_decompressor){0};
}

/* ---- names and values ---- */

/* Takes a word behind its length. Return: false when the block ends before it does. */
static bool take_word(struct spdy_header_walk *walk, const char **ret_word, size_t *ret_length)
{
    if (walk->length - walk->at < 4)
        return false;
    size_t length = spdy_get32(walk->text + walk->at);
    if (length > walk->length - walk->at - 4)
        return false;
    *ret_word = (const char *)walk->text + walk->at + 4;
    *ret_length = length;
    walk->at += 4 + length;
    return true;
}

int spdy_header_next(struct spdy_header_walk *walk, struct spdy_header *ret_header)
{
    if (!walk->begun) {
        if (walk->length < 4)
            return -1;
        walk->left = spdy_get32(walk->text);
        walk->at = 4;
        walk->begun = true;
    }
    if (walk->left == 0)
        return walk->at == walk->length ? 0 : -1;
    walk->left--;
    return take_word(walk, &ret_header->name, &ret_header->name_length) &&
                   take_word(walk, &ret_header->value, &ret_header->value_length)
               ? 1
               : -1;
}
