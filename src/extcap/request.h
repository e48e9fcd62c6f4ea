/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How Wireshark calls an extcap program, which is this one under another contract: it is asked what
 * interfaces there are, what to ask the user for them, and to capture into a named pipe.
 */
#ifndef KSNIFF_EXTCAP_REQUEST_H
#define KSNIFF_EXTCAP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "extcap/settings_table.h"

struct error;

#define EXTCAP_WORDS_MAX 160 /* of our own command line */

enum extcap_action {
    EXTCAP_ABOUT,      /* --extcap-version alone */
    EXTCAP_INTERFACES, /* --extcap-interfaces */
    EXTCAP_DLTS,       /* --extcap-dlts */
    EXTCAP_CONFIG,     /* --extcap-config */
    EXTCAP_RELOAD,     /* --extcap-reload-option NAME: of the configuration, what there is to choose
                          from for one setting */
    EXTCAP_JUDGE,      /* --extcap-capture-filter without --capture: is it right? */
    EXTCAP_CAPTURE,    /* --capture --fifo PIPE */
    EXTCAP_CLEANUP     /* --extcap-cleanup-postkill, of Wireshark 4.4 and later */
};

/* Strings are those of the command line, or of what is remembered of the interface. */
struct extcap_request {
    enum extcap_action action;
    const char *interface; /* NULL: none is named */
    const char *fifo;
    const char *control_in, *control_out; /* the toolbar's pipes; NULL: there is none */
    const char *capture_filter;           /* NULL: none */
    enum extcap_setting reload;
    const char *values[EXTCAP_SETTINGS]; /* NULL: not given */
};

/* extcap_is_asked - is the program called as an extcap? */
bool extcap_is_asked(int argc, char *const argv[]);

/* extcap_parse - read that command line. Errors: ERROR_USAGE. */
int extcap_parse(int argc, char *const argv[], struct extcap_request *ret_request,
                 struct error *err);

/* A command line of our own: what a request to capture means. */
struct extcap_words {
    int count;
    char *words[EXTCAP_WORDS_MAX + 1]; /* NULL-terminated */
    char *owned[4];                    /* texts that were made for it */
};

/*
 * extcap_words_make - what `kubectl-sniff` would be called with for the same capture
 * @ret_words: release with extcap_words_free()
 *
 * Errors: ERROR_USAGE, where nothing is chosen; too many words.
 */
int extcap_words_make(const struct extcap_request *request, struct extcap_words *ret_words,
                      struct error *err);
void extcap_words_free(struct extcap_words *words);

/* extcap_filter - Wireshark's filter and the dialog's, both of which hold. Return: owned by the
 * caller; NULL: there is none, or no memory. */
char *extcap_filter(const struct extcap_request *request);

/* extcap_value - what is given, else what holds without. Return: never NULL. */
const char *extcap_value(const struct extcap_request *request, enum extcap_setting setting);

#endif
