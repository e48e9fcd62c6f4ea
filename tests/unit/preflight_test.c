/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "method/preflight.h"
#include "settings/settings.h"
#include "target/target.h"
#include "kube/node.h"
#include "kube/pod.h"

/* Facts under which every method is possible; a case changes some of them. */
struct facts {
    struct settings settings;
    struct target target;
    struct preflight preflight;
};

static json_t *json_of(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);

    if (!json)
        fail_msg("not JSON: %s", text);
    return json;
}

static void take_pod(struct facts *facts, json_t *json)
{
    struct error err;

    assert_int_equal(kube_pod_read(json, &facts->target.pod, &err), 0);
    json_decref(json);
    facts->target.namespace = "shop";
    facts->target.name = facts->target.pod->name;
    facts->target.container = &facts->target.pod->containers[0];
    facts->target.node_name = facts->target.pod->node;
    facts->target.host_network = facts->target.pod->host_network;
}

static void take_node(struct facts *facts, const char *text)
{
    json_t *json = json_of(text);
    struct error err;

    kube_node_free(facts->target.node);
    assert_int_equal(kube_node_read(json, &facts->target.node, &err), 0);
    json_decref(json);
}

#define NODE(os, architecture)                                                                     \
    "{\"metadata\":{\"name\":\"node1\"},\"status\":{\"nodeInfo\":{\"operatingSystem\":\"" os       \
    "\",\"architecture\":\"" architecture "\"}}}"
#define VIRTUAL                                                                                    \
    "{\"metadata\":{\"name\":\"node1\",\"labels\":{\"type\":\"virtual-kubelet\"}},\"status\":{}}"

static void start(struct facts *facts)
{
    *facts = (struct facts){.settings = {.namespace = "shop", .pod = "web"}};
    facts->preflight = (struct preflight){.settings = &facts->settings,
                                          .target = &facts->target,
                                          .target_level = POD_SECURITY_PRIVILEGED,
                                          .helper_level = POD_SECURITY_PRIVILEGED};
    for (int method = 0; method < METHOD_COUNT; method++)
        for (size_t i = 0; i < PREFLIGHT_RIGHTS_MAX; i++)
            facts->preflight.rights[method][i] = KUBE_ACCESS_ALLOWED;
}

/* @context, @of_pod, @more: JSON of the container's and the pod's securityContext, and more members
 * of the container; "" for none. @status: of the container's status; "" for one that runs */
static void start_with(struct facts *facts, const char *context, const char *of_pod,
                       const char *more, const char *status)
{
    char text[2000];

    start(facts);
    snprintf(text, sizeof(text),
             "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"},\"spec\":{\"nodeName\":"
             "\"node1\",\"volumes\":[{\"name\":\"e\",\"emptyDir\":{}}],\"securityContext\":%s,"
             "\"containers\":[{\"name\":\"app\",\"securityContext\":%s%s}]},\"status\":{\"phase\":"
             "\"Running\",\"containerStatuses\":[{\"name\":\"app\",%s}]}}",
             *of_pod ? of_pod : "{}", *context ? context : "{}", more,
             *status ? status : "\"state\":{\"running\":{}}");
    take_pod(facts, json_of(text));
    take_node(facts, NODE("linux", "amd64"));
}

static void usual(struct facts *facts)
{
    start_with(facts, "", "", "", "");
}

/* One line: the verdict, and behind it the obstacles as "what (who)". Of the next call at most. */
static const char *judge(const struct facts *facts, enum preflight_method method)
{
    static const char *const verdicts[] = {[PREFLIGHT_POSSIBLE] = "possible",
                                           [PREFLIGHT_MAYBE] = "maybe",
                                           [PREFLIGHT_IMPOSSIBLE] = "impossible"};
    static char line[6000];
    struct obstacle obstacles[10];
    size_t count = 99, used;
    enum preflight_verdict verdict =
        preflight_judge(&facts->preflight, method, obstacles, 10, &count);

    used = (size_t)snprintf(line, sizeof(line), "%s", verdicts[verdict]);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(line + used, sizeof(line) - used, "; %s (%s)", obstacles[i].what,
                                 obstacles[i].who);
    assert_true(count > 0 ? verdict != PREFLIGHT_POSSIBLE : verdict != PREFLIGHT_IMPOSSIBLE);
    return line;
}

static void end(struct facts *facts)
{
    target_free(&facts->target);
}

/* @starts: the verdict; @says: what stands behind it, NULL: anything */
static void expect(const struct facts *facts, enum preflight_method method, const char *starts,
                   const char *says)
{
    const char *line = judge(facts, method);

    if (strncmp(line, starts, strlen(starts)) != 0 || (says && !strstr(line, says)))
        fail_msg("%s: \"%s\" is not %s, \"%s\"", preflight_method_name(method), line, starts,
                 says ? says : "");
}

static void test_nothing_in_the_way(void **state)
{
    struct facts facts;

    (void)state;
    usual(&facts);
    for (int method = 0; method < METHOD_COUNT; method++)
        assert_string_equal(judge(&facts, method), "possible");
    end(&facts);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(preflight_method_name(METHOD_UPLOAD), "upload");
    assert_string_equal(preflight_method_name(METHOD_NODE), "node");
    assert_string_equal(preflight_method_name(METHOD_EPHEMERAL), "ephemeral");
}

/* ---- the container's security context: of the upload method alone ---- */

#define RUNS        "\"state\":{\"running\":{}}"
#define RUNS_AS(id) RUNS ",\"user\":{\"linux\":{\"uid\":" id ",\"gid\":0}}"

static void test_users(void **state)
{
    static const struct {
        const char *context, *of_pod, *status, *verdict, *says;
    } cases[] = {
        {"", "", RUNS, "possible", NULL}, /* as which user is not known: the attempt decides */
        {"", "", RUNS_AS("0"), "possible", NULL},
        {"", "", RUNS_AS("101"), "impossible", "101"},
        {"{\"runAsUser\":1000}", "", RUNS, "impossible", "1000"},
        {"{\"runAsUser\":1000}", "", RUNS_AS("0"), "impossible", "1000"},
        {"", "{\"runAsUser\":1001}", RUNS, "impossible", "1001"},
        {"{\"runAsUser\":0}", "{\"runAsUser\":1001}", RUNS, "possible", NULL},
        {"{\"runAsUser\":1000}", "{\"runAsUser\":0}", RUNS, "impossible", "1000"},
        {"{\"runAsUser\":0}", "{\"runAsNonRoot\":true}", RUNS, "possible", NULL},
        {"{\"runAsNonRoot\":true}", "", RUNS, "impossible", "root"},
        {"", "{\"runAsNonRoot\":true}", RUNS, "impossible", "root"},
        {"", "{\"runAsNonRoot\":true}", RUNS_AS("65532"), "impossible", "65532"},
        {"{\"runAsNonRoot\":false}", "{\"runAsNonRoot\":true}", RUNS, "possible", NULL},
        /* Privileged does not help: no capability is effective for another user than root. */
        {"{\"runAsUser\":1000,\"privileged\":true}", "", RUNS, "impossible", "1000"},
        {"{\"runAsUser\":1000,\"capabilities\":{\"add\":[\"NET_RAW\"]}}", "", RUNS, "impossible",
         "1000"},
        {"{\"runAsUser\":4294967295}", "", RUNS, "impossible", "4294967295"},
        {"{\"runAsUser\":\"1000\"}", "", RUNS, "possible", NULL},
        {"[]", "5", RUNS, "possible", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts;

        start_with(&facts, cases[i].context, cases[i].of_pod, "", cases[i].status);
        expect(&facts, METHOD_UPLOAD, cases[i].verdict, cases[i].says);
        if (cases[i].says)
            expect(&facts, METHOD_UPLOAD, cases[i].verdict, "(whoever deploys the pod");
        assert_string_equal(judge(&facts, METHOD_NODE), "possible");
        assert_string_equal(judge(&facts, METHOD_EPHEMERAL), "possible");
        end(&facts);
    }
}

static void test_capabilities(void **state)
{
    static const struct {
        const char *context, *verdict;
    } cases[] = {
        {"{\"capabilities\":{\"drop\":[\"ALL\"]}}", "impossible"},
        {"{\"capabilities\":{\"drop\":[\"all\"]}}", "impossible"},
        {"{\"capabilities\":{\"drop\":[\"CHOWN\",\"NET_RAW\"]}}", "impossible"},
        {"{\"capabilities\":{\"drop\":[\"CAP_NET_RAW\"]}}", "impossible"},
        {"{\"capabilities\":{\"drop\":[\"cap_net_raw\"]}}", "impossible"},
        {"{\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"NET_BIND_SERVICE\"]}}", "impossible"},
        {"{\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"NET_RAW\"]}}", "possible"},
        {"{\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"CAP_net_raw\"]}}", "possible"},
        {"{\"capabilities\":{\"drop\":[\"NET_RAW\"],\"add\":[\"ALL\"]}}", "possible"},
        {"{\"capabilities\":{\"drop\":[\"ALL\"]},\"privileged\":true}", "possible"},
        {"{\"capabilities\":{\"drop\":[\"ALL\"]},\"privileged\":false}", "impossible"},
        {"{\"capabilities\":{\"drop\":[\"NET_ADMIN\",\"NET_RAW_\",\"NET\"]}}", "possible"},
        {"{\"capabilities\":{\"drop\":[]}}", "possible"},
        {"{\"capabilities\":{\"drop\":\"ALL\"}}", "possible"},
        {"{\"capabilities\":{\"drop\":[7,null]}}", "possible"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts;

        start_with(&facts, cases[i].context, "", "", RUNS_AS("0"));
        expect(&facts, METHOD_UPLOAD, cases[i].verdict,
               *cases[i].verdict == 'i' ? "NET_RAW" : NULL);
        assert_string_equal(judge(&facts, METHOD_NODE), "possible");
        assert_string_equal(judge(&facts, METHOD_EPHEMERAL), "possible");
        end(&facts);
    }
}

static void test_read_only_root(void **state)
{
    static const char read_only[] = "{\"readOnlyRootFilesystem\":true}";
    static const struct {
        const char *context, *more, *remote_path, *verdict;
    } cases[] = {
        {read_only, "", NULL, "impossible"},
        {read_only, "", "/data/agent", "possible"},
        {read_only, ",\"volumeMounts\":[{\"name\":\"e\",\"mountPath\":\"/x\"}]", NULL, "possible"},
        {read_only, ",\"volumeMounts\":[{\"name\":\"e\",\"mountPath\":\"/x\",\"readOnly\":true}]",
         NULL, "impossible"},
        {read_only, ",\"volumeMounts\":[{\"name\":\"other\",\"mountPath\":\"/x\"}]", NULL,
         "impossible"},
        {"{\"readOnlyRootFilesystem\":false}", "", NULL, "possible"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts;

        start_with(&facts, cases[i].context, "", cases[i].more, "");
        facts.settings.remote_path = cases[i].remote_path;
        expect(&facts, METHOD_UPLOAD, cases[i].verdict,
               *cases[i].verdict == 'i' ? "read-only root file system" : NULL);
        assert_string_equal(judge(&facts, METHOD_NODE), "possible");
        assert_string_equal(judge(&facts, METHOD_EPHEMERAL), "possible");
        end(&facts);
    }
}

static void test_container_does_not_run(void **state)
{
    static const struct {
        const char *status, *says;
    } cases[] = {
        {"\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}", "CrashLoopBackOff"},
        {"\"state\":{\"terminated\":{\"reason\":\"Error\"}}", "Error"},
        {"\"state\":{}", "\"app\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts;

        start_with(&facts, "", "", "", cases[i].status);
        expect(&facts, METHOD_UPLOAD, "impossible", cases[i].says);
        assert_string_equal(judge(&facts, METHOD_NODE), "possible");
        assert_string_equal(judge(&facts, METHOD_EPHEMERAL), "possible");
        end(&facts);
    }
}

static void test_all_obstacles_are_told(void **state)
{
    struct obstacle obstacles[2];
    struct facts facts;
    size_t count;

    (void)state;
    start_with(&facts,
               "{\"runAsUser\":1000,\"readOnlyRootFilesystem\":true,\"capabilities\":{\"drop\":["
               "\"ALL\"]}}",
               "", "", "");
    facts.preflight.rights[METHOD_UPLOAD][0] = KUBE_ACCESS_DENIED;
    facts.preflight.rights[METHOD_UPLOAD][1] = KUBE_ACCESS_DENIED;
    expect(&facts, METHOD_UPLOAD, "impossible", "user 1000");
    expect(&facts, METHOD_UPLOAD, "impossible", "capability NET_RAW");
    expect(&facts, METHOD_UPLOAD, "impossible", "read-only");
    expect(&facts, METHOD_UPLOAD, "impossible", "pods/exec");
    /* As many as there is room for. */
    assert_int_equal(preflight_judge(&facts.preflight, METHOD_UPLOAD, obstacles, 2, &count),
                     PREFLIGHT_IMPOSSIBLE);
    assert_int_equal(count, 2);
    assert_int_equal(preflight_judge(&facts.preflight, METHOD_UPLOAD, NULL, 0, &count),
                     PREFLIGHT_IMPOSSIBLE);
    assert_int_equal(count, 0);
    end(&facts);
}

/* ---- rights ---- */

static void test_exec_right(void **state)
{
    static const struct {
        enum kube_access create, get;
        const char *verdict, *says;
    } cases[] = {
        {KUBE_ACCESS_ALLOWED, KUBE_ACCESS_ALLOWED, "possible", NULL},
        {KUBE_ACCESS_ALLOWED, KUBE_ACCESS_DENIED, "possible", NULL},
        {KUBE_ACCESS_DENIED, KUBE_ACCESS_ALLOWED, "maybe", NULL},
        {KUBE_ACCESS_ALLOWED, KUBE_ACCESS_UNKNOWN, "possible", NULL},
        {KUBE_ACCESS_DENIED, KUBE_ACCESS_DENIED, "impossible", "needs: create pods/exec in "},
        {KUBE_ACCESS_DENIED, KUBE_ACCESS_UNKNOWN, "maybe", NULL},
        {KUBE_ACCESS_UNKNOWN, KUBE_ACCESS_DENIED, "maybe", NULL},
        {KUBE_ACCESS_UNKNOWN, KUBE_ACCESS_UNKNOWN, "maybe", NULL},
    };
    static const char *const roles[] = {KSNIFF_DOC_DIR "/rbac/upload.yaml",
                                        KSNIFF_DOC_DIR "/rbac/node.yaml",
                                        KSNIFF_DOC_DIR "/rbac/ephemeral.yaml"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int method = 0; method < METHOD_COUNT; method++) {
            struct facts facts;

            usual(&facts);
            facts.preflight.rights[method][0] = cases[i].create;
            facts.preflight.rights[method][1] = cases[i].get;
            expect(&facts, method, cases[i].verdict, cases[i].says);
            if (cases[i].says)
                expect(&facts, method, cases[i].verdict, roles[method]);
            if (cases[i].says)
                expect(&facts, method, cases[i].verdict, "in namespace \"shop\"");
            end(&facts);
        }
}

static void test_other_rights(void **state)
{
    static const struct {
        enum preflight_method method;
        size_t right;
        const char *says;
    } cases[] = {
        {METHOD_NODE, 2, "needs: create configmaps in namespace \"shop\""},
        {METHOD_NODE, 3, "needs: patch configmaps in namespace \"shop\""},
        {METHOD_NODE, 4, "needs: create pods in namespace \"shop\""},
        {METHOD_NODE, 5, "needs: get pods in namespace \"shop\""},
        {METHOD_NODE, 6, "needs: delete pods in namespace \"shop\""},
        {METHOD_NODE, 7, "needs: delete configmaps in namespace \"shop\""},
        {METHOD_EPHEMERAL, 2, "needs: patch pods/ephemeralcontainers in namespace \"shop\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts;

        usual(&facts);
        facts.preflight.rights[cases[i].method][cases[i].right] = KUBE_ACCESS_DENIED;
        expect(&facts, cases[i].method, "impossible", cases[i].says);
        facts.preflight.rights[cases[i].method][cases[i].right] = KUBE_ACCESS_UNKNOWN;
        assert_string_equal(judge(&facts, cases[i].method), "maybe");
        end(&facts);
    }
}

static void test_helper_elsewhere(void **state)
{
    struct facts facts;

    (void)state;
    usual(&facts);
    facts.settings.node_namespace = "tools";
    facts.preflight.rights[METHOD_NODE][4] = KUBE_ACCESS_DENIED;
    facts.preflight.rights[METHOD_EPHEMERAL][2] = KUBE_ACCESS_DENIED;
    expect(&facts, METHOD_NODE, "impossible", "needs: create pods in namespace \"tools\"");
    expect(&facts, METHOD_EPHEMERAL, "impossible", "in namespace \"shop\"");
    end(&facts);
}

/* ---- Pod Security ---- */

static void test_levels(void **state)
{
    static const struct {
        enum pod_security helper, target;
        const char *node, *ephemeral;
        bool may_add;
    } cases[] = {
        {POD_SECURITY_PRIVILEGED, POD_SECURITY_PRIVILEGED, "possible", "possible", true},
        {POD_SECURITY_BASELINE, POD_SECURITY_BASELINE, "impossible", "possible", false},
        {POD_SECURITY_RESTRICTED, POD_SECURITY_RESTRICTED, "impossible", "impossible", false},
        {POD_SECURITY_UNKNOWN, POD_SECURITY_UNKNOWN, "maybe", "maybe", true},
        {POD_SECURITY_PRIVILEGED, POD_SECURITY_RESTRICTED, "possible", "impossible", false},
        {POD_SECURITY_RESTRICTED, POD_SECURITY_PRIVILEGED, "impossible", "possible", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts;

        usual(&facts);
        facts.preflight.helper_level = cases[i].helper;
        facts.preflight.target_level = cases[i].target;
        assert_string_equal(judge(&facts, METHOD_UPLOAD), "possible");
        expect(&facts, METHOD_NODE, cases[i].node,
               *cases[i].node == 'i' ? "--node-namespace" : NULL);
        expect(&facts, METHOD_EPHEMERAL, cases[i].ephemeral,
               *cases[i].ephemeral == 'i' ? "enforces Pod Security \"restricted\"" : NULL);
        assert_int_equal(preflight_may_add_capabilities(&facts.preflight), cases[i].may_add);
        end(&facts);
    }
}

static void test_level_and_right(void **state)
{
    struct facts facts;

    (void)state;
    usual(&facts);
    facts.settings.node_namespace = "tools";
    facts.preflight.helper_level = POD_SECURITY_BASELINE;
    facts.preflight.rights[METHOD_NODE][6] = KUBE_ACCESS_DENIED;
    facts.preflight.rights[METHOD_NODE][5] = KUBE_ACCESS_UNKNOWN;
    expect(&facts, METHOD_NODE, "impossible",
           "namespace \"tools\" enforces Pod Security \"baseline\"");
    expect(&facts, METHOD_NODE, "impossible", "needs: delete pods in namespace \"tools\"");
    /* What is not known makes nothing better. */
    facts.preflight.rights[METHOD_NODE][6] = KUBE_ACCESS_UNKNOWN;
    expect(&facts, METHOD_NODE, "impossible", "enforces Pod Security \"baseline\"");
    end(&facts);
}

/* ---- nodes ---- */

static void test_nodes(void **state)
{
    static const struct {
        const char *node, *tcpdump_path;
        const char *upload, *others, *says;
    } cases[] = {
        {NODE("linux", "arm64"), NULL, "possible", "possible", NULL},
        {NODE("", ""), NULL, "possible", "possible", NULL},
        {NODE("windows", "amd64"), NULL, "impossible", "impossible", "Windows"},
        {VIRTUAL, NULL, "impossible", "impossible", "virtual kubelet"},
        {NODE("linux", "mips64le"), NULL, "impossible", "impossible", "mips64le"},
        /* A tcpdump of the user's serves the upload, but no other method takes it. */
        {NODE("linux", "mips64le"), "/x/tcpdump", "possible", "impossible", NULL},
        {NODE("windows", "amd64"), "/x/tcpdump", "impossible", "impossible", "Windows"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts;

        usual(&facts);
        facts.settings.tcpdump_path = cases[i].tcpdump_path;
        take_node(&facts, cases[i].node);
        expect(&facts, METHOD_UPLOAD, cases[i].upload, cases[i].says);
        expect(&facts, METHOD_NODE, cases[i].others, cases[i].says);
        expect(&facts, METHOD_EPHEMERAL, cases[i].others, cases[i].says);
        end(&facts);
    }
}

static void test_node_not_known(void **state)
{
    struct facts facts;

    (void)state;
    usual(&facts);
    kube_node_free(facts.target.node);
    facts.target.node = NULL;
    for (int method = 0; method < METHOD_COUNT; method++)
        assert_string_equal(judge(&facts, method), "possible");
    end(&facts);
}

static void test_node_as_target(void **state)
{
    struct facts facts;

    (void)state;
    start(&facts);
    take_node(&facts, NODE("linux", "amd64"));
    facts.target.name = facts.target.node_name = "node1";
    facts.target.namespace = "";
    facts.target.host_network = true;
    expect(&facts, METHOD_UPLOAD, "impossible", "a node has no containers");
    assert_string_equal(judge(&facts, METHOD_NODE), "possible");
    expect(&facts, METHOD_EPHEMERAL, "impossible", "a node has no containers");
    facts.preflight.helper_level = POD_SECURITY_BASELINE;
    expect(&facts, METHOD_NODE, "impossible", "namespace \"shop\" enforces");
    end(&facts);
}

/* ---- kinds of pods ---- */

static void test_pods(void **state)
{
    static const struct {
        const char *metadata, *spec, *phase;
        const char *upload, *node, *ephemeral, *says;
    } cases[] = {
        /* The node's network is as good. */
        {"", ",\"hostNetwork\":true", "Running", "possible", "possible", "possible", NULL},
        {",\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"}", "", "Running", "possible",
         "possible", "impossible", NULL},
        {"", ",\"os\":{\"name\":\"windows\"}", "Running", "impossible", "impossible", "impossible",
         "Windows"},
        {"", "", "Succeeded", "impossible", "impossible", "impossible", "has ended"},
        {"", "", "Failed", "impossible", "impossible", "impossible", "has ended"},
        {"", ",\"nodeName\":\"\"", "Pending", "impossible", "impossible", "impossible",
         "scheduled"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts;
        char text[1000];

        snprintf(text, sizeof(text),
                 "{\"metadata\":{\"name\":\"web\"%s},\"spec\":{\"nodeName\":\"node1\"%s,"
                 "\"containers\":[{\"name\":\"app\"}]},\"status\":{\"phase\":\"%s\","
                 "\"containerStatuses\":[{\"name\":\"app\",\"state\":{\"running\":{}}}]}}",
                 cases[i].metadata, cases[i].spec, cases[i].phase);
        start(&facts);
        take_pod(&facts, json_of(text));
        expect(&facts, METHOD_UPLOAD, cases[i].upload, cases[i].says);
        expect(&facts, METHOD_NODE, cases[i].node, cases[i].says);
        expect(&facts, METHOD_EPHEMERAL, cases[i].ephemeral, cases[i].says);
        end(&facts);
    }
}

static void test_pod_that_is_being_deleted(void **state)
{
    static const char text[] =
        "{\"metadata\":{\"name\":\"web\",\"deletionTimestamp\":\"2026-11-01T12:00:00Z\"},\"spec\":{"
        "\"nodeName\":\"node1\",\"containers\":[{\"name\":\"app\"}]},\"status\":{\"phase\":"
        "\"Running\","
        "\"containerStatuses\":[{\"name\":\"app\",\"state\":{\"running\":{}}}]}}";
    struct facts facts;

    (void)state;
    start(&facts);
    take_pod(&facts, json_of(text));
    /* What runs in it may be watched to its end. */
    assert_string_equal(judge(&facts, METHOD_UPLOAD), "possible");
    assert_string_equal(judge(&facts, METHOD_NODE), "possible");
    expect(&facts, METHOD_EPHEMERAL, "impossible", "pod \"web\" is being deleted");
    end(&facts);
}

/* ---- what a runtime gives by default ---- */

#define RUNTIME(runtime)                                                                           \
    "{\"metadata\":{\"name\":\"node1\"},\"status\":{\"nodeInfo\":{\"operatingSystem\":\"linux\","  \
    "\"containerRuntimeVersion\":\"" runtime "\"}}}"
#define RUNNING(runtime) "\"state\":{\"running\":{}},\"containerID\":\"" runtime "://abc\""

static void test_crio(void **state)
{
    static const struct {
        const char *node, *status, *context; /* node: NULL: not to be had */
        const char *verdict, *says;
    } cases[] = {
        {RUNTIME("containerd://2.1.9"), RUNNING("containerd"), "", "possible", NULL},
        {RUNTIME("docker://27.1"), RUNNING("docker"), "", "possible", NULL},
        {RUNTIME("cri-o://1.34.1"), "", "", "maybe", "CRI-O does not give it by default"},
        /* Who may not read nodes sees it by the container's id. */
        {NULL, RUNNING("cri-o"), "", "maybe", "may lack the capability NET_RAW"},
        {NULL, RUNNING("containerd"), "", "possible", NULL},
        {RUNTIME("cri-o://1.34.1"), "", "{\"capabilities\":{\"add\":[\"NET_RAW\"]}}", "possible",
         NULL},
        {RUNTIME("cri-o://1.34.1"), "", "{\"privileged\":true}", "possible", NULL},
        {RUNTIME("cri-o://1.34.1"), "", "{\"capabilities\":{\"drop\":[\"ALL\"]}}", "impossible",
         "lacks the capability NET_RAW"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts;

        start_with(&facts, cases[i].context, "", "", cases[i].status);
        if (cases[i].node)
            take_node(&facts, cases[i].node);
        else {
            kube_node_free(facts.target.node);
            facts.target.node = NULL;
        }
        expect(&facts, METHOD_UPLOAD, cases[i].verdict, cases[i].says);
        /* The others ask for what they need, */
        assert_string_equal(judge(&facts, METHOD_NODE), "possible");
        assert_string_equal(judge(&facts, METHOD_EPHEMERAL), "possible");
        end(&facts);
    }
    /* where they may. */
    struct facts facts;
    usual(&facts);
    facts.preflight.target_level = POD_SECURITY_BASELINE;
    assert_string_equal(judge(&facts, METHOD_EPHEMERAL), "possible");
    take_node(&facts, RUNTIME("cri-o://1.34.1"));
    expect(&facts, METHOD_EPHEMERAL, "maybe", "CRI-O does not give it by default");
    end(&facts);
}

static void test_autopilot(void **state)
{
    static const char *const pods[] = {
        "{\"metadata\":{\"name\":\"web\",\"annotations\":{\"autopilot.gke.io/"
        "warden-version\":\"2.7.41\"}"
        "},\"spec\":{\"nodeName\":\"node1\",\"containers\":[{\"name\":\"app\"}]},\"status\":{"
        "\"phase\":"
        "\"Running\",\"containerStatuses\":[{\"name\":\"app\",\"state\":{\"running\":{}}}]}}",
        "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"nodeName\":\"gk3-pilot-pool-1-a1b2c3d4-"
        "e5f6\","
        "\"containers\":[{\"name\":\"app\"}]},\"status\":{\"phase\":\"Running\","
        "\"containerStatuses\":[{"
        "\"name\":\"app\",\"state\":{\"running\":{}}}]}}"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct facts facts;

        start(&facts);
        take_pod(&facts, json_of(pods[i]));
        expect(&facts, METHOD_UPLOAD, "maybe", "GKE Autopilot does not give it by default");
        expect(&facts, METHOD_NODE, "maybe", "GKE Autopilot admits no pod with");
        expect(&facts, METHOD_EPHEMERAL, "maybe", "GKE Autopilot admits no container");
        /* A reason to doubt is none where it is impossible anyway. */
        facts.preflight.helper_level = POD_SECURITY_RESTRICTED;
        assert_null(strstr(judge(&facts, METHOD_NODE), "Autopilot"));
        end(&facts);
    }
}

/* What the server says is escaped before anybody sees it. */
static void test_escaped(void **state)
{
    struct facts facts;

    (void)state;
    start_with(&facts, "", "", "", "\"state\":{\"waiting\":{\"reason\":\"a\\u001b[2J\\nb\"}}");
    expect(&facts, METHOD_UPLOAD, "impossible", "a\\x1b[2J\\nb");
    end(&facts);
}

/* ---- recordings ---- */

static json_t *recorded(const char *name)
{
    static char text[1 << 20];
    char path[512];

    snprintf(path, sizeof(path), "%s/kubernetes-api/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    json_t *json = json_loads(strstr(text, "<\n{") + 2, JSON_DISABLE_EOF_CHECK, NULL);
    assert_non_null(json);
    return json;
}

static void test_levels_of_namespaces(void **state)
{
    static const struct {
        const char *text;
        enum pod_security level;
    } cases[] = {
        {"{}", POD_SECURITY_PRIVILEGED},
        {"{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", POD_SECURITY_PRIVILEGED},
        {"{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/warn\":\"restricted\"}}}",
         POD_SECURITY_PRIVILEGED},
        {"{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"privileged\"}}}",
         POD_SECURITY_PRIVILEGED},
        {"{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"baseline\"}}}",
         POD_SECURITY_BASELINE},
        {"{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"restricted\"}}}",
         POD_SECURITY_RESTRICTED},
        {"{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"Baseline\"}}}",
         POD_SECURITY_RESTRICTED},
        {"{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":5}}}",
         POD_SECURITY_PRIVILEGED},
    };
    json_t *json = recorded("namespace-get.http");

    (void)state;
    assert_int_equal(preflight_level(json), POD_SECURITY_RESTRICTED);
    json_decref(json);
    assert_int_equal(preflight_level(NULL), POD_SECURITY_UNKNOWN);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json = json_of(cases[i].text);
        assert_int_equal(preflight_level(json), cases[i].level);
        json_decref(json);
    }
}

static void test_recorded_pod(void **state)
{
    struct facts facts;

    (void)state;
    start(&facts);
    take_pod(&facts, recorded("pod-get.http"));
    for (int method = 0; method < METHOD_COUNT; method++)
        assert_string_equal(judge(&facts, method), "possible");
    end(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_in_the_way),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_read_only_root),
        cmocka_unit_test(test_container_does_not_run),
        cmocka_unit_test(test_all_obstacles_are_told),
        cmocka_unit_test(test_exec_right),
        cmocka_unit_test(test_other_rights),
        cmocka_unit_test(test_helper_elsewhere),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_level_and_right),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_node_not_known),
        cmocka_unit_test(test_node_as_target),
        cmocka_unit_test(test_pods),
        cmocka_unit_test(test_pod_that_is_being_deleted),
        cmocka_unit_test(test_crio),
        cmocka_unit_test(test_autopilot),
        cmocka_unit_test(test_escaped),
        cmocka_unit_test(test_levels_of_namespaces),
        cmocka_unit_test(test_recorded_pod),
    };

    return cmocka_run_group_tests_name("preflight", tests, NULL, NULL);
}
