/* SPDX-License-Identifier: Apache-2.0 */
/* The remedies, from the words of real admission plugins. */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "method/admission.h"
#include "settings/settings.h"

#define QUOTA "forbidden: pods \"x\" is forbidden: exceeded quota: none, requested: "
#define SCC                                                                                        \
    "forbidden: pods \"x\" is forbidden: unable to validate against any security context "         \
    "constraint: [provider \"anyuid\": Forbidden: not usable by user or serviceaccount]"

static void test_helper(void **state)
{
    static const struct {
        const char *text, *account, *remedy; /* NULL: none */
    } cases[] = {
        {QUOTA "pods=1, used: pods=0, limited: pods=0", NULL, "the quota counts pods, "},
        {"forbidden: configmaps \"a\" is forbidden: exceeded quota: none, requested: configmaps=1, "
         "used: configmaps=2, limited: configmaps=1",
         NULL, "the quota counts configmaps, "},
        {QUOTA "count/pods=1, used: count/pods=0, limited: count/pods=0", NULL,
         "the quota counts count/pods, "},
        {QUOTA "limits.cpu=1,pods=1, used: limits.cpu=1,pods=0, limited: limits.cpu=1,pods=0", NULL,
         "the quota counts pods, "},
        /* What it has used or limits besides does not matter. */
        {QUOTA "limits.cpu=1, used: limits.cpu=1, limited: limits.cpu=1", NULL,
         "ask for other resources with --requests and --limits"},
        {QUOTA "requests.memory=1Gi, used: pods=1, limited: pods=1", NULL,
         "ask for other resources"},
        {"forbidden: pods \"x\" is forbidden: failed quota: q: must specify limits.cpu for: ksniff",
         NULL, "ask for other resources"},
        {"forbidden: pods \"y\" is forbidden: [minimum cpu usage per Container is 50m, but request "
         "is 10m]",
         NULL, "ask for other resources"},
        {SCC, NULL,
         "OpenShift: you, or a service account named with -s, must be allowed to use the SCC "
         "\"privileged\": oc adm policy add-scc-to-user privileged -z NAME -n tools"},
        {SCC, "sniffer", "-z sniffer -n tools"},
        {"forbidden: violates PodSecurity \"baseline:latest\": host namespaces", NULL,
         "choose another namespace with --node-namespace"},
        {"forbidden: error looking up service account x/y", "y", "name another with -s"},
        {"forbidden: a webhook denied it", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct settings settings = {.service_account = cases[i].account};
        struct error err = {0};

        error_set(&err, ERROR_FORBIDDEN, "%s", cases[i].text);
        admission_remedy_helper(&settings, "tools", &err);
        if (cases[i].remedy ? !strstr(err.remedy, cases[i].remedy) : err.remedy[0])
            fail_msg("%s: %s", cases[i].text, err.remedy);
        assert_string_equal(err.text, cases[i].text);
    }
}

/* Cut short wherever: it is read to its end and no further. */
static void test_cut_short(void **state)
{
    static const char text[] = QUOTA "limits.cpu=1,pods=1, used: pods=0";
    const struct settings settings = {0};

    (void)state;
    for (size_t length = 0; length < strlen(text); length++) {
        struct error err = {0};

        error_set(&err, ERROR_FORBIDDEN, "%.*s", (int)length, text);
        admission_remedy_helper(&settings, "tools", &err);
    }
}

static void test_who_refused(void **state)
{
    const struct settings settings = {0};
    struct error err = {0};

    (void)state;
    error_set(&err, ERROR_FORBIDDEN, SCC);
    assert_true(admission_refuses(&err));
    admission_remedy_ephemeral(&err);
    assert_non_null(strstr(err.remedy, "OpenShift: the pod's service account"));
    /* RBAC names what it wants; and what is there already stays. */
    error_set(&err, ERROR_FORBIDDEN, SCC);
    error_remedy(&err, "needs: create pods");
    assert_false(admission_refuses(&err));
    admission_remedy_helper(&settings, "tools", &err);
    admission_remedy_ephemeral(&err);
    assert_string_equal(err.remedy, "needs: create pods");
    /* A proxy is no admission. */
    error_set(&err, ERROR_REFUSED, QUOTA "pods=1");
    assert_false(admission_refuses(&err));
    admission_remedy_helper(&settings, "tools", &err);
    assert_string_equal(err.remedy, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_helper),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_who_refused),
    };

    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
