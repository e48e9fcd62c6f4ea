/* SPDX-License-Identifier: Apache-2.0 */
/* A server that does not answer is waited for; the user is told once that takes long. */
#ifndef KSNIFF_CAPTURE_PATIENCE_H
#define KSNIFF_CAPTURE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct error;

#define PATIENCE_MS 5000

/* Starts with zeros. */
struct patience {
    uint64_t since; /* loop_now() of the first failure; 0: there is none */
    bool told;
};

/*
 * patience_failed - a request has failed, or takes long
 * @err: NULL: it has not been answered yet, since PATIENCE_MS
 */
void patience_failed(struct patience *patience, const struct error *err);

/* patience_ended - an answer has come. */
void patience_ended(struct patience *patience);

#endif
