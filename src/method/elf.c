/* SPDX-License-Identifier: Apache-2.0 */
/* Not <elf.h>: macOS has none, and the file may be of another byte order. */
#include "method/elf.h"

#include <stdint.h>
#include <string.h>

#define CLASS_AT  4
#define CLASS_64  2
#define ORDER_AT  5
#define ORDER_BIG 2
#define PT_INTERP 3

struct elf {
    const unsigned char *bytes;
    size_t length;
    bool big;
};

/* Return: a number of @size bytes; 0 where the file has ended. */
static uint64_t number_at(const struct elf *elf, uint64_t at, size_t size)
{
    uint64_t number = 0;

    if (at > elf->length || size > elf->length - at)
        return 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | elf->bytes[at + (elf->big ? i : size - 1 - i)];
    return number;
}

bool elf_is_dynamic(const unsigned char *bytes, size_t length)
{
    if (length < 64 || memcmp(bytes, "\177ELF", 4) != 0)
        return false;
    const struct elf elf = {bytes, length, bytes[ORDER_AT] == ORDER_BIG};
    bool wide = bytes[CLASS_AT] == CLASS_64;
    uint64_t at = wide ? number_at(&elf, 32, 8) : number_at(&elf, 28, 4);
    uint64_t size = number_at(&elf, wide ? 54 : 42, 2);
    uint64_t count = number_at(&elf, wide ? 56 : 44, 2);

    for (uint64_t i = 0; i < count; i++)
        if (at <= length && number_at(&elf, at + i * size, 4) == PT_INTERP)
            return true;
    return false;
}
