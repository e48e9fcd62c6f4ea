/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig, from its file to the cluster and the credentials that it names. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "kube/kubeconfig.h"

/* A file that has no folder: what the input names by relative paths is not there. */
static int file_with(const uint8_t *data, size_t size)
{
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("kubeconfig", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[40];
    const struct kube_overrides overrides = {.kubeconfig = path};
    struct kube_config *config = NULL;
    struct error err;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", file_with(data, size));
    if (kube_config_load(&overrides, &config, &err) == 0)
        kube_config_free(config);
    return 0;
}
