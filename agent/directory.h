/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_AGENT_DIRECTORY_H
#define KSNIFF_AGENT_DIRECTORY_H

#include <stdint.h>

/* One of a directory's, as the kernel has it (getdents64(2)): not every libc does. */
struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length; /* bytes, up to the next */
    uint8_t type;
    char name[];
};

#endif
