/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking those who record, by an exec in each. A command that ends without having read its standard
 * input may leave its exec hanging although all of its output is there: after a while what has come
 * is taken for all, where it is whole.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/loop.h"
#include "kube/client.h"
#include "kube/stream.h"
#include "recording/program.h"
#include "recording/recordings.h"

#define LANES      6     /* execs at once: each is a connection of its own */
#define ANSWER_MS  20000 /* for an answer */
#define DOES_MS    3000  /* for what answers by its end alone, once it runs */
#define WHOLE_MS   1000  /* for the end, when all of it is there */
#define OUTPUT_MAX 65536
#define WORDS_MAX  400 /* bytes of standard error that are kept */

struct question {
    struct recording_pod *pod;
    struct kube_stream *stream;
    struct loop_timer *timer;
    struct buf output, words;
    bool status; /* the answer is to be read */
    bool begun, over;
    bool told; /* how the command has ended: */
    struct kube_exit exit;
};

struct ask {
    struct kube_client *client;
    const char *command;
    struct question *questions;
    size_t count;
};

/* ---- the end of one ---- */

static bool is_whole(struct question *question)
{
    const char *text = buf_string(&question->output);

    return text && recording_state_is_whole(text, question->output.length);
}

static void fail(struct question *question)
{
    struct recording_pod *pod = question->pod;
    const char *words = buf_string(&question->words);

    if (!question->told)
        error_set(&pod->error, ERROR_TIMEOUT, "pod \"%s\" gives no answer to an exec", pod->name);
    else if (question->exit.kind != KUBE_EXIT_CODE)
        error_set(&pod->error, kube_exit_reached(&question->exit) ? ERROR_TARGET : ERROR_SERVER,
                  "no exec in pod \"%s\": %s", pod->name, question->exit.message);
    else if (words && *words)
        error_set(&pod->error, ERROR_TARGET, "the recorder in pod \"%s\": %.*s", pod->name,
                  (int)strcspn(words, "\n"), words);
    else
        error_set(&pod->error, ERROR_TARGET,
                  "what the recorder in pod \"%s\" says of its ring is not understood", pod->name);
}

/* Takes what has come, once nothing more does. */
static void conclude(struct question *question)
{
    struct recording_pod *pod = question->pod;
    bool well = question->told && question->exit.kind == KUBE_EXIT_CODE && question->exit.code == 0;

    if (question->status && is_whole(question)) {
        recording_state_read(buf_string(&question->output), question->output.length, &pod->state);
        pod->error.kind = ERROR_NONE;
    } else if (pod->error.kind == ERROR_NONE && (question->status || !well)) {
        fail(question);
    }
}

/* ---- the stream's events: it is concluded by the timer, outside of them ---- */

static void on_opened(void *data)
{
    struct question *question = data;

    kube_stream_close_stdin(question->stream);
    if (!question->status)
        loop_set_timer(question->timer, DOES_MS);
}

static void on_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                      size_t length)
{
    struct question *question = data;
    struct buf *to = channel == KUBE_CHANNEL_STDOUT ? &question->output : &question->words;

    buf_append(to, bytes, length);
    if (question->status && is_whole(question))
        loop_set_timer(question->timer, WHOLE_MS);
}

static void on_closed(void *data, const struct kube_exit *exit, const struct error *err)
{
    struct question *question = data;

    if (exit && exit->kind != KUBE_EXIT_LOST) {
        question->told = true;
        question->exit = *exit;
    } else if (err) {
        question->pod->error = *err;
    }
    loop_set_timer(question->timer, 0);
}

/* ---- all of them ---- */

static void on_timer(void *data)
{
    struct question *question = data;

    question->over = true;
}

static void begin(struct ask *ask, struct question *question)
{
    static const struct kube_stream_events events = {
        .opened = on_opened, .output = on_output, .closed = on_closed};
    const char *const command[] = {RECORDER_PROGRAM, ask->command, "-d", RECORDING_DIRECTORY, NULL};
    const struct kube_exec exec = {.namespace = question->pod->namespace,
                                   .pod = question->pod->name,
                                   .container = question->pod->container,
                                   .command = command};

    question->begun = true;
    question->pod->error = (struct error){.kind = ERROR_NONE};
    question->timer = loop_add_timer(kube_client_loop(ask->client), ANSWER_MS, on_timer, question);
    if (!question->timer)
        error_set(&question->pod->error, ERROR_INTERNAL, "out of memory");
    else
        question->stream =
            kube_stream_open(ask->client, &exec, &events, question, &question->pod->error);
    question->over = !question->stream;
}

static void end(struct question *question)
{
    kube_stream_free(question->stream);
    loop_remove_timer(question->timer);
    buf_free(&question->output);
    buf_free(&question->words);
}

/* Begins as many as there are lanes. Return: whether any goes on. */
static bool go_on(struct ask *ask)
{
    size_t open = 0;
    bool more = false;

    for (size_t i = 0; i < ask->count; i++)
        open += ask->questions[i].begun && !ask->questions[i].over;
    for (size_t i = 0; i < ask->count; i++) {
        struct question *question = &ask->questions[i];

        if (!question->begun && open < LANES) {
            begin(ask, question);
            open += !question->over;
        }
        more |= !question->over;
    }
    return more;
}

static bool wants_freeze(const struct recording_pod *pod)
{
    return pod->state.condition != RECORDING_FROZEN && pod->error.kind != ERROR_TIMEOUT;
}

static int prepare(struct ask *ask, struct recordings *recordings)
{
    ask->questions = calloc(recordings->count + 1, sizeof(*ask->questions));
    if (!ask->questions)
        return -1;
    for (size_t i = 0; i < recordings->count; i++) {
        struct recording_pod *pod = &recordings->pods[i];
        bool status = strcmp(ask->command, "status") == 0;

        if (!pod->runs || (!status && !wants_freeze(pod)))
            continue;
        struct question *question = &ask->questions[ask->count++];

        question->pod = pod;
        question->status = status;
        buf_init(&question->output, OUTPUT_MAX);
        buf_init(&question->words, WORDS_MAX);
    }
    return 0;
}

int recordings_ask(struct kube_client *client, struct recordings *recordings, const char *command,
                   struct error *err)
{
    struct loop *loop = kube_client_loop(client);
    struct ask ask = {.client = client, .command = command};
    int result = 0;

    if (prepare(&ask, recordings) < 0)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    while (result == 0 && go_on(&ask)) {
        if (loop_interrupted(loop))
            result = error_set(err, ERROR_INTERRUPTED, "interrupted");
        else
            loop_step(loop, -1);
    }
    for (size_t i = 0; i < ask.count; i++) {
        if (ask.questions[i].begun)
            conclude(&ask.questions[i]);
        end(&ask.questions[i]);
    }
    free(ask.questions);
    return result;
}
