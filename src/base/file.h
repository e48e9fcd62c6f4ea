/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders of the user's own. */
#ifndef KSNIFF_BASE_FILE_H
#define KSNIFF_BASE_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

/*
 * file_make_folders - make a folder, and those above it that are missing
 * @path: absolute; written to meanwhile, and as it was in the end
 * @mode: of those that are made
 *
 * Return: 0, -1 with errno.
 */
int file_make_folders(char *path, mode_t mode);

/*
 * file_check_folder - may a file be made where this path is? Nothing is made
 * @ret_folder: what the folder is, where it is there; NULL: it is not wanted
 *
 * Return: 0, or the errno that says why not.
 */
int file_check_folder(const char *path, struct stat *ret_folder);

/*
 * file_open_output - open a file to write it anew, without waiting for the reader of a pipe
 *
 * What is opened is as open(2) has it, but for a pipe, which does not block: O_NONBLOCK.
 *
 * Return: a descriptor, -1 with errno: ENXIO where nobody reads the pipe.
 */
int file_open_output(const char *path);

#endif
