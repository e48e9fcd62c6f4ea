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
        admission_remedy_helper(&settings, "tools", false, &err);
        if (cases[i].remedy ? !strstr(err.remedy, cases[i].remedy) : err.remedy[0])
            fail_msg("%s: %s", cases[i].text, err.remedy);
        assert_string_equal(err.text, cases[i].text);
    }
}

#define LIMIT_RANGE "forbidden: pods \"x\" is forbidden: "

/* What --keep takes of the disk, or of the memory, is told apart from all else. */
static void test_recorder(void **state)
{
    static const struct {
        const char *text, *limits;
        bool in_memory, of_keep;
    } cases[] = {
        {LIMIT_RANGE "maximum ephemeral-storage usage per Container is 1Gi, but limit is 1168Mi",
         NULL, false, true},
        {LIMIT_RANGE "[minimum cpu usage per Container is 50m, but request is 10m, maximum "
                     "ephemeral-storage usage per Pod is 1Gi, but limit is 1168Mi]",
         NULL, false, true},
        {LIMIT_RANGE "maximum memory usage per Container is 64Mi, but limit is 96Mi", NULL, false,
         false},
        {LIMIT_RANGE "maximum memory usage per Container is 1Gi, but limit is 1200Mi", NULL, true,
         true},
        {LIMIT_RANGE "minimum ephemeral-storage usage per Container is 1Gi, but request is 50Mi",
         NULL, false, false},
        {QUOTA "requests.ephemeral-storage=1104Mi, used: requests.ephemeral-storage=0, limited: "
               "requests.ephemeral-storage=1Gi",
         NULL, false, true},
        {QUOTA "limits.cpu=1,ephemeral-storage=1104Mi, used: x", NULL, false, true},
        {QUOTA "limits.memory=1Gi, used: limits.ephemeral-storage=1, limited: x", NULL, false,
         false},
        {QUOTA "limits.memory=1Gi, used: x", NULL, true, true},
        {QUOTA "limits.memory=1Gi, used: x", "cpu=1", true, true},
        /* The user has named it. */
        {QUOTA "limits.memory=1Gi, used: x", "cpu=1,memory=1Gi", true, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct settings settings = {.limits = cases[i].limits,
                                          .recording.in_memory = cases[i].in_memory};
        struct error err = {0}, other = {0};

        error_set(&err, ERROR_FORBIDDEN, "%s", cases[i].text);
        error_set(&other, ERROR_FORBIDDEN, "%s", cases[i].text);
        admission_remedy_helper(&settings, "tools", true, &err);
        admission_remedy_helper(&settings, "tools", false, &other);
        if ((strncmp(err.remedy, "a smaller --keep ", 17) == 0) != cases[i].of_keep ||
            strncmp(other.remedy, "ask for other resources ", 24) != 0)
            fail_msg("%s: %s", cases[i].text, err.remedy);
    }
}

static void test_kubelet(void **state)
{
    static const struct {
        const char *why;
        bool records, in_memory;
        const char *remedy; /* NULL: none */
    } cases[] = {
        {"OutOfcpu: Pod was rejected", true, false, "the node is full: ask for nothing"},
        {"OutOfmemory: Pod was rejected", true, false, "the node is full: ask for nothing"},
        {"OutOfmemory: Pod was rejected", true, true,
         "give a smaller --keep, or keep it elsewhere "
         "with --keep-in disk"},
        {"OutOfephemeral-storage: Pod was rejected", true, false, "with --keep-in memory"},
        {"OutOfephemeral-storage: Pod was rejected", false, false, NULL},
        {"OutOfephemeral-storage: x, requested: 1, used: 0, capacity: 0", true, false,
         "gives nothing of that to any pod: keep it elsewhere with --keep-in memory"},
        {"OutOfephemeral-storage: x, requested: 1, used: 0, capacity: 05", true, false,
         "give a smaller --keep"},
        {"OutOfpods", true, true, "the node has as many pods as it may have"},
        {"OutOf", true, false, NULL},
        {"", true, false, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct settings settings = {.recording.in_memory = cases[i].in_memory};
        struct error err = {0};

        error_set(&err, ERROR_TARGET, "x");
        admission_remedy_rejected(&settings, cases[i].records, cases[i].why, &err);
        if (cases[i].remedy ? !strstr(err.remedy, cases[i].remedy) : err.remedy[0])
            fail_msg("%s: %s", cases[i].why, err.remedy);
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
        admission_remedy_helper(&settings, "tools", false, &err);
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
    admission_remedy_helper(&settings, "tools", false, &err);
    admission_remedy_ephemeral(&err);
    assert_string_equal(err.remedy, "needs: create pods");
    /* A proxy is no admission. */
    error_set(&err, ERROR_REFUSED, QUOTA "pods=1");
    assert_false(admission_refuses(&err));
    admission_remedy_helper(&settings, "tools", false, &err);
    assert_string_equal(err.remedy, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_helper),      cmocka_unit_test(test_recorder),
        cmocka_unit_test(test_kubelet),     cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_who_refused),
    };

    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
