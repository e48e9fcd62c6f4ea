/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/install.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "base/system.h"
#include "base/text.h"

/* Return: this program's own path; owned by the caller, NULL when it cannot be found. */
static char *own_path(const char *program)
{
    char *found = system_program();

    if (found)
        return found;
    cleanup_free char *called = process_find(program);
    return called ? realpath(called, NULL) : NULL;
}

/* Return: owned by the caller; NULL: there is no place. */
static char *newer_folder(void)
{
    const char *home = getenv("HOME");

    return home && *home ? text_format("%s/.local/lib/wireshark/extcap", home) : NULL;
}

static char *older_folder(void)
{
    const char *own = getenv("WIRESHARK_CONFIG_DIR"), *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    if (own && *own)
        return text_format("%s/extcap", own);
    if (xdg && *xdg)
        return text_format("%s/wireshark/extcap", xdg);
    return home && *home ? text_format("%s/.config/wireshark/extcap", home) : NULL;
}

static int cannot(const char *path, struct error *err)
{
    return error_set(err, ERROR_OUTPUT, "cannot make the link \"%s\": %s", path, strerror(errno));
}

/* An earlier link may point to a program that was moved. */
static int make_link(char *folder, const char *target, struct error *err)
{
    cleanup_free char *path = text_format("%s/kubectl-sniff", folder);
    struct stat st;

    if (!path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (file_make_folders(folder, 0755) < 0)
        return cannot(path, err);
    if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode)) {
        error_set(err, ERROR_OUTPUT, "\"%s\" is there already, and no link", path);
        return error_remedy(err, "remove it, if it is an earlier copy of this program");
    }
    if ((unlink(path) < 0 && errno != ENOENT) || symlink(target, path) < 0)
        return cannot(path, err);
    log_info("made the link \"%s\"", path);
    return 0;
}

int extcap_install(const char *program, struct error *err)
{
    cleanup_free char *target = own_path(program);
    cleanup_free char *newer = newer_folder(), *older = older_folder();

    if (!target)
        return error_set(err, ERROR_OUTPUT, "cannot find \"%s\" itself", program);
    if (!newer || !older) {
        error_set(err, ERROR_OUTPUT, "nobody knows where your Wireshark looks: HOME is not set");
        return error_remedy(err, "set it to your home directory");
    }
    if (make_link(newer, target, err) < 0 || make_link(older, target, err) < 0)
        return -1;
    log_info("Wireshark and tshark have an interface \"Kubernetes\" when they are started next");
    return 0;
}
