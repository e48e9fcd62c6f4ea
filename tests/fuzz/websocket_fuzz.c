/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says over WebSocket: frames, and the channels in them. */
#include "tests/fuzz/fuzz.h"

#include "kube/transport.h"
#include "tests/fuzz/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\n"
                               "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                               "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n";

    if (size > 0)
        wire_fuzz(&kube_websocket, head, data, size);
    return 0;
}
