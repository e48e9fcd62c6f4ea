/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/summary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_print.h"

static int cannot_write(const char *path, int reason, struct error *err)
{
    error_set(err, ERROR_OUTPUT, "the summary cannot be written to \"%s\": %s", path,
              strerror(reason));
    return error_remedy(err, "name another file with --summary");
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Is it one file that both mean, however they are written? A device may take both. */
static bool is_one_file(const char *a, const char *b)
{
    struct stat first, second;

    if (stat(a, &first) == 0)
        return S_ISREG(first.st_mode) && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
               first.st_ino == second.st_ino;
    return strcmp(last_part(a), last_part(b)) == 0 && file_check_folder(a, &first) == 0 &&
           file_check_folder(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* Return: 0, or why it could not be opened for writing. */
static int why_not(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT && *path ? file_check_folder(path, NULL) : errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    return access(path, W_OK) == 0 ? 0 : errno;
}

int summary_prepare(const char *path, const char *output, struct error *err)
{
    int reason = strcmp(path, "-") == 0 ? 0 : why_not(path);

    if (reason)
        return cannot_write(path, reason, err);
    if (strcmp(path, "-") == 0 || !output || !is_one_file(path, output))
        return 0;
    error_set(err, ERROR_USAGE, "\"%s\" cannot take the summary and the packets", path);
    return error_remedy(err, "name another file with --summary");
}

/* Return: a stream to the file, NULL with the error. */
static FILE *open_summary(const char *path, struct error *err)
{
    int fd = file_open_output(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (file) {
        fcntl(fd, F_SETFL, 0); /* its reader is there: all of it is to get there */
        return file;
    }
    if (fd < 0 && errno == ENXIO) {
        error_set(err, ERROR_OUTPUT, "nobody reads the pipe \"%s\"", path);
        error_remedy(err, "start the reader first");
        return NULL;
    }
    cannot_write(path, errno, err);
    if (fd >= 0)
        close(fd);
    return NULL;
}

int summary_write(const struct summary *summary, const char *path, struct error *err)
{
    bool piped = strcmp(path, "-") == 0;
    FILE *file = piped ? stdout : open_summary(path, err);

    if (!file)
        return -1;
    json_t *object = summary_json(summary);
    int result = json_print(file, object);
    if ((piped ? fflush(file) : fclose(file)) != 0)
        result = -1;
    if (result < 0)
        cannot_write(path, errno, err);
    json_decref(object);
    return result;
}
