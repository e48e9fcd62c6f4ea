/* SPDX-License-Identifier: Apache-2.0 */
#include "method/method.h"

#include <stddef.h>
#include <string.h>

static const struct method *const methods[] = {&method_upload, &method_node, &method_ephemeral};

const struct method *method_find(const char *name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(methods[i]->name, name) == 0)
            return methods[i];
    return NULL;
}
