/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the merge keeps what must wait: copies of items, of each source in the order of their
 * times, and all of them in the order in which they arrived. Memory comes in pieces that several
 * items of a source share, and is given back when they are out.
 */
#ifndef KSNIFF_CAPTURE_SHELF_H
#define KSNIFF_CAPTURE_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pcapng/item.h"

struct shelf_piece;

struct shelf_item {
    uint64_t time;    /* nanoseconds, as the source's clock shows it */
    uint64_t arrived; /* nanoseconds, of ours */
    unsigned source;
    enum capture_item_kind kind;
    struct shelf_item *earlier, *later; /* of the same source */
    struct shelf_item *older, *newer;   /* of all */
    struct shelf_piece *piece;
    const void *body; /* the packet, statistics or interface; all it points to is here as well */
};

/* Of one source. All zero: empty. */
struct shelf_row {
    struct shelf_item *first, *last; /* by time */
    struct shelf_piece *piece;       /* that the next item goes into */
    size_t count;
};

/* All zero: empty. */
struct shelf {
    struct shelf_item *oldest, *newest; /* by arrival */
    struct shelf_piece *spare;
    size_t spares;
    size_t used; /* bytes of the pieces that hold something */
};

void shelf_free(struct shelf *shelf);

/* shelf_need - bytes by which an item may make `used` grow. */
size_t shelf_need(enum capture_item_kind kind, const struct capture_item *item);

/*
 * shelf_put - copy an item in, behind those of its source that are not later; an item that would
 * have to go far to the front does not go all the way
 * @time: its place among them
 *
 * Return: false when out of memory.
 */
bool shelf_put(struct shelf *shelf, struct shelf_row *row, unsigned source, uint64_t time,
               uint64_t now, enum capture_item_kind kind, const struct capture_item *item);

/* shelf_get - copy it into @ret_item; what it points to stays on the shelf. */
void shelf_get(const struct shelf_item *kept, struct capture_item *ret_item);

/* shelf_drop - forget an item of this row. */
void shelf_drop(struct shelf *shelf, struct shelf_row *row, struct shelf_item *kept);

#endif
