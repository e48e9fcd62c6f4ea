/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_EXTCAP_PATH_H
#define KSNIFF_EXTCAP_PATH_H

/*
 * extcap_widen_path - look for credential plugins in the usual folders too
 *
 * Wireshark may have been started from a desktop, whose PATH is shorter than a terminal's: where
 * kubectl finds its plugin there, this program would not. Each of the folders is added behind those
 * that are there. Where memory lacks, PATH stays as it is.
 */
void extcap_widen_path(void);

#endif
