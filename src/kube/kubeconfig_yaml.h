/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as a tree of JSON values, which is how kubectl reads a kubeconfig too: aliases and merge
 * keys are resolved, plain scalars get the types of YAML 1.1 (null, booleans, numbers), everything
 * else is a string. Does no I/O.
 */
#ifndef KSNIFF_KUBE_KUBECONFIG_YAML_H
#define KSNIFF_KUBE_KUBECONFIG_YAML_H

#include <jansson.h>
#include <stddef.h>

struct error;

/*
 * kube_yaml_parse - the first document of a YAML text; JSON is YAML
 * @path: names the text in errors
 * @ret_tree: owned by the caller; json_null() for a text without a document
 *
 * Nesting and the number of values are bounded, so aliases cannot blow a short text up. Errors
 * (ERROR_CONFIG) carry line and column and nothing of the text itself, which may hold secrets.
 */
int kube_yaml_parse(const void *text, size_t length, const char *path, json_t **ret_tree,
                    struct error *err);

#endif
