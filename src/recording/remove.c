/* SPDX-License-Identifier: Apache-2.0 */
/* Taking recordings away: their pods, each with its ConfigMap, which has the same name. */
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/client.h"
#include "method/helper.h"
#include "recording/recordings.h"
#include "target/target.h"

#define RETRY_MS    500
#define AGAIN_MS    5000  /* a bad moment of the server's may take */
#define GONE_MS     30000 /* that all of them may take to end */
#define POLL_MS     200
#define NAME_PREFIX HELPER_NAME "-" /* of each that we make */

/* Return: owned by the caller (free()); NULL when out of memory. */
static char *path_of(const struct recording_pod *pod, const char *resource)
{
    return text_format("/api/v1/namespaces/%s/%s/%s", pod->namespace, resource, pod->name);
}

/* @uid: of the only object that is meant; NULL: whichever has the name */
static int delete_once(struct kube_client *client, const char *path, const char *uid,
                       struct error *err)
{
    json_t *options = uid ? json_pack("{s:s, s:s, s:{s:s}}", "kind", "DeleteOptions", "apiVersion",
                                      "v1", "preconditions", "uid", uid)
                          : NULL;
    const struct kube_request request = {
        .method = "DELETE", .path = path, .body = options, .answer = KUBE_ANSWER_METADATA};
    json_t *answer = NULL;
    int result = kube_await(client, &request, &answer, err);

    json_decref(answer);
    json_decref(options);
    return result;
}

/* 404, 409: somebody else was there first. */
static int delete_object(struct kube_client *client, char *path, const char *uid, struct error *err)
{
    cleanup_free char *owned = path;
    uint64_t end = loop_now() + AGAIN_MS;

    if (!owned)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    while (delete_once(client, owned, uid, err) < 0) {
        if (err->kind == ERROR_NOT_FOUND || err->kind == ERROR_CONFLICT)
            return 0;
        if (!error_is_passing(err) || err->kind == ERROR_INTERRUPTED || loop_now() >= end ||
            target_pass_time(kube_client_loop(client), RETRY_MS, err) < 0)
            return -1;
    }
    return 0;
}

static int delete_pod(struct kube_client *client, const struct recording_pod *pod,
                      struct error *err)
{
    if (delete_object(client, path_of(pod, "pods"), pod->uid, err) < 0)
        return -1;
    /* Whoever may make pods could have made one with these labels, named as a ConfigMap is that is
     * none of ours. */
    if (strncmp(pod->name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0)
        return 0;
    return delete_object(client, path_of(pod, "configmaps"), NULL, err);
}

/* ---- until they are gone ---- */

/* Return: 1: it is; 0: not yet; -1 with the error. */
static int is_gone(struct kube_client *client, const struct recording_pod *pod, struct error *err)
{
    cleanup_free char *path = path_of(pod, "pods");
    json_t *answer = NULL;

    if (!path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (kube_get(client, path, &answer, err) < 0)
        return err->kind == ERROR_NOT_FOUND                              ? 1
               : error_is_passing(err) && err->kind != ERROR_INTERRUPTED ? 0
                                                                         : -1;
    const char *uid =
        json_string_value(json_object_get(json_object_get(answer, "metadata"), "uid"));
    int gone = !uid || strcmp(uid, pod->uid) != 0;

    json_decref(answer);
    return gone;
}

static int await_end(struct kube_client *client, const struct recording_pod *pod, uint64_t end,
                     struct error *err)
{
    int gone;

    while ((gone = is_gone(client, pod, err)) == 0) {
        if (loop_now() >= end) {
            error_set(err, ERROR_TIMEOUT, "pod \"%s\" in namespace \"%s\" is still ending",
                      pod->name, pod->namespace);
            return error_remedy(err, "see: kubectl describe pod %s -n %s", pod->name,
                                pod->namespace);
        }
        if (target_pass_time(kube_client_loop(client), POLL_MS, err) < 0)
            return -1;
    }
    return gone < 0 ? -1 : 0;
}

int recordings_remove(struct kube_client *client, const struct recordings *recordings,
                      struct error *err)
{
    struct error first = {0}, each;
    uint64_t end;

    for (size_t i = 0; i < recordings->count && first.kind != ERROR_INTERRUPTED; i++)
        if (delete_pod(client, &recordings->pods[i], &each) < 0 && first.kind == ERROR_NONE)
            first = each;
    end = loop_now() + GONE_MS;
    for (size_t i = 0; i < recordings->count && first.kind == ERROR_NONE; i++)
        if (await_end(client, &recordings->pods[i], end, &each) < 0)
            first = each;
    if (first.kind == ERROR_NONE)
        return 0;
    *err = first;
    return -1;
}

static bool is_among(const struct recordings *recordings, const struct recording_pod *pod)
{
    for (size_t i = 0; i < recordings->count; i++)
        if (strcmp(recordings->pods[i].uid, pod->uid) == 0)
            return true;
    return false;
}

/* What somebody has added meanwhile was never asked about. */
static void tell_others(struct kube_client *client, const char *namespace, const char *name,
                        const struct recordings *removed)
{
    CLEANUP(recordings_free) struct recordings now = {0};
    struct error err;
    size_t others = 0;

    if (recordings_look(client, namespace, name, &now, &err) < 0) {
        log_debug("whether there are others of the name is not known: %s", err.text);
        return;
    }
    for (size_t i = 0; i < now.count; i++)
        others += !now.pods[i].ended && !is_among(removed, &now.pods[i]);
    if (others > 0)
        log_warning("pods of the recording '%s' that were added meanwhile go on recording: %zu",
                    name, others);
}

int recordings_take_away(struct kube_client *client, const char *namespace, const char *name,
                         const struct recordings *recordings, struct error *err)
{
    if (recordings_remove(client, recordings, err) < 0)
        return -1;
    log_info("recording '%s' has ended: %zu pod%s removed", name, recordings->count,
             recordings->count == 1 ? " is" : "s are");
    tell_others(client, namespace, name, recordings);
    return 0;
}

int recordings_end(struct kube_client *client, const char *namespace, const char *name,
                   struct error *err)
{
    CLEANUP(recordings_free) struct recordings recordings = {0};

    return recordings_find(client, namespace, name, &recordings, err) < 0
               ? -1
               : recordings_take_away(client, namespace, name, &recordings, err);
}
