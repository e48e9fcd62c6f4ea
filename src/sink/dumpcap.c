/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/dumpcap.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

/* Return: the dumpcap beside it; owned by the caller, NULL: there is none. */
static char *beside(const char *wireshark)
{
    cleanup_free char *whole = realpath(wireshark, NULL);
    const char *slash = whole ? strrchr(whole, '/') : NULL;
    cleanup_free char *path =
        slash ? text_format("%.*s/dumpcap", (int)(slash - whole), whole) : NULL;

    return path && access(path, F_OK) == 0 ? steal_pointer(path) : NULL;
}

int dumpcap_check(const char *wireshark, struct error *err)
{
    cleanup_free char *path = beside(wireshark);
    struct stat st;

    if (!path || access(path, X_OK) == 0)
        return 0;
    const struct group *group =
        stat(path, &st) == 0 && (st.st_mode & S_IXGRP) ? getgrgid(st.st_gid) : NULL;

    error_set(err, ERROR_OUTPUT, "Wireshark would show nothing: you may not run its \"%s\"", path);
    if (group)
        return error_remedy(err,
                            "sudo usermod -aG %s $USER and log in again, or write the packets to a "
                            "file with -o FILE",
                            group->gr_name);
    return error_remedy(err, "make it executable, or write the packets to a file with -o FILE");
}
