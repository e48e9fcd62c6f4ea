/* SPDX-License-Identifier: Apache-2.0 */
/* curl's handles in the event loop: one multi handle, driven through its socket interface. */
#ifndef KSNIFF_KUBE_TRANSFERS_H
#define KSNIFF_KUBE_TRANSFERS_H

#include <curl/curl.h>

#include "base/buf.h"

struct loop;
struct kube_transfers;

/* kube_transfers_new - @loop must outlive it. Return: NULL when out of memory. */
struct kube_transfers *kube_transfers_new(struct loop *loop);
/* kube_transfers_free - the handles have been removed before. NULL is allowed. */
void kube_transfers_free(struct kube_transfers *transfers);

/* The end of a transfer, from the loop. @detail: curl's words for a failure, may be empty. */
typedef void kube_transfer_fn(void *data, CURLcode code, const char *detail);

/* One handle, with what is kept beside it (CURLOPT_PRIVATE, CURLOPT_ERRORBUFFER). */
struct kube_transfer {
    CURL *easy;
    char detail[CURL_ERROR_SIZE];
    kube_transfer_fn *finished;
    void *data;
    struct buf answer;
};

/* kube_transfers_add - set it off; it is the caller's, and stays where it is until it is removed.
 */
void kube_transfers_add(struct kube_transfers *transfers, struct kube_transfer *transfer);
/* kube_transfers_remove - take a handle out, finished or not; it is the caller's to clean up. */
void kube_transfers_remove(struct kube_transfers *transfers, CURL *easy);

/* kube_transfer_keep_answer - collect the body in transfer->answer, as much as that may hold. */
void kube_transfer_keep_answer(struct kube_transfer *transfer);

#endif
