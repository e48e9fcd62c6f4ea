/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Wireshark's dialog asks for, one row each: the dialog, the arguments that come back and the
 * words of our own command line that they become are all made from it.
 *
 * Source of the sentences: extcap(4); "Adding Capture Interfaces And Log Sources Using Extcap" in
 * the Wireshark Developer's Guide.
 */
#ifndef KSNIFF_EXTCAP_SETTINGS_TABLE_H
#define KSNIFF_EXTCAP_SETTINGS_TABLE_H

#include <stddef.h>

enum extcap_setting {
    EXTCAP_POD,
    EXTCAP_TARGETS,
    EXTCAP_CONTAINER,
    EXTCAP_NAMESPACE,
    EXTCAP_CONTEXT,
    EXTCAP_KUBECONFIG,
    EXTCAP_INTERFACE,
    EXTCAP_FILTER,
    EXTCAP_SNAPLEN,
    EXTCAP_BUFFER,
    EXTCAP_NAMES,
    EXTCAP_METHOD,
    EXTCAP_LOG_LEVEL,
    EXTCAP_LOG_FILE,
    EXTCAP_SETTINGS
};

/* Wireshark's dialog wants one of the list to be chosen: this stands for the words of the field
 * below it. */
#define EXTCAP_POD_BELOW "-"

struct extcap_row {
    const char *name;    /* the argument, without dashes */
    const char *flag;    /* of our own that it becomes, with its value; NULL: something else */
    const char *display; /* no braces in this and the following: they end a part of a sentence */
    const char *tooltip;
    const char *type;
    const char *more;     /* further parts of its sentence, with their braces */
    const char *group;    /* the tab that it stands on */
    const char *standard; /* what holds where nothing is given; "": nothing */
    /* Of a selector: what there is to choose from besides "", NULL: that comes from elsewhere. */
    const char *const (*choices)[2]; /* value and display; the last has NULL */
};

extern const struct extcap_row extcap_rows[EXTCAP_SETTINGS];

/* extcap_row_find - by the name, with or without dashes before it. Return: EXTCAP_SETTINGS where
 * there is none. */
enum extcap_setting extcap_row_find(const char *name, size_t length);

#endif
