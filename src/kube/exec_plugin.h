/* SPDX-License-Identifier: Apache-2.0 */
/* Runs an exec credential plugin, as kubectl does. */
#ifndef KSNIFF_KUBE_EXEC_PLUGIN_H
#define KSNIFF_KUBE_EXEC_PLUGIN_H

#include "kube/exec_credential.h"

struct error;
struct loop;

/*
 * exec_plugin_run - ask config->exec for credentials
 * @ret_credential: release with exec_credential_free()
 *
 * Returns when the plugin has ended, stepping the loop until then: there is no time-out, as a
 * person may have to log in first. Its standard error goes on to ours; standard input is passed
 * only where interactiveMode and a terminal allow it. The status line is paused while it may ask
 * somebody there, and from what it writes first on.
 *
 * Errors: ERROR_CONFIG with the plugin in quotes and its installHint or the end of its standard
 * error; ERROR_INTERRUPTED, the plugin being ended then.
 */
int exec_plugin_run(struct loop *loop, const struct kube_config *config,
                    struct exec_credential *ret_credential, struct error *err);

#endif
