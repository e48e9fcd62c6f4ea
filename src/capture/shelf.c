/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/shelf.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES ((size_t)8 << 10) /* of a usual piece; what is larger has one of its own */
#define SPARES_MAX  32                /* usual pieces that are kept for later */
#define STEPS_MAX   1000              /* items that a later one may go in front of */

struct shelf_piece {
    struct shelf_piece *next; /* of those that are spare */
    size_t size, used;        /* bytes, of `bytes` */
    size_t items;             /* that are in it */
    _Alignas(max_align_t) unsigned char bytes[];
};

#define ROOM (PIECE_BYTES - sizeof(struct shelf_piece))

/* ---- pieces ---- */

static void give_back(struct shelf *shelf, struct shelf_piece *piece)
{
    shelf->used -= piece->size;
    if (piece->size != ROOM || shelf->spares == SPARES_MAX) {
        free(piece);
        return;
    }
    piece->next = shelf->spare;
    shelf->spare = piece;
    shelf->spares++;
}

static struct shelf_piece *take_piece(struct shelf *shelf, size_t size)
{
    struct shelf_piece *piece = shelf->spare;

    if (piece && size <= ROOM) {
        shelf->spare = piece->next;
        shelf->spares--;
    } else {
        size = size < ROOM ? ROOM : size;
        piece = malloc(sizeof(*piece) + size);
        if (!piece)
            return NULL;
        piece->size = size;
    }
    piece->used = piece->items = 0;
    shelf->used += piece->size;
    return piece;
}

static size_t aligned(size_t size)
{
    return (size + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
}

/* Return: room for an item of @size bytes in the row's piece; NULL when out of memory. */
static struct shelf_item *make_room(struct shelf *shelf, struct shelf_row *row, size_t size)
{
    if (!row->piece || row->piece->size - row->piece->used < size) {
        struct shelf_piece *piece = take_piece(shelf, size);

        if (!piece)
            return NULL;
        row->piece = piece;
    }
    struct shelf_item *kept = (void *)(row->piece->bytes + row->piece->used);
    row->piece->used += size;
    row->piece->items++;
    kept->piece = row->piece;
    return kept;
}

void shelf_free(struct shelf *shelf)
{
    struct shelf_piece *next;

    for (struct shelf_item *kept = shelf->oldest, *newer; kept; kept = newer) {
        newer = kept->newer;
        if (--kept->piece->items == 0)
            free(kept->piece);
    }
    for (; shelf->spare; shelf->spare = next) {
        next = shelf->spare->next;
        free(shelf->spare);
    }
    *shelf = (struct shelf){0};
}

/* ---- items ---- */

static size_t comment_size(const struct capture_packet *packet)
{
    return packet->comment ? strlen(packet->comment) + 1 : 0;
}

static size_t body_size(enum capture_item_kind kind, const struct capture_item *item)
{
    if (kind == CAPTURE_INTERFACE)
        return sizeof(item->interface);
    if (kind == CAPTURE_STATISTICS)
        return sizeof(item->statistics);
    return sizeof(item->packet) + item->packet.captured_length + comment_size(&item->packet);
}

static size_t whole_size(enum capture_item_kind kind, const struct capture_item *item)
{
    return aligned(aligned(sizeof(struct shelf_item)) + body_size(kind, item));
}

size_t shelf_need(enum capture_item_kind kind, const struct capture_item *item)
{
    size_t size = whole_size(kind, item);

    return size < ROOM ? ROOM : size;
}

static void copy_packet(unsigned char *body, const struct capture_packet *packet)
{
    struct capture_packet *copy = (void *)body;
    unsigned char *data = body + sizeof(*copy);

    *copy = *packet;
    copy->data = data;
    if (packet->captured_length)
        memcpy(data, packet->data, packet->captured_length);
    if (packet->comment)
        copy->comment =
            memcpy(data + packet->captured_length, packet->comment, comment_size(packet));
}

/* Sources are nearly in order: it is looked for from behind, and not far where one is not. */
static void link_by_time(struct shelf_row *row, struct shelf_item *kept)
{
    struct shelf_item *before = row->last;

    for (unsigned i = 0; before && before->time > kept->time && i < STEPS_MAX; i++)
        before = before->earlier;
    kept->earlier = before;
    kept->later = before ? before->later : row->first;
    *(before ? &before->later : &row->first) = kept;
    *(kept->later ? &kept->later->earlier : &row->last) = kept;
}

static void link_by_age(struct shelf *shelf, struct shelf_item *kept)
{
    kept->older = shelf->newest;
    kept->newer = NULL;
    *(shelf->newest ? &shelf->newest->newer : &shelf->oldest) = kept;
    shelf->newest = kept;
}

bool shelf_put(struct shelf *shelf, struct shelf_row *row, unsigned source, uint64_t time,
               uint64_t now, enum capture_item_kind kind, const struct capture_item *item)
{
    struct shelf_item *kept = make_room(shelf, row, whole_size(kind, item));

    if (!kept)
        return false;
    unsigned char *body = (unsigned char *)kept + aligned(sizeof(*kept));
    kept->time = time;
    kept->arrived = now;
    kept->source = source;
    kept->kind = kind;
    kept->body = body;
    if (kind == CAPTURE_PACKET)
        copy_packet(body, &item->packet);
    else if (kind == CAPTURE_STATISTICS)
        memcpy(body, &item->statistics, sizeof(item->statistics));
    else
        memcpy(body, &item->interface, sizeof(item->interface));
    link_by_time(row, kept);
    link_by_age(shelf, kept);
    row->count++;
    return true;
}

void shelf_get(const struct shelf_item *kept, struct capture_item *ret_item)
{
    if (kept->kind == CAPTURE_PACKET)
        ret_item->packet = *(const struct capture_packet *)kept->body;
    else if (kept->kind == CAPTURE_STATISTICS)
        ret_item->statistics = *(const struct capture_statistics *)kept->body;
    else
        ret_item->interface = *(const struct capture_interface *)kept->body;
}

void shelf_drop(struct shelf *shelf, struct shelf_row *row, struct shelf_item *kept)
{
    struct shelf_piece *piece = kept->piece;

    *(kept->earlier ? &kept->earlier->later : &row->first) = kept->later;
    *(kept->later ? &kept->later->earlier : &row->last) = kept->earlier;
    *(kept->older ? &kept->older->newer : &shelf->oldest) = kept->newer;
    *(kept->newer ? &kept->newer->older : &shelf->newest) = kept->older;
    row->count--;
    if (--piece->items > 0)
        return;
    if (piece == row->piece)
        row->piece = NULL;
    give_back(shelf, piece);
}
