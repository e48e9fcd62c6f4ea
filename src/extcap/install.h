/* SPDX-License-Identifier: Apache-2.0 */
/* --install-extcap: a link to this program in the folders where a user's Wireshark looks. */
#ifndef KSNIFF_EXTCAP_INSTALL_H
#define KSNIFF_EXTCAP_INSTALL_H

struct error;

/*
 * extcap_install - make the links, and say where they are
 * @program: as it was called (argv[0])
 *
 * Wireshark 4.2 and later reads ~/.local/lib/wireshark/extcap, on macOS too, earlier ones
 * extcap/ beside their preferences ($WIRESHARK_CONFIG_DIR, $XDG_CONFIG_HOME/wireshark, else
 * ~/.config/wireshark); each reads one of them alone. Errors: ERROR_OUTPUT; what stands in the way
 * and is no link is left alone.
 */
int extcap_install(const char *program, struct error *err);

#endif
