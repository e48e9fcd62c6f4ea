/* SPDX-License-Identifier: Apache-2.0 */
/* Completion: for kubectl, which asks by kubectl_complete-sniff, and for bash, zsh and fish. */
#ifndef KSNIFF_CLI_COMPLETE_H
#define KSNIFF_CLI_COMPLETE_H

struct options;

/* complete_print - what completes the last of options->words, or the script of a shell */
void complete_print(const struct options *options);

#endif
