/* SPDX-License-Identifier: Apache-2.0 */
#include "pcapng/writer.h"

#include <string.h>
#include <strings.h>

static const struct capture_format *const formats[] = {&capture_format_pcapng,
                                                       &capture_format_pcap};

const struct capture_format *capture_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

const struct capture_format *capture_format_of_file(const char *path, size_t whole)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        size_t length = strlen(formats[i]->extension);

        if (whole > length &&
            strncasecmp(path + whole - length, formats[i]->extension, length) == 0)
            return formats[i];
    }
    return NULL;
}
