/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* dl_iterate_phdr() */
#include "base/resident.h"

#ifdef __linux__
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Only what cannot be written to is as the file has it. The kernel's own (vdso) has no path. */
static int trim_library(struct dl_phdr_info *library, size_t size, void *data)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    (void)data;
    if (library->dlpi_name[0] != '/')
        return 0;
    for (size_t i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
        uintptr_t start = library->dlpi_addr + segment->p_vaddr;
        uintptr_t end = start + segment->p_memsz;

        start &= ~(page - 1);
        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
            madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void resident_trim(void)
{
    dl_iterate_phdr(trim_library, NULL);
}
#else
void resident_trim(void)
{
}
#endif
