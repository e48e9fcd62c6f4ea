/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/name.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static bool is_dns1123(const char *text, bool dots, size_t most)
{
    size_t length = strlen(text);

    if (length == 0 || length > most)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool alnum = islower((unsigned char)text[i]) || isdigit((unsigned char)text[i]);
        bool inside = i > 0 && i + 1 < length;

        if (!alnum && !(inside && (text[i] == '-' || (dots && text[i] == '.'))))
            return false;
    }
    return true;
}

bool kube_name_is_subdomain(const char *text)
{
    return is_dns1123(text, true, KUBE_NAME_MAX);
}

bool kube_name_is_label(const char *text)
{
    return is_dns1123(text, false, KUBE_NAMESPACE_MAX);
}

bool kube_name_is_value(const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length > KUBE_VALUE_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool inside = i > 0 && i + 1 < length;

        if (!isalnum((unsigned char)text[i]) && !(inside && strchr("-_.", text[i])))
            return false;
    }
    return true;
}
