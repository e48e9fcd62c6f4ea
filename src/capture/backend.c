/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/backend.h"

#include <stddef.h>
#include <string.h>

static const struct backend *const backends[] = {&backend_upload, &backend_node,
                                                 &backend_ephemeral};

const struct backend *backend_find(const char *name)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}
