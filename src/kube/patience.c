/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patience.h"

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"

#define DOUBT_MS 10000

void patience_failed(struct patience *patience, const struct error *err)
{
    uint64_t now = loop_now();

    if (err)
        log_debug("%s", err->text);
    if (!patience->since)
        patience->since = err ? now : now - PATIENCE_MS;
    if (patience->told || now - patience->since < PATIENCE_MS)
        return;
    patience->told = true;
    log_info("waiting for the API server: %s", err ? err->text : "it does not answer");
}

bool patience_doubts(uint64_t *since, const struct error *err)
{
    uint64_t now = loop_now();

    if (err->kind != ERROR_FORBIDDEN && err->kind != ERROR_UNAUTHORIZED)
        *since = 0;
    else if (!*since)
        *since = now;
    return *since && now < *since + DOUBT_MS;
}

bool patience_has(struct patience *patience, const struct error *err)
{
    bool doubtful = patience_doubts(&patience->refused, err) && patience->since;

    if (!doubtful && !error_is_bad_moment(err))
        return false;
    patience_failed(patience, err);
    return true;
}

void patience_ended(struct patience *patience)
{
    if (patience->told)
        log_info("the API server answers again");
    *patience = (struct patience){.since = 0};
}
