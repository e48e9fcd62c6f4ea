/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_METHOD_ELF_H
#define KSNIFF_METHOD_ELF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * elf_is_dynamic - does an executable need a loader (a PT_INTERP header), and so libraries?
 *
 * What is no ELF file does not. Source: elf(5).
 */
bool elf_is_dynamic(const unsigned char *bytes, size_t length);

#endif
