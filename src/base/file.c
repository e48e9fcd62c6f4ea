/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int make(const char *path, mode_t mode)
{
    return mkdir(path, mode) < 0 && errno != EEXIST ? -1 : 0;
}

int file_make_folders(char *path, mode_t mode)
{
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        int made = make(path, mode);
        *at = '/';
        if (made < 0)
            return -1;
    }
    return make(path, mode);
}
