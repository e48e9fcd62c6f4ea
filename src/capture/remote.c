/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/remote.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/member.h"
#include "capture/recorder.h"
#include "settings/filter.h"
#include "settings/filter_names.h"

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* @ret_text: with addresses for the names that the cluster knows; owned by the caller */
static int compile(struct kube_client *client, const struct settings *settings, const char *wanted,
                   char **ret_text, struct filter *ret_filter, struct error *err)
{
    cleanup_free char *masked = NULL;
    char *text = NULL;

    *ret_text = NULL;
    if (is_blank(wanted))
        return 0;
    if (filter_names_mask(wanted, &masked, err) < 0 ||
        (masked && (filter_check(masked, wanted, settings->snaplen, err) < 0 ||
                    filter_names_resolve(client, settings->namespace, wanted, &text, err) < 0)))
        return -1;
    if (!text)
        text = strdup(wanted);
    if (!text)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (filter_compile(text, settings->snaplen, ret_filter, err) < 0) {
        free(text);
        return -1;
    }
    *ret_text = text;
    return 0;
}

/* The file says where packets begin to be others. */
static void note(struct recorder *recorder, const char *text)
{
    cleanup_free char *said = text ? text_format("the filter is '%s' from about here on", text)
                                   : strdup("there is no filter from about here on");

    if (said)
        recorder_notice(recorder, said);
}

static void refilter_all(struct member *const *members, size_t count, const char *text,
                         const struct filter *filter)
{
    struct error err;

    for (size_t i = 0; i < count; i++)
        if (member_refilter(members[i], text, filter, &err) < 0)
            log_warning("%s: the filter stays as it was: %s", members[i]->target->label, err.text);
}

void remote_refilter(struct capture_remote *remote, struct kube_client *client,
                     struct settings *settings, struct member **const *members, const size_t *count,
                     struct recorder *recorder)
{
    cleanup_free char *wanted = steal_pointer(remote->filter);
    struct filter filter = {0}, old = remote->compiled;
    cleanup_free char *old_text = remote->text;
    char *text = NULL;
    struct error err = {0};

    if (compile(client, settings, wanted, &text, &filter, &err) < 0) {
        steal_pointer(old_text);
        remote->filtered(remote->data, remote->text, &err);
        return;
    }
    settings->filter_text = remote->text = text;
    remote->compiled = settings->filter = filter;
    refilter_all(*members, *count, text, &filter);
    filter_free(&old);
    note(recorder, text);
    log_info("the filter is '%s' from now on", text ? text : "");
    remote->filtered(remote->data, text, NULL);
}

void remote_free(struct capture_remote *remote)
{
    free(remote->filter);
    free(remote->text);
    filter_free(&remote->compiled);
    remote->filter = remote->text = NULL;
}
