/* SPDX-License-Identifier: Apache-2.0 */
#include "base/place.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/system.h"

/* Links to the program count as the program. */
static const char *beside_the_program(void)
{
    static char path[PATH_MAX + sizeof("/docs/rbac")];
    cleanup_free char *program = system_program();
    char *slash = program ? strrchr(program, '/') : NULL;

    if (!slash)
        return NULL;
    *slash = '\0';
    snprintf(path, sizeof(path), "%s/docs/rbac", program);
    if (access(path, R_OK) != 0)
        return NULL;
    *strrchr(path, '/') = '\0';
    return path;
}

const char *place_of_documents(void)
{
    const char *place = beside_the_program();

    return place ? place : place_after_install();
}

const char *place_after_install(void)
{
    return KSNIFF_DOC_DIR;
}
