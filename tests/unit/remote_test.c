/* SPDX-License-Identifier: Apache-2.0 */
/* A filter that is changed from outside, while targets come. */
#include "tests/unit/unit.h"

#include "capture/member.h"
#include "capture/recorder.h"
#include "capture/remote.h"
#include "method/facts.h"
#include "target/target.h"
#include "tests/unit/server.h"

#define NAMED    "host web.shop.svc"
#define RESOLVED "host 10.96.0.7"

/* Whose members, and who may come to them. */
struct fixture {
    struct server server;
    struct capture_remote remote;
    struct settings settings;
    struct recorder recorder;
    struct member **members;
    size_t count;
    struct target target;
    unsigned filtered;
    bool failed;
};

static const char *answer(const char *request, int mode)
{
    (void)mode;
    if (strstr(request, "/services/web"))
        return "200 OK\r\n\r\n{\"spec\":{\"clusterIP\":\"10.96.0.7\"}}";
    return "200 OK\r\n\r\n{\"items\":[]}";
}

static void on_filtered(void *data, const char *text, const struct error *err)
{
    struct fixture *fixture = data;

    (void)text;
    fixture->filtered++;
    fixture->failed = err != NULL;
}

/* One more, as capture/members.c adds it: with the filter of now, and the others may move. */
static void add_member(void *data)
{
    struct fixture *fixture = data;
    struct member **members = calloc(fixture->count + 1, sizeof(struct member *));

    assert_non_null(members);
    for (size_t i = 0; i < fixture->count; i++)
        members[i] = fixture->members[i];
    members[fixture->count] = calloc(1, sizeof(struct member));
    assert_non_null(members[fixture->count]);
    members[fixture->count]->settings = fixture->settings;
    members[fixture->count]->target = &fixture->target;
    free(fixture->members);
    fixture->members = members;
    fixture->count++;
}

static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){.settings = {.namespace = "shop", .snaplen = 262144},
                                .target = {.label = "pod \"web\""}};
    server_start(&fixture->server, answer);
    fixture->remote = (struct capture_remote){.filtered = on_filtered, .data = fixture};
}

static void refilter(struct fixture *fixture, const char *wanted)
{
    fixture->remote.filter = strdup(wanted);
    remote_refilter(&fixture->remote, fixture->server.client, &fixture->settings, &fixture->members,
                    &fixture->count, &fixture->recorder);
}

static void end(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->count; i++) {
        filter_free(&fixture->members[i]->filter);
        free(fixture->members[i]->filter_text);
        free(fixture->members[i]);
    }
    free(fixture->members);
    free(fixture->recorder.notice);
    remote_free(&fixture->remote);
    server_stop(&fixture->server);
}

/* While the cluster is asked for a name of the filter. */
static void test_who_comes_meanwhile_has_the_new_filter_too(void **state)
{
    struct fixture fixture;

    (void)state;
    begin(&fixture);
    add_member(&fixture);
    refilter(&fixture, "udp port 4030");
    struct loop_timer *timer = loop_add_timer(fixture.server.loop, 0, add_member, &fixture);
    refilter(&fixture, NAMED);
    loop_remove_timer(timer);
    server_step_until(&fixture.server, &fixture.filtered, 2);
    assert_int_equal(server_asked(&fixture.server, "GET /api/v1/namespaces/shop/services/web"), 1);
    assert_false(fixture.failed);
    assert_int_equal(fixture.count, 2);
    for (size_t i = 0; i < fixture.count; i++) {
        assert_string_equal(fixture.members[i]->settings.filter_text, RESOLVED);
        assert_ptr_equal(fixture.members[i]->settings.filter.program,
                         fixture.remote.compiled.program);
    }
    end(&fixture);
}

/* Joined with what keeps the own stream out it is too long. */
static void test_one_that_cannot_be_joined_leaves_no_other_behind(void **state)
{
    struct fixture fixture;
    char longest[16384 + 1];

    (void)state;
    begin(&fixture);
    add_member(&fixture);
    struct member *member = fixture.members[0];
    member->facts = facts_new(fixture.server.client);
    member->filter_text = strdup("not tcp port 10250");
    refilter(&fixture, "udp port 4030");
    assert_non_null(strstr(member->settings.filter_text, "(udp port 4030) and not"));
    snprintf(longest, sizeof(longest), "%-*s", (int)sizeof(longest) - 1, "udp port 4031");
    refilter(&fixture, longest);
    assert_false(fixture.failed);
    assert_non_null(strstr(member->settings.filter_text, "(udp port 4030) and not"));
    assert_ptr_equal(member->settings.asked_filter, fixture.remote.text);
    assert_string_equal(member->settings.asked_filter, longest);
    facts_free(member->facts);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_comes_meanwhile_has_the_new_filter_too),
        cmocka_unit_test(test_one_that_cannot_be_joined_leaves_no_other_behind),
    };

    return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
