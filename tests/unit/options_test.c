/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdbool.h>

#include "base/error.h"
#include "cli/flags.h"
#include "cli/options.h"

#define WORDS_MAX 32

/* Parses "a b c" split at spaces. The words live in a static buffer. */
static int parse(const char *line, struct options *options, struct error *err)
{
    static char text[1024];
    char *argv[WORDS_MAX] = {(char *)"kubectl-sniff"};
    int argc = 1;

    snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse(argc, argv, options, err);
}

static struct options parsed(const char *line)
{
    struct options options;
    struct error err = {0};

    if (parse(line, &options, &err) < 0)
        fail_msg("\"%s\": %s", line, err.text);
    return options;
}

static void refused(const char *line, const char *text, const char *remedy)
{
    struct options options;
    struct error err = {0};

    if (parse(line, &options, &err) == 0)
        fail_msg("\"%s\" is taken", line);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.text, text);
    if (remedy)
        assert_string_equal(err.remedy, remedy);
}

static void test_defaults(void **state)
{
    struct options options = parsed("web");

    (void)state;
    assert_int_equal(options.action, OPTIONS_SNIFF);
    assert_string_equal(options.targets[0], "web");
    assert_null(options.namespace);
    assert_null(options.container);
    assert_int_equal(options.interface_count, 0);
    assert_null(options.filter);
    assert_null(options.output_file);
    assert_int_equal(options.snaplen, 262144);
    assert_int_equal(options.count, 0);
    assert_int_equal(options.duration, 0);
    assert_int_equal(options.drain_timeout, 0);
    assert_int_equal(options.reorder_window, 200);
    assert_false(options.no_clock_sync);
    assert_false(options.dedup);
    assert_int_equal(options.max_size, 0);
    assert_int_equal(options.buffer_size, 0);
    assert_int_equal(options.format, OPTIONS_FORMAT_DEFAULT);
    assert_int_equal(options.verbose, 0);
}

static void test_ways_to_write_a_value(void **state)
{
    static const char *const lines[] = {
        "web -n shop",          "web -nshop",           "web -n=shop",
        "-n shop web",          "web --namespace shop", "--namespace=shop web",
        "-n other -n shop web", "-vn shop web",         "-n shop -- web"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct options options = parsed(lines[i]);

        assert_string_equal(options.namespace, "shop");
        assert_string_equal(options.targets[0], "web");
    }
}

static void test_values(void **state)
{
    struct options options =
        parsed("po/web -i eth0 -i lo --snaplen 0 --count 7 --duration 1m --max-size 1M "
               "--buffer-size 64M --format pcap -o x -vv --as-group a --as-group b "
               "--insecure-skip-tls-verify=false --request-timeout 5s");

    (void)state;
    assert_int_equal(options.interface_count, 2);
    assert_string_equal(options.interfaces[1], "lo");
    assert_null(options.interfaces[2]);
    assert_int_equal(options.snaplen, 262144); /* as for tcpdump */
    assert_false(options.headers_only);
    assert_true(parsed("web --headers-only").headers_only);
    assert_int_equal(options.count, 7);
    assert_int_equal(options.duration, 60000);
    assert_int_equal(options.max_size, 1 << 20);
    assert_int_equal(options.buffer_size, 64 << 20);
    assert_int_equal(options.format, OPTIONS_FORMAT_PCAP);
    assert_int_equal(options.verbose, 2);
    assert_string_equal(options.as_groups[1], "b");
    assert_false(options.kube.insecure_skip_tls_verify);
    assert_int_equal(options.request_timeout, 5000);
    assert_int_equal(parsed("web -i any").interface_count, 0);
    assert_null(parsed("web -i any").interfaces[0]);
    assert_int_equal(parsed("web -i any -i any").interface_count, 0);
    assert_int_equal(parsed("web -i lo -i eth0 -i lo").interface_count, 2);
    assert_int_equal(parsed("web --privileged=false").action, OPTIONS_SNIFF);
    assert_int_equal(parsed("web -v --verbose=false").verbose, 0);
    assert_int_equal(parsed("web --help").action, OPTIONS_HELP);
    assert_int_equal(parsed("-h").action, OPTIONS_HELP);
    assert_int_equal(parsed("--version").action, OPTIONS_VERSION);
}

static void test_an_empty_value_is_none(void **state)
{
    struct options options = parsed("web -f x -n y --filter= --namespace= --container= -x=");

    (void)state;
    assert_null(options.filter);
    assert_null(options.namespace);
    assert_null(options.container);
    assert_null(options.kube.context);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("", "no pod is named", NULL);
    refused("web --contaner x", "unknown flag \"--contaner\"", "did you mean \"--container\"?");
    refused("web --flter=x", "unknown flag \"--flter\"", "did you mean \"--filter\"?");
    refused("web --xyzzy", "unknown flag \"--xyzzy\"", "see: kubectl sniff --help");
    refused("web -z", "unknown flag \"-z\"", NULL);
    /* The beginning of a name is no name, but good enough for a suggestion. */
    refused("web --name", "unknown flag \"--name\"", "did you mean \"--namespace\"?");
    refused("web --output x", "unknown flag \"--output\"", "did you mean \"--output-file\"?");
    refused("web --completio=bash", "unknown flag \"--completio\"",
            "did you mean \"--completion\"?");
    refused("web -quiet", "unknown flag \"-q\"", "did you mean \"--quiet\"?");
    refused("web --help=no", "--help takes true or false, not \"no\"", NULL);
    refused("--completion=csh", "--completion takes bash, zsh, fish or words, not \"csh\"", NULL);
    refused("web --fo\x1b[m", "unknown flag \"--fo\\x1b[m\"", NULL);
    refused("web -o", "-o needs a value", "-o FILE");
    refused("web --wait 5s", "\"5s\" behind --wait is taken for a pod",
            "write --wait=5s, or pod/5s");
    refused("web --check json", "\"json\" behind --check is taken for a pod",
            "write --check=json, or pod/json");
    refused("web tcp port 80", "unexpected argument \"tcp\": is it of a filter?",
            "a filter stands behind -f, in quotes; a pod is pod/tcp");
    refused("web --count x", "--count takes a whole number, not \"x\"", NULL);
    refused("web --count -1", "--count takes a whole number, not \"-1\"", NULL);
    refused("web --count 99999999999999999999",
            "--count takes a whole number, not \"99999999999999999999\"", NULL);
    refused("web --snaplen 262145", "--snaplen takes at most 262144 bytes, not \"262145\"", NULL);
    refused("web --max-size 1X", "--max-size takes a size such as 64k, 32M or 1G, not \"1X\"",
            NULL);
    refused("web --duration soon",
            "--duration takes a duration such as 30s, 5m or 1h30m, not \"soon\"", NULL);
    refused("web --quiet=maybe", "--quiet takes true or false, not \"maybe\"", NULL);
    refused("web --format=cap -o x", "--format takes pcapng or pcap, not \"cap\"", NULL);
    refused("web -i waytoolongforaname",
            "-i takes the name of an interface, such as eth0, not \"waytoolongforaname\"", NULL);
    refused("web -n Shop", "-n takes a name of lower-case letters, digits and dashes, not \"Shop\"",
            NULL);
    refused("we_b", "\"we_b\" cannot be the name of a pod", NULL);
    refused("web --quiet -v", "--quiet contradicts --verbose", NULL);
    refused("web --format pcap", "Wireshark is given pcapng: --format pcap needs -o", NULL);
    refused("web --viewer wireshark --format pcap",
            "Wireshark is given pcapng: --format pcap needs -o", NULL);
    assert_string_equal(parsed("web --viewer tcpdump --format pcap").viewer, "tcpdump");
    refused("web --viewer tshark -o x", "--viewer shows nothing of what -o writes",
            "leave out one of them");
    refused("web --viewer a|b", "--viewer: \"|\" in \"a|b\" means something to a shell only",
            "quote it, or let a shell run it: sh -c '...'");
    refused("web --viewer=", "--viewer takes wireshark, tshark, termshark or a command, not \"\"",
            NULL);
    refused("web -i lo -i any", "-i any contradicts the other -i", NULL);
    refused("web -i any -i lo", "-i any contradicts the other -i", NULL);
    refused("web --local-tcpdump-path x -i eth0 -i lo", "tcpdump (-l) takes one -i", NULL);
    refused("web --local-tcpdump-path x --headers-only",
            "tcpdump (-l) does not know --headers-only", NULL);
    refused("web --local-tcpdump-path x --buffer-size 2M",
            "--buffer-size is of the agent's ring: -l does without it", NULL);
    refused("web --buffer-size 4k", "--buffer-size takes at least 1M", NULL);
    refused("web --method magic", "--method takes auto, upload, node or ephemeral, not \"magic\"",
            NULL);
    refused("web -p --method upload", "-p contradicts --method upload", NULL);
    refused("web -p --local-tcpdump-path x", "-l is for the upload method alone", NULL);
    refused("node/n1 --method upload", "a node can be captured with the node method only", NULL);
    refused("node/n1 -c app", "a node has no containers: leave out -c", NULL);
    refused("node/N1", "\"N1\" cannot be the name of a node", NULL);
    refused("web --cleanup", "--cleanup takes no pod", NULL);
    refused("web --check=xml", "--check takes json, or nothing, not \"xml\"", NULL);
    refused("web --wait=soon", "--wait takes a duration such as 30s, 5m or 1h30m, not \"soon\"",
            NULL);
    refused("web --limits cpu",
            "--limits takes quantities such as cpu=100m,memory=64Mi, not \"cpu\"", NULL);
}

static void test_help_wins(void **state)
{
    static const char *const lines[] = {
        "-h",
        "--help",
        "web --bogus -h",
        "-h web extra words",
        "web -p --method upload -h",
        "web -vh",
        "--version -h",
        "--cleanup -h",
        "web --count many --help",
        "-o -h -h",
        "--check -h -o",
        "--help=man -h",
    };
    struct options options;
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_int_equal(parsed(lines[i]).action, OPTIONS_HELP);
    /* Values are none, and what stands behind the flags. */
    assert_string_equal(parsed("web -f -h").filter, "-h");
    assert_string_equal(parsed("web -f-h").filter, "-h");
    assert_string_equal(parsed("web --filter --help").filter, "--help");
    assert_true(parse("web -- -h", &options, &err) < 0);
    assert_int_equal(parsed("--help=man").action, OPTIONS_MAN);
    assert_int_equal(parsed("web --help=false").action, OPTIONS_SNIFF);
}

static void test_what_does_nothing_together(void **state)
{
    (void)state;
    refused("web --check --cleanup", "--check contradicts --cleanup", NULL);
    refused("--cleanup --count 5", "--count does nothing with --cleanup", "leave out one of them");
    refused("--cleanup -o x", "--output-file does nothing with --cleanup", NULL);
    refused("--cleanup -f tcp", "--filter does nothing with --cleanup", NULL);
    refused("--cleanup -p", "--privileged does nothing with --cleanup", NULL);
    refused("web --check -o x", "--output-file does nothing with --check", NULL);
    refused("web --check --viewer tshark", "--viewer does nothing with --check", NULL);
    refused("web --check --duration 5s", "--duration does nothing with --check", NULL);
    refused("web --check --max-size 5M", "--max-size does nothing with --check", NULL);
    refused("web --check --rotate-size 5M", "--rotate-size does nothing with --check", NULL);
    refused("web -o x --rotate-files 3", "--rotate-files does nothing where there is one file",
            "--rotate-size or --rotate-time make several");
    refused("web --keylog keys.log",
            "--keylog takes the whole path of a file in the container, not \"keys.log\"", NULL);
    refused("web --keylog /", "--keylog takes the whole path of a file in the container, not \"/\"",
            NULL);
    refused("web --keylog /keys --headers-only",
            "--headers-only leaves nothing for the secrets of --keylog", "leave out one of them");
    refused("web -o - --summary -", "standard output cannot take the packets and the summary",
            "name a file with -o, or with --summary");
    refused("--fetch shop -o - --summary -",
            "standard output cannot take the packets and the summary", NULL);
    parsed("web -o x --summary -");
    parsed("web -o - --summary x");
    refused("node/n1 --keylog /keys", "a node has no container, and no key log in it",
            "leave out --keylog, or name pods");
    refused("web --check --keylog /keys", "--keylog does nothing with --check", NULL);
    refused("--cleanup --keylog /keys", "--keylog does nothing with --cleanup", NULL);
    refused("web -p -r /tmp", "--remote-tcpdump-path does nothing with the node method",
            "leave it out, or choose another --method");
    refused("web --method upload --image x", "--image does nothing with the upload method", NULL);
    refused("web --method ephemeral --requests cpu=1",
            "--requests does nothing with the ephemeral method", NULL);
    refused("web --method upload --pod-creation-timeout 5s",
            "--pod-creation-timeout does nothing with the upload method", NULL);
    refused("node/n1 --wait", "a node is not waited for: leave out --wait", NULL);
    /* What they may stand beside. */
    parsed("--cleanup -n shop -v --context x");
    parsed("web --check -f tcp -i eth0 -c app --image x");
    parsed("web --image x -r /tmp --requests cpu=1");
    parsed("web --method ephemeral --image x");
}

static void test_recordings(void **state)
{
    struct options options = parsed("deploy/shop --record");

    (void)state;
    assert_int_equal(options.action, OPTIONS_RECORD);
    assert_null(options.record_name);
    assert_string_equal(options.method, "node");
    assert_int_equal(options.keep_bytes, 1u << 30);
    assert_int_equal(options.keep_seconds, 0);
    assert_int_equal(options.record_for, 86400);
    assert_false(options.keep_in_memory);
    options = parsed("web -p --record=shop-1.a_B --keep 2G,1h --for 7d --keep-in memory -f tcp "
                     "--stop-when udp --after 30s --headers-only -n shop --image x");
    assert_string_equal(options.record_name, "shop-1.a_B");
    assert_int_equal(options.keep_bytes, 2ull << 30);
    assert_int_equal(options.keep_seconds, 3600);
    assert_int_equal(options.record_for, 7 * 86400);
    assert_true(options.keep_in_memory);
    assert_string_equal(options.stop_when, "udp");
    assert_int_equal(options.after, 30000);
    assert_int_equal(parsed("web --record=false").action, OPTIONS_SNIFF);
    options = parsed("--recordings=json -A");
    assert_int_equal(options.action, OPTIONS_RECORDINGS);
    assert_true(options.recordings_json && options.all_namespaces);
    assert_false(parsed("--recordings -n shop --quiet").recordings_json);
    options = parsed("--end shop-1");
    assert_int_equal(options.action, OPTIONS_END);
    assert_string_equal(options.recording, "shop-1");
}

static void test_wrong_recordings(void **state)
{
    (void)state;
    refused(
        "web --record=-x", "--record takes a recording's name, not \"-x\"",
        "at most 63 letters, digits, \"-\", \"_\" and \".\", the first and the last a letter or "
        "a digit: shop-503");
    refused("web --record=a/b", "--record takes a recording's name, not \"a/b\"", NULL);
    refused("web --record=", "--record takes a recording's name, not \"\"", NULL);
    refused("--end a,b", "--end takes a recording's name, not \"a,b\"", NULL);
    refused("deploy/shop --record shop", "\"shop\" behind --record is taken for a pod",
            "write --record=shop, or pod/shop");
    refused("--record", "no pod is named", NULL);
    refused("web --record --keep 5M", "--keep takes at least 8M, not \"5M\"", NULL);
    refused("web --record --keep 1000",
            "--keep takes a size, a time or both: 2G, 1h or 2G,1h, not \"1000\"", NULL);
    refused("web --record --for 8d", "--for takes at most seven days (7d), not \"8d\"", NULL);
    refused("web --record --for 0s", "--for takes a time such as 30m, 24h or 7d, not \"0s\"", NULL);
    refused("web --record --keep-in ram", "--keep-in takes disk or memory, not \"ram\"", NULL);
    refused("web --record --stop-when=", "--stop-when takes a filter, not \"\"", NULL);
    refused("web --record --after 5s", "--after does nothing without --stop-when", NULL);
    refused("web --keep 2G", "--keep does nothing without --record",
            "leave it out, or record with --record[=NAME]");
    refused("web --check --for 2h", "--for does nothing without --record", NULL);
    refused("web --record -o x", "--output-file does nothing with --record",
            "leave out one of them");
    refused("web --record --duration 5s", "--duration does nothing with --record",
            "--for says how long a recorder stays");
    refused("web --record --follow", "--follow does nothing with --record", NULL);
    refused("web --record --method upload", "a recording is made with the node method only",
            "leave out --method");
    refused("web --record --local-tcpdump-path x", "-l is for the upload method alone", NULL);
    refused("web --record --check", "--check contradicts --record", NULL);
    refused("--recordings --end x", "--recordings contradicts --end", NULL);
    refused("--recordings web", "--recordings takes no pod",
            "choose a namespace with -n, or all with -A");
    refused("--end x web", "--end NAME takes no pod", NULL);
    refused("--recordings -f tcp", "--filter does nothing with --recordings", NULL);
    refused("--recordings=yaml", "--recordings takes json, or nothing, not \"yaml\"", NULL);
}

static void test_too_small_and_empty(void **state)
{
    (void)state;
    refused("web --max-size 1023", "--max-size has no room for a packet below 1024 bytes", NULL);
    assert_int_equal(parsed("web --max-size 1k").max_size, 1024);
    refused("web --rotate-size 1023", "--rotate-size has no room for a packet below 1024 bytes",
            NULL);
    assert_int_equal(parsed("web -o x --rotate-size 1k --rotate-files 4").rotate_files, 4);
    assert_int_equal(parsed("web -o x --rotate-time 1h").rotate_time, 3600000);
    assert_int_equal(parsed("web --max-size 0 --count 0 --duration 0").max_size, 0);
    assert_false(parsed("web --wait=0").wait || parsed("web --wait=0s").wait);
    assert_true(parsed("web --wait").wait && parsed("web --wait=1s").wait);
    refused("web --output-file=", "--output-file is given an empty name",
            "is a variable unset? leave it out to open Wireshark");
}

static void test_environment(void **state)
{
    struct options options;
    struct error err;

    (void)state;
    setenv("KUBECTL_PLUGINS_CURRENT_NAMESPACE", "shop", 1);
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_FILTER", "tcp", 1);
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE", "true", 1);
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_CONTAINER", "", 1);
    options = parsed("web");
    assert_string_equal(options.namespace, "shop");
    assert_string_equal(options.filter, "tcp");
    assert_int_equal(options.verbose, 1);
    assert_null(options.container);
    options = parsed("web -n mine -f udp");
    assert_string_equal(options.namespace, "mine");
    assert_string_equal(options.filter, "udp");
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE", "loud", 1);
    assert_int_equal(parse("web", &options, &err), -1);
    assert_string_equal(err.text,
                        "KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE takes true or false, not \"loud\"");
    unsetenv("KUBECTL_PLUGINS_CURRENT_NAMESPACE");
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_FILTER");
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE");
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_CONTAINER");
}

/* Flags whose text lands, as it is, in one field. */
static void test_fields(void **state)
{
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
        {"namespace", offsetof(struct options, namespace)},
        {"container", offsetof(struct options, container)},
        {"interface", offsetof(struct options, interfaces)},
        {"filter", offsetof(struct options, filter)},
        {"output-file", offsetof(struct options, output_file)},
        {"local-tcpdump-path", offsetof(struct options, local_tcpdump_path)},
        {"remote-tcpdump-path", offsetof(struct options, remote_tcpdump_path)},
        {"context", offsetof(struct options, kube.context)},
        {"kubeconfig", offsetof(struct options, kube.kubeconfig)},
        {"cluster", offsetof(struct options, kube.cluster)},
        {"user", offsetof(struct options, kube.user)},
        {"server", offsetof(struct options, kube.server)},
        {"token", offsetof(struct options, kube.token)},
        {"as", offsetof(struct options, kube.as)},
        {"as-group", offsetof(struct options, as_groups)},
        {"as-uid", offsetof(struct options, kube.as_uid)},
        {"certificate-authority", offsetof(struct options, kube.certificate_authority)},
        {"client-certificate", offsetof(struct options, kube.client_certificate)},
        {"client-key", offsetof(struct options, kube.client_key)},
        {"tls-server-name", offsetof(struct options, kube.tls_server_name)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char line[64];
        const char *value;

        snprintf(line, sizeof(line), "web --%s x%zu", fields[i].name, i);
        struct options options = parsed(line);
        memcpy(&value, (const char *)&options + fields[i].offset, sizeof(value));
        assert_non_null(value);
        assert_string_equal(value, strchr(line + 4, ' ') + 1);
    }
    assert_true(parsed("web --insecure-skip-tls-verify").kube.insecure_skip_tls_verify);
}

/* Every field, for comparing what two command lines mean. */
static void describe(const struct options *o, char *text, size_t size)
{
    const struct kube_overrides *k = &o->kube;
    const char *const strings[] = {
        o->targets[0],
        o->namespace,
        o->container,
        o->interfaces[0],
        o->filter,
        o->output_file,
        o->local_tcpdump_path,
        o->remote_tcpdump_path,
        o->selector,
        o->field_selector,
        k->kubeconfig,
        k->context,
        k->cluster,
        k->user,
        k->server,
        k->token,
        k->as,
        o->as_groups[0],
        k->as_uid,
        k->tls_server_name,
        k->client_key,
        k->client_certificate,
        k->certificate_authority,
        o->method,
        o->image,
        o->node_namespace,
        o->service_account,
        o->requests,
        o->limits,
        o->tcpdump_image,
        o->socket,
        o->summary,
        o->keylog,
    };
    size_t used = 0;

    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        used += (size_t)snprintf(text + used, size - used, "%s|", strings[i] ? strings[i] : "");
    used += (size_t)snprintf(
        text + used, size - used, "%llu %d %d %d %d %d %d %d %d|%llu %llu|",
        (unsigned long long)o->max_targets, o->headers_only, o->privileged, o->check_json,
        o->all_namespaces, o->wait, o->no_reconnect, o->include_own_traffic, o->no_names,
        (unsigned long long)o->pod_creation_timeout, (unsigned long long)o->wait_timeout);
    used += (size_t)snprintf(text + used, size - used, "%d %d|", o->follow, o->fail_fast);
    used +=
        (size_t)snprintf(text + used, size - used, "%llu %llu|", (unsigned long long)o->rotate_size,
                         (unsigned long long)o->rotate_time);
    used += (size_t)snprintf(text + used, size - used, "%llu %d %d|",
                             (unsigned long long)o->reorder_window, o->no_clock_sync, o->dedup);
    snprintf(text + used, size - used, "%d %d|%zu|%lu|%llu|%llu|%llu|%llu|%llu|%d|%d|%u|%d|%llu",
             (int)o->action, (int)o->completion, o->interface_count, (unsigned long)o->snaplen,
             (unsigned long long)o->count, (unsigned long long)o->duration,
             (unsigned long long)o->drain_timeout, (unsigned long long)o->max_size,
             (unsigned long long)o->buffer_size, (int)o->format, o->quiet, o->verbose,
             k->insecure_skip_tls_verify, (unsigned long long)o->request_timeout);
}

/* A value that the flag takes, and that is not its default. */
static const char *sample(const struct flag *flag)
{
    static const struct {
        const char *metavar, *value;
    } samples[] = {{"BYTES", "77"},    {"N", "77"},       {"SIZE", "64M"},    {"TIME", "5s"},
                   {"FORMAT", "pcap"}, {"SHELL", "zsh"},  {"METHOD", "node"}, {"LIST", "cpu=1m"},
                   {"MODE", "off"},    {"PATH", "/value"}};

    for (size_t i = 0; flag->kind == FLAG_VALUE && i < sizeof(samples) / sizeof(samples[0]); i++)
        if (strcmp(flag->metavar, samples[i].metavar) == 0)
            return samples[i].value;
    return flag->kind == FLAG_VALUE ? "value1" : "true";
}

/* Those that make no sense with a pod, or with a file: see test_actions(), test_targets(),
 * test_recordings(). */
static bool stands_alone(const struct flag *flag)
{
    return flag->group == FLAG_GROUP_RECORDING || strcmp(flag->name, "cleanup") == 0 ||
           strcmp(flag->name, "all-namespaces") == 0 || strcmp(flag->name, "check") == 0 ||
           strcmp(flag->name, "field-selector") == 0 || strcmp(flag->name, "rotate-files") == 0 ||
           strcmp(flag->name, "viewer") == 0 || strcmp(flag->name, "print-config") == 0;
}

/* Parses "web -o out" and one or two words more, and describes the result. */
static void outcome(const char *first, const char *second, char *text, size_t size)
{
    char *argv[] = {(char *)"kubectl-sniff", (char *)"web",  (char *)"-oout",
                    (char *)first,           (char *)second, NULL};
    int argc = 3 + (first != NULL) + (second != NULL);
    struct options options;
    struct error err = {0};

    if (options_parse(argc, argv, &options, &err) == 0)
        describe(&options, text, size);
    else
        fail_msg("%s %s: %s", first ? first : "", second ? second : "", err.text);
}

/* Each row of the table in each way to write it: all mean the same, and no two rows do. */
static void test_every_flag(void **state)
{
    static char texts[FLAGS_MAX][2048];
    char none[2048], other[2048], word[256];

    (void)state;
    outcome(NULL, NULL, none, sizeof(none));
    for (size_t i = 0; i < flag_count; i++) {
        const char *value = sample(&flags[i]);

        if (stands_alone(&flags[i]))
            continue;
        snprintf(word, sizeof(word), "--%s=%s", flags[i].name, value);
        outcome(word, NULL, texts[i], sizeof(texts[i]));
        assert_string_not_equal(texts[i], none);
        snprintf(word, sizeof(word), "--%s", flags[i].name);
        outcome(word, flags[i].kind == FLAG_VALUE ? value : NULL, other, sizeof(other));
        assert_string_equal(other, texts[i]);
        if (flags[i].letter) {
            snprintf(word, sizeof(word), "-%c=%s", flags[i].letter, value);
            outcome(word, NULL, other, sizeof(other));
            assert_string_equal(other, texts[i]);
            snprintf(word, sizeof(word), "-%c%s", flags[i].letter,
                     flags[i].kind == FLAG_VALUE ? value : "");
            outcome(word, NULL, other, sizeof(other));
            assert_string_equal(other, texts[i]);
        }
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(texts[j], texts[i]);
    }
}

/* A variable does what its flag does, and yields to it. */
static void test_every_variable(void **state)
{
    char by_flag[2048], by_variable[2048], word[256];

    (void)state;
    for (size_t i = 0; i < flag_count; i++) {
        if (!flags[i].environment)
            continue;
        snprintf(word, sizeof(word), "--%s=%s", flags[i].name, sample(&flags[i]));
        outcome(word, NULL, by_flag, sizeof(by_flag));
        setenv(flags[i].environment, sample(&flags[i]), 1);
        /* Not "-oout" here: that would hide the variable of -o. */
        struct options options;
        struct error err = {0};
        char *argv[] = {(char *)"kubectl-sniff", (char *)"web", NULL};

        assert_int_equal(options_parse(2, argv, &options, &err), 0);
        if (strcmp(flags[i].name, "output-file") != 0)
            options.output_file = "out";
        describe(&options, by_variable, sizeof(by_variable));
        assert_string_equal(by_variable, by_flag);
        setenv(flags[i].environment,
               flags[i].kind == FLAG_SWITCH           ? "false"
               : strcmp(sample(&flags[i]), "5s") == 0 ? "7s"
                                                      : "other2",
               1);
        outcome(word, NULL, by_variable, sizeof(by_variable));
        assert_string_equal(by_variable, by_flag);
        unsetenv(flags[i].environment);
    }
}

static void test_actions(void **state)
{
    struct options options;
    struct error err;

    (void)state;
    assert_int_equal(parse("--cleanup -A -n shop", &options, &err), 0);
    assert_int_equal(options.action, OPTIONS_CLEANUP);
    assert_true(options.all_namespaces);
    assert_int_equal(parse("check --check", &options, &err), 0);
    assert_int_equal(options.action, OPTIONS_CHECK);
    assert_false(options.check_json);
    assert_string_equal(options.targets[0], "check");
    assert_int_equal(parse("web --check=json", &options, &err), 0);
    assert_true(options.check_json);
    assert_int_equal(parse("web --wait=90s", &options, &err), 0);
    assert_true(options.wait);
    assert_int_equal(options.wait_timeout, 90000);
    assert_int_equal(parse("web --wait", &options, &err), 0);
    assert_true(options.wait);
    assert_int_equal(options.wait_timeout, 0);
    assert_int_equal(parse("node/n1", &options, &err), 0);
    assert_string_equal(options.method, "node");
    assert_int_equal(parse("web --local-tcpdump-path /bin/tcpdump", &options, &err), 0);
    assert_string_equal(options.method, "upload");
    /* A pod may be called so. */
    assert_int_equal(parse("nodejs", &options, &err), 0);
    assert_null(options.method);
    /* The variable may always be set: it is no contradiction to -p. */
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_LOCAL_TCPDUMP_PATH", "/bin/tcpdump", 1);
    assert_int_equal(parse("web -p", &options, &err), 0);
    assert_null(options.local_tcpdump_path);
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_LOCAL_TCPDUMP_PATH");
}

static void test_targets(void **state)
{
    struct options options = parsed("deploy/web -n shop data/svc/db x* -- node/n1");

    (void)state;
    assert_int_equal(options.target_count, 4);
    assert_string_equal(options.targets[1], "data/svc/db");
    assert_string_equal(options.targets[3], "node/n1");
    assert_null(options.targets[4]);
    assert_true(options.has_node && !options.only_nodes);
    assert_null(options.method);
    assert_int_equal(options.max_targets, 50);
    assert_int_equal(parsed("pod web").target_count, 2);
    assert_true(parsed("node/a node/b").only_nodes);
    assert_string_equal(parsed("node a b").method, "node");
    assert_false(parsed("node/a -l app=x").only_nodes);
    parsed("web node/a -c app");
    parsed("web node/a --wait");
    parsed("web --wait other");
    parsed("web --check other");
    refused("node/a node/b --wait", "a node is not waited for: leave out --wait", NULL);
    refused("web node/a --method upload", "a node can be captured with the node method only", NULL);
    refused("web deploy/we_b", "\"we_b\" cannot be the name of a deployment", NULL);
    refused("web udp", "unexpected argument \"udp\": is it of a filter?", NULL);
    parsed("udp");
    parsed("web pod/udp");
    refused("a b c d --cleanup", "--cleanup takes no pod", NULL);
}

static void test_selectors(void **state)
{
    struct options options = parsed("-l app=x,tier");

    (void)state;
    assert_int_equal(options.target_count, 0);
    assert_string_equal(options.selector, "app=x,tier");
    assert_null(options.local_tcpdump_path);
    assert_null(options.method);
    assert_string_equal(parsed("web --selector=!a").selector, "!a");
    assert_string_equal(parsed("pods -l a").selector, "a");
    assert_string_equal(parsed("-l a -l a").selector, "a");
    assert_null(parsed("web -l=").selector);
    assert_string_equal(parsed("--field-selector spec.nodeName=n1").field_selector,
                        "spec.nodeName=n1");
    assert_string_equal(parsed("deploy/web --field-selector a!=b").field_selector, "a!=b");
    assert_true(parsed("-A -l app").all_namespaces);
    assert_true(parsed("-A x*").all_namespaces);
    parsed("-A --field-selector status.phase=Running");
    parsed("-A data/web x* node/n1");
    refused("-A", "no pod is named", "kubectl sniff -A -l SELECTOR, or -A '*' for every pod");
    refused("web -A", "\"web\" is the name of one pod: --all-namespaces contradicts it",
            "choose its namespace with -n, or write 'web*'");
    refused("-A pods", "\"pods\" is the name of one pod: --all-namespaces contradicts it",
            "-A '*' is every pod");
    refused("-A deploy", "\"deploy\" is the name of one pod: --all-namespaces contradicts it",
            "a type needs a name, in one namespace: NAMESPACE/deploy/NAME");
    refused("x* svc/web -A", "\"web\" is the name of one service: --all-namespaces contradicts it",
            NULL);
    refused("web --field-selector a=b", "--field-selector does nothing with pods that are named",
            "leave out one of them");
    refused("--field-selector node1",
            "--field-selector takes fields such as spec.nodeName=node1, not \"node1\"", NULL);
    refused("-l a=b -l c", "-l: there is a selector already, \"a=b\"",
            "one for both, such as 'app in (web,db)'");
    refused("-l a=b,c==;", "-l: \"c==;\" is no selector of labels",
            "such as app=web, 'tier in (web,api)' or '!canary'");
    refused("deploy -l a=b", "labels and fields choose pods, not a deployment", NULL);
    refused("-l a=b --cleanup", "--selector does nothing with --cleanup", NULL);
    assert_true(parsed("deploy/web --follow").follow);
    refused("node/a --follow", "a node is not followed: leave out --follow", NULL);
    refused("deploy/web --follow --wait=5m", "--follow waits without a time: leave out --wait",
            NULL);
    refused("deploy/web --follow --check", "--follow does nothing with --check", NULL);
    refused("web --reorder-window 61s", "--reorder-window takes at most a minute, not \"61s\"",
            NULL);
    refused("web --reorder-window -1s",
            "--reorder-window takes a duration such as 30s, 5m or 1h30m, not \"-1s\"", NULL);
    refused("web --clock-sync on", "--clock-sync takes auto or off, not \"on\"", NULL);
    refused("--max-targets some -l a", "--max-targets takes a whole number, not \"some\"", NULL);
}

/* -l is kubectl's, but with a file's name the one of the plugin in Go. */
static void test_tcpdump_by_letter(void **state)
{
    struct options options = parsed("web -l " TEST_DATA "/kubernetes-api/README.md");

    (void)state;
    assert_string_equal(options.local_tcpdump_path, TEST_DATA "/kubernetes-api/README.md");
    assert_true(options.tcpdump_by_letter);
    assert_string_equal(options.method, "upload");
    assert_null(options.selector);
    options = parsed("-l " TEST_DATA "/kubernetes-api/README.md -l app=web");
    assert_non_null(options.local_tcpdump_path);
    assert_string_equal(options.selector, "app=web");
    /* A file in the way of a selector, a directory, and nothing. */
    refused("--selector " TEST_DATA "/kubernetes-api/README.md",
            "--selector: \"" TEST_DATA "/kubernetes-api/README.md\" is no selector of labels",
            NULL);
    refused("web -l " TEST_DATA, "-l: \"" TEST_DATA "\" is no file that exists, and no selector",
            NULL);
    refused("web -l ./missing", "-l: \"./missing\" is no file that exists, and no selector",
            "the path of a static tcpdump, or labels such as app=web");
    assert_string_equal(parsed("-l bin/tcpdump").selector, "bin/tcpdump");
    refused("web -p -l " TEST_DATA "/kubernetes-api/README.md", "-l is for the upload method alone",
            NULL);
    /* The variable is a file's always, and yields to the letter. */
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_LOCAL_TCPDUMP_PATH", "other", 1);
    assert_string_equal(parsed("web -l " TEST_DATA "/kubernetes-api/README.md").local_tcpdump_path,
                        TEST_DATA "/kubernetes-api/README.md");
    options = parsed("web -l app");
    assert_string_equal(options.local_tcpdump_path, "other");
    assert_string_equal(options.selector, "app");
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_LOCAL_TCPDUMP_PATH");
}

/* What users of the plugin in Go, and their scripts, rely on. */
static void test_drop_in(void **state)
{
    static const struct {
        const char *name;
        char letter;
        const char *environment;
    } known[] = {
        {"namespace", 'n', "KUBECTL_PLUGINS_CURRENT_NAMESPACE"},
        {"container", 'c', "KUBECTL_PLUGINS_LOCAL_FLAG_CONTAINER"},
        {"interface", 'i', "KUBECTL_PLUGINS_LOCAL_FLAG_INTERFACE"},
        {"filter", 'f', "KUBECTL_PLUGINS_LOCAL_FLAG_FILTER"},
        {"output-file", 'o', "KUBECTL_PLUGINS_LOCAL_FLAG_OUTPUT_FILE"},
        {"local-tcpdump-path", 0, "KUBECTL_PLUGINS_LOCAL_FLAG_LOCAL_TCPDUMP_PATH"},
        {"remote-tcpdump-path", 'r', "KUBECTL_PLUGINS_LOCAL_FLAG_REMOTE_TCPDUMP_PATH"},
        {"verbose", 'v', "KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE"},
        {"privileged", 'p', "KUBECTL_PLUGINS_LOCAL_FLAG_PRIVILEGED"},
        {"context", 'x', "KUBECTL_PLUGINS_CURRENT_CONTEXT"},
        {"serviceaccount", 's', "KUBECTL_PLUGINS_LOCAL_FLAG_SERVICE_ACCOUNT"},
        {"image", 0, "KUBECTL_PLUGINS_LOCAL_FLAG_IMAGE"},
        {"tcpdump-image", 0, "KUBECTL_PLUGINS_LOCAL_FLAG_TCPDUMP_IMAGE"},
        {"socket", 0, "KUBECTL_PLUGINS_SOCKET_PATH"},
        {"pod-creation-timeout", 0, NULL},
        {"help", 'h', NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const struct flag *flag = flag_find(known[i].name, strlen(known[i].name));

        assert_non_null(flag);
        assert_int_equal(flag->letter, known[i].letter);
        if (known[i].environment)
            assert_string_equal(flag->environment, known[i].environment);
        else
            assert_null(flag->environment);
    }
}

static void test_variables_and_flags_together(void **state)
{
    struct options options;
    struct error err = {0};

    (void)state;
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE", "true", 1);
    options = parsed("web --quiet");
    assert_true(options.quiet);
    assert_int_equal(options.verbose, 0);
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_VERBOSE");
    setenv("KUBECTL_PLUGINS_LOCAL_FLAG_LOCAL_TCPDUMP_PATH", "tcpdump", 1);
    assert_int_equal(parse("web -i eth0 -i lo", &options, &err), -1);
    assert_string_equal(err.text, "tcpdump (KUBECTL_PLUGINS_LOCAL_FLAG_LOCAL_TCPDUMP_PATH) takes "
                                  "one -i");
    unsetenv("KUBECTL_PLUGINS_LOCAL_FLAG_LOCAL_TCPDUMP_PATH");
}

static void test_completion_words(void **state)
{
    struct options options = parsed("--completion=words -- web -n");

    (void)state;
    assert_int_equal(options.action, OPTIONS_COMPLETION);
    assert_int_equal(options.completion, OPTIONS_COMPLETE_WORDS);
    assert_int_equal(options.word_count, 2);
    assert_string_equal(options.words[1], "-n");
    assert_int_equal(parsed("--completion words").word_count, 0);
}

/* Random words made of flags and of anything else: only the sanitizers judge, and the limits. */
static void test_random_words(void **state)
{
    struct options options;
    struct error err;

    (void)state;
    srand(3);
    for (int round = 0; round < 50000; round++) {
        char words[8][96];
        char *argv[10] = {(char *)"kubectl-sniff"};
        int argc = 1 + rand() % 8;

        for (int i = 1; i < argc; i++) {
            char *word = words[i - 1];
            size_t used = 0, more = (size_t)rand() % (rand() % 2 ? 60 : 3);
            const struct flag *flag = &flags[(size_t)rand() % flag_count];

            if (rand() % 2)
                used = (size_t)snprintf(word, 32, "--%s%s", flag->name, rand() % 2 ? "=" : "");
            for (; more; more--)
                word[used++] = (char)(1 + rand() % 255);
            word[used] = '\0';
            argv[i] = word;
        }
        if (options_parse(argc, argv, &options, &err) < 0) {
            assert_int_equal(err.kind, ERROR_USAGE);
            assert_true(err.text[0] != '\0');
        } else if (options.action == OPTIONS_SNIFF) {
            assert_true(options.targets[0] || options.selector || options.field_selector);
            assert_true(options.target_count <= OPTIONS_TARGETS_MAX);
            assert_in_range(options.snaplen, 1, 262144);
            assert_true(options.interface_count <= OPTIONS_INTERFACES_MAX);
            assert_null(options.interfaces[options.interface_count]);
        }
    }
}

static void test_noise(void **state)
{
    static const char letters[] = "-=abcinofvxlrspABC/., 0123456789";
    struct options options;
    struct error err;

    (void)state;
    srand(2);
    for (int round = 0; round < 50000; round++) {
        char line[64];
        size_t length = (size_t)rand() % sizeof(line);

        for (size_t i = 0; i + 1 < length; i++)
            line[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        line[length ? length - 1 : 0] = '\0';
        parse(line, &options, &err);
    }
}

static void test_fetching(void **state)
{
    struct options options = parsed("--fetch shop -f icmp -o x --since 10m --count 5");

    (void)state;
    assert_int_equal(options.action, OPTIONS_FETCH);
    assert_string_equal(options.recording, "shop");
    assert_true(options.since > 0 && options.until == 0);
    assert_false(options.ends || options.live);
    assert_true(parsed("--fetch=shop --live --duration 5s").live);
    assert_int_equal(parsed("--fetch=shop --live").reorder_window, 1000);
    assert_int_equal(parsed("--fetch=shop --live --reorder-window 0").reorder_window, 0);
    options = parsed("--since 2026-11-29T03:15:00Z --until 2026-11-29T03:15:00.5Z --fetch shop");
    assert_true(options.until - options.since == 500000000);
    options = parsed("--wait-for shop --wait=5m");
    assert_int_equal(options.action, OPTIONS_FETCH);
    assert_string_equal(options.wait_for, "shop");
    assert_string_equal(options.recording, "shop");
    /* Beside --end the name stands there. */
    options = parsed("--end shop --fetch -o x");
    assert_int_equal(options.action, OPTIONS_FETCH);
    assert_true(options.ends);
    assert_string_equal(options.recording, "shop");
    assert_true(parsed("--fetch --end shop").ends);
    assert_true(parsed("--end shop --wait-for shop --fetch shop").ends);
}

static void test_what_cannot_be_fetched(void **state)
{
    (void)state;
    refused("--fetch", "--fetch needs the name of a recording",
            "kubectl sniff --recordings lists them");
    refused("--fetch a/b", "--fetch takes a recording's name, not \"a/b\"",
            "see: kubectl sniff --recordings");
    refused("--fetch shop --end db", "\"shop\" and \"db\" are two recordings", NULL);
    refused("--fetch shop web", "--fetch takes no pod", NULL);
    refused("--fetch shop --record", "--record contradicts --fetch", NULL);
    refused("--wait-for shop --check", "--check contradicts --wait-for", NULL);
    refused("--fetch shop --live --until 5m",
            "--live goes on without an end: --until contradicts it", NULL);
    refused("--end shop --fetch --live", "--live goes on without an end: --end contradicts it",
            NULL);
    refused("--wait-for shop --live", "--live goes on without an end: --wait-for contradicts it",
            NULL);
    refused("--fetch shop --since 5m --until 10m", "--since lies behind --until", NULL);
    refused("--fetch shop --since soon",
            "--since takes a time back from now, such as 10m, or one such as 2026-11-29T03:15:00Z, "
            "not \"soon\"",
            NULL);
    refused("--fetch shop --duration 5s",
            "--duration is of what comes live: --fetch ends by itself",
            "--since and --until say which packets");
    refused("--fetch shop --wait=5m", "--wait does nothing with --fetch", NULL);
    refused("--end shop --fetch --count 5",
            "--count leaves packets behind, which --end would remove", NULL);
    refused("--end shop --fetch -o x --rotate-size 5M --rotate-files 2",
            "--rotate-files leaves packets behind, which --end would remove", NULL);
    static const char *const captures[][2] = {
        {"--snaplen 5", "--snaplen"}, {"--headers-only", "--headers-only"},
        {"-i eth0", "--interface"},   {"--keylog /a", "--keylog"},
        {"--follow", "--follow"},     {"--buffer-size 2M", "--buffer-size"},
        {"-c app", "--container"},    {"-p", "--privileged"},
        {"--for 2h", "--for"},        {"--max-targets 3", "--max-targets"}};
    for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
        char line[100], text[100];

        snprintf(line, sizeof(line), "--fetch shop %s", captures[i][0]);
        snprintf(text, sizeof(text), "%s does nothing with --fetch", captures[i][1]);
        refused(line, text, "leave out one of them");
    }
    refused("web --since 5m", "--since does nothing without --fetch",
            "leave it out, or fetch a recording with --fetch NAME");
    refused("--end shop --until 5m", "--until does nothing without --fetch", NULL);
    refused("web --check --live", "--live does nothing without --fetch", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_ways_to_write_a_value),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_an_empty_value_is_none),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_help_wins),
        cmocka_unit_test(test_fetching),
        cmocka_unit_test(test_what_cannot_be_fetched),
        cmocka_unit_test(test_what_does_nothing_together),
        cmocka_unit_test(test_recordings),
        cmocka_unit_test(test_wrong_recordings),
        cmocka_unit_test(test_too_small_and_empty),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_every_flag),
        cmocka_unit_test(test_every_variable),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_selectors),
        cmocka_unit_test(test_tcpdump_by_letter),
        cmocka_unit_test(test_drop_in),
        cmocka_unit_test(test_variables_and_flags_together),
        cmocka_unit_test(test_completion_words),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_random_words),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
