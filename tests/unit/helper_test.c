/* SPDX-License-Identifier: Apache-2.0 */
#include "method/helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the headers above. */
#include <cmocka.h>

#include "base/error.h"
#include "method/agent_binary.h"
#include "kube/pod.h"

static const struct helper usual = {
    .name = "ksniff-0123456789",
    .namespace = "shop",
    .target = "shop/web",
    .node_name = "node1",
    .image = "registry.k8s.io/pause:3.10",
    .deadline = 86400,
    .creation_timeout = 60,
    .ring = 32 << 20,
    .agents = 1,
    .secret_hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
};

/* What stands at "spec/containers/0/name" of an object, as JSON text; "" where nothing does. */
static const char *at(const json_t *object, const char *path)
{
    static char texts[8][1000];
    static size_t next;
    char copy[200], *rest = copy, *part;
    char *text;

    snprintf(copy, sizeof(copy), "%s", path);
    while ((part = strtok_r(rest, "/", &rest)))
        object = json_is_array(object) ? json_array_get(object, (size_t)atoi(part))
                                       : json_object_get(object, part);
    text =
        object ? json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : strdup("");
    snprintf(texts[next % 8], sizeof(texts[0]), "%s", text);
    free(text);
    return texts[next++ % 8];
}

static void test_pod(void **state)
{
    json_t *pod = helper_pod(&usual);

    (void)state;
    assert_string_equal(at(pod, "metadata/name"), "\"ksniff-0123456789\"");
    assert_string_equal(at(pod, "metadata/labels"),
                        "{\"admission.datadoghq.com/enabled\":\"false\",\"app.kubernetes.io/"
                        "managed-by\":\"kubectl-sniff\",\"app.kubernetes.io/name\":\"ksniff\","
                        "\"kuma.io/sidecar-injection\":\"disabled\",\"sidecar.istio.io/inject\":"
                        "\"false\"}");
    assert_string_equal(
        at(pod, "metadata/annotations"),
        "{\"consul.hashicorp.com/connect-inject\":\"false\",\"data-ingest.dynatrace.com/inject\":"
        "\"false\",\"dynatrace.com/inject\":\"false\",\"kubectl-sniff/creation-timeout\":\"60\","
        "\"kubectl-sniff/target\":\"shop/web\",\"kuma.io/sidecar-injection\":\"disabled\","
        "\"linkerd.io/inject\":\"disabled\",\"metadata-enrichment.dynatrace.com/inject\":\"false\","
        "\"oneagent.dynatrace.com/inject\":\"false\",\"sidecar.istio.io/inject\":\"false\"}");
    assert_string_equal(at(pod, "spec/nodeName"), "\"node1\"");
    assert_string_equal(at(pod, "spec/restartPolicy"), "\"Never\"");
    assert_string_equal(at(pod, "spec/activeDeadlineSeconds"), "86400");
    assert_string_equal(at(pod, "spec/tolerations"), "[{\"operator\":\"Exists\"}]");
    assert_string_equal(at(pod, "spec/automountServiceAccountToken"), "false");
    assert_string_equal(at(pod, "spec/serviceAccountName"), "");
    assert_string_equal(at(pod, "spec/hostPID"), "true");
    assert_string_equal(at(pod, "spec/hostNetwork"), "false");
    assert_string_equal(at(pod, "spec/volumes/0/configMap"),
                        "{\"defaultMode\":365,\"name\":\"ksniff-0123456789\"}");
    assert_string_equal(at(pod, "spec/containers/0/imagePullPolicy"), "\"Never\"");
    assert_string_equal(at(pod, "spec/containers/0/command"),
                        "[\"/ksniff/ksniff-agent\",\"hold\"]");
    /* Its hash alone, never the secret. */
    assert_string_equal(at(pod, "spec/containers/0/env"),
                        "[{\"name\":\"KSNIFF_SECRET_SHA256\",\"value\":"
                        "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}]");
    assert_string_equal(
        at(pod, "spec/containers/0/securityContext"),
        "{\"capabilities\":{\"add\":[\"SYS_ADMIN\",\"SYS_PTRACE\",\"NET_RAW\"],\"drop\":[\"ALL\"]},"
        "\"readOnlyRootFilesystem\":true,\"runAsGroup\":0,\"runAsNonRoot\":false,\"runAsUser\":0}");
    assert_string_equal(at(pod, "spec/containers/0/resources"),
                        "{\"limits\":{\"cpu\":\"1\",\"memory\":\"96Mi\"},\"requests\":{\"cpu\":"
                        "\"10m\",\"memory\":\"32Mi\"}}");
    json_decref(pod);
}

/* One that works by itself, and goes on without whoever has made it. */
static void test_work(void **state)
{
    json_t *arguments = json_pack("[s, s]", "record", "-t");
    json_t *labels = json_pack("{s:s}", HELPER_RECORDING_LABEL, "shop");
    json_t *annotations = json_pack("{s:s}", "kubectl-sniff/recorded", "{}");
    struct helper_work work = {.program = "ksniff-recorder",
                               .arguments = arguments,
                               .labels = labels,
                               .annotations = annotations,
                               .directory = "/ring",
                               .size = 1u << 30,
                               .seconds = 3600};
    struct helper helper = usual;
    const struct agent_binary binary = {"amd64", (const unsigned char *)"x", 1};

    (void)state;
    helper.work = &work;
    helper.agents = 2;
    json_t *pod = helper_pod(&helper);
    assert_string_equal(at(pod, "metadata/labels/kubectl-sniff/recording"), "");
    assert_non_null(strstr(at(pod, "metadata/labels"), "\"kubectl-sniff/recording\":\"shop\""));
    assert_non_null(strstr(at(pod, "metadata/annotations"), "\"kubectl-sniff/recorded\":\"{}\""));
    assert_string_equal(at(pod, "spec/restartPolicy"), "\"Always\"");
    assert_string_equal(at(pod, "spec/containers/0/command"),
                        "[\"/ksniff/ksniff-recorder\",\"record\",\"-t\"]");
    assert_string_equal(at(pod, "spec/containers/0/terminationMessagePolicy"),
                        "\"FallbackToLogsOnError\"");
    assert_string_equal(at(pod, "spec/containers/0/volumeMounts/1"),
                        "{\"mountPath\":\"/ring\",\"name\":\"work\"}");
    /* A sixteenth and 16 MiB more than what is kept; and of the disk 64 MiB more than that. */
    assert_string_equal(at(pod, "spec/volumes/1"),
                        "{\"emptyDir\":{\"sizeLimit\":\"1104Mi\"},\"name\":\"work\"}");
    assert_string_equal(at(pod, "spec/containers/0/resources"),
                        "{\"limits\":{\"cpu\":\"2\",\"ephemeral-storage\":\"1168Mi\","
                        "\"memory\":\"130Mi\"},\"requests\":{\"cpu\":\"10m\","
                        "\"ephemeral-storage\":\"1104Mi\",\"memory\":\"32Mi\"}}");
    /* The same privileges as one that holds. */
    assert_non_null(strstr(at(pod, "spec/containers/0/securityContext"), "SYS_ADMIN"));
    json_decref(pod);

    /* In memory the disk is not touched, and the memory is counted. */
    work.in_memory = true;
    work.size = 64u << 20;
    pod = helper_pod(&helper);
    assert_string_equal(at(pod, "spec/volumes/1/emptyDir"),
                        "{\"medium\":\"Memory\",\"sizeLimit\":\"84Mi\"}");
    assert_string_equal(at(pod, "spec/containers/0/resources"),
                        "{\"limits\":{\"cpu\":\"2\",\"memory\":\"214Mi\"},\"requests\":{\"cpu\":"
                        "\"10m\",\"memory\":\"116Mi\"}}");
    json_decref(pod);

    /* What the user says holds; what he does not, does, too. */
    work.in_memory = false;
    helper.limits = "ephemeral-storage=5Gi";
    helper.requests = "cpu=1m";
    pod = helper_pod(&helper);
    assert_string_equal(at(pod, "spec/containers/0/resources"),
                        "{\"limits\":{\"ephemeral-storage\":\"5Gi\"},\"requests\":{\"cpu\":\"1m\","
                        "\"ephemeral-storage\":\"84Mi\"}}");
    json_decref(pod);

    work.in_memory = true;
    helper.limits = "cpu=1";
    pod = helper_pod(&helper);
    assert_string_equal(at(pod, "spec/containers/0/resources"),
                        "{\"limits\":{\"cpu\":\"1\",\"memory\":\"214Mi\"},\"requests\":{\"cpu\":"
                        "\"1m\",\"memory\":\"116Mi\"}}");
    json_decref(pod);

    /* A node that does not count its disk refuses who asks for some; MiB are rounded up. */
    work.in_memory = false;
    work.size = (64u << 20) + 1;
    helper.disk_uncounted = true;
    pod = helper_pod(&helper);
    assert_string_equal(at(pod, "spec/volumes/1/emptyDir"), "{\"sizeLimit\":\"85Mi\"}");
    assert_string_equal(at(pod, "spec/containers/0/resources"),
                        "{\"limits\":{\"cpu\":\"1\"},\"requests\":{\"cpu\":\"1m\"}}");
    json_decref(pod);

    json_t *map = helper_config_map(&helper, &binary);
    assert_string_equal(at(map, "binaryData"), "{\"ksniff-recorder\":\"eA==\"}");
    assert_non_null(strstr(at(map, "metadata/labels"), "\"kubectl-sniff/recording\":\"shop\""));
    assert_null(strstr(at(map, "metadata/annotations"), "recorded"));
    json_decref(map);
    json_decref(arguments);
    json_decref(labels);
    json_decref(annotations);
}

/* What the node and a limit must have for it. */
static void test_what_work_takes(void **state)
{
    struct helper_work work = {.size = 64u << 20};
    uint64_t value = 7;

    (void)state;
    assert_string_equal(helper_work_resource(&work), "ephemeral-storage");
    assert_int_equal(helper_work_needs(&work), 84u << 20);
    assert_int_equal(helper_work_asks(&work, NULL), 84u << 20);
    assert_int_equal(helper_work_asks(&work, "cpu=1,memory=1Gi"), 84u << 20);
    assert_int_equal(helper_work_asks(&work, "cpu=1,ephemeral-storage=1Gi"), 1u << 30);
    work.in_memory = true;
    assert_string_equal(helper_work_resource(&work), "memory");
    assert_int_equal(helper_work_needs(&work), 116u << 20);
    assert_int_equal(helper_work_asks(&work, "memory=1k"), 1000);
    assert_false(helper_resource(NULL, "cpu", &value));
    assert_false(helper_resource("memory=1", "cpu", &value));
    assert_int_equal(value, 7);
}

static int end_code(const char *status, char *why, size_t size)
{
    json_t *json = json_pack("{s:{s:s}, s:{}, s:{s:[o]}}", "metadata", "name", "x", "spec",
                             "status", "containerStatuses", json_loads(status, 0, NULL));
    struct kube_pod *pod;

    assert_int_equal(kube_pod_read(json, &pod, NULL), 0);
    int code = helper_end_code(pod, why, size);
    kube_pod_free(pod);
    json_decref(json);
    return code;
}

static void test_how_it_has_ended(void **state)
{
    char why[100] = "";

    (void)state;
    assert_int_equal(end_code("{\"name\": \"ksniff\", \"state\": {\"running\": {}}}", why, 100),
                     -1);
    assert_int_equal(
        end_code("{\"name\": \"other\", \"state\": {\"terminated\": {\"exitCode\": 1}}}", why, 100),
        -1);
    assert_int_equal(
        end_code("{\"name\": \"ksniff\", \"state\": {\"terminated\": {\"exitCode\": 73, "
                 "\"reason\": \"Error\", \"message\": \"no entry\"}}}",
                 why, 100),
        73);
    assert_string_equal(why, "no entry");
    /* It waits for being started again. */
    assert_int_equal(end_code("{\"name\": \"ksniff\", \"state\": {\"waiting\": {\"reason\": "
                              "\"CrashLoopBackOff\"}}, \"lastState\": {\"terminated\": "
                              "{\"exitCode\": 66, \"reason\": \"Error\"}}}",
                              why, 100),
                     66);
    assert_string_equal(why, "Error");
}

static void test_variants(void **state)
{
    json_t *secrets = json_pack("[{s:s}]", "name", "registry");
    struct helper helper = usual;
    json_t *pod;

    (void)state;
    /* A key log may be its application's alone. */
    helper.reads_files = true;
    pod = helper_pod(&helper);
    assert_string_equal(at(pod, "spec/containers/0/securityContext/capabilities/add"),
                        "[\"SYS_ADMIN\",\"SYS_PTRACE\",\"NET_RAW\",\"DAC_READ_SEARCH\"]");
    json_decref(pod);
    helper.host_network = true;
    helper.service_account = "netadmin";
    helper.pull_secrets = secrets;
    helper.pull = true;
    helper.requests = "cpu=1m";
    helper.limits = "cpu=2,memory=1Gi";
    pod = helper_pod(&helper);
    /* The node's own interfaces need no process of the node. */
    assert_string_equal(at(pod, "spec/hostPID"), "false");
    assert_string_equal(at(pod, "spec/hostNetwork"), "true");
    assert_string_equal(at(pod, "spec/containers/0/securityContext/capabilities/add"),
                        "[\"NET_RAW\"]");
    assert_string_equal(at(pod, "spec/automountServiceAccountToken"), "true");
    assert_string_equal(at(pod, "spec/serviceAccountName"), "\"netadmin\"");
    assert_string_equal(at(pod, "spec/containers/0/imagePullPolicy"), "\"IfNotPresent\"");
    assert_string_equal(at(pod, "spec/imagePullSecrets"), "[{\"name\":\"registry\"}]");
    assert_string_equal(
        at(pod, "spec/containers/0/resources"),
        "{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1m\"}}");
    json_decref(pod);
    json_decref(secrets);

    helper = usual;
    helper.privilege = HELPER_UNCONFINED;
    pod = helper_pod(&helper);
    assert_string_equal(at(pod, "spec/containers/0/securityContext/appArmorProfile"),
                        "{\"type\":\"Unconfined\"}");
    assert_string_equal(at(pod, "spec/containers/0/securityContext/seLinuxOptions"),
                        "{\"type\":\"spc_t\"}");
    assert_string_not_equal(
        strstr(at(pod, "metadata/annotations"), "apparmor.security.beta.kubernetes.io"), "");
    json_decref(pod);

    helper.privilege = HELPER_PRIVILEGED;
    pod = helper_pod(&helper);
    assert_string_equal(at(pod, "spec/containers/0/securityContext/privileged"), "true");
    json_decref(pod);
}

static void test_config_map(void **state)
{
    static const struct agent_binary agent = {"amd64", (const unsigned char *)"\177ELF", 4};
    json_t *map = helper_config_map(&usual, &agent), *owner;
    json_t *pod = json_pack("{s:{s:s, s:s}}", "metadata", "name", "x", "uid", "u-1");

    (void)state;
    assert_string_equal(at(map, "binaryData"), "{\"ksniff-agent\":\"f0VMRg==\"}");
    assert_string_equal(at(map, "immutable"), "true");
    assert_string_equal(at(map, "metadata/annotations/kubectl-sniff~"), "");
    json_decref(map);
    owner = helper_owner(pod);
    assert_string_equal(
        at(owner, "metadata/ownerReferences"),
        "[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"x\",\"uid\":\"u-1\"}]");
    json_decref(owner);
    json_decref(pod);
}

static void test_resources(void **state)
{
    static const char *const bad[] = {"cpu", "=1", "cpu=", "cpu=x", "cpu=1,memory"};
    json_t *list = helper_resources("cpu=100m,memory=64Mi");

    (void)state;
    assert_string_equal(at(list, ""), "{\"cpu\":\"100m\",\"memory\":\"64Mi\"}");
    json_decref(list);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(helper_resources(bad[i]));
}

static const struct {
    const char *status;
    enum helper_state state;
    const char *why;
} states[] = {
    {"{'phase': 'Pending'}", HELPER_STARTING, ""},
    {"{'phase': 'Running', 'containerStatuses': [{'name': 'ksniff', 'state': {'running': {}}}]}",
     HELPER_RUNNING, ""},
    {"{'phase': 'Pending', 'containerStatuses': [{'name': 'ksniff', 'state': {'waiting': "
     "{'reason': "
     "'ContainerCreating'}}}]}",
     HELPER_STARTING, "ContainerCreating"},
    {"{'phase': 'Pending', 'containerStatuses': [{'name': 'ksniff', 'state': {'waiting': "
     "{'reason': "
     "'ImagePullBackOff', 'message': 'Back-off'}}}]}",
     HELPER_UNFIT, "ImagePullBackOff: Back-off"},
    {"{'phase': 'Pending', 'containerStatuses': [{'name': 'ksniff', 'state': {'waiting': "
     "{'reason': "
     "'ErrImageNeverPull'}}}]}",
     HELPER_UNFIT, "ErrImageNeverPull"},
    {"{'phase': 'Pending', 'containerStatuses': [{'name': 'ksniff', 'state': {'waiting': "
     "{'reason': "
     "'CreateContainerError'}}}]}",
     HELPER_UNFIT, "CreateContainerError"},
    {"{'phase': 'Failed', 'containerStatuses': [{'name': 'ksniff', 'state': {'terminated': "
     "{'reason': 'StartError', 'exitCode': 128}}}]}",
     HELPER_UNFIT, "StartError"},
    {"{'phase': 'Succeeded', 'containerStatuses': [{'name': 'ksniff', 'state': {'terminated': "
     "{'reason': 'Completed', 'exitCode': 0}}}]}",
     HELPER_ENDED, "Completed"},
    /* A container that somebody else has put before ours. */
    {"{'phase': 'Pending', 'containerStatuses': [{'name': 'ksniff', 'state': {'waiting': "
     "{'reason': 'PodInitializing'}}}], 'initContainerStatuses': [{'name': 'first', 'state': "
     "{'running': {}}}]}",
     HELPER_STARTING, "its init container \"first\": running"},
    {"{'phase': 'Pending', 'containerStatuses': [{'name': 'ksniff', 'state': {'waiting': "
     "{'reason': 'PodInitializing'}}}], 'initContainerStatuses': [{'name': 'first', 'state': "
     "{'waiting': {'reason': 'ErrImagePull', 'message': 'no'}}}]}",
     HELPER_STARTING, "its init container \"first\": ErrImagePull: no"},
    {"{'phase': 'Failed', 'containerStatuses': [{'name': 'ksniff', 'state': {'waiting': "
     "{'reason': 'PodInitializing'}}}], 'initContainerStatuses': [{'name': 'first', 'state': "
     "{'terminated': {'reason': 'Error', 'exitCode': 1}}}]}",
     HELPER_ENDED, "its init container \"first\": Error"},
    {"{'phase': 'Pending', 'containerStatuses': [{'name': 'ksniff', 'state': {'waiting': "
     "{'reason': 'ErrImagePull'}}}], 'initContainerStatuses': [{'name': 'first', 'state': "
     "{'terminated': {'reason': 'Completed', 'exitCode': 0}}}]}",
     HELPER_UNFIT, "ErrImagePull"},
    /* One that goes on beside it. */
    {"{'phase': 'Pending', 'containerStatuses': [{'name': 'ksniff', 'state': {'waiting': "
     "{'reason': 'ErrImagePull'}}}], 'initContainerStatuses': [{'name': 'proxy', 'state': "
     "{'running': {}}}]}",
     HELPER_UNFIT, "ErrImagePull"},
    /* Refused by the kubelet, whatever its containers say. */
    {"{'phase': 'Failed', 'reason': 'OutOfpods', 'message': 'full', 'containerStatuses': [{'name': "
     "'ksniff', 'state': {'waiting': {'reason': 'ContainerCreating'}}}]}",
     HELPER_ENDED, "OutOfpods: full"},
    {"{'phase': 'Failed', 'reason': 'OutOfcpu', 'message': 'Node did not have enough resource'}",
     HELPER_ENDED, "OutOfcpu: Node did not have enough resource"},
};

static void test_states(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        char text[700], why[200];
        struct kube_pod *pod;
        struct error err;
        json_t *json;

        snprintf(text, sizeof(text),
                 "{'metadata': {'name': 'x', 'namespace': 'n'}, 'spec': {'nodeName': 'node1', "
                 "'initContainers': [%s], 'containers': [{'name': 'ksniff'}]}, 'status': %s}",
                 strstr(states[i].status, "'first'") ? "{'name': 'first'}"
                 : strstr(states[i].status, "'proxy'")
                     ? "{'name': 'proxy', 'restartPolicy': 'Always'}"
                     : "",
                 states[i].status);
        for (char *c = text; *c; c++)
            *c = *c == '\'' ? '"' : *c;
        json = json_loads(text, 0, NULL);
        assert_non_null(json);
        assert_int_equal(kube_pod_read(json, &pod, &err), 0);
        assert_int_equal(helper_state(pod, kube_pod_container(pod, "ksniff"), why, sizeof(why)),
                         states[i].state);
        assert_string_equal(why, states[i].why);
        kube_pod_free(pod);
        json_decref(json);
    }
}

static void test_seconds_left(void **state)
{
    static const struct {
        const char *spec, *status;
        int64_t left;
    } cases[] = {
        {"'activeDeadlineSeconds': 100", "'startTime': '1970-01-01T00:16:00Z'", 60},
        {"'activeDeadlineSeconds': 10", "'startTime': '1970-01-01T00:16:00Z'", -30},
        {"'activeDeadlineSeconds': 100", "", 100},
        {"'activeDeadlineSeconds': 100", "'startTime': 'x'", 100},
        {"", "'startTime': '1970-01-01T00:16:00Z'", INT64_MAX},
        {"'activeDeadlineSeconds': '5'", "", INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[300];
        struct kube_pod *pod;
        struct error err;

        snprintf(text, sizeof(text), "{'metadata': {'name': 'x'}, 'spec': {%s}, 'status': {%s}}",
                 cases[i].spec, cases[i].status);
        for (char *c = text; *c; c++)
            *c = *c == '\'' ? '"' : *c;
        json_t *json = json_loads(text, 0, NULL);
        assert_int_equal(kube_pod_read(json, &pod, &err), 0);
        assert_int_equal(helper_seconds_left(pod, 1000), cases[i].left);
        kube_pod_free(pod);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pod),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_what_work_takes),
        cmocka_unit_test(test_how_it_has_ended),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_config_map),
        cmocka_unit_test(test_resources),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_seconds_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
