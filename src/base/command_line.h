/* SPDX-License-Identifier: Apache-2.0 */
/* A command that somebody has written in one string, cut into words without a shell. */
#ifndef KSNIFF_BASE_COMMAND_LINE_H
#define KSNIFF_BASE_COMMAND_LINE_H

struct error;

/*
 * command_line_split - "prog -x 'two words'" into prog, -x and "two words"
 *
 * As in a shell: blanks part words; '...' keeps all that is in it; so does "...", where \" and \\
 * stand for one character; elsewhere a backslash keeps the character behind it. Nothing else means
 * anything: no variables, no patterns. What only a shell could do (an unquoted | < > & ;) is
 * refused.
 *
 * @ret_words: NULL-terminated, one block of memory, owned by the caller (free())
 * Errors: ERROR_USAGE.
 */
int command_line_split(const char *text, char ***ret_words, struct error *err);

#endif
