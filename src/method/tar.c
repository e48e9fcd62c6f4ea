/* SPDX-License-Identifier: Apache-2.0 */
#include "method/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD 512u /* bytes */

struct ustar {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char linkname[100];
    char magic[6];
    char version[2];
    char rest[247];
};

unsigned char *tar_of_executable(const char *name, const unsigned char *bytes, size_t length,
                                 size_t *ret_length)
{
    size_t padded = (length + RECORD - 1) / RECORD * RECORD;
    size_t whole = RECORD + padded + 2 * RECORD; /* two records of zeros end an archive */
    unsigned char *archive = calloc(1, whole);
    struct ustar head = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    unsigned sum = 0;

    if (!archive)
        return NULL;
    snprintf(head.name, sizeof(head.name), "%s", name);
    snprintf(head.mode, sizeof(head.mode), "0000700");
    snprintf(head.uid, sizeof(head.uid), "0000000");
    snprintf(head.gid, sizeof(head.gid), "0000000");
    snprintf(head.size, sizeof(head.size), "%011o", (unsigned)length);
    snprintf(head.mtime, sizeof(head.mtime), "00000000000");
    memset(head.checksum, ' ', sizeof(head.checksum));
    for (size_t i = 0; i < sizeof(head); i++)
        sum += ((unsigned char *)&head)[i];
    snprintf(head.checksum, sizeof(head.checksum), "%06o", sum & 0777777);
    memcpy(archive, &head, sizeof(head));
    memcpy(archive + RECORD, bytes, length);
    *ret_length = whole;
    return archive;
}
