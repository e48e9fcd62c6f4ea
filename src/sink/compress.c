/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/compress.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

static const struct compression *const kinds[] = {&compression_gzip, &compression_zstd,
                                                  &compression_lz4};

/* Endings that say how a file is compressed, and that nobody would give to another one. */
static const char *const others[] = {".xz", ".bz2", ".lzma", ".lz",   ".lzo", ".br",
                                     ".Z",  ".zip", ".gzip", ".zstd", ".7z",  ".sz"};

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(ending), whole = strlen(path);

    /* "dir/.gz" is a hidden file's name, and no ending. */
    return whole > length && path[whole - length - 1] != '/' &&
           strcasecmp(path + whole - length, ending) == 0;
}

const struct compression *compression_of_file(const char *path)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (ends_in(path, kinds[i]->ending))
            return kinds[i];
    return NULL;
}

size_t compression_bare_length(const char *path)
{
    const struct compression *kind = compression_of_file(path);

    return strlen(path) - (kind ? strlen(kind->ending) : 0);
}

int compression_check(const char *path, struct error *err)
{
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (!ends_in(path, others[i]))
            continue;
        error_set(err, ERROR_USAGE, "\"%s\" would not be what its ending \"%s\" says", path,
                  others[i]);
        return error_remedy(err, "files are compressed that end in .gz, .zst or .lz4");
    }
    return 0;
}
