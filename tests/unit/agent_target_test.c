/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a process is, by its control groups; which of several is taken; what -C and -P accept. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/options.h"
#include "agent/target.h"

#define A    "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111"
#define B    "2222222233333333444444445555555566666666777777778888888899999999"
#define UID  "11223344-5566-7788-99aa-bbccddeeff00"
#define UID_ "11223344_5566_7788_99aa_bbccddeeff00"
#define HASH "0123456789abcdef0123456789abcdef"

enum { IS_A, IS_B, IS_POD };

static struct options options = {.containers = {A, B}, .container_count = 2, .pod = UID};

static size_t match(const char *text)
{
    return target_match(&options, text, strlen(text));
}

/* Paths, and what they belong to. */
static const struct {
    const char *path;
    size_t target;
} shapes[] = {
    /* cgroupfs */
    {"/kubepods/besteffort/pod" UID "/" A, IS_A},
    {"/kubepods/burstable/pod" UID "/" B, IS_B},
    {"/kubepods/pod" UID "/" A, IS_A},
    {"/kubepods/pod" UID "/" A "/", IS_A},
    {"/kubepods/pod" UID "/crio-" A, IS_A},
    {"/docker/" A, IS_A},
    {"/" A, IS_A},
    {A, IS_A},
    /* systemd */
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
     ".slice/cri-containerd-" A ".scope",
     IS_A},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" A ".scope", IS_A},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" A ".scope/container", IS_A},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/docker-" B ".scope", IS_B},
    {"/machine.slice/libpod-" A ".scope/container", IS_A},
    {"/machine.slice/some-other-runtime-" A ".scope", IS_A},
    {"/machine.slice/" A ".scope", IS_A},
    {"/system.slice/cri-containerd-" A ".scope/init.scope", IS_A},
    {"/system.slice/cri-containerd-" A ".scope/system.slice/cron.service", IS_A},
    /* relative to a namespace of control groups */
    {"/../../kubepods-burstable-pod" UID_ ".slice/cri-containerd-" A ".scope", IS_A},
    {"/../" A, IS_A},
    {"/../../../pod" UID "/" A, IS_A},
    /* nested */
    {"/kubelet/kubepods/besteffort/pod" UID "/" A, IS_A},
    {"/docker/" B "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
     "kubelet-kubepods-besteffort-pod" UID_ ".slice/cri-containerd-" A ".scope",
     IS_A}, /* the first that is asked for */
    {"/kubepods/besteffort/pod" UID "/" A "/docker/"
     "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
     IS_A},
    {"/system.slice/k3s.service/kubepods/burstable/pod" UID "/" A, IS_A},
    /* containerd, at odds with the kubelet */
    {"/system.slice/containerd.service/kubepods-besteffort-pod" UID_ ".slice:cri-containerd:" A,
     IS_A},
    {"/kubepods-besteffort-pod" UID_ ".slice:cri-containerd:" A "/init.scope", IS_A},
    {"/kubepods-besteffort-pod" UID_ ".slice:cri-containerd:"
     "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
     IS_POD},
    /* the pod */
    {"/kubepods/besteffort/pod" UID, IS_POD},
    {"/kubepods/besteffort/pod" UID
     "/cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
     IS_POD},
    {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/x.scope",
     IS_POD},
    {"/kubelet.slice/kubelet-kubepods-besteffort-pod" UID_ ".slice/x", IS_POD},
    {"/kubepods.slice/pod" UID ".slice/x", IS_POD},
    {"/kubepods.slice/pod" UID_ ".slice/x", IS_POD},
    {"/../../pod" UID "/x", IS_POD},
    /* of others */
    {"/", TARGET_NONE},
    {"", TARGET_NONE},
    {"/..", TARGET_NONE},
    {"/kubepods/besteffort/pod11223344-5566-7788-99aa-bbccddeeff01/"
     "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
     TARGET_NONE},
    {"/docker/" A "0", TARGET_NONE},
    {"/docker/0" A, TARGET_NONE},
    {"/docker/docker-0" A ".scope", TARGET_NONE},
    {"/docker/docker-" A "0.scope", TARGET_NONE},
    {"/docker/docker" A ".scope", TARGET_NONE},
    {"/docker/docker-" A ".scopes", TARGET_NONE},
    {"/docker/docker-" A ".service", TARGET_NONE},
    {"/docker/docker-" A "-x.scope", TARGET_NONE},
    {"/docker/AAAAAAAAbbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111", TARGET_NONE},
    {"/docker/aaaaaaaabbbbbbbbccccccccdddddddd/eeeeeeeeffffffff0000000011111111", TARGET_NONE},
    {"/kubepods/xpod" UID "/x", TARGET_NONE},
    {"/kubepods/pod" UID "0/x", TARGET_NONE},
    {"/kubepods/pod-" UID "/x", TARGET_NONE},
    {"/kubepods/" UID "/x", TARGET_NONE},
    {"/kubepods-tripod" UID_ ".slice/x", TARGET_NONE},
    {"/kubepods-pod" UID_ ".slices/x", TARGET_NONE},
    {"/kubepods-pod11223344.5566.7788.99aa.bbccddeeff00.slice/x", TARGET_NONE},
    /* runtime monitors */
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" A ".scope", TARGET_NONE},
    {"/machine.slice/libpod-conmon-" A ".scope", TARGET_NONE},
    {"/kubepods/pod" UID "/crio-conmon-" A, TARGET_NONE},
    {"/kubepods-pod" UID_ ".slice:crio-conmon:" A, TARGET_NONE},
    {"/kubepods/pod" UID "/" A "/libpod_parent/libpod-conmon-" B ".scope", IS_A},
};

static void test_shapes(void **state)
{
    static const char *const lines[] = {
        "0::%s\n",                           /* v2 */
        "3:memory:%s\n",                     /* v1 */
        "1:name=systemd:%s\n",               /* hybrid */
        "12:cpu,cpuacct:%s\n0::/\n",         /* several controllers */
        "12:cpu,cpuacct:/\n3:pids:/\n0::%s", /* no newline: still a line */
    };
    char text[2048];

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        for (size_t n = 0; n < sizeof(lines) / sizeof(lines[0]); n++) {
            snprintf(text, sizeof(text), lines[n], shapes[i].path);
            if (match(text) != shapes[i].target)
                fail_msg("%s: %zu", text, match(text));
        }
    }
}

static void test_lines(void **state)
{
    bool monitor = false;

    (void)state;
    assert_int_equal(match(""), TARGET_NONE);
    assert_int_equal(match("\n\n\n"), TARGET_NONE);
    assert_int_equal(match(A), TARGET_NONE); /* no path */
    assert_int_equal(match("0:" A), TARGET_NONE);
    assert_int_equal(match("0:" A ":/"), TARGET_NONE);
    assert_int_equal(match("0::"), TARGET_NONE);
    assert_int_equal(match("0::/x\n3:pids:/" B "\n4:cpu:/" A "\n"), IS_A);
    assert_int_equal(match("4:pids:/kubepods/pod" UID "\n0::/" B "\n"), IS_B);
    /* Of a monitor's many groups, only some may tell. */
    assert_int_equal(match("4:pids:/kubepods/pod" UID "\n0::/crio-conmon-" B ".scope\n"),
                     TARGET_NONE);
    /* A bounded text: nothing behind its end is looked at. */
    assert_int_equal(target_match(&options, "0::/" A, 4 + 63), TARGET_NONE);
    assert_int_equal(target_match_line(&options, "0::/" A, 4 + 64, &monitor), IS_A);
    assert_false(monitor);
    assert_int_equal(target_match_line(&options, "0::/conmon", 10, &monitor), TARGET_NONE);
    assert_true(monitor);
}

static void test_static_pods(void **state)
{
    struct options with_hash = {.pod = HASH};
    static const char path[] = "0::/kubepods.slice/kubepods-burstable-pod" HASH ".slice/x.scope";

    (void)state;
    assert_int_equal(target_match(&with_hash, path, sizeof(path) - 1), 0);
    with_hash.pod = NULL;
    assert_int_equal(target_match(&with_hash, path, sizeof(path) - 1), TARGET_NONE);
}

/* Fields 4 to 21, of which none is looked at. */
#define FIELDS " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 "

static void test_stat(void **state)
{
    static const struct {
        const char *text;
        uint64_t start; /* 0: refused */
    } texts[] = {
        {"7 (sh) S" FIELDS "4711 99 100\n", 4711},
        {"7 (sh) S" FIELDS "4711", 4711},
        {"7 (a) S 1 () R" FIELDS "4712 5\n", 4712},
        {"7 (a) S 1 () S" FIELDS "4714 5\n", 4714},
        {"7 ()) )) S" FIELDS "18446744073709551615 5\n", UINT64_MAX},
        {"7 (a\nb) S" FIELDS "4715 5\n", 4715},
        {"7 () S" FIELDS "4716 5\n", 4716},
        {"7 (sh) Z" FIELDS "4711 99 100\n", 0},
        {"7 (sh) X" FIELDS "4711 99 100\n", 0},
        {"7 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", 0},
        {"7 (sh) S" FIELDS, 0},
        {"7 (sh) S" FIELDS "x", 0},
        {"7 (sh)", 0},
        {"7 (sh) ", 0},
        {"7 sh S" FIELDS "4711 99", 0},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t start = 1;
        bool good = target_parse_stat(texts[i].text, strlen(texts[i].text), &start);

        if (good != (texts[i].start != 0) || start != (good ? texts[i].start : 1))
            fail_msg("%s: %d, %llu", texts[i].text, good, (unsigned long long)start);
    }
}

/* ---- a /proc of the test's own ---- */

static char root[] = "/tmp/agent_target_test.XXXXXX";

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

/* @ns: the namespace, a file that is linked to; NULL: none, as of what has ended */
static void add_process(int pid, const char *cgroup, unsigned start, const char *ns)
{
    char path[256], other[128], content[8192];

    snprintf(path, sizeof(path), "mkdir -p %s/%d/ns", root, pid);
    assert_int_equal(system(path), 0);
    snprintf(path, sizeof(path), "%s/%d/cgroup", root, pid);
    write_file(path, cgroup);
    snprintf(path, sizeof(path), "%s/%d/stat", root, pid);
    snprintf(content, sizeof(content), "%d (x) S" FIELDS "%u 3\n", pid, start);
    write_file(path, content);
    if (!ns)
        return;
    snprintf(other, sizeof(other), "%s/%s", root, ns);
    write_file(other, "");
    snprintf(path, sizeof(path), "%s/%d/ns/net", root, pid);
    assert_int_equal(symlink(other, path), 0);
}

static struct target_found find(struct options wanted)
{
    struct target_found found;
    int proc = open(root, O_RDONLY | O_DIRECTORY);

    assert_true(proc >= 0);
    target_find(proc, &wanted, &found);
    close(proc);
    return found;
}

#define HEADINGS                                                                                   \
    "Inter-|   Receive                                                |  Transmit\n"               \
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n"
#define DEVICE(name) name ": 1064      10    0    0    0     0          0         0     1064\n"

static void test_bare(void **state)
{
    static const struct {
        const char *text;
        bool bare;
    } cases[] = {
        {HEADINGS DEVICE("    lo"), true},
        {HEADINGS DEVICE("    lo") DEVICE("  sit0") DEVICE(" tunl0") DEVICE("ip6tnl0"), true},
        {HEADINGS DEVICE("    lo") DEVICE("  eth0"), false},
        {HEADINGS DEVICE("  eth0") DEVICE("    lo"), false},
        {HEADINGS DEVICE("  lo0"), false},
        {HEADINGS DEVICE("     l"), false},
        {HEADINGS DEVICE("a-name-of-15-ch"), false},
        {HEADINGS DEVICE("a-name-that-is-longer-than-any"), false},
        {HEADINGS, true},
        {"", false}, /* not to be read */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (target_is_bare(cases[i].text, strlen(cases[i].text)) != cases[i].bare)
            fail_msg("bare: %s", cases[i].text);
}

static void test_which_process(void **state)
{
    const struct options both = {.containers = {A, B}, .container_count = 2, .pod = UID};
    const struct options a = {.containers = {A}, .container_count = 1};
    const struct options b = {.containers = {B}, .container_count = 1};
    const struct options b_a = {.containers = {B, A}, .container_count = 2};
    const struct options pod = {.pod = UID};
    const struct options b_pod = {.containers = {B}, .container_count = 1, .pod = UID};
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "%s/self", root);
    assert_int_equal(mkdir(path, 0700), 0);
    add_process(1, "0::/\n", 1, "node");
    add_process(30, "0::/pod" UID "/" A "/below\n", 500, "below");
    add_process(31, "0::/pod" UID "/" A "\n", 400, "a");
    add_process(9, "0::/pod" UID "/" A "\n", 401, "younger");
    add_process(32, "0::/pod" UID "/" A "\n", 400, "higher");
    add_process(40, "0::/pod" UID "/pause\n", 300, "pause");
    add_process(50, "0::/pod" UID "/" A "\n", 100, "node");
    add_process(51, "0::/pod" UID "/crio-conmon-" A ".scope\n", 50, "elsewhere");
    add_process(52, "0::/pod" UID "/" A "\n", 60, NULL);
    add_process(60, "0::/other/" B "\n", 100, "node");

    struct target_found found = find(both);
    assert_int_equal(found.pid, 31);
    assert_int_equal(found.target, IS_A);
    assert_int_equal(found.start, 400);
    assert_int_equal(found.looked_at, 10);
    assert_int_equal(found.refused, 0);
    assert_int_equal(find(a).pid, 31);
    assert_int_equal(find(b_a).pid, 31);
    assert_int_equal(find(pod).pid, 40);
    /* Only in the node's network. */
    found = find(b);
    assert_int_equal(found.target, TARGET_NONE);
    assert_int_equal(found.of_node, 0);
    /* So the next one is taken. */
    found = find(b_pod);
    assert_int_equal(found.pid, 40);
    assert_int_equal(found.target, 1);
    found = find((struct options){.pod = HASH});
    assert_int_equal(found.target, TARGET_NONE);
    assert_int_equal(found.of_node, TARGET_NONE);
}

/* Process 1 lets nobody look: process 2 will do, if it is the kernel's. */
static void test_node_by_a_kernel_thread(void **state)
{
    static const char kernel_thread[] =
        "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 0 0\n";
    const struct options b = {.containers = {B}, .container_count = 1};
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "%s/1/ns/net", root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(find(b).pid, 60);
    add_process(2, "0::/\n", 1, "node");
    assert_int_equal(find(b).pid, 60);
    snprintf(path, sizeof(path), "%s/2/stat", root);
    write_file(path, kernel_thread);
    assert_int_equal(find(b).target, TARGET_NONE);
    assert_int_equal(find(b).of_node, 0);
}

/* A text that is longer than what is read of it: its last line, which is not whole, does not count.
 */
static void test_long_text(void **state)
{
    static char content[80000];
    const struct options wanted = {.containers = {A}, .container_count = 1};
    char path[64];
    size_t used = 0;

    (void)state;
    while (used < 65536 - 200)
        used += (size_t)sprintf(content + used, "1:x:/%070d\n", 0);
    /* The id would end just where the buffer does. */
    size_t filler = 65536 - used - 64 - 5;
    used += (size_t)sprintf(content + used, "2:x:/%0*d" A "00\n", (int)filler, 0);
    content[65536 - 65] = '/';
    add_process(70, "", 7, "long");
    snprintf(path, sizeof(path), "%s/70/cgroup", root);
    write_file(path, content);
    assert_true(memcmp(content + 65536 - 65, "/" A "00", 66) == 0);
    assert_int_not_equal(find(wanted).pid, 70);
    memcpy(content, "1:x:/" A "/", 70);
    write_file(path, content);
    assert_int_equal(find(wanted).pid, 70);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

/* ---- options ---- */

#define PARSE(...) parse((char *const[]){__VA_ARGS__, NULL})

static struct options parsed;

static int parse(char *const argv[])
{
    int argc = 0;

    while (argv[argc])
        argc++;
    memset(&parsed, 0, sizeof(parsed));
    return options_parse(argc, argv, &parsed);
}

static void test_options(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-C", A, "-P", UID, "-C", B), 0);
    assert_int_equal(parsed.container_count, 2);
    assert_string_equal(parsed.containers[0], A);
    assert_string_equal(parsed.containers[1], B);
    assert_string_equal(parsed.pod, UID);
    assert_int_equal(PARSE("-P", HASH), 0);
    assert_int_equal(PARSE("-C", A "0"), -1);
    assert_int_equal(PARSE("-C", ""), -1);
    assert_int_equal(PARSE("-C"), -1);
    assert_int_equal(PARSE("-C", &A[1]), -1);
    assert_int_equal(
        PARSE("-C", "Aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111"), -1);
    assert_int_equal(
        PARSE("-C", "g1111111bbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111"), -1);
    assert_int_equal(PARSE("-C", "containerd://" A), -1);
    assert_int_equal(PARSE("-P", ""), -1);
    assert_int_equal(PARSE("-P", UID_), -1);
    assert_int_equal(PARSE("-P", UID "0"), -1);
    assert_int_equal(PARSE("-P", HASH "0"), -1);
    assert_int_equal(PARSE("-P", "11223344-5566-7788-99aa-bbccddeeff0"), -1);
    assert_int_equal(PARSE("-P", "112233445-566-7788-99aa-bbccddeeff00"), -1);
    assert_int_equal(PARSE("-P", "11223344-5566-7788-99AA-bbccddeeff00"), -1);
    assert_int_equal(PARSE("-P", "0123456789abcdef0123456789abcde-"), -1);
    assert_int_equal(PARSE("-P", "------------------------------------"), -1);
}

static void test_most_containers(void **state)
{
    char *argv[2 * (AGENT_TARGETS_MAX + 1)];

    (void)state;
    for (size_t i = 0; i <= AGENT_TARGETS_MAX; i++) {
        argv[2 * i] = "-C";
        argv[2 * i + 1] = A;
    }
    memset(&parsed, 0, sizeof(parsed));
    assert_int_equal(options_parse(2 * AGENT_TARGETS_MAX, argv, &parsed), 0);
    assert_int_equal(parsed.container_count, AGENT_TARGETS_MAX);
    memset(&parsed, 0, sizeof(parsed));
    assert_int_equal(options_parse(2 * (AGENT_TARGETS_MAX + 1), argv, &parsed), -1);
}

static void test_options_of_hold(void **state)
{
    char *const good[] = {"-S", "3", "-u", "/tmp/x"}, *const ring[] = {"-R"};
    char *const name[] = {"-i", "eth0"}, *const zero[] = {"-S", "0"};

    (void)state;
    memset(&parsed, 0, sizeof(parsed));
    assert_int_equal(options_parse_hold(0, NULL, &parsed), 0);
    assert_int_equal(parsed.silence, AGENT_HOLD_SECONDS);
    assert_int_equal(options_parse_hold(4, good, &parsed), 0);
    assert_int_equal(parsed.silence, 3);
    assert_string_equal(parsed.unlink_path, "/tmp/x");
    assert_int_equal(options_parse_hold(1, ring, &parsed), -1);
    assert_int_equal(options_parse_hold(2, name, &parsed), -1);
    assert_int_equal(options_parse_hold(2, zero, &parsed), -1);
    assert_int_equal(options_parse_hold(1, good, &parsed), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bare),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_static_pods),
        cmocka_unit_test(test_stat),
        cmocka_unit_test(test_which_process),
        cmocka_unit_test(test_node_by_a_kernel_thread),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_most_containers),
        cmocka_unit_test(test_options_of_hold),
    };

    return cmocka_run_group_tests_name("agent_target", tests, make_root, remove_root);
}
