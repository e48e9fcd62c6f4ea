/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as kubeconfigs have it, into a tree. */
#include "tests/fuzz/fuzz.h"

#include "base/error.h"
#include "kube/kubeconfig_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    json_t *tree;

    if (kube_yaml_parse(data, size, "fuzz", &tree, &err) == 0)
        json_decref(tree);
    return 0;
}
