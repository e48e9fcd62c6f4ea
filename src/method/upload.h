/* SPDX-License-Identifier: Apache-2.0 */
/* An agent into a container by its shell: the upload method, and what the ephemeral method uses of
 * it. */
#ifndef KSNIFF_METHOD_UPLOAD_H
#define KSNIFF_METHOD_UPLOAD_H

#include <stdbool.h>

struct error;
struct kube_exit;
struct session;

/*
 * upload_start_keeping - put the agent at @path of session->place and run it; an agent that stands
 * there already is run as it is, and none is taken away
 * @path: absolute; must outlive the session
 */
int upload_start_keeping(struct session *session, const char *path, struct error *err);

/* For the tables of methods that upload. */
bool upload_explain(struct session *session, const struct kube_exit *exit, struct error *err);
void upload_release(struct session *session);

#endif
