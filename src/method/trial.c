/* SPDX-License-Identifier: Apache-2.0 */
#include "method/trial.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "method/session.h"
#include "kube/client.h"
#include "kube/stream.h"

#define TRIAL_MS 20000 /* for an answer: nothing runs that could take its time */
#define PROGRAM  "ksniff-trial-of-exec"

struct trial {
    struct kube_stream *stream;
    struct loop_timer *timer; /* of the answer; then of telling it, outside of the stream's event */
    bool answered, told;
    struct error error; /* ERROR_NONE: it reached a runtime */
    trial_fn *done;
    void *data;
};

static void on_opened(void *data)
{
    (void)data;
}

static void on_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                      size_t length)
{
    (void)data;
    (void)channel;
    (void)bytes;
    (void)length;
}

/* Does a kubelet or a runtime say that the container does not run? So it got as far as there. */
static bool is_of_container(const char *text)
{
    static const char *const words[] = {
        /* kubelets; where a container has just ended: containerd, cri-dockerd, CRI-O */
        "container not found (", "pod does not exist",       "container is in CONTAINER_",
        "container not running", "container is not running", "not created or running"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(text, words[i]))
            return true;
    return false;
}

static void on_closed(void *data, const struct kube_exit *exit, const struct error *err)
{
    struct trial *trial = data;

    if (trial->told)
        return;
    trial->answered = true;
    if (err && !is_of_container(err->text))
        trial->error = *err;
    else if (exit && !kube_exit_reached(exit) && !is_of_container(exit->message))
        error_set(&trial->error, ERROR_SERVER, "%s", exit->message);
    loop_set_timer(trial->timer, 0);
}

static void on_timer(void *data)
{
    struct trial *trial = data;

    trial->told = true;
    if (!trial->answered) {
        error_set(&trial->error, ERROR_TIMEOUT, "no answer to an exec that was only a trial");
        error_remedy(&trial->error, "try again, with -v to see more");
    }
    log_debug("a trial exec: %s",
              trial->error.kind == ERROR_NONE ? "it reaches the container" : trial->error.text);
    trial->done(trial->data, trial->error.kind == ERROR_NONE ? NULL : &trial->error);
}

struct trial *trial_start(struct kube_client *client, const struct session_place *place,
                          trial_fn *done, void *data, struct error *err)
{
    static const struct kube_stream_events events = {
        .opened = on_opened, .output = on_output, .closed = on_closed};
    static const char *const command[] = {PROGRAM, NULL};
    const struct kube_exec exec = {.namespace = place->namespace,
                                   .pod = place->pod,
                                   .container = place->container,
                                   .command = command};
    struct trial *trial = calloc(1, sizeof(*trial));

    if (!trial) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    trial->done = done;
    trial->data = data;
    trial->timer = loop_add_timer(kube_client_loop(client), TRIAL_MS, on_timer, trial);
    if (!trial->timer)
        error_set(err, ERROR_INTERNAL, "out of memory");
    else if ((trial->stream = kube_stream_open(client, &exec, &events, trial, err)))
        return trial;
    trial_free(trial);
    return NULL;
}

void trial_free(struct trial *trial)
{
    if (!trial)
        return;
    kube_stream_free(trial->stream);
    loop_remove_timer(trial->timer);
    free(trial);
}
