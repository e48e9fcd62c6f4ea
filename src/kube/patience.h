/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that does not answer is waited for; the user is told once that takes long. One that has
 * just started answers before it has read who may do what, and refuses what it is about to allow:
 * so a refusal that follows a bad moment is not believed at once.
 * Source: https://github.com/kubernetes/kubernetes/pull/101422
 */
#ifndef KSNIFF_KUBE_PATIENCE_H
#define KSNIFF_KUBE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct error;

#define PATIENCE_MS 5000

/* Starts with zeros. */
struct patience {
    uint64_t since; /* loop_now() of the first failure; 0: there is none */
    bool told;
    uint64_t refused; /* for patience_doubts() */
};

/*
 * patience_failed - a request has failed, or takes long
 * @err: NULL: it has not been answered yet, since PATIENCE_MS
 */
void patience_failed(struct patience *patience, const struct error *err);

/*
 * patience_doubts - what was refused after a bad moment: is it to be asked again?
 * @since: starts with 0, as where a request was answered; kept here
 *
 * Return: true for a while, if it is a refusal for want of rights.
 */
bool patience_doubts(uint64_t *since, const struct error *err);

/* patience_has - is a request that has failed sent again? If so, it counts as patience_failed(). */
bool patience_has(struct patience *patience, const struct error *err);

/* patience_ended - an answer has come. */
void patience_ended(struct patience *patience);

#endif
