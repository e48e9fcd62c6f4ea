/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes renewed tokens into a kubeconfig file, as kubectl does for an auth-provider. Only their
 * values are replaced: comments, order and everything else of the file stay as they are, which
 * kubectl, that writes the file anew, does not promise.
 */
#ifndef KSNIFF_KUBE_KUBECONFIG_EDIT_H
#define KSNIFF_KUBE_KUBECONFIG_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "kube/kubeconfig.h"

struct error;

/*
 * kubeconfig_edit - set values in users[name=@user].user.auth-provider.config of a text; no I/O
 * @text: YAML (JSON is YAML), UTF-8, with a NUL behind its @length bytes
 * @path: names the text in errors
 * @pairs: @count names and values that are to stand there, in place of others or beside them
 *
 * Return: the new text, owned by the caller; NULL with the error (ERROR_CONFIG): no such user, or
 * the values cannot be set without changing something else (aliases).
 */
char *kubeconfig_edit(const char *text, size_t length, const char *path, const char *user,
                      const struct kube_pair *pairs, size_t count, struct error *err);

/*
 * kubeconfig_store - the same with a file, whose mode and owner stay
 * @ret_locked: somebody else writes it: try again in a moment. The error says so too.
 *
 * While it works, PATH.lock is there, as kubectl's own. The new file takes the old one's place in
 * one step, where its folder allows that. Return: 0, or -1 with the error.
 */
int kubeconfig_store(const char *path, const char *user, const struct kube_pair *pairs,
                     size_t count, bool *ret_locked, struct error *err);

#endif
