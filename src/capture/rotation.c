/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/rotation.h"

#include <stdlib.h>
#include <string.h>

bool rotation_is_wanted(const struct rotation *rotation)
{
    return rotation->size || rotation->time;
}

bool rotation_is_late(const struct rotation *rotation, uint64_t now)
{
    return rotation->time && rotation->packets > 0 && now - rotation->begun >= rotation->time;
}

bool rotation_is_full(const struct rotation *rotation, uint64_t size)
{
    return rotation->size && rotation->packets > 0 && size > rotation->size;
}

/* Return: the first of those that are kept, which is none of them any more. */
static char *drop_oldest(struct rotation *rotation)
{
    char *oldest = rotation->kept[0];

    rotation->count--;
    memmove(rotation->kept, rotation->kept + 1, rotation->count * sizeof(*rotation->kept));
    return oldest;
}

int rotation_begun(struct rotation *rotation, uint64_t now, const char *path, char **ret_oldest)
{
    *ret_oldest = NULL;
    rotation->begun = now;
    rotation->packets = 0;
    if (!rotation->files)
        return 0;
    char **kept = realloc(rotation->kept, (rotation->count + 1) * sizeof(*kept));
    if (!kept)
        return -1;
    rotation->kept = kept;
    kept[rotation->count] = strdup(path);
    if (!kept[rotation->count])
        return -1;
    if (++rotation->count > rotation->files)
        *ret_oldest = drop_oldest(rotation);
    return 0;
}

void rotation_free(struct rotation *rotation)
{
    for (size_t i = 0; i < rotation->count; i++)
        free(rotation->kept[i]);
    free(rotation->kept);
    rotation->kept = NULL;
    rotation->count = 0;
}
