/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/client_state.h"
#include "kube/foreign.h"
#include "kube/json.h"
#include "kube/status.h"
#include "kube/transfers.h"

#define ANSWER_MAX  (64u << 20) /* bytes; a list of thousands of pods fits */
#define KEEPIDLE_S  30L         /* of silence, until the kernel asks whether the server is there */
#define KEEPINTVL_S 10L
#define WAITS_MAX   10 /* for a busy server, of one request */
#define WAIT_MAX_S  30 /* each */

static const char *const accepts[] = {
    [KUBE_ANSWER_WHOLE] = "application/json",
    [KUBE_ANSWER_METADATA] = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
                             "application/json",
    [KUBE_ANSWER_METADATA_LIST] = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;"
                                  "v=v1,application/json",
};

struct kube_call {
    struct kube_client *client;
    struct kube_transfer transfer;
    struct curl_slist *headers;
    char *method, *path, *content_type;
    char *body; /* JSON text; NULL: none */
    enum kube_answer answer;
    uint64_t timeout; /* milliseconds, 0: the client's */
    kube_part_fn *part;
    bool repeated;            /* after renewed credentials */
    unsigned waits;           /* of a busy server, so far */
    struct loop_timer *again; /* the end of one; NULL: there was none */
    bool judged; /* its answer is: that may step the loop, and with it whoever cancels it */
    bool cancelled;
    kube_call_fn *done;
    void *data;
};

/* ---- sending it ---- */

/* Takes the transfer out of the multi handle and releases it. */
static void end_transfer(struct kube_call *call)
{
    struct kube_transfer *transfer = &call->transfer;

    if (transfer->easy) {
        kube_transfers_remove(call->client->transfers, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    curl_slist_free_all(call->headers);
    buf_free(&transfer->answer);
    call->headers = NULL;
    *transfer = (struct kube_transfer){0};
}

/* Return: the headers as curl wants them, NULL when out of memory. */
static struct curl_slist *header_list(const struct kube_client *client, const char *accept,
                                      const char *content_type)
{
    CLEANUP(buf_free) struct buf text;
    struct curl_slist *list = NULL;

    buf_init(&text, 1u << 20);
    if (!kube_client_headers(client, &text) ||
        !buf_printf(&text, "Accept: %s\r\n%s%s%s", accept, content_type ? "Content-Type: " : "",
                    content_type ? content_type : "", content_type ? "\r\n" : ""))
        return NULL;
    for (char *line = (char *)(uintptr_t)buf_string(&text), *end;
         line && (end = strstr(line, "\r\n")); line = end + 2) {
        *end = '\0';
        struct curl_slist *longer = curl_slist_append(list, line);

        if (!longer) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = longer;
    }
    return list;
}

/* Gives on what is wanted part by part; an error is kept as it always is. */
static size_t on_part(char *bytes, size_t size, size_t count, void *data)
{
    struct kube_call *call = data;
    long status = 0;

    curl_easy_getinfo(call->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    bool kept = status < 300 ? call->part(call->data, bytes, size * count)
                             : buf_append(&call->transfer.answer, bytes, size * count);
    return kept ? size * count : 0;
}

/* An answer may be silent for long: whether the way is dead, the kernel finds out. */
static void take_parts(struct kube_call *call)
{
    CURL *easy = call->transfer.easy;

    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_part);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPIDLE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPINTVL_S);
}

static void on_transfer(void *data, CURLcode code, const char *detail);

/* Sends the call's request, for the first time or again. */
static int begin_transfer(struct kube_call *call, struct error *err)
{
    struct kube_client *client = call->client;
    struct kube_transfer *transfer = &call->transfer;
    cleanup_free char *url = text_format("%s%s%s", client->url, client->base_path, call->path);
    CURL *easy = curl_easy_init();

    *transfer = (struct kube_transfer){.easy = easy, .finished = on_transfer, .data = call};
    buf_init(&transfer->answer, ANSWER_MAX);
    call->headers =
        header_list(client, accepts[call->answer], call->body ? call->content_type : NULL);
    if (!easy || !url || !call->headers)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    kube_client_set_up(client, easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     (long)(call->timeout ? call->timeout : client->timeout));
    if (call->body)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
    if (call->body || strcmp(call->method, "GET") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    kube_transfer_keep_answer(transfer);
    if (call->part)
        take_parts(call);
    kube_transfers_add(client->transfers, transfer);
    return 0;
}

/* ---- its answer ---- */

/* What every answer tells besides its body. */
static void learn(struct kube_client *client, CURL *easy)
{
    struct curl_header *date;
    const char *peer = NULL;
    long port = 0;

    if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &date) == CURLHE_OK) {
        time_t then = curl_getdate(date->value, NULL);

        if (then != (time_t)-1)
            client->clock_offset = (int64_t)then - (int64_t)time(NULL);
    }
    if (curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &peer) == CURLE_OK && peer && *peer &&
        curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port) == CURLE_OK) {
        snprintf(client->peer, sizeof(client->peer), "%s", peer);
        client->peer_port = (unsigned)port;
    }
}

/* Reads the answer of a request that went well. Return: the JSON, NULL with the error. */
static json_t *parse_answer(const struct kube_call *call, struct error *err)
{
    const struct buf *answer = &call->transfer.answer;
    const char *text = (const char *)buf_bytes(answer);
    json_t *json = kube_json_read(text, answer->length);
    char words[200];

    if (json_is_object(json))
        return json;
    json_decref(json);
    kube_foreign_words(words, sizeof(words), text, answer->length);
    error_set(err, ERROR_PROTOCOL, "the answer of \"%s\" to %s is not a JSON object%s%s%s",
              call->client->host, call->path, *words ? ": \"" : "", words, *words ? "\"" : "");
    return NULL;
}

/* A busy server was waited for as long as it wanted. */
static void on_again(void *data)
{
    struct kube_call *call = data;
    struct error err;

    if (begin_transfer(call, &err) == 0)
        return;
    call->done(call->data, NULL, &err);
    kube_call_cancel(call);
}

/*
 * A server that has too much to do has taken nothing of the request, and says when to come again.
 * Source: https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
 *
 * Return: whether it is sent again then.
 */
static bool wait_as_asked(struct kube_call *call, long status)
{
    struct loop *loop = call->client->loop;
    struct curl_header *after;

    if (status != 429 || call->waits >= WAITS_MAX ||
        curl_easy_header(call->transfer.easy, "Retry-After", 0, CURLH_HEADER, -1, &after) !=
            CURLHE_OK)
        return false;
    unsigned long seconds = strtoul(after->value, NULL, 10);
    if (seconds < 1 || seconds > WAIT_MAX_S)
        return false;
    if (call->again)
        loop_set_timer(call->again, seconds * 1000);
    else
        call->again = loop_add_timer(loop, seconds * 1000, on_again, call);
    if (!call->again)
        return false;
    call->waits++;
    log_debug("the server is busy: %s %s again in %lu s", call->method, call->path, seconds);
    end_transfer(call);
    return true;
}

/* Judges what has come. Return: the answer; NULL with the error, or, when the request is on its way
 * again, with other credentials or later, without one. */
static json_t *take_answer(struct kube_call *call, CURLcode code, const char *detail,
                           struct error *err)
{
    struct kube_client *client = call->client;
    struct kube_transfer *transfer = &call->transfer;
    long status = 0;
    bool changed = false;

    if (code != CURLE_OK) {
        kube_client_error(client, transfer->easy, code, detail, err);
        return NULL;
    }
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    learn(client, transfer->easy);
    log_trace("%s %s: HTTP %ld, %zu bytes", call->method, call->path, status,
              transfer->answer.length);
    if (status < 300)
        return call->part ? json_object() : parse_answer(call, err);
    if (wait_as_asked(call, status))
        return NULL;
    if (status == 401 && !call->repeated) {
        call->repeated = true;
        if (kube_client_refresh(client, true, &changed, err) < 0)
            return NULL;
    }
    if (changed) {
        end_transfer(call);
        begin_transfer(call, err);
    } else if (status == 407 && client->proxy.url) {
        kube_proxy_refused(&client->proxy, status, kube_server_name(client->config), err);
    } else {
        kube_error_from_answer(client->config, call->method, call->path, status,
                               (const char *)buf_bytes(&transfer->answer), transfer->answer.length,
                               err);
    }
    return NULL;
}

static void on_transfer(void *data, CURLcode code, const char *detail)
{
    struct kube_call *call = data;
    struct error err = {0};
    call->judged = true;
    json_t *answer = take_answer(call, code, detail, &err);

    call->judged = false;
    if (!answer && err.kind == ERROR_NONE && !call->cancelled)
        return;
    if (!call->cancelled)
        call->done(call->data, answer, answer ? NULL : &err);
    json_decref(answer);
    kube_call_cancel(call);
}

/* ---- from nothing, and back ---- */

void kube_call_cancel(struct kube_call *call)
{
    if (!call)
        return;
    if (call->judged) {
        call->cancelled = true;
        return;
    }
    end_transfer(call);
    loop_remove_timer(call->again);
    free(call->method);
    free(call->path);
    free(call->content_type);
    free(call->body);
    free(call);
}

struct kube_call *kube_call_start(struct kube_client *client, const struct kube_request *request,
                                  kube_call_fn *done, void *data, struct error *err)
{
    struct kube_call *call = calloc(1, sizeof(*call));

    if (!call) {
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    call->client = client;
    call->done = done;
    call->data = data;
    call->answer = request->answer;
    call->timeout = request->timeout;
    call->part = request->part;
    call->method = strdup(request->method ? request->method : "GET");
    call->path = strdup(request->path);
    call->content_type = strdup(request->content_type ? request->content_type : "application/json");
    call->body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
    if (!call->method || !call->path || !call->content_type || (request->body && !call->body))
        error_set(err, ERROR_INTERNAL, "out of memory");
    else if (kube_client_refresh(client, false, NULL, err) == 0 && begin_transfer(call, err) == 0)
        return call;
    kube_call_cancel(call);
    return NULL;
}

/* ---- those that are waited for ---- */

struct waiting {
    bool done;
    json_t *answer; /* owned */
    struct error error;
};

static void on_waited(void *data, json_t *answer, const struct error *err)
{
    struct waiting *waiting = data;

    waiting->done = true;
    waiting->answer = json_incref(answer);
    if (err)
        waiting->error = *err;
}

/* Return: 0 when the answer is there, -1 with the error. */
static int judge_waiting(struct waiting *waiting, json_t **ret_json, struct error *err)
{
    if (!waiting->answer) {
        if (err)
            *err = waiting->error;
        return -1;
    }
    *ret_json = waiting->answer;
    return 0;
}

int kube_await(struct kube_client *client, const struct kube_request *request, json_t **ret_json,
               struct error *err)
{
    struct waiting waiting = {0};
    struct kube_call *call = kube_call_start(client, request, on_waited, &waiting, err);

    if (!call)
        return -1;
    while (!waiting.done) {
        if (loop_interrupted(client->loop)) {
            kube_call_cancel(call);
            return error_set(err, ERROR_INTERRUPTED, "interrupted");
        }
        loop_step(client->loop, -1);
    }
    return judge_waiting(&waiting, ret_json, err);
}

int kube_get(struct kube_client *client, const char *path, json_t **ret_json, struct error *err)
{
    const struct kube_request request = {.path = path};

    return kube_await(client, &request, ret_json, err);
}
