/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/foreign.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "kube/json.h"

#define LOOKED_AT (16u << 10) /* bytes of a body: what it has to say stands at its beginning */

/* ---- words ---- */

/* Copies text with white space joined, at most @size bytes with a NUL, cut at a whole character. */
static void put_words(char *out, size_t size, const char *text)
{
    size_t used = 0;

    for (; *text && used + 1 < size; text++) {
        if (strchr(" \t\r\n\f\v", *text)) {
            if (used > 0 && out[used - 1] != ' ')
                out[used++] = ' ';
        } else {
            out[used++] = *text;
        }
    }
    /* Not the half of a character of UTF-8. */
    if ((*text & 0xc0) == 0x80) {
        while (used > 0 && (out[used - 1] & 0xc0) == 0x80)
            used--;
        used -= used > 0;
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
}

/* The members that gateways put their sentence into. */
static const char *words_of_json(const json_t *json)
{
    static const char *const members[] = {
        "message", "error_description", "error", "detail", "title", "msg", "reason", NULL};

    for (size_t i = 0; members[i]; i++) {
        const json_t *member = json_object_get(json, members[i]);

        if (json_is_object(member))
            member = json_object_get(member, "message");
        if (json_string_length(member) > 0)
            return json_string_value(member);
    }
    return "";
}

/* Where the text of an element of that name begins; NULL when there is none. */
static char *find_element(char *html, const char *name)
{
    size_t length = strlen(name);

    for (char *tag = strchr(html, '<'); tag; tag = strchr(tag + 1, '<')) {
        if (strncasecmp(tag + 1, name, length) == 0 && strchr("> \t\r\n", tag[1 + length])) {
            char *end = strchr(tag, '>');

            return end ? end + 1 : NULL;
        }
    }
    return NULL;
}

/* Return: what stands behind an element whose content is no text, or behind a tag or a comment. */
static const char *behind_tag(const char *tag)
{
    static const struct {
        const char *begin, *end;
    } mute[] = {{"<!--", "-->"}, {"<script", "</script"}, {"<style", "</style"}};
    const char *end;

    for (size_t i = 0; i < sizeof(mute) / sizeof(mute[0]); i++)
        if (strncasecmp(tag, mute[i].begin, strlen(mute[i].begin)) == 0) {
            while (*tag && strncasecmp(tag, mute[i].end, strlen(mute[i].end)) != 0)
                tag++;
        }
    end = strchr(tag, '>');
    return end ? end + 1 : tag + strlen(tag);
}

/* One of the few entities that stand in such pages. Return: behind it; NULL when it is none. */
static const char *take_entity(const char *text, char *ret_character)
{
    static const struct {
        const char *entity;
        char character;
    } entities[] = {{"&amp;", '&'},  {"&lt;", '<'},   {"&gt;", '>'},
                    {"&quot;", '"'}, {"&#39;", '\''}, {"&nbsp;", ' '}};

    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
        if (strncmp(text, entities[i].entity, strlen(entities[i].entity)) == 0) {
            *ret_character = entities[i].character;
            return text + strlen(entities[i].entity);
        }
    return NULL;
}

/* Turns HTML into its text, in place: a tag becomes a space. */
static void strip_tags(char *html)
{
    const char *in = html;
    char *out = html;

    while (*in) {
        const char *behind = *in == '<' ? behind_tag(in) : NULL;
        char character = ' ';

        if (!behind && *in == '&')
            behind = take_entity(in, &character);
        if (!behind)
            character = *in;
        *out++ = character;
        in = behind ? behind : in + 1;
    }
    *out = '\0';
}

static void words_of_html(char *out, size_t size, char *html)
{
    char *title = find_element(html, "title"), *end = title ? strchr(title, '<') : NULL;

    out[0] = '\0';
    if (end) {
        cleanup_free char *text = strndup(title, (size_t)(end - title));

        if (text) {
            strip_tags(text);
            put_words(out, size, text);
        }
    }
    if (out[0])
        return;
    strip_tags(html);
    put_words(out, size, html);
}

char *kube_foreign_words(char *out, size_t size, const char *body, size_t length)
{
    cleanup_free char *text = strndup(body ? body : "", length < LOOKED_AT ? length : LOOKED_AT);
    json_t *json = kube_json_read(body, length);

    out[0] = '\0';
    if (text) {
        char *first = text + strspn(text, " \t\r\n");

        if (json) {
            put_words(out, size, words_of_json(json));
        } else if (*first == '{' || *first == '[') {
            out[0] = '\0'; /* what was JSON once */
        } else if (*first == '<') {
            words_of_html(out, size, first);
        } else {
            first[strcspn(first, "\r\n")] = '\0';
            put_words(out, size, first);
        }
    }
    json_decref(json);
    return out;
}

bool kube_foreign_is_kubelet(const char *words)
{
    static const char *const beginnings[] = {"pod does not exist", "container not found (\"",
                                             "rpc error: code = "};

    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (strncmp(words, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* ---- bodies ---- */

/* Return: the value of a header of the head; NULL when it has none. */
static const char *header_of(const char *head, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    }
    return NULL;
}

static void add(struct buf *body, const char *bytes, size_t length)
{
    size_t room = body->maximum - body->length;

    buf_append(body, bytes, length < room ? length : room);
}

/* Joins chunks. Return: has the last one come? What is malformed ends it as well. */
static bool join_chunks(const char *raw, size_t length, struct buf *body)
{
    while (length > 0) {
        const char *line_end = memchr(raw, '\n', length);
        char digits[18] = "";

        if (!line_end)
            return false;
        size_t line = (size_t)(line_end - raw) + 1;
        memcpy(digits, raw, line < sizeof(digits) ? line : sizeof(digits) - 1);
        unsigned long chunk = strtoul(digits, NULL, 16);
        raw += line;
        length -= line;
        if (chunk == 0)
            return true;
        add(body, raw, chunk < length ? chunk : length);
        if (chunk + 2 > length || chunk + 2 < chunk)
            return false;
        raw += chunk + 2;
        length -= chunk + 2;
    }
    return false;
}

bool kube_foreign_body(const char *head, const char *raw, size_t length, struct buf *ret_body)
{
    const char *coding = header_of(head, "Transfer-Encoding");
    const char *announced = header_of(head, "Content-Length");

    if (coding && strncasecmp(coding, "chunked", 7) == 0)
        return join_chunks(raw, length, ret_body);
    add(ret_body, raw, length);
    return announced && length >= strtoul(announced, NULL, 10);
}
