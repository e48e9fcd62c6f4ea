/* SPDX-License-Identifier: Apache-2.0 */
/* dumpcap, the program that Wireshark has its packets read by. */
#ifndef KSNIFF_SINK_DUMPCAP_H
#define KSNIFF_SINK_DUMPCAP_H

struct error;

/*
 * dumpcap_check - may this user run it? Where not, Wireshark's window opens and stays empty.
 * @wireshark: its path; it starts the dumpcap that stands beside it, links followed
 *
 * What has none beside it is another program, and is not judged. Return: 0; -1 with ERROR_OUTPUT,
 * which names the group whose members may.
 */
int dumpcap_check(const char *wireshark, struct error *err);

#endif
