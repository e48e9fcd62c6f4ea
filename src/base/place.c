/* SPDX-License-Identifier: Apache-2.0 */
#include "base/place.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

/* Links to the program count as the program. Systems without /proc have it where it was installed.
 */
static const char *beside_the_program(void)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("/rbac"));

    if (length < 0)
        return NULL;
    path[length] = '\0';
    char *end = strrchr(path, '/');
    if (!end)
        return NULL;
    strcpy(end, "/rbac");
    if (access(path, R_OK) != 0)
        return NULL;
    *end = '\0';
    return path;
}

const char *place_of_documents(void)
{
    const char *place = beside_the_program();

    return place ? place : KSNIFF_DOC_DIR;
}
