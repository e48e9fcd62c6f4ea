/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_SINK_WIRESHARK_FIND_H
#define KSNIFF_SINK_WIRESHARK_FIND_H

/*
 * wireshark_find - the path of Wireshark: in PATH, else where macOS has its applications
 * @root: stands before the absolute paths that are tried; empty but in tests
 *
 * On macOS it is started by its own path, not by open(1): so it has our pipe and our environment,
 * and we hear of its end.
 * Return: a path owned by the caller, NULL when there is none.
 */
char *wireshark_find(const char *root);

#endif
