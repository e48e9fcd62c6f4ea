/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/upgrade.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kube/foreign.h"

#define BODY_MAX (16u << 10) /* bytes of a refusal that are waited for: a message needs no more */

bool kube_upgrade_header(const char *head, const char *name, char *out, size_t size)
{
    size_t name_length = strlen(name);

    out[0] = '\0';
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, name_length) != 0 || line[name_length] != ':')
            continue;
        const char *value = line + name_length + 1;
        value += strspn(value, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\r\n"), value);
        return true;
    }
    return false;
}

/* Finds the end of the head. Return: its length, the empty line included; 0: not there yet. */
static size_t head_length_of(const char *text, size_t length)
{
    for (size_t i = 3; i < length; i++) {
        if (memcmp(text + i - 3, "\r\n\r\n", 4) == 0)
            return i + 1;
    }
    return 0;
}

enum kube_upgrade_state kube_upgrade_read(const struct buf *answer, bool ended,
                                          struct kube_upgrade *ret_upgrade)
{
    const char *text = (const char *)buf_bytes(answer);
    size_t head_length = head_length_of(text, answer->length);
    struct kube_upgrade upgrade = {0};

    if (head_length == 0)
        return KUBE_UPGRADE_COMING;
    upgrade.head = strndup(text, head_length);
    buf_init(&upgrade.body, BODY_MAX);
    upgrade.rest = answer->length - head_length;
    if (!upgrade.head || sscanf(upgrade.head, "HTTP/1.%*1[01] %3ld", &upgrade.code) != 1) {
        kube_upgrade_free(&upgrade);
        return KUBE_UPGRADE_MALFORMED;
    }
    if (upgrade.code != 101 &&
        !kube_foreign_body(upgrade.head, text + head_length, upgrade.rest, &upgrade.body) &&
        !ended && upgrade.body.length < BODY_MAX) {
        kube_upgrade_free(&upgrade);
        return KUBE_UPGRADE_COMING;
    }
    *ret_upgrade = upgrade;
    return KUBE_UPGRADE_WHOLE;
}

void kube_upgrade_free(struct kube_upgrade *upgrade)
{
    free(upgrade->head);
    buf_free(&upgrade->body);
    *upgrade = (struct kube_upgrade){0};
}
