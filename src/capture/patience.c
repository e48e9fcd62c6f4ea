/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/patience.h"

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"

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

void patience_ended(struct patience *patience)
{
    if (patience->told)
        log_info("the API server answers again");
    *patience = (struct patience){.since = 0};
}
