/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets which helper, how many are made, and when they go; against a server that notes what it
 * is asked. What a helper is for real, the tests of the node method show. */
#include "tests/unit/unit.h"
#include "tests/unit/server.h"

#include "base/error.h"
#include "common/agent.h"
#include "method/agent_binary.h"
#include "method/helper.h"
#include "method/helper_pod.h"
#include "method/helper_pods.h"
#include "settings/settings.h"
#include "target/target.h"

#define PODS        "/api/v1/namespaces/lab/pods"
#define CONFIG_MAPS "/api/v1/namespaces/lab/configmaps"

/* What becomes of the pods that it is asked for. */
enum { RUNNING, GONE, ENDED, AGED, STARTING, FORBIDDEN, NO_ENTRY, NO_INTERFACE };

#define POD(spec, phase, state)                                                                    \
    "200 OK\r\n\r\n{\"metadata\":{\"name\":\"ksniff-1\",\"namespace\":\"lab\"},\"spec\":{" spec    \
    "\"nodeName\":\"node1\",\"containers\":[{\"name\":\"ksniff\",\"image\":\"pause\"}]},"          \
    "\"status\":{\"phase\":\"" phase "\",\"containerStatuses\":[{\"name\":\"ksniff\","             \
    "\"state\":{" state "}}]}}"

/* One whose recorder has ended so, and is about to be started again. */
#define WORK_POD(code, says)                                                                       \
    POD("", "Running",                                                                             \
        "\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},\"lastState\":{\"terminated\":{"           \
        "\"reason\":"                                                                              \
        "\"Error\",\"exitCode\":" code ",\"message\":\"" says "\"}")

static const char *answer(const char *request, int mode)
{
    static const char *const pods[] = {
        [RUNNING] = POD("", "Running", "\"running\":{}"),
        [GONE] = "404 Not Found\r\n\r\n{\"kind\":\"Status\",\"reason\":\"NotFound\","
                 "\"message\":\"pods not found\",\"code\":404}",
        [ENDED] = POD("", "Succeeded", "\"terminated\":{\"reason\":\"Completed\"}"),
        [AGED] = POD("\"activeDeadlineSeconds\":1,", "Running", "\"running\":{}"),
        [STARTING] = POD("", "Pending", "\"waiting\":{\"reason\":\"ContainerCreating\"}"),
        [NO_ENTRY] = WORK_POD("73", "AppArmor\\nsays no"),
        [NO_INTERFACE] = WORK_POD("66", "there is no eth7"),
        [FORBIDDEN] = "403 Forbidden\r\n\r\n{\"kind\":\"Status\",\"reason\":\"Forbidden\","
                      "\"message\":\"pods is forbidden: no\",\"code\":403}",
    };

    if (strncmp(request, "GET", 3) == 0)
        return pods[mode];
    if (mode == FORBIDDEN && strstr(request, "POST " PODS " "))
        return pods[mode];
    return "201 Created\r\n\r\n{\"metadata\":{\"name\":\"ksniff-1\",\"uid\":\"1-2-3\"}}";
}

/* ---- users ---- */

struct user {
    struct helper_user user;
    unsigned ready, failed, ends;
};

static unsigned told; /* all words to all users */

static void on_ready(void *data)
{
    struct user *user = data;

    user->ready++;
    told++;
}

static void on_waits(void *data, const char *why)
{
    (void)data;
    assert_string_equal(why, "ContainerCreating");
}

static void on_failed(void *data, enum helper_failure how, const struct error *err)
{
    struct user *user = data;

    assert_int_equal(how, HELPER_FAILED);
    assert_int_equal(err->kind, ERROR_FORBIDDEN);
    user->failed++;
    told++;
}

static void on_ends(void *data, const char *why)
{
    struct user *user = data;

    assert_non_null(strstr(why, "as old as it may be"));
    user->ends++;
    told++;
}

static const struct helper_user_events events = {
    .ready = on_ready, .waits = on_waits, .failed = on_failed, .ends = on_ends};

/* ---- users whose helpers work for them ---- */

static size_t works;
static char failure[ERROR_TEXT_MAX];

static const struct agent_binary *find_program(const char *machine)
{
    static const struct agent_binary program = {"amd64", (const unsigned char *)"x", 1};

    (void)machine;
    return &program;
}

static const struct helper_work *on_work(void *data, struct error *err)
{
    static struct helper_work work = {
        .program = "worker", .find = find_program, .directory = "/ring", .size = 1, .seconds = 77};
    const struct user *user = data;

    (void)err;
    if (!work.arguments) {
        work.arguments = json_pack("[s]", "record");
        work.labels = work.annotations = json_object();
    }
    works++;
    assert_int_equal(user->user.ring, AGENT_RING_DEFAULT);
    return &work;
}

static void on_work_failed(void *data, enum helper_failure how, const struct error *err)
{
    struct user *user = data;

    assert_int_equal(how, HELPER_FAILED);
    snprintf(failure, sizeof(failure), "%s", err->text);
    user->failed++;
    told++;
}

static void on_work_waits(void *data, const char *why)
{
    (void)data;
    (void)why;
}

static const struct helper_user_events work_events = {.ready = on_ready,
                                                      .waits = on_work_waits,
                                                      .failed = on_work_failed,
                                                      .ends = on_ends,
                                                      .work = on_work};

#define USERS 4

struct run {
    struct server server;
    struct helper_pods *pods;
    struct target target;
    struct user users[USERS];
};

static const struct settings settings = {.namespace = "lab", .image = "pause"};

static void run_start(struct run *run, int mode, size_t expected, size_t room)
{
    *run = (struct run){
        .target = {.namespace = "", .name = "node1", .node_name = "node1", .host_network = true}};
    server_start(&run->server, answer);
    *run->server.mode = mode;
    run->pods = helper_pods_new(run->server.client, &settings, room);
    assert_non_null(run->pods);
    for (size_t i = 0; i < expected; i++)
        helper_pods_expect(run->pods, &run->target);
    told = 0;
}

static void join(struct run *run, size_t number, const struct target *target)
{
    struct user *user = &run->users[number];
    struct error err;

    user->user.events = user->user.alone ? &work_events : &events;
    user->user.data = user;
    assert_int_equal(helper_pods_join(run->pods, &user->user, target, &err), 0);
}

static void join_all(struct run *run, size_t count)
{
    for (size_t i = 0; i < count; i++)
        join(run, i, &run->target);
    server_step_until(&run->server, &told, (unsigned)count);
}

static size_t count_deleted(struct run *run)
{
    helper_pods_settle(run->pods);
    return server_asked(&run->server, "DELETE " PODS "/ksniff-");
}

static void run_stop(struct run *run)
{
    for (size_t i = 0; i < USERS; i++)
        helper_user_leave(&run->users[i].user);
    helper_pods_free(run->pods);
    server_stop(&run->server);
}

/* ---- tests ---- */

static void test_one_for_all(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 3, 0);
    join_all(&run, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run.users[i].ready, 1);
        assert_ptr_equal(run.users[i].user.pod, run.users[0].user.pod);
        assert_int_equal(run.users[i].user.ring, AGENT_RING_DEFAULT);
    }
    helper_user_leave(&run.users[0].user);
    helper_user_leave(&run.users[1].user);
    helper_user_leave(&run.users[1].user);
    /* Three requests that make it, and one that sees it run: none more for each user. */
    assert_int_equal(server_asked(&run.server, ""), 4);
    helper_user_leave(&run.users[2].user);
    assert_int_equal(count_deleted(&run), 1);
    run_stop(&run);
}

/* One that comes while it starts, and one that comes when it runs. */
static void test_who_comes_later(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, STARTING, 3, 0);
    join(&run, 0, &run.target);
    for (int i = 0; i < 300 && server_asked(&run.server, "GET " PODS) == 0; i++)
        loop_step(run.server.loop, 20);
    join(&run, 1, &run.target);
    *run.server.mode = RUNNING;
    server_step_until(&run.server, &told, 2);
    join(&run, 2, &run.target);
    server_step_until(&run.server, &told, 3);
    assert_int_equal(server_asked(&run.server, "POST"), 0);
    assert_ptr_equal(run.users[2].user.pod, run.users[0].user.pod);
    run_stop(&run);
}

static void test_what_makes_them_differ(void **state)
{
    struct target targets[4];
    struct kube_pod pods[4];
    struct kube_container container = {.name = "app", .id = ""};
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 0, 9);
    for (size_t i = 0; i < 4; i++) {
        pods[i] = (struct kube_pod){.json = json_object(), .namespace = i == 1 ? "shop" : "lab"};
        targets[i] = (struct target){.namespace = pods[i].namespace,
                                     .name = "web",
                                     .pod = &pods[i],
                                     .container = &container,
                                     .host_network = i == 2,
                                     .node_name = i == 3 ? "node2" : "node1"};
        join(&run, i, &targets[i]);
    }
    server_step_until(&run.server, &told, 4);
    assert_int_equal(server_asked(&run.server, "POST"), 8);
    run_stop(&run);
    for (size_t i = 0; i < 4; i++)
        json_decref(pods[i].json);
}

/* Whose agent runs is not cut because another's may not get in. */
static void test_more_privilege(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 3, 0);
    join_all(&run, 3);
    struct helper_pod *first = run.users[0].user.pod;
    server_asked(&run.server, "");

    assert_true(helper_user_may_have_more(&run.users[2].user));
    helper_user_needs_more(&run.users[2].user, "AppArmor");
    server_step_until(&run.server, &told, 4);
    struct helper_pod *second = run.users[2].user.pod;
    assert_ptr_not_equal(second, first);
    assert_ptr_equal(run.users[0].user.pod, first);
    assert_int_equal(run.users[0].ready + run.users[0].ends, 1);
    assert_int_equal(count_deleted(&run), 0);

    helper_user_needs_more(&run.users[1].user, "AppArmor");
    server_step_until(&run.server, &told, 5);
    assert_ptr_equal(run.users[1].user.pod, second);
    assert_int_equal(server_asked(&run.server, "POST"), 0);

    helper_user_leave(&run.users[0].user); /* the last of the first */
    assert_int_equal(count_deleted(&run), 1);
    helper_user_leave(&run.users[1].user);
    assert_int_equal(count_deleted(&run), 0);

    helper_user_needs_more(&run.users[2].user, "AppArmor");
    server_step_until(&run.server, &told, 6);
    assert_false(helper_user_may_have_more(&run.users[2].user));
    run_stop(&run);
}

/* Whoever had it made has left before it ran; the next gets it all the same. */
static void test_nobody_waits_for_a_while(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 3, 0);
    join_all(&run, 2);
    *run.server.mode = STARTING;
    helper_user_needs_more(&run.users[0].user, "AppArmor");
    helper_user_leave(&run.users[0].user);
    for (int i = 0; i < 30; i++) /* until it is not looked at any more */
        loop_step(run.server.loop, 20);
    *run.server.mode = RUNNING;
    join(&run, 2, &run.target);
    server_step_until(&run.server, &told, 3);
    assert_ptr_not_equal(run.users[2].user.pod, run.users[1].user.pod);
    run_stop(&run);
}

/* There is no image without one: the same helper, and all agents run despite the shell. */
static void test_shell(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 2, 0);
    join_all(&run, 2);
    struct helper_pod *first = run.users[0].user.pod;
    assert_false(run.users[0].user.despite_shell);
    for (unsigned i = 0; i < 2; i++) {
        helper_user_saw_shell(&run.users[i].user, "there is /bin/sh");
        server_step_until(&run.server, &told, 3 + i);
        assert_true(run.users[i].user.despite_shell);
        assert_ptr_equal(run.users[i].user.pod, first);
    }
    assert_int_equal(server_asked(&run.server, "POST " PODS), 1);
    run_stop(&run);
}

/* Each has a helper of its own, which stays when its user parts from it. */
static void test_helpers_that_work(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 0, 0);
    run.users[0].user.alone = run.users[1].user.alone = 2;
    works = 0;
    join_all(&run, 3);
    assert_int_equal(works, 2);
    assert_ptr_not_equal(run.users[0].user.pod, run.users[1].user.pod);
    assert_ptr_not_equal(run.users[2].user.pod, run.users[1].user.pod);
    assert_int_equal(server_asked(&run.server, "POST " PODS), 3);
    helper_user_part(&run.users[0].user);
    helper_user_part(&run.users[0].user);
    assert_int_equal(count_deleted(&run), 0);
    helper_user_leave(&run.users[1].user);
    assert_int_equal(count_deleted(&run), 1);
    run_stop(&run);
}

/* It cannot get in: with more privilege, until there is none. */
static void test_work_needs_more_privilege(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, NO_ENTRY, 0, 0);
    run.users[0].user.alone = 1;
    works = 0;
    join(&run, 0, &run.target);
    server_step_until(&run.server, &told, 1);
    assert_int_equal(works, 3);
    assert_int_equal(run.users[0].failed, 1);
    assert_string_equal(failure, "the helper pod on node \"node1\" cannot do its work: AppArmor");
    assert_int_equal(count_deleted(&run), 3);
    run_stop(&run);
}

static void test_work_that_cannot_be_done(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, NO_INTERFACE, 0, 0);
    run.users[0].user.alone = 1;
    works = 0;
    join(&run, 0, &run.target);
    server_step_until(&run.server, &told, 1);
    assert_int_equal(works, 1);
    assert_string_equal(failure,
                        "the helper pod on node \"node1\" cannot do its work: there is no eth7");
    run_stop(&run);
}

/* An evicted helper, or a node that was deleted: one makes the new helper, all go on in it. */
static void test_gone(void **state)
{
    static const int modes[] = {GONE, ENDED};
    struct run run;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        run_start(&run, RUNNING, 3, 0);
        join_all(&run, 3);
        server_asked(&run.server, "");
        *run.server.mode = modes[i];
        helper_user_wait(&run.users[0].user, true);
        helper_user_wait(&run.users[1].user, true);
        for (int k = 0; k < 300 && server_asked(&run.server, "POST " PODS) == 0; k++)
            loop_step(run.server.loop, 20);
        *run.server.mode = RUNNING;
        server_step_until(&run.server, &told, 5);
        helper_user_wait(&run.users[2].user, true); /* it has noticed late */
        server_step_until(&run.server, &told, 6);
        assert_ptr_equal(run.users[0].user.pod, run.users[1].user.pod);
        assert_ptr_equal(run.users[0].user.pod, run.users[2].user.pod);
        assert_int_equal(server_asked(&run.server, "POST"), 0);
        run_stop(&run);
    }
}

/* A cut of one user's stream alone is none of the others' affair. */
static void test_cut(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 2, 0);
    join_all(&run, 2);
    server_asked(&run.server, "");
    helper_user_wait(&run.users[0].user, true);
    server_step_until(&run.server, &told, 3);
    assert_int_equal(run.users[1].ready, 1);
    assert_int_equal(server_asked(&run.server, ""), 1); /* is it there still? */
    run_stop(&run);
}

static void test_aged(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, AGED, 2, 0);
    join_all(&run, 2);
    *run.server.mode = RUNNING;
    server_step_until(&run.server, &told, 4);
    assert_int_equal(run.users[0].ends, 1);
    assert_int_equal(run.users[1].ends, 1);
    helper_user_wait(&run.users[0].user, true);
    server_step_until(&run.server, &told, 5);
    assert_ptr_not_equal(run.users[0].user.pod, run.users[1].user.pod);
    assert_int_equal(count_deleted(&run), 0); /* another still ends in it */
    helper_user_wait(&run.users[1].user, true);
    server_step_until(&run.server, &told, 6);
    assert_int_equal(count_deleted(&run), 1);
    assert_ptr_equal(run.users[0].user.pod, run.users[1].user.pod);
    run_stop(&run);
}

/* More than it was made for. */
static void test_full(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 2, 1);
    join(&run, 0, &run.target);
    helper_pods_expect(run.pods, &run.target); /* too late: it is made already */
    for (size_t i = 1; i < 4; i++)
        join(&run, i, &run.target);
    server_step_until(&run.server, &told, 4);
    assert_ptr_equal(run.users[0].user.pod, run.users[2].user.pod);
    assert_ptr_not_equal(run.users[0].user.pod, run.users[3].user.pod);
    assert_int_equal(server_asked(&run.server, "POST " PODS), 2);
    run_stop(&run);
}

static void test_rings_of_many(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 16, 0);
    join_all(&run, 1);
    assert_int_equal(run.users[0].user.ring, 16u << 20);
    run_stop(&run);
    run_start(&run, RUNNING, 1, 999);
    join_all(&run, 1);
    assert_int_equal(run.users[0].user.ring, 4u << 20);
    run_stop(&run);
}

static void test_refused(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, FORBIDDEN, 2, 0);
    join_all(&run, 2);
    assert_int_equal(run.users[0].failed, 1);
    assert_int_equal(run.users[1].failed, 1);
    helper_pods_settle(run.pods);
    assert_int_equal(server_asked(&run.server, "DELETE " CONFIG_MAPS "/ksniff-"), 1);
    run_stop(&run);
}

/* What is on its way to be made is removed when it is there. */
static void test_left_while_it_is_made(void **state)
{
    struct run run;

    (void)state;
    run_start(&run, RUNNING, 2, 0);
    join(&run, 0, &run.target);
    helper_user_leave(&run.users[0].user);
    helper_pods_settle(run.pods);
    assert_int_equal(server_asked(&run.server, "DELETE " CONFIG_MAPS "/ksniff-"), 1);
    assert_int_equal(told, 0);
    run_stop(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_for_all),
        cmocka_unit_test(test_who_comes_later),
        cmocka_unit_test(test_what_makes_them_differ),
        cmocka_unit_test(test_more_privilege),
        cmocka_unit_test(test_nobody_waits_for_a_while),
        cmocka_unit_test(test_shell),
        cmocka_unit_test(test_helpers_that_work),
        cmocka_unit_test(test_work_needs_more_privilege),
        cmocka_unit_test(test_work_that_cannot_be_done),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_aged),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_rings_of_many),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_left_while_it_is_made),
    };

    return cmocka_run_group_tests_name("helper_pods", tests, NULL, NULL);
}
