/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/secrets.h"

#include "capture/outlet.h"
#include "capture/recorder.h"
#include "settings/settings.h"

#define BLOCK_LINES (32u << 10) /* bytes of lines in one block */
#define BLOCK_ROOM  24          /* what it takes besides, at most */
#define PART        2           /* of a file's size, at most, those take that came before it */

/* Whose stand where @share's packets go; NULL: everybody's. */
static const struct share *owner_of(const struct recorder *recorder, const struct share *share)
{
    return recorder->apart ? share : NULL;
}

static uint64_t size_of(const struct recorder *recorder, const struct share *share)
{
    return keyring_pending(&recorder->keyring, &share->outlet->secrets, owner_of(recorder, share));
}

bool secrets_add(struct recorder *recorder, const struct share *share, const char *line,
                 size_t length)
{
    return keyring_add(&recorder->keyring, share, line, length);
}

uint64_t secrets_room(const struct recorder *recorder, const struct share *share)
{
    uint64_t size = size_of(recorder, share);

    return size ? size + (1 + size / BLOCK_LINES * 2) * BLOCK_ROOM : 0;
}

/* Of a file that is to be small, not all is for secrets of packets that stand in others. */
static void pass_over_old(struct recorder *recorder, const struct share *share)
{
    struct outlet *outlet = share->outlet;

    if (outlet->rotation.size && outlet->rotation.packets == 0)
        keyring_skip(&recorder->keyring, &outlet->secrets, owner_of(recorder, share),
                     outlet->rotation.size / PART);
}

static int write_block(struct recorder *recorder, const struct share *share, struct error *err)
{
    struct outlet *outlet = share->outlet;
    struct capture_secrets secrets;

    secrets.lines = keyring_next(&recorder->keyring, &outlet->secrets, owner_of(recorder, share),
                                 BLOCK_LINES, &secrets.length);
    return outlet->writer.format->secrets(&outlet->writer, &secrets, err);
}

/* Writes all but @left bytes. */
static int write_down_to(struct recorder *recorder, const struct share *share, uint64_t left,
                         struct error *err)
{
    while (size_of(recorder, share) > left) {
        int room = outlet_make_room(share->outlet, err);

        if (room <= 0)
            return room < 0 ? -1 : 1;
        if (write_block(recorder, share, err) < 0)
            return -1;
    }
    return 0;
}

int secrets_write_some(struct recorder *recorder, const struct share *share, struct error *err)
{
    const uint64_t most = recorder->settings->max_size;

    /* Files take all that they are given, and it may be another's. */
    if (rotation_is_wanted(&share->outlet->rotation) ||
        (most && outlet_size(share->outlet) + secrets_room(recorder, share) > most))
        return 0;
    return write_down_to(recorder, share, BLOCK_LINES, err);
}

int secrets_write(struct recorder *recorder, const struct share *share, struct error *err)
{
    uint64_t size = size_of(recorder, share);

    if (size == 0)
        return 0;
    pass_over_old(recorder, share);
    /* What secrets_write_some() has left fits. */
    if (size > BLOCK_LINES && write_down_to(recorder, share, BLOCK_LINES, err) < 0)
        return -1;
    while (size_of(recorder, share) > 0)
        if (write_block(recorder, share, err) < 0)
            return -1;
    return 0;
}

int secrets_write_last(struct recorder *recorder, const struct outlet *outlet, struct error *err)
{
    const uint64_t most = recorder->settings->max_size;

    for (size_t i = 0; i < recorder->interface_count; i++) {
        const struct share *share = recorder->interfaces[i].share;

        if (share->outlet == outlet &&
            (!most || outlet_size(outlet) + secrets_room(recorder, share) <= most) &&
            write_down_to(recorder, share, 0, err) < 0)
            return -1;
    }
    return 0;
}
