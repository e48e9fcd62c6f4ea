/* SPDX-License-Identifier: Apache-2.0 */
#include "target/again.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define FIRST_MS   1000   /* the first wait */
#define REFUSED_MS 30000  /* the first after a refusal */
#define MOST_MS    300000 /* waits double up to this */
#define SHARE      8      /* a change ends a wait, but no less than this share of it has passed, */
#define SOON_MS    10000  /* or this long: who changes all the time is not tried all the time */

struct again_pod {
    struct again_pod *next;
    char uid[64];
    char version[64]; /* of the try that failed */
    bool waits;       /* else it is being tried */
    bool refused;     /* a change does not help */
    uint64_t soonest; /* loop_now() from which on a change brings the next try */
    uint64_t due;     /* and from which on it needs none */
    uint64_t pause;   /* milliseconds, the last */
    json_t *told;     /* reasons that are known; owned */
};

static void release(struct again_pod *pod)
{
    json_decref(pod->told);
    free(pod);
}

void again_free(struct again *again)
{
    while (again->pods) {
        struct again_pod *pod = again->pods;

        again->pods = pod->next;
        release(pod);
    }
}

/* Return: NULL where it has not failed. */
static struct again_pod *find(const struct again *again, const char *uid)
{
    for (struct again_pod *pod = again->pods; pod; pod = pod->next)
        if (strncmp(pod->uid, uid, sizeof(pod->uid) - 1) == 0)
            return pod;
    return NULL;
}

static struct again_pod *add(struct again *again, const char *uid)
{
    struct again_pod *pod = calloc(1, sizeof(*pod));

    if (!pod)
        return NULL;
    snprintf(pod->uid, sizeof(pod->uid), "%s", uid);
    pod->told = json_object();
    pod->next = again->pods;
    again->pods = pod;
    return pod;
}

static uint64_t next_pause(const struct again_pod *pod)
{
    uint64_t least = pod->refused ? REFUSED_MS : FIRST_MS;
    uint64_t pause = 2 * pod->pause > least ? 2 * pod->pause : least;

    return pause < MOST_MS ? pause : MOST_MS;
}

/* Return: milliseconds for which no change helps. */
static uint64_t least_pause(const struct again_pod *pod)
{
    uint64_t share = pod->pause / SHARE;

    return share < FIRST_MS ? FIRST_MS : share < SOON_MS ? share : SOON_MS;
}

bool again_failed(struct again *again, const char *uid, const char *version,
                  const struct error *why, uint64_t now)
{
    struct again_pod *pod = find(again, uid);

    if (!pod && !(pod = add(again, uid)))
        return true;
    snprintf(pod->version, sizeof(pod->version), "%s", version);
    pod->refused = error_is_refusal(why);
    pod->pause = next_pause(pod);
    pod->soonest = now + least_pause(pod);
    pod->due = now + pod->pause;
    pod->waits = true;
    if (json_object_get(pod->told, why->text))
        return false;
    json_object_set_new(pod->told, why->text, json_true());
    return true;
}

bool again_knows(const struct again *again, const char *uid)
{
    return find(again, uid) != NULL;
}

bool again_is_due(const struct again *again, const char *uid, const char *version, uint64_t now)
{
    const struct again_pod *pod = find(again, uid);

    if (!pod || !pod->waits)
        return false;
    return now >= pod->due ||
           (!pod->refused && now >= pod->soonest && strcmp(pod->version, version) != 0);
}

void again_tried(struct again *again, const char *uid)
{
    struct again_pod *pod = find(again, uid);

    if (pod)
        pod->waits = false;
}

uint64_t again_wait(const struct again *again, uint64_t now)
{
    uint64_t first = UINT64_MAX;

    for (const struct again_pod *pod = again->pods; pod; pod = pod->next) {
        /* A change that came too early is looked at once it no longer is. */
        uint64_t at = !pod->refused && pod->soonest > now ? pod->soonest : pod->due;

        /* One that is due, and not tried, is not there to be captured: its change brings it. */
        if (pod->waits && at > now && at - now < first)
            first = at - now;
    }
    return first;
}

void again_forget_if(struct again *again, bool (*gone)(void *data, const char *uid), void *data)
{
    struct again_pod **at = &again->pods;

    while (*at) {
        struct again_pod *pod = *at;

        if (!gone(data, pod->uid)) {
            at = &pod->next;
            continue;
        }
        *at = pod->next;
        release(pod);
    }
}
