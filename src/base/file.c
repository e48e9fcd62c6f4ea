/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

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

int file_check_folder(const char *path, struct stat *ret_folder)
{
    cleanup_free char *copy = strdup(path);
    struct stat st;

    if (!copy)
        return ENOMEM;
    const char *folder = dirname(copy);
    if (stat(folder, &st) < 0)
        return errno;
    if (ret_folder)
        *ret_folder = st;
    if (!S_ISDIR(st.st_mode))
        return ENOTDIR;
    return access(folder, W_OK | X_OK) == 0 ? 0 : errno;
}

int file_open_output(const char *path)
{
    struct stat st;
    bool fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;

    return open(path, flags | (fifo ? O_NONBLOCK : 0), 0666);
}
