/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/control.h"

#include <string.h>

#define TOOLBAR 'T'
#define QUIT    'Q'
#define LEAST   2 /* bytes of a toolbar's message: control and command */
#define MOST    (LEAST + CONTROL_PAYLOAD_MAX)

int control_read(const struct buf *bytes, struct control_message *ret_message, size_t *ret_size)
{
    const unsigned char *at = buf_bytes(bytes);
    size_t left = bytes->length, passed = 0;

    while (left >= CONTROL_HEAD) {
        size_t length = (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];

        if (length > MOST || (*at == TOOLBAR && length < LEAST))
            return -1;
        if (left < CONTROL_HEAD + length)
            return 0;
        *ret_size = passed + CONTROL_HEAD + length;
        if (*at == QUIT) {
            *ret_message = (struct control_message){.quit = true};
            return 1;
        }
        if (*at == TOOLBAR) {
            *ret_message = (struct control_message){.control = at[4],
                                                    .command = at[5],
                                                    .payload = at + CONTROL_HEAD + LEAST,
                                                    .length = length - LEAST};
            return 1;
        }
        at += CONTROL_HEAD + length;
        left -= CONTROL_HEAD + length;
        passed += CONTROL_HEAD + length;
    }
    return 0;
}

bool control_write(struct buf *out, uint8_t control, enum control_command command,
                   const void *payload, size_t length)
{
    size_t kept = length < CONTROL_PAYLOAD_MAX ? length : CONTROL_PAYLOAD_MAX;
    size_t counted = kept + LEAST;
    const unsigned char head[CONTROL_HEAD + LEAST] = {TOOLBAR,
                                                      (unsigned char)(counted >> 16),
                                                      (unsigned char)(counted >> 8),
                                                      (unsigned char)counted,
                                                      control,
                                                      (unsigned char)command};

    if (!buf_reserve(out, sizeof(head) + kept))
        return false;
    return buf_append(out, head, sizeof(head)) && buf_append(out, payload, kept);
}
