/* SPDX-License-Identifier: Apache-2.0 */
/* A tar archive of one file. Source: POSIX.1-2017, pax, "ustar Interchange Format". */
#ifndef KSNIFF_METHOD_TAR_H
#define KSNIFF_METHOD_TAR_H

#include <stddef.h>

/*
 * tar_of_executable - an archive with one regular file of mode 0700
 * @name: at most 99 bytes
 * @ret_length: bytes of the archive
 *
 * Return: owned by the caller, NULL when out of memory.
 */
unsigned char *tar_of_executable(const char *name, const unsigned char *bytes, size_t length,
                                 size_t *ret_length);

#endif
