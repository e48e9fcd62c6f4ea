/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/command_line.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/flags_fetch.h"
#include "cli/flags_recording.h"
#include "cli/options.h"
#include "common/agent.h"
#include "kube/name.h"
#include "method/helper.h"
#include "target/selector.h"

#define P "KUBECTL_PLUGINS_LOCAL_FLAG_"

/* ---- kinds of values ---- */

static int expected(struct error *err, const char *as, const char *value, const char *what)
{
    return error_set(err, ERROR_USAGE, "%s takes %s, not \"%s\"", as, what, value);
}

/* Go's strconv.ParseBool, which kubectl's switches take. Return: 0 or -1. */
static int parse_bool(const char *value, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *ret = strcmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

static int take_bool(bool *field, const char *value, const char *as, struct error *err)
{
    return parse_bool(value, field) < 0 ? expected(err, as, value, "true or false") : 0;
}

/* An empty value is none, as for kubectl and the Go plugin: scripts pass -f "$FILTER". */
static int take_text(const char **field, const char *value, const char *as, struct error *err)
{
    (void)as;
    (void)err;
    *field = *value ? value : NULL;
    return 0;
}

static int take_number(uint64_t *field, const char *value, const char *as, struct error *err)
{
    uint64_t number = 0;

    for (const char *c = value; *c || c == value; c++) {
        if (!isdigit((unsigned char)*c) || number > UINT64_MAX / 10 - 1)
            return expected(err, as, value, "a whole number");
        number = number * 10 + (uint64_t)(*c - '0');
    }
    *field = number;
    return 0;
}

static int take_size(uint64_t *field, const char *value, const char *as, struct error *err)
{
    return text_parse_size(value, field) < 0
               ? expected(err, as, value, "a size such as 64k, 32M or 1G")
               : 0;
}

static int take_duration(uint64_t *field, const char *value, const char *as, struct error *err)
{
    return text_parse_duration(value, field) < 0
               ? expected(err, as, value, "a duration such as 30s, 5m or 1h30m")
               : 0;
}

static int take_label(const char **field, const char *value, const char *as, struct error *err)
{
    if (*value && !kube_name_is_label(value))
        return expected(err, as, value, "a name of lower-case letters, digits and dashes");
    *field = *value ? value : NULL;
    return 0;
}

/* ---- setters ---- */

#define SETTER(name, take, field)                                                                  \
    static int set_##name(struct options *options, const char *value, const char *as,              \
                          struct error *err)                                                       \
    {                                                                                              \
        return take(&options->field, value, as, err);                                              \
    }

SETTER(namespace, take_label, namespace)
SETTER(container, take_label, container)
SETTER(filter, take_text, filter)
SETTER(local_tcpdump_path, take_text, local_tcpdump_path)
SETTER(remote_tcpdump_path, take_text, remote_tcpdump_path)
SETTER(count, take_number, count)
SETTER(duration, take_duration, duration)
SETTER(max_size, take_size, max_size)
SETTER(rotate_size, take_size, rotate_size)
SETTER(rotate_time, take_duration, rotate_time)
SETTER(rotate_files, take_number, rotate_files)
SETTER(buffer_size, take_size, buffer_size)
SETTER(headers_only, take_bool, headers_only)
SETTER(quiet, take_bool, quiet)
SETTER(privileged, take_bool, privileged)
SETTER(image, take_text, image)
SETTER(node_namespace, take_label, node_namespace)
SETTER(service_account, take_text, service_account)
SETTER(tcpdump_image, take_text, tcpdump_image)
SETTER(socket, take_text, socket)
SETTER(pod_creation_timeout, take_duration, pod_creation_timeout)
SETTER(drain_timeout, take_duration, drain_timeout)
SETTER(dedup, take_bool, dedup)
SETTER(no_reconnect, take_bool, no_reconnect)
SETTER(no_names, take_bool, no_names)
SETTER(summary, take_text, summary)
SETTER(fail_fast, take_bool, fail_fast)
SETTER(include_own_traffic, take_bool, include_own_traffic)
SETTER(keylog_text, take_text, keylog)
SETTER(all_namespaces, take_bool, all_namespaces)
SETTER(follow, take_bool, follow)
SETTER(max_targets, take_number, max_targets)
SETTER(context, take_text, kube.context)
SETTER(kubeconfig, take_text, kube.kubeconfig)
SETTER(cluster, take_text, kube.cluster)
SETTER(user, take_text, kube.user)
SETTER(server, take_text, kube.server)
SETTER(token, take_text, kube.token)
SETTER(as, take_text, kube.as)
SETTER(as_uid, take_text, kube.as_uid)
SETTER(certificate_authority, take_text, kube.certificate_authority)
SETTER(client_certificate, take_text, kube.client_certificate)
SETTER(client_key, take_text, kube.client_key)
SETTER(tls_server_name, take_text, kube.tls_server_name)
SETTER(insecure, take_bool, kube.insecure_skip_tls_verify)
SETTER(request_timeout, take_duration, request_timeout)

static bool is_file(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* What the plugin in Go takes for a file, it is; kubectl's -l is every other word. */
static int set_selector(struct options *options, const char *value, const char *as,
                        struct error *err)
{
    bool letter = strcmp(as, "-l") == 0;
    size_t length = 0;

    if (letter && is_file(value)) {
        options->tcpdump_by_letter = true;
        return take_text(&options->local_tcpdump_path, value, as, err);
    }
    const char *fault = *value ? selector_fault(value, &length) : NULL;
    if (fault && letter && strchr(value, '/')) {
        error_set(err, ERROR_USAGE, "-l: \"%s\" is no file that exists, and no selector", value);
        return error_remedy(err, "the path of a static tcpdump, or labels such as app=web");
    }
    if (fault) {
        error_set(err, ERROR_USAGE, "%s: \"%.*s\" is no selector of labels", as, (int)length,
                  fault);
        return error_remedy(err, "such as app=web, 'tier in (web,api)' or '!canary'");
    }
    if (options->selector && *value && strcmp(options->selector, value) != 0) {
        error_set(err, ERROR_USAGE, "%s: there is a selector already, \"%s\"", as,
                  options->selector);
        return error_remedy(err, "one for both, such as 'app in (web,db)'");
    }
    return take_text(&options->selector, value, as, err);
}

static int set_field_selector(struct options *options, const char *value, const char *as,
                              struct error *err)
{
    size_t key = strcspn(value, "=!");

    if (*value && (key == 0 || !value[key] || (value[key] == '!' && value[key + 1] != '=')))
        return expected(err, as, value, "fields such as spec.nodeName=node1");
    return take_text(&options->field_selector, value, as, err);
}

/* Not "none": Wireshark would open where the script of an unset variable wants a file. */
static int set_output_file(struct options *options, const char *value, const char *as,
                           struct error *err)
{
    if (!*value) {
        error_set(err, ERROR_USAGE, "%s is given an empty name", as);
        return error_remedy(err, "is a variable unset? leave it out to open Wireshark");
    }
    options->output_file = value;
    return 0;
}

/* The command itself is looked for before the capture. */
static int set_viewer(struct options *options, const char *value, const char *as, struct error *err)
{
    struct error fault = {0};
    char **words;

    if (!*value)
        return expected(err, as, value, "wireshark, tshark, termshark or a command");
    if (command_line_split(value, &words, &fault) < 0) {
        error_set(err, ERROR_USAGE, "%s: %s", as, fault.text);
        return error_remedy(err, "%s", fault.remedy);
    }
    free(words);
    options->viewer = value;
    return 0;
}

static int set_interface(struct options *options, const char *value, const char *as,
                         struct error *err)
{
    size_t length = strlen(value);

    if (length == 0)
        return 0;
    /* The kernel's rule: IFNAMSIZ bytes, no slash, no space. */
    if (length > 15 || strcspn(value, "/ \t\r\n:") != length)
        return expected(err, as, value, "the name of an interface, such as eth0");
    for (size_t i = 0; i < length; i++)
        if (!isgraph((unsigned char)value[i]))
            return expected(err, as, value, "the name of an interface, such as eth0");
    if (options->interface_count == OPTIONS_INTERFACES_MAX)
        return error_set(err, ERROR_USAGE, "%s is given more than %d times", as,
                         OPTIONS_INTERFACES_MAX);
    options->interfaces[options->interface_count++] = value;
    return 0;
}

static int set_snaplen(struct options *options, const char *value, const char *as,
                       struct error *err)
{
    uint64_t snaplen = 0;

    if (take_number(&snaplen, value, as, err) < 0)
        return -1;
    if (snaplen > AGENT_SNAPLEN_MAX)
        return expected(err, as, value, "at most 262144 bytes");
    options->snaplen = snaplen ? (uint32_t)snaplen : AGENT_SNAPLEN_MAX;
    return 0;
}

static int set_format(struct options *options, const char *value, const char *as, struct error *err)
{
    if (strcmp(value, "pcapng") == 0)
        options->format = OPTIONS_FORMAT_PCAPNG;
    else if (strcmp(value, "pcap") == 0)
        options->format = OPTIONS_FORMAT_PCAP;
    else
        return expected(err, as, value, "pcapng or pcap");
    return 0;
}

/* It is another machine's path: no directory of ours to begin it at. */
static int set_keylog(struct options *options, const char *value, const char *as, struct error *err)
{
    if (*value && (*value != '/' || value[1] == '\0' || strlen(value) >= 4096))
        return expected(err, as, value, "the whole path of a file in the container");
    return set_keylog_text(options, value, as, err);
}

#define REORDER_WINDOW_MAX 60000 /* milliseconds */

static int set_reorder_window(struct options *options, const char *value, const char *as,
                              struct error *err)
{
    uint64_t window;

    if (take_duration(&window, value, as, err) < 0)
        return -1;
    if (window > REORDER_WINDOW_MAX)
        return expected(err, as, value, "at most a minute");
    options->reorder_window = window;
    return 0;
}

static int set_clock_sync(struct options *options, const char *value, const char *as,
                          struct error *err)
{
    options->no_clock_sync = strcmp(value, "off") == 0;
    if (!options->no_clock_sync && strcmp(value, "auto") != 0)
        return expected(err, as, value, "auto or off");
    return 0;
}

static int set_verbose(struct options *options, const char *value, const char *as,
                       struct error *err)
{
    bool on = false;

    if (take_bool(&on, value, as, err) < 0)
        return -1;
    options->verbose = on ? options->verbose + 1 : 0;
    return 0;
}

static int set_as_group(struct options *options, const char *value, const char *as,
                        struct error *err)
{
    size_t count = 0;

    while (options->as_groups[count])
        count++;
    if (count == OPTIONS_AS_GROUPS_MAX)
        return error_set(err, ERROR_USAGE, "%s is given more than %d times", as,
                         OPTIONS_AS_GROUPS_MAX);
    return take_text(&options->as_groups[count], value, as, err);
}

static int set_help(struct options *options, const char *value, const char *as, struct error *err)
{
    bool on = false;

    if (strcmp(value, "man") == 0) {
        options->action = OPTIONS_MAN;
        return 0;
    }
    if (take_bool(&on, value, as, err) < 0)
        return -1;
    if (on)
        options->action = OPTIONS_HELP;
    return 0;
}

static int set_version(struct options *options, const char *value, const char *as,
                       struct error *err)
{
    bool on = false;

    if (take_bool(&on, value, as, err) < 0)
        return -1;
    if (on)
        options->action = OPTIONS_VERSION;
    return 0;
}

static int set_completion(struct options *options, const char *value, const char *as,
                          struct error *err)
{
    static const struct {
        const char *name;
        enum options_completion completion;
    } kinds[] = {{"words", OPTIONS_COMPLETE_WORDS},
                 {"bash", OPTIONS_COMPLETE_BASH},
                 {"zsh", OPTIONS_COMPLETE_ZSH},
                 {"fish", OPTIONS_COMPLETE_FISH}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(value, kinds[i].name) != 0)
            continue;
        options->action = OPTIONS_COMPLETION;
        options->completion = kinds[i].completion;
        return 0;
    }
    return expected(err, as, value, "bash, zsh, fish or words");
}

static int set_method(struct options *options, const char *value, const char *as, struct error *err)
{
    static const char *const methods[] = {"upload", "node", "ephemeral"};

    options->method = NULL;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(value, methods[i]) == 0)
            options->method = methods[i];
    if (!options->method && strcmp(value, "auto") != 0)
        return expected(err, as, value, "auto, upload, node or ephemeral");
    return 0;
}

/* A ResourceList as `kubectl run` once took it. */
static int take_resources(const char **field, const char *value, const char *as, struct error *err)
{
    json_t *list = helper_resources(value);

    if (!list)
        return expected(err, as, value, "quantities such as cpu=100m,memory=64Mi");
    json_decref(list);
    *field = value;
    return 0;
}

static int set_requests(struct options *options, const char *value, const char *as,
                        struct error *err)
{
    return take_resources(&options->requests, value, as, err);
}

static int set_limits(struct options *options, const char *value, const char *as, struct error *err)
{
    return take_resources(&options->limits, value, as, err);
}

static int set_wait(struct options *options, const char *value, const char *as, struct error *err)
{
    if (parse_bool(value, &options->wait) == 0)
        return 0;
    if (take_duration(&options->wait_timeout, value, as, err) < 0)
        return -1;
    options->wait = options->wait_timeout > 0; /* "0" is false, and "0s" no other thing */
    return 0;
}

static int set_check(struct options *options, const char *value, const char *as, struct error *err)
{
    bool on = true;

    options->check_json = strcmp(value, "json") == 0;
    if (!options->check_json && parse_bool(value, &on) < 0)
        return expected(err, as, value, "json, or nothing");
    options->action = on ? OPTIONS_CHECK : OPTIONS_SNIFF;
    return 0;
}

static int set_print_config(struct options *options, const char *value, const char *as,
                            struct error *err)
{
    return take_bool(&options->print_config, value, as, err);
}

static int set_cleanup(struct options *options, const char *value, const char *as,
                       struct error *err)
{
    bool on = false;

    if (take_bool(&on, value, as, err) < 0)
        return -1;
    if (on)
        options->action = OPTIONS_CLEANUP;
    return 0;
}

static int set_install_extcap(struct options *options, const char *value, const char *as,
                              struct error *err)
{
    bool on = false;

    if (take_bool(&on, value, as, err) < 0)
        return -1;
    if (on)
        options->action = OPTIONS_INSTALL_EXTCAP;
    return 0;
}

/* ---- the table ---- */

const struct flag flags[] = {
    {"container", 'c', FLAG_VALUE, FLAG_GROUP_CAPTURE, "CONTAINER", P "CONTAINER",
     "the container to put the agent in, or to find the pod by; default: the one of the annotation "
     "kubectl.kubernetes.io/default-container, else the first",
     set_container},
    {"selector", 'l', FLAG_VALUE, FLAG_GROUP_CAPTURE, "SELECTOR", NULL,
     "capture the pods that have these labels, beside those that are named: app=web, 'tier in "
     "(web,api)', '!canary'; but -l with the name of a file that exists is --local-tcpdump-path",
     set_selector},
    {"field-selector", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "FIELDS", NULL,
     "of the pods that labels, patterns, workloads and Services choose, only those with these "
     "fields: spec.nodeName=node1; where nothing chooses, of all pods",
     set_field_selector},
    {"all-namespaces", 'A', FLAG_SWITCH, FLAG_GROUP_CAPTURE, NULL, NULL,
     "choose by labels, fields and patterns in all namespaces; with --cleanup, --recordings, "
     "--fetch, --wait-for and --end: of all namespaces",
     set_all_namespaces},
    {"max-targets", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "N", NULL,
     "refuse to capture more pods and nodes than this; default: 50; 0: no limit", set_max_targets},
    {"follow", 0, FLAG_SWITCH, FLAG_GROUP_CAPTURE, NULL, NULL,
     "capture what comes to match later, too, as in a rollout, and wait where nothing is there yet",
     set_follow},
    {"interface", 'i', FLAG_VALUE, FLAG_GROUP_CAPTURE, "INTERFACE", P "INTERFACE",
     "capture on this interface only; may be given several times; default: any, which is every "
     "interface of the pod",
     set_interface},
    {"filter", 'f', FLAG_VALUE, FLAG_GROUP_CAPTURE, "EXPRESSION", P "FILTER",
     "capture only what matches, in the language of pcap-filter(7); in 'host db.data.svc' and "
     "'host "
     "web-0' a Service or Pod stands for its addresses",
     set_filter},
    {"snaplen", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "BYTES", NULL,
     "keep this much of each packet; default: 262144, which 0 means too", set_snaplen},
    {"headers-only", 0, FLAG_SWITCH, FLAG_GROUP_CAPTURE, NULL, NULL,
     "cut each packet behind its TCP, UDP, SCTP or ICMP header, so that what programs say to each "
     "other stays in the pod; of other protocols, behind the last header that is known",
     set_headers_only},
    {"buffer-size", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "SIZE", NULL,
     "the buffer that holds packets while the way to you is slow; default, and 0: 32M, less where "
     "the container has little memory",
     set_buffer_size},
    {"count", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "N", NULL,
     "end after this many packets; default: 0, no limit", set_count},
    {"duration", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "TIME", NULL,
     "end after this time: 500ms, 30s, 5m, 1h30m (without a unit: seconds); default: 0, no limit",
     set_duration},
    {"drain-timeout", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "TIME", NULL,
     "at the end, how long to go on taking the packets that are still on their way; default: 0, "
     "for "
     "as long as any come",
     set_drain_timeout},
    {"reorder-window", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "TIME", NULL,
     "with several targets, how long a packet may wait for earlier ones of others before it is "
     "written, so that all are in the order of time; 0: not at all; default: 200ms, 1s with "
     "--fetch, of which it holds for what comes --live",
     set_reorder_window},
    {"clock-sync", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "MODE", NULL,
     "auto (correct the times of packets of nodes whose clocks differ from the others' by more "
     "than can be told) or off; default: auto",
     set_clock_sync},
    {"dedup", 0, FLAG_SWITCH, FLAG_GROUP_CAPTURE, NULL, NULL,
     "of a packet that is seen at several interfaces keep the first only, where each target has a "
     "file of its own (-o with %n, %p or %c) the first in each file; default: all, for they tell "
     "when it was where",
     set_dedup},
    {"keylog", 0, FLAG_VALUE, FLAG_GROUP_CAPTURE, "PATH", NULL,
     "follow this TLS key log (SSLKEYLOGFILE) in each target's container, and put its secrets into "
     "the capture: Wireshark shows the plain text at once, and whoever has the capture can read it",
     set_keylog},
    {"fail-fast", 0, FLAG_SWITCH, FLAG_GROUP_CAPTURE, NULL, NULL,
     "of several targets, end all when one fails; default: go on with the others", set_fail_fast},
    {"output-file", 'o', FLAG_VALUE, FLAG_GROUP_OUTPUT, "FILE", P "OUTPUT_FILE",
     "write the packets to this file, which is overwritten, with - to standard output, or with "
     "tcp://127.0.0.1:PORT to whoever connects to it; what "
     "ends in .gz, .zst or .lz4 is compressed; in its name %n (namespace), %p (pod) and %c "
     "(container) give each target a file of its own, %t is the time, %i the number of the file, "
     "and %% a percent sign; default: open Wireshark",
     set_output_file},
    {"viewer", 0, FLAG_VALUE, FLAG_GROUP_OUTPUT, "VIEWER", NULL,
     "what shows the packets where there is no -o: wireshark, tshark (prints them), termshark (in "
     "the terminal), or a command such as 'tcpdump -n -r -', which reads them as its standard "
     "input, or where {} stands in it from a named pipe; default: wireshark",
     set_viewer},
    {"format", 0, FLAG_VALUE, FLAG_GROUP_OUTPUT, "FORMAT", NULL,
     "pcapng or pcap (with nanoseconds, and of interfaces with the first one's link type only), "
     "whatever the file's ending; default: pcap where the file ends in .pcap (or .pcap.gz and so "
     "on), else pcapng",
     set_format},
    {"max-size", 0, FLAG_VALUE, FLAG_GROUP_OUTPUT, "SIZE", NULL,
     "end before the output, over all targets and files (compressed, if it is), becomes larger "
     "than this: 500k, 100M, 2G (powers of 1024; kB, MB, GB: of 1000; without a unit: bytes); "
     "default: 0, no limit",
     set_max_size},
    {"rotate-size", 0, FLAG_VALUE, FLAG_GROUP_OUTPUT, "SIZE", NULL,
     "begin another file before this one becomes larger: web_00001_20261128193000.pcapng and so "
     "on, each complete; default: 0, one file",
     set_rotate_size},
    {"rotate-time", 0, FLAG_VALUE, FLAG_GROUP_OUTPUT, "TIME", NULL,
     "begin another file with the first packet that comes when this one is so old; default: 0, one "
     "file",
     set_rotate_time},
    {"rotate-files", 0, FLAG_VALUE, FLAG_GROUP_OUTPUT, "N", NULL,
     "of the files that follow each other (of each target) keep the last N, and remove older ones; "
     "default: 0, all",
     set_rotate_files},
    {"no-names", 0, FLAG_SWITCH, FLAG_GROUP_OUTPUT, NULL, NULL,
     "do not ask for the names of pods, Services and nodes, and write none into the file",
     set_no_names},
    {"summary", 0, FLAG_VALUE, FLAG_GROUP_OUTPUT, "FILE", NULL,
     "at the end write what was captured of each target, and what is missing, to this file as "
     "JSON, "
     "or with - to standard output",
     set_summary},
    {"quiet", 0, FLAG_SWITCH, FLAG_GROUP_OUTPUT, NULL, NULL, "say nothing but warnings and errors",
     set_quiet},
    {"verbose", 'v', FLAG_SWITCH, FLAG_GROUP_OUTPUT, NULL, P "VERBOSE",
     "say more; twice: requests to the API server too (never secrets)", set_verbose},
    {"local-tcpdump-path", 0, FLAG_VALUE, FLAG_GROUP_METHOD, "FILE", P "LOCAL_TCPDUMP_PATH",
     "upload and run this static tcpdump instead of the agent; -l FILE means the same",
     set_local_tcpdump_path},
    {"remote-tcpdump-path", 'r', FLAG_VALUE, FLAG_GROUP_METHOD, "PATH", P "REMOTE_TCPDUMP_PATH",
     "where in the container the agent is put; default, or where it cannot be put there: the first "
     "place that can be written to and executed from",
     set_remote_tcpdump_path},
    {"method", 0, FLAG_VALUE, FLAG_GROUP_METHOD, "METHOD", NULL,
     "auto, upload (the agent into the container), node (a helper pod on its node) or ephemeral "
     "(an ephemeral container in the pod); default: auto, the first of them that works",
     set_method},
    {"privileged", 'p', FLAG_SWITCH, FLAG_GROUP_METHOD, NULL, P "PRIVILEGED",
     "the same as --method node", set_privileged},
    {"image", 0, FLAG_VALUE, FLAG_GROUP_METHOD, "IMAGE", P "IMAGE",
     "the image of the helper pod, or of the ephemeral container (which needs a shell in it); "
     "default: one that the node has already, else for an ephemeral container busybox",
     set_image},
    {"node-namespace", 0, FLAG_VALUE, FLAG_GROUP_METHOD, "NAMESPACE", NULL,
     "where the helper pod is made, if not in the pod's namespace (Pod Security may forbid it "
     "there)",
     set_node_namespace},
    {"serviceaccount", 's', FLAG_VALUE, FLAG_GROUP_METHOD, "NAME", P "SERVICE_ACCOUNT",
     "the helper pod's service account; default: none is mounted", set_service_account},
    {"requests", 0, FLAG_VALUE, FLAG_GROUP_METHOD, "LIST", NULL,
     "the helper pod's resource requests; default: cpu=10m,memory=32Mi, and for a recorder what "
     "--keep takes",
     set_requests},
    {"limits", 0, FLAG_VALUE, FLAG_GROUP_METHOD, "LIST", NULL,
     "the helper pod's resource limits; default: a CPU for each of its agents (4 at most), memory "
     "for their rings, and for a recorder what --keep takes",
     set_limits},
    {"pod-creation-timeout", 0, FLAG_VALUE, FLAG_GROUP_METHOD, "TIME", NULL,
     "how long the helper pod, or the ephemeral container, may take to start; default: 1m; 0: no "
     "limit",
     set_pod_creation_timeout},
    {"tcpdump-image", 0, FLAG_VALUE, FLAG_GROUP_METHOD, "IMAGE", P "TCPDUMP_IMAGE",
     "not needed any more: taken for compatibility", set_tcpdump_image},
    {"socket", 0, FLAG_VALUE, FLAG_GROUP_METHOD, "PATH", "KUBECTL_PLUGINS_SOCKET_PATH",
     "not needed any more: taken for compatibility", set_socket},
    {"wait", 0, FLAG_OPTION, FLAG_GROUP_METHOD, "TIME", NULL,
     "wait for a pod that is Pending or does not exist yet, at most this long (--wait=5m, with the "
     "=), or without a time for ever; 0: not at all; with --wait-for: for that, at most this long",
     set_wait},
    {"no-reconnect", 0, FLAG_SWITCH, FLAG_GROUP_METHOD, NULL, NULL,
     "end when the stream is cut, instead of taking the capture up again", set_no_reconnect},
    {"include-own-traffic", 0, FLAG_SWITCH, FLAG_GROUP_METHOD, NULL, NULL,
     "of a node's interfaces: capture this capture's own stream too", set_include_own_traffic},
    {"check", 0, FLAG_OPTION, FLAG_GROUP_METHOD, "json", NULL,
     "do not capture, but tell which methods would work and what stands in the way of the others",
     set_check},
    {"cleanup", 0, FLAG_SWITCH, FLAG_GROUP_METHOD, NULL, NULL,
     "do not capture, but remove helper pods that killed clients have left and that serve nobody",
     set_cleanup},
    {"record", 0, FLAG_OPTION, FLAG_GROUP_RECORDING, "NAME", NULL,
     "do not capture, but leave a recorder beside the targets, on each of their nodes, and return: "
     "it keeps the last packets until it is ended; with the name of one that runs (--record=shop, "
     "with the =) take in what is not recorded yet; default: a name made from the target",
     set_record},
    {"keep", 0, FLAG_VALUE, FLAG_GROUP_RECORDING, "SIZE,TIME", NULL,
     "how much a recorder keeps on each node, and for how long: 2G, 1h, or 2G,1h; what is older "
     "goes; default: 1G",
     set_keep},
    {"keep-in", 0, FLAG_VALUE, FLAG_GROUP_RECORDING, "PLACE", NULL,
     "where a recorder keeps it: disk or memory (of the node); default: disk", set_keep_in},
    {"for", 0, FLAG_VALUE, FLAG_GROUP_RECORDING, "TIME", NULL,
     "how long a recorder stays, then it ends and what it has kept is gone; default: 24h, at most "
     "7d",
     set_for},
    {"stop-when", 0, FLAG_VALUE, FLAG_GROUP_RECORDING, "FILTER", NULL,
     "stop recording on a node after the first packet that matches, and keep what came before it",
     set_stop_when},
    {"after", 0, FLAG_VALUE, FLAG_GROUP_RECORDING, "TIME", NULL,
     "go on for so long after that packet; default: 0", set_after},
    {"recordings", 0, FLAG_OPTION, FLAG_GROUP_RECORDING, "json", NULL,
     "list the recordings of the namespace (of all: -A), and what is in them", set_recordings},
    {"fetch", 0, FLAG_WORD, FLAG_GROUP_RECORDING, "RECORDING", NULL,
     "do not capture, but take what this recording has, of all its nodes in the order of time: "
     "into Wireshark, or wherever a capture can go; it goes on recording; beside --end NAME the "
     "name may be left out",
     set_fetch},
    {"since", 0, FLAG_VALUE, FLAG_GROUP_RECORDING, "TIME", NULL,
     "fetch no packet from before this time: 10m (back from now; with --wait-for, from the packet "
     "that has fired) or 2026-11-29T03:15:00Z; default: all",
     set_since},
    {"until", 0, FLAG_VALUE, FLAG_GROUP_RECORDING, "TIME", NULL,
     "fetch no packet from behind this time, written as for --since; default: all", set_until},
    {"live", 0, FLAG_SWITCH, FLAG_GROUP_RECORDING, NULL, NULL,
     "do not end with what is recorded, but go on as more is, without a gap, until Ctrl-C",
     set_live},
    {"wait-for", 0, FLAG_VALUE, FLAG_GROUP_RECORDING, "RECORDING", NULL,
     "wait until this recording has been stopped by its --stop-when on one of its nodes "
     "(--wait=TIME "
     "says how long at most), stop it on the others, and fetch it",
     set_wait_for},
    {"end", 0, FLAG_VALUE, FLAG_GROUP_RECORDING, "RECORDING", NULL,
     "end this recording and remove everything of it; with --fetch once all of it is fetched",
     set_end},
    {"namespace", 'n', FLAG_VALUE, FLAG_GROUP_CLUSTER, "NAMESPACE",
     "KUBECTL_PLUGINS_CURRENT_NAMESPACE",
     "the pod's namespace; default: the context's, else \"default\"", set_namespace},
    {"context", 'x', FLAG_VALUE, FLAG_GROUP_CLUSTER, "CONTEXT", "KUBECTL_PLUGINS_CURRENT_CONTEXT",
     "the kubeconfig context to use; default: the current one", set_context},
    {"kubeconfig", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "FILE", NULL, "use only this kubeconfig",
     set_kubeconfig},
    {"cluster", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "CLUSTER", NULL, "the kubeconfig cluster to use",
     set_cluster},
    {"user", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "USER", NULL, "the kubeconfig user to use",
     set_user},
    {"server", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "URL", NULL, "the API server's address",
     set_server},
    {"token", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "TOKEN", NULL,
     "the bearer token to authenticate with", set_token},
    {"as", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "NAME", NULL, "act as this user", set_as},
    {"as-group", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "GROUP", NULL,
     "act as a member of this group; may be given several times", set_as_group},
    {"as-uid", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "UID", NULL, "act with this UID", set_as_uid},
    {"certificate-authority", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "FILE", NULL,
     "the certificate that the API server's is checked with", set_certificate_authority},
    {"client-certificate", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "FILE", NULL,
     "the certificate to authenticate with", set_client_certificate},
    {"client-key", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "FILE", NULL, "the key to authenticate with",
     set_client_key},
    {"insecure-skip-tls-verify", 0, FLAG_SWITCH, FLAG_GROUP_CLUSTER, NULL, NULL,
     "do not check the API server's certificate", set_insecure},
    {"tls-server-name", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "NAME", NULL,
     "the name to check the API server's certificate for", set_tls_server_name},
    {"request-timeout", 0, FLAG_VALUE, FLAG_GROUP_CLUSTER, "TIME", NULL,
     "how long one request may take; default: 0, no limit", set_request_timeout},
    {"print-config", 0, FLAG_SWITCH, FLAG_GROUP_OUTPUT, NULL, NULL,
     "do not capture, but print what holds of each flag, and where that is from: the command line, "
     "the environment, the file of defaults (~/.config/ksniff/config)",
     set_print_config},
    {"install-extcap", 0, FLAG_SWITCH, FLAG_GROUP_OUTPUT, NULL, NULL,
     "do not capture, but make the link that gives your Wireshark an interface \"Kubernetes\"; "
     "'make install' and the packages make one for everybody",
     set_install_extcap},
    {"help", 'h', FLAG_SWITCH, FLAG_GROUP_OUTPUT, NULL, NULL, "print this", set_help},
    {"version", 0, FLAG_SWITCH, FLAG_GROUP_OUTPUT, NULL, NULL, "print the version", set_version},
    {"completion", 0, FLAG_VALUE, FLAG_GROUP_OUTPUT, "SHELL", NULL,
     "print what completes kubectl-sniff in bash, zsh or fish; behind kubectl (1.26 and later) it "
     "is there without",
     set_completion},
};

const size_t flag_count = sizeof(flags) / sizeof(flags[0]);
_Static_assert(sizeof(flags) / sizeof(flags[0]) <= FLAGS_MAX, "the parser has no room for them");

const struct flag *flag_find(const char *name, size_t length)
{
    for (size_t i = 0; i < flag_count; i++)
        if (strlen(flags[i].name) == length && memcmp(flags[i].name, name, length) == 0)
            return &flags[i];
    return NULL;
}

const struct flag *flag_find_letter(char letter)
{
    for (size_t i = 0; i < flag_count; i++)
        if (letter && flags[i].letter == letter)
            return &flags[i];
    return NULL;
}

const char *flag_nearest(const char *name, size_t length)
{
    char typed[64];
    const char *best = NULL;
    unsigned least = (unsigned)(length / 3 < 3 ? length / 3 : 3) + 1; /* from there another word */

    snprintf(typed, sizeof(typed), "%.*s", (int)(length < 63 ? length : 63), name);
    for (size_t i = 0; i < flag_count; i++) {
        bool begun = length >= 3 && strncmp(flags[i].name, typed, strlen(typed)) == 0;
        unsigned distance = begun ? 1 : text_distance(typed, flags[i].name);

        if (flags[i].group != FLAG_GROUP_HIDDEN && distance < least) {
            least = distance;
            best = flags[i].name;
        }
    }
    return best;
}
