/* SPDX-License-Identifier: Apache-2.0 */
#include "method/facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "kube/client.h"

#define LANES   6 /* requests at once: each is a connection of its own */
#define REVIEWS "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

/* The addresses of the API server inside the cluster, as it publishes them itself. */
#define SERVERS "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"

struct fact {
    struct facts *facts;
    char *path;
    json_t *body; /* of a review; NULL: an object is read */
    enum { WAITS, ASKED, KNOWN } state;
    bool old; /* who asks next has it asked anew */
    struct kube_call *call;
    json_t *answer; /* the last; NULL: not to be had */
    struct fact *next;
};

struct facts {
    struct kube_client *client;
    struct fact *first, **end;
    struct facts_wait *waits;
    struct loop_timer *failed; /* of telling what could not even be asked */
};

static void tell(void *data);

struct facts *facts_new(struct kube_client *client)
{
    struct facts *facts = calloc(1, sizeof(*facts));

    if (!facts)
        return NULL;
    *facts = (struct facts){.client = client, .end = &facts->first};
    facts->failed = loop_add_timer(kube_client_loop(client), 0, tell, facts);
    if (!facts->failed) {
        free(facts);
        return NULL;
    }
    loop_stop_timer(facts->failed);
    return facts;
}

static void fact_free(struct fact *fact)
{
    kube_call_cancel(fact->call);
    json_decref(fact->answer);
    json_decref(fact->body);
    free(fact->path);
    free(fact);
}

void facts_free(struct facts *facts)
{
    struct fact *next;

    for (struct fact *fact = facts ? facts->first : NULL; fact; fact = next) {
        next = fact->next;
        fact_free(fact);
    }
    if (facts)
        loop_remove_timer(facts->failed);
    free(facts);
}

struct kube_client *facts_client(const struct facts *facts)
{
    return facts->client;
}

/* ---- waiting ---- */

const struct fact *facts_wait_add(struct facts_wait *wait, const struct fact *fact)
{
    if (fact && wait->count < FACTS_WAIT_MAX)
        wait->facts[wait->count++] = fact;
    return fact;
}

static bool is_over(const struct facts_wait *wait)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->facts[i]->state != KNOWN)
            return false;
    return true;
}

void facts_wait_begin(struct facts_wait *wait, struct facts *facts, void (*done)(void *data),
                      void *data)
{
    if (is_over(wait)) {
        done(data);
        return;
    }
    wait->of = facts;
    wait->done = done;
    wait->data = data;
    wait->next = facts->waits;
    facts->waits = wait;
}

void facts_wait_end(struct facts_wait *wait)
{
    struct facts_wait **at = wait->of ? &wait->of->waits : NULL;

    while (at && *at != wait)
        at = &(*at)->next;
    if (at)
        *at = wait->next;
    wait->of = NULL;
}

/* Whoever is told may end any wait, and begin another: the list is looked at anew each time. */
static void tell(void *data)
{
    struct facts *facts = data;
    struct facts_wait *wait = facts->waits;

    while (wait) {
        if (!is_over(wait)) {
            wait = wait->next;
            continue;
        }
        facts_wait_end(wait);
        wait->done(wait->data);
        wait = facts->waits;
    }
}

/* ---- asking ---- */

static void ask_on(struct facts *facts);

static void on_answer(void *data, json_t *answer, const struct error *err)
{
    struct fact *fact = data;

    fact->call = NULL;
    fact->state = KNOWN;
    if (!err || !error_is_passing(err)) {
        json_decref(fact->answer);
        fact->answer = json_incref(answer);
    }
    if (err)
        log_debug("%s: %s", fact->body ? "the server does not tell what is allowed" : fact->path,
                  err->text);
    ask_on(fact->facts);
    tell(fact->facts);
}

/* Sends as many questions as there are lanes. */
static void ask_on(struct facts *facts)
{
    size_t open = 0;

    for (const struct fact *fact = facts->first; fact; fact = fact->next)
        open += fact->state == ASKED;
    for (struct fact *fact = facts->first; fact && open < LANES; fact = fact->next) {
        const struct kube_request request = {
            .method = fact->body ? "POST" : NULL, .path = fact->path, .body = fact->body};

        if (fact->state != WAITS)
            continue;
        fact->state = ASKED; /* before the loop is stepped for credentials */
        fact->call = kube_call_start(facts->client, &request, on_answer, fact, NULL);
        if (fact->call) {
            open++;
            continue;
        }
        fact->state = KNOWN;
        loop_set_timer(facts->failed, 0);
    }
}

void facts_forget(struct facts *facts)
{
    for (struct fact *fact = facts->first; fact; fact = fact->next)
        fact->old = fact->state == KNOWN;
}

static struct fact *find(struct facts *facts, const char *path, const json_t *body)
{
    struct fact *fact = facts->first;

    while (fact &&
           (strcmp(fact->path, path) != 0 || !(fact->body ? json_equal(fact->body, body) : !body)))
        fact = fact->next;
    if (fact && fact->old) {
        fact->old = false;
        fact->state = WAITS;
        ask_on(facts);
    }
    return fact;
}

/* Takes @path and @body. */
static const struct fact *ask(struct facts *facts, char *path, json_t *body)
{
    struct fact *fact = path ? find(facts, path, body) : NULL;

    if (fact || !path || !(fact = calloc(1, sizeof(*fact)))) {
        free(path);
        json_decref(body);
        return fact;
    }
    *fact = (struct fact){.facts = facts, .path = path, .body = body};
    *facts->end = fact;
    facts->end = &fact->next;
    ask_on(facts);
    return fact;
}

const struct fact *facts_right(struct facts *facts, const char *namespace,
                               const struct kube_right *right)
{
    json_t *review = kube_access_review(namespace, right);

    return review ? ask(facts, strdup(REVIEWS), review) : NULL;
}

static const struct fact *ask_for_object(struct facts *facts, const char *path, const char *name)
{
    cleanup_free char *escaped = kube_escape(name);

    return ask(facts, escaped ? text_format("%s%s", path, escaped) : NULL, NULL);
}

const struct fact *facts_namespace(struct facts *facts, const char *name)
{
    return ask_for_object(facts, "/api/v1/namespaces/", name);
}

const struct fact *facts_node(struct facts *facts, const char *name)
{
    return ask_for_object(facts, "/api/v1/nodes/", name);
}

const struct fact *facts_servers(struct facts *facts)
{
    return ask(facts, strdup(SERVERS), NULL);
}

enum kube_access fact_access(const struct fact *fact)
{
    return kube_access_read(fact ? fact->answer : NULL);
}

json_t *fact_object(const struct fact *fact)
{
    return fact ? fact->answer : NULL;
}
