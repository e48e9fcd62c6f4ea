/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says of a failure, by an answer or as the end of an exec. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kube/status.h"

static const struct kube_config config = {.server = (char *)"https://cluster.example:6443",
                                          .user = (char *)"ada",
                                          .namespace = (char *)"lab"};

/* Whatever the server says is safe to print. */
static void check(const struct error *err)
{
    for (const char *at = err->text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long codes[] = {400, 401, 403, 404, 409, 422, 500, 503};
    static const char path[] = "/api/v1/namespaces/lab/pods/web/exec?command=sh";
    const char *body = (const char *)data + 1;
    struct kube_exit end;
    struct error err = {0};

    if (size == 0)
        return 0;
    kube_exit_from_status(body, size - 1, &end);
    kube_error_from_answer(&config, data[0] & 8 ? "POST" : "GET", path, codes[data[0] & 7], body,
                           size - 1, &err);
    check(&err);
    return 0;
}
