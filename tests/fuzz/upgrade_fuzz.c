/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a request for an upgrade, as it comes, and what each transport makes of it. */
#include "tests/fuzz/fuzz.h"

#include "base/buf.h"
#include "kube/transport.h"
#include "kube/upgrade.h"

static void begin(const struct kube_transport *transport, const char *head)
{
    struct kube_wire *wire = transport->begin(head);

    if (wire)
        transport->release(wire);
}

static void use(const struct kube_upgrade *upgrade)
{
    char value[64];

    kube_upgrade_header(upgrade->head, "Upgrade", value, sizeof(value));
    begin(&kube_websocket, upgrade->head);
    begin(&kube_spdy, upgrade->head);
}

static enum kube_upgrade_state read_answer(const struct buf *answer, bool ended)
{
    struct kube_upgrade upgrade = {0};
    enum kube_upgrade_state state = kube_upgrade_read(answer, ended, &upgrade);

    if (state == KUBE_UPGRADE_WHOLE) {
        use(&upgrade);
        kube_upgrade_free(&upgrade);
    }
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum kube_upgrade_state state = KUBE_UPGRADE_COMING;
    struct buf answer;

    if (size == 0)
        return 0;
    buf_init(&answer, KUBE_UPGRADE_MAX);
    for (size_t at = 1, piece; at < size && state == KUBE_UPGRADE_COMING; at += piece) {
        piece = fuzz_cut(data, size, at);
        if (!buf_append(&answer, data + at, piece))
            break;
        state = read_answer(&answer, false);
    }
    if (state == KUBE_UPGRADE_COMING)
        read_answer(&answer, true);
    buf_free(&answer);
    return 0;
}
