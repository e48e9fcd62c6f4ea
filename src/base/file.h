/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders of the user's own. */
#ifndef KSNIFF_BASE_FILE_H
#define KSNIFF_BASE_FILE_H

#include <sys/types.h>

/*
 * file_make_folders - make a folder, and those above it that are missing
 * @path: absolute; written to meanwhile, and as it was in the end
 * @mode: of those that are made
 *
 * Return: 0, -1 with errno.
 */
int file_make_folders(char *path, mode_t mode);

#endif
