/* SPDX-License-Identifier: Apache-2.0 */
/* A capture that Wireshark has asked for: who is told what, and what is remembered of it. */
#ifndef KSNIFF_EXTCAP_EXTCAP_H
#define KSNIFF_EXTCAP_EXTCAP_H

#include <jansson.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/log.h"
#include "capture/remote.h"
#include "extcap/request.h"
#include "extcap/toolbar.h"

struct error;
struct kube_client;
struct kube_config;
struct settings;
struct sink;

struct extcap {
    struct extcap_request request;
    struct extcap_words words;        /* our own command line */
    json_t *memory;                   /* owned: the request's strings may be of it */
    FILE *log;                        /* owned; NULL: none is wanted */
    const struct kube_config *config; /* while it captures */
    bool begun;                       /* packets could come */
    struct toolbar toolbar;
    struct capture_remote remote;
    uint64_t told; /* loop_now(): the status bar was filled last */
    pid_t parent;  /* Wireshark, or tshark */
};

/*
 * extcap_begin - Wireshark shows whatever an extcap writes to standard error as an error: from now
 * on messages go to where it wants them, and the error that ends it alone goes there
 * @extcap: its request is set, and has filled in what it does not say; release with extcap_free()
 *
 * Return: 0; -1 with the error: nothing is chosen, the log cannot be written.
 */
int extcap_begin(struct extcap *extcap, struct error *err);
void extcap_free(struct extcap *extcap);

/* extcap_dismiss - it has failed: who waits for packets that never began is let go. */
void extcap_dismiss(const struct extcap *extcap);

/* extcap_run - as capture_run(); a capture that has begun is remembered. */
int extcap_run(struct extcap *extcap, struct kube_client *client, const struct settings *settings,
               struct sink *sink, struct error *err);

#endif
