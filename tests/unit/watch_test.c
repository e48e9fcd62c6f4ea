/* SPDX-License-Identifier: Apache-2.0 */
/* A list and its watch, against a server in the same loop that answers as it is told; its words are
 * those of a real one (tests/data/kubernetes-api) where they matter. */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"
#include "kube/client.h"
#include "kube/watch.h"
#include "kube/watch_events.h"

/* ---- recordings ---- */

static char *recording(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/kubernetes-api/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("no recording %s", path);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* The events of a recording as they were on the wire: one a line. */
static char *recorded_events(const char *name)
{
    char *text = recording(name), *lines = calloc(1, 1 << 20);
    const char *at = strstr(text, "<\n{");

    assert_non_null(at);
    for (at += 2; *at;) {
        json_error_t error;
        json_t *event = json_loads(at, JSON_DISABLE_EOF_CHECK, &error);

        assert_non_null(event);
        char *line = json_dumps(event, JSON_COMPACT);
        strcat(strcat(lines, line), "\n");
        free(line);
        json_decref(event);
        for (at += error.position; *at == '\n';)
            at++;
    }
    free(text);
    return lines;
}

/* ---- the events alone ---- */

/* Appends what stands in the buffer: "object 1750 uid\n". */
static void note_events(struct kube_events *events, struct buf *notes)
{
    static const char *const names[] = {"more", "object", "gone", "bookmark", "failed"};
    enum kube_event kind;

    do {
        json_t *object = NULL;
        struct error err = {0};

        kind = kube_events_next(events, &object, &err);
        if (kind == KUBE_EVENT_FAILED)
            buf_printf(notes, "%s\n", err.text);
        else if (kind != KUBE_EVENT_MORE)
            buf_printf(notes, "%s %s %.8s\n", names[kind], kube_version(object),
                       kube_uid(object) ? kube_uid(object) : "-");
        json_decref(object);
    } while (kind != KUBE_EVENT_MORE && kind != KUBE_EVENT_FAILED);
}

/* What a text is read as, fed in pieces. */
static char *notes_of(const char *text, size_t length, size_t piece)
{
    struct kube_events events;
    struct buf notes;

    kube_events_init(&events, 1 << 20);
    buf_init(&notes, 1 << 16);
    for (size_t at = 0; at < length; at += piece) {
        assert_true(
            buf_append(&events.bytes, text + at, length - at < piece ? length - at : piece));
        note_events(&events, &notes);
    }
    char *result = strdup(buf_string(&notes));
    buf_free(&notes);
    kube_events_free(&events);
    return result;
}

static void test_recorded_events(void **state)
{
    char *text = recorded_events("pods-watch.http");
    char *notes = notes_of(text, strlen(text), strlen(text));

    (void)state;
    assert_string_equal(notes, "bookmark 1748 -\n"
                               "object 1750 fc327d91\n"
                               "object 1751 fc327d91\n"
                               "object 1753 fc327d91\n"
                               "bookmark 1753 -\n"
                               "object 1757 fc327d91\n"
                               "object 1761 fc327d91\n"
                               "object 1765 fc327d91\n"
                               "object 1767 fc327d91\n"
                               "bookmark 1767 -\n"
                               "bookmark 1767 -\n"
                               "object 1768 fc327d91\n"
                               "object 1769 fc327d91\n"
                               "gone 1770 fc327d91\n");
    free(notes);
    free(text);
}

/* Byte by byte they are cut at every place. */
static void test_cut_events(void **state)
{
    static const char *const names[] = {"pods-watch.http", "pods-watch-scale.http",
                                        "watch-expired.http"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *text = recorded_events(names[i]);
        char *whole = notes_of(text, strlen(text), strlen(text));
        char *cut = notes_of(text, strlen(text), 1);

        assert_string_equal(cut, whole);
        free(whole);
        free(cut);
        free(text);
    }
}

static void test_other_events(void **state)
{
    static const struct {
        const char *text, *notes;
    } cases[] = {
        {"", ""},
        {"\n \r\n", ""},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"5\"}}}", ""},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"5\"}}}\r\n",
         "object 5 -\n"},
        {"{\"type\":\"LATER\",\"object\":{\"metadata\":{\"resourceVersion\":\"5\"}}}\n"
         "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"resourceVersion\":\"6\",\"uid\":5}}}\n",
         "gone 6 -\n"},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":5}}}\n",
         "the watch has an event without type or version\n"},
        {"{\"kind\":\"PodList\",\"items\":[]}\n",
         "the watch has an event without type or version\n"},
        {"[]\n", "the watch is answered with something else than events\n"},
        {"<html>\n", "the watch is answered with something else than events\n"},
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"annotations\":{\"a\":\"\\u0000\"},"
         "\"resourceVersion\":\"5\"}}}\n",
         "object 5 -\n"},
        {"\"\x1b[31m\"\n", "the watch is answered with something else than events\n"},
        {"{\"type\":\"ERROR\",\"object\":null}\n",
         "the watch has failed: the server does not say why\n"},
        {"{\"type\":\"ERROR\",\"object\":{\"message\":\"\x1b]0;\"}}\n",
         "the watch is answered with something else than events\n"},
        {"{\"type\":\"ERROR\",\"object\":{\"message\":\"a\\u001bb\"}}\n",
         "the watch has failed: a\\x1bb\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *notes = notes_of(cases[i].text, strlen(cases[i].text), 64);

        if (strcmp(notes, cases[i].notes) != 0)
            fail_msg("%s: %s", cases[i].text, notes);
        free(notes);
    }
}

static void test_expired_event(void **state)
{
    struct kube_events events;
    json_t *object = NULL;
    struct error err = {0};
    char *text = recorded_events("watch-expired.http");

    (void)state;
    kube_events_init(&events, 1 << 20);
    assert_true(buf_append(&events.bytes, text, strlen(text)));
    assert_int_equal(kube_events_next(&events, &object, &err), KUBE_EVENT_FAILED);
    assert_int_equal(err.kind, ERROR_EXPIRED);
    assert_string_equal(err.text, "the watch has failed: too old resource version: 1 (530)");
    kube_events_free(&events);
    free(text);
}

/* ---- a server ---- */

enum ending { WHOLE, CUT, OPEN };

/* One request and its answer. */
struct step {
    const char *wanted[4]; /* what stands in the request's first line, or does not ("!...") */
    const char *status;    /* NULL: 200 OK */
    const char *body;
    enum ending ending;
};

#define CONNECTIONS 32

/* What happens, in words, in the order in which it does. */
struct scene {
    struct loop *loop;
    struct kube_client *client;
    struct kube_config config;
    char server[64];
    int listener;
    struct loop_fd *watches[CONNECTIONS];
    int fds[CONNECTIONS];
    size_t connections;
    const struct step *steps;
    size_t count, done;

    struct kube_watch *watch;
    struct buf notes;
    const char *free_at; /* the note at which the watch is freed */
};

static void answer(int fd, const struct step *step)
{
    struct buf out;
    const char *body = step->body ? step->body : "";

    buf_init(&out, 1 << 20);
    buf_printf(&out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n",
               step->status ? step->status : "200 OK");
    if (step->ending == WHOLE)
        buf_printf(&out, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    else
        buf_printf(&out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n", strlen(body), body);
    assert_int_equal(write(fd, buf_bytes(&out), out.length), out.length);
    buf_free(&out);
}

static void check_request(const struct step *step, const char *request)
{
    for (size_t i = 0; i < 4 && step->wanted[i]; i++) {
        const char *wanted = step->wanted[i];
        bool absent = wanted[0] == '!';

        if ((strstr(request, wanted + absent) == NULL) != absent)
            fail_msg("wanted %s: %s", wanted, request);
    }
}

static void on_request(void *data, int fd, short revents)
{
    struct scene *scene = data;
    char request[4096];
    ssize_t got = read(fd, request, sizeof(request) - 1);
    size_t at = 0;

    (void)revents;
    while (scene->fds[at] != fd)
        at++;
    if (got <= 0) {
        loop_remove_fd(scene->watches[at]);
        close(fd);
        scene->fds[at] = -1;
        return;
    }
    request[got] = '\0';
    assert_non_null(strstr(request, "\r\n\r\n"));
    *strchr(request, '\r') = '\0';
    if (scene->done == scene->count)
        fail_msg("one request too many: %s", request);
    const struct step *step = &scene->steps[scene->done++];
    check_request(step, request);
    answer(fd, step);
    if (step->ending == CUT)
        shutdown(fd, SHUT_RDWR);
}

static void on_connection(void *data, int fd, short revents)
{
    struct scene *scene = data;
    const size_t at = scene->connections++;

    (void)revents;
    assert_true(at < CONNECTIONS);
    scene->fds[at] = accept(fd, NULL, NULL);
    assert_true(scene->fds[at] >= 0);
    scene->watches[at] = loop_add_fd(scene->loop, scene->fds[at], POLLIN, on_request, scene);
}

/* ---- what is heard ---- */

static void note(struct scene *scene, const char *what, const char *name)
{
    char line[128];

    snprintf(line, sizeof(line), "%s%s%s\n", what, *name ? " " : "", name);
    assert_true(buf_append(&scene->notes, line, strlen(line)));
    if (scene->free_at && strncmp(line, scene->free_at, strlen(scene->free_at)) == 0) {
        kube_watch_free(scene->watch);
        scene->watch = NULL;
    }
}

static void on_object(void *data, json_t *object)
{
    note(data, "object", kube_uid(object));
}

static void on_gone(void *data, const char *uid)
{
    note(data, "gone", uid);
}

static void on_synced(void *data)
{
    note(data, "synced", "");
}

static void on_failed(void *data, const struct error *err)
{
    note(data, "failed", err->text);
}

static const struct kube_watch_events events = {
    .object = on_object, .gone = on_gone, .synced = on_synced, .failed = on_failed};

static void set_up(struct scene *scene, const struct step *steps, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);

    *scene = (struct scene){.loop = loop_new(NULL), .steps = steps, .count = count};
    buf_init(&scene->notes, 1 << 16);
    scene->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(scene->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(scene->listener, 8), 0);
    getsockname(scene->listener, (struct sockaddr *)&address, &length);
    snprintf(scene->server, sizeof(scene->server), "http://127.0.0.1:%d", ntohs(address.sin_port));
    scene->config.server = scene->server;
    loop_add_fd(scene->loop, scene->listener, POLLIN, on_connection, scene);
    assert_int_equal(kube_client_new(scene->loop, &scene->config, 0, &scene->client, NULL), 0);
}

static void tear_down(struct scene *scene)
{
    kube_watch_free(scene->watch);
    kube_client_free(scene->client);
    for (size_t i = 0; i < scene->connections; i++)
        if (scene->fds[i] >= 0)
            close(scene->fds[i]);
    close(scene->listener);
    loop_free(scene->loop);
    buf_free(&scene->notes);
}

static bool over(const struct scene *scene, const char *notes)
{
    struct scene *at = (struct scene *)(uintptr_t)scene;

    return scene->done == scene->count && strcmp(buf_string(&at->notes), notes) == 0;
}

/* Plays the steps. What is heard is to be @notes, and nothing else for a moment. */
static void play(const struct kube_watch_wanted *wanted, const struct step *steps, size_t count,
                 const char *notes, const char *free_at)
{
    struct scene scene;

    set_up(&scene, steps, count);
    scene.free_at = free_at;
    scene.watch = kube_watch_start(scene.client, wanted, &events, &scene);
    assert_non_null(scene.watch);
    for (uint64_t end = loop_now() + 30000; !over(&scene, notes) && loop_now() < end;)
        loop_step(scene.loop, 100);
    for (uint64_t end = loop_now() + 50; loop_now() < end;)
        loop_step(scene.loop, 10);
    assert_string_equal(buf_string(&scene.notes), notes);
    assert_int_equal(scene.done, count);
    tear_down(&scene);
}

#define PLAY(wanted, steps, notes, free_at)                                                        \
    play(wanted, steps, sizeof(steps) / sizeof((steps)[0]), notes, free_at)

#define ITEM(uid) "{\"metadata\":{\"uid\":\"" uid "\",\"resourceVersion\":\"1\"}}"
#define LIST(version, items)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define PAGE(next, items)                                                                          \
    "{\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"" next "\"},\"items\":[" items "]}"
#define EVENT(type, version, uid)                                                                  \
    "{\"type\":\"" type "\",\"object\":{\"metadata\":{\"uid\":\"" uid                              \
    "\",\"resourceVersion\":\"" version "\"}}}\n"
#define STATUS(code, reason) "{\"kind\":\"Status\",\"message\":\"" reason "\",\"code\":" #code "}"

static const struct kube_watch_wanted pods = {.path = "/api/v1/pods"};

/* ---- whole lives ---- */

static void test_pages_and_selectors(void **state)
{
    const struct kube_watch_wanted wanted = {.path = "/api/v1/namespaces/shop/pods",
                                             .labels = "app in (a,b)",
                                             .fields = "status.phase!=Failed"};
    const struct step steps[] = {
        {{"GET /api/v1/namespaces/shop/pods?labelSelector=app%20in%20%28a%2Cb%29&"
          "fieldSelector=status.phase%21%3DFailed&limit=",
          "!continue", "!watch"},
         .body = PAGE("a/b+c", ITEM("a") "," ITEM("b"))},
        {{"continue=a%2Fb%2Bc", "labelSelector=app", "fieldSelector=status", "!watch"},
         .body = PAGE("last", "")},
        {{"continue=last"}, .body = LIST("70", ITEM("c"))},
        {{"watch=true&allowWatchBookmarks=true", "resourceVersion=70", "labelSelector=app",
          "!limit="},
         .body = EVENT("ADDED", "71", "d"),
         .ending = OPEN},
    };

    (void)state;
    PLAY(&wanted, steps, "object a\nobject b\nobject c\nsynced\nobject d\n", NULL);
}

/* What is gone on with is what was seen last, bookmarks included. */
static void test_cut(void **state)
{
    const struct step steps[] = {
        {{"limit="}, .body = LIST("10", ITEM("a"))},
        {{"resourceVersion=10"}, .body = EVENT("MODIFIED", "11", "a"), .ending = CUT},
        {{"resourceVersion=11"},
         .body = EVENT("DELETED", "12", "a") EVENT("BOOKMARK", "20", ""),
         .ending = WHOLE},
        {{"resourceVersion=20"}, .body = "<html>\n", .ending = OPEN},
        {{"limit=", "!resourceVersion"}, .body = LIST("20", "")},
        {{"resourceVersion=20"}, .body = "half an ev", .ending = CUT},
        {{"resourceVersion=20"}, .status = "500 No", .body = STATUS(500, "etcd")},
        {{"resourceVersion=20"}, .body = EVENT("ADDED", "21", "b"), .ending = OPEN},
    };

    (void)state;
    PLAY(&pods, steps, "object a\nsynced\nobject a\ngone a\nsynced\nobject b\n", NULL);
}

/* The list is read again, and who was there before and is not in it has gone. */
static void test_expired(void **state)
{
    char *expired = recorded_events("watch-expired.http");
    const struct step steps[] = {
        {{"limit="}, .body = LIST("10", ITEM("a") "," ITEM("b"))},
        {{"resourceVersion=10"}, .body = EVENT("ADDED", "11", "c"), .ending = WHOLE},
        {{"resourceVersion=11"}, .body = expired, .ending = OPEN},
        {{"limit=", "!resourceVersion", "!continue"}, .body = LIST("30", ITEM("b") "," ITEM("d"))},
        {{"resourceVersion=30"}, .status = "410 Gone", .body = STATUS(410, "too old")},
        {{"limit=", "!resourceVersion"}, .body = PAGE("next", ITEM("d"))},
        {{"continue=next"}, .status = "410 Gone", .body = STATUS(410, "too old")},
        {{"limit=", "!continue"}, .body = LIST("40", ITEM("d"))},
        {{"resourceVersion=40"}, .body = EVENT("DELETED", "41", "d"), .ending = OPEN},
    };

    (void)state;
    PLAY(&pods, steps,
         "object a\nobject b\nsynced\nobject c\n"
         "object b\nobject d\ngone a\ngone c\nsynced\n"
         "object d\nobject d\ngone b\nsynced\n"
         "gone d\n",
         NULL);
    free(expired);
}

static void test_refused(void **state)
{
    const struct step list[] = {
        {{"limit="}, .status = "403 Forbidden", .body = STATUS(403, "no list")},
    };
    const struct step watch[] = {
        {{"limit="}, .body = LIST("10", ITEM("a"))},
        {{"watch=true"}, .status = "403 Forbidden", .body = STATUS(403, "no watch")},
    };
    const struct step selector[] = {
        {{"limit="}, .status = "400 Bad Request", .body = STATUS(400, "unable to parse")},
    };
    const struct step next_server[] = {
        {{"limit="}, .body = LIST("10", ITEM("a"))},
        {{"watch=true"}, .body = EVENT("MODIFIED", "11", "a"), .ending = WHOLE},
        {{"watch=true"}, .status = "403 Forbidden", .body = STATUS(403, "not read yet")},
        {{"resourceVersion=11"}, .body = EVENT("ADDED", "12", "b"), .ending = OPEN},
    };

    (void)state;
    PLAY(&pods, list, "failed forbidden: no list\n", NULL);
    PLAY(&pods, watch, "object a\nsynced\nfailed forbidden: no watch\n", NULL);
    PLAY(&pods, selector, "failed unable to parse\n", NULL);
    PLAY(&pods, next_server, "object a\nsynced\nobject a\nobject b\n", NULL);
}

static void test_bad_moment(void **state)
{
    const struct kube_watch_wanted once = {.path = "/api/v1/pods", .once = true, .metadata = true};
    const struct step steps[] = {
        {{"limit="}, .status = "503 Later", .body = "no upstream"},
        {{"limit="}, .status = "500 No", .body = STATUS(500, "etcd")},
        {{"limit="}, .body = LIST("10", ITEM("a"))},
    };
    const struct step foreign[] = {
        {{"limit="}, .body = "<html>"},
    };

    (void)state;
    PLAY(&once, steps, "object a\nsynced\n", NULL);
    char line[] = "failed the answer of \"127.0.0.1";
    struct scene scene;

    set_up(&scene, foreign, 1);
    scene.watch = kube_watch_start(scene.client, &once, &events, &scene);
    for (uint64_t end = loop_now() + 30000; !scene.notes.length && loop_now() < end;)
        loop_step(scene.loop, 100);
    assert_memory_equal(buf_string(&scene.notes), line, strlen(line));
    tear_down(&scene);
}

/* A server that lets the list through, but not the objects' identity, makes nothing of it. */
static void test_hostile_objects(void **state)
{
    const struct step steps[] = {
        {{"limit="},
         .body = "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[5,null,[],\"\\u0000\",{},"
                 "{\"metadata\":{\"uid\":{}}}," ITEM("a") "]}"},
        {{"watch=true"},
         .body =
             EVENT("DELETED", "2", "never") EVENT("DELETED", "3", "a") EVENT("DELETED", "4", "a"),
         .ending = OPEN},
    };
    const struct step without_version[] = {
        {{"limit="}, .body = "{\"items\":[" ITEM("a") "]}"},
    };

    (void)state;
    PLAY(&pods, steps, "object a\nsynced\ngone a\n", NULL);
    PLAY(&pods, without_version, "object a\nfailed the list /api/v1/pods? has no version\n", NULL);
}

static void test_list_without_end(void **state)
{
    const struct step same[] = {
        {{"limit="}, .body = PAGE("x", ITEM("a"))},
        {{"continue=x"}, .body = PAGE("x", ITEM("a"))},
    };
    struct step many[18] = {0};
    struct buf pages[18];

    (void)state;
    PLAY(&pods, same, "object a\nobject a\nfailed the list /api/v1/pods? has no end\n", NULL);
    for (size_t i = 0; i < 18; i++) {
        buf_init(&pages[i], 1u << 17);
        buf_printf(&pages[i], "{\"metadata\":{\"continue\":\"%zu\"},\"items\":[0", i);
        for (unsigned items = 0; items < 30000; items++)
            assert_true(buf_append(&pages[i], ",0", 2));
        assert_true(buf_printf(&pages[i], "]}"));
        many[i].body = buf_string(&pages[i]);
    }
    PLAY(&pods, many, "failed the list /api/v1/pods? has no end\n", NULL);
    for (size_t i = 0; i < 18; i++)
        buf_free(&pages[i]);
}

static void test_freed_within(void **state)
{
    char *expired = recorded_events("watch-expired.http");
    const struct step steps[] = {
        {{"limit="}, .body = LIST("10", ITEM("a") "," ITEM("b"))},
        {{"watch"}, .body = EVENT("ADDED", "11", "c") EVENT("DELETED", "12", "b"), .ending = WHOLE},
        {{"watch"}, .body = expired, .ending = WHOLE},
        {{"limit="}, .status = "400 Bad Request", .body = STATUS(400, "no")},
    };

    (void)state;
    play(&pods, steps, 1, "object a\n", "object a");
    play(&pods, steps, 1, "object a\nobject b\nsynced\n", "synced");
    play(&pods, steps, 2, "object a\nobject b\nsynced\nobject c\n", "object c");
    play(&pods, steps, 2, "object a\nobject b\nsynced\nobject c\ngone b\n", "gone b");
    play(&pods, steps, 4, "object a\nobject b\nsynced\nobject c\ngone b\nfailed no\n", "failed");
    free(expired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_events),
        cmocka_unit_test(test_cut_events),
        cmocka_unit_test(test_other_events),
        cmocka_unit_test(test_expired_event),
        cmocka_unit_test(test_pages_and_selectors),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bad_moment),
        cmocka_unit_test(test_hostile_objects),
        cmocka_unit_test(test_list_without_end),
        cmocka_unit_test(test_freed_within),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
