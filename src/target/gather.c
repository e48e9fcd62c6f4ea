/* SPDX-License-Identifier: Apache-2.0 */
#include "target/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "kube/client.h"
#include "settings/settings.h"

static bool add(struct gather *gather, struct source *source)
{
    if (source)
        gather->sources[gather->count++] = source;
    return source != NULL;
}

/* Is there a pod of the same namespace among the words before? Then it is looked for with that. */
static bool is_with_another(const struct target_word *words, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (target_word_is_one_pod(&words[i]) &&
            strcmp(words[i].namespace, words[at].namespace) == 0)
            return true;
    return false;
}

static bool add_pods(struct gather *gather, size_t at, size_t count)
{
    const struct target_word *first = &gather->words[at];
    cleanup_free const struct target_word **pods = calloc(count, sizeof(struct target_word *));
    size_t used = 0;

    if (!pods)
        return false;
    for (size_t i = at; i < count; i++)
        if (target_word_is_one_pod(&gather->words[i]) &&
            strcmp(gather->words[i].namespace, first->namespace) == 0)
            pods[used++] = &gather->words[i];
    return add(gather, source_new_pods(&gather->context, pods, used));
}

static bool add_word(struct gather *gather, size_t at, size_t count)
{
    if (!target_word_is_one_pod(&gather->words[at]))
        return add(gather, source_new(&gather->context, &gather->words[at]));
    return is_with_another(gather->words, at) || add_pods(gather, at, count);
}

int gather_start(struct gather *gather, struct kube_client *client, const struct settings *settings,
                 bool follow, void (*heard)(void *data), void *data, struct error *err)
{
    size_t count = 0;
    bool well = true;

    *gather = (struct gather){.context = {.client = client,
                                          .settings = settings,
                                          .follow = follow,
                                          .heard = heard,
                                          .data = data}};
    if (target_words_parse(settings->words, settings->word_count,
                           settings->selector || settings->field_selector, &gather->words, &count,
                           err) < 0)
        return -1;
    gather->sources = calloc(count + 1, sizeof(struct source *));
    well = gather->sources != NULL;
    for (size_t i = 0; well && i < count; i++)
        well = add_word(gather, i, count);
    if (well && (settings->selector || count == 0))
        well = add(gather, source_new(&gather->context, NULL));
    return well ? 0 : error_set(err, ERROR_INTERNAL, "out of memory");
}

static bool is_settled(const struct gather *gather)
{
    for (size_t i = 0; i < gather->count; i++)
        if (!source_is_settled(gather->sources[i]))
            return false;
    return true;
}

int gather_await(struct gather *gather, struct error *err)
{
    struct loop *loop = kube_client_loop(gather->context.client);

    while (!is_settled(gather)) {
        if (loop_interrupted(loop))
            return error_set(err, ERROR_INTERRUPTED, "interrupted before the capture had begun");
        loop_step(loop, -1);
    }
    return 0;
}

void gather_end(struct gather *gather)
{
    for (size_t i = 0; i < gather->count; i++)
        source_free(gather->sources[i]);
    free(gather->sources);
    free(gather->words);
    *gather = (struct gather){0};
}
