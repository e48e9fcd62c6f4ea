/* SPDX-License-Identifier: Apache-2.0 */
/* What the user asked for: the result of the command line and the environment. */
#ifndef KSNIFF_CLI_OPTIONS_H
#define KSNIFF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kube/kubeconfig.h"

struct defaults;
struct error;

#define OPTIONS_INTERFACES_MAX 64
#define OPTIONS_AS_GROUPS_MAX  64
#define OPTIONS_TARGETS_MAX    1024

enum options_format { OPTIONS_FORMAT_DEFAULT, OPTIONS_FORMAT_PCAPNG, OPTIONS_FORMAT_PCAP };

enum options_action {
    OPTIONS_SNIFF,
    OPTIONS_FETCH,          /* what was recorded */
    OPTIONS_CHECK,          /* which methods work? */
    OPTIONS_RECORD,         /* leave recorders */
    OPTIONS_RECORDINGS,     /* which are there? */
    OPTIONS_END,            /* remove those of a recording */
    OPTIONS_CLEANUP,        /* remove what killed clients have left */
    OPTIONS_INSTALL_EXTCAP, /* a link for Wireshark */
    OPTIONS_HELP,
    OPTIONS_MAN,
    OPTIONS_VERSION,
    OPTIONS_COMPLETION,
    OPTIONS_PRINT_CONFIG, /* what holds, and where it is from */
};

enum options_completion {
    OPTIONS_COMPLETE_WORDS, /* what completes the last of the words */
    OPTIONS_COMPLETE_BASH,  /* a shell's script */
    OPTIONS_COMPLETE_ZSH,
    OPTIONS_COMPLETE_FISH
};

/* Strings point into argv, the environment, or literals: nothing here is owned. */
struct options {
    enum options_action action;
    enum options_completion completion; /* with OPTIONS_COMPLETION */
    char *const *words;                 /* what stands behind --completion=words -- */
    size_t word_count;
    const char
        *targets[OPTIONS_TARGETS_MAX + 1]; /* as given: see target/words.h; NULL-terminated */
    size_t target_count;
    bool has_node, only_nodes;  /* among the targets is one; there is nothing else */
    const char *selector;       /* labels; NULL: none */
    const char *field_selector; /* NULL: none */
    uint64_t max_targets;       /* 0: no limit */
    bool all_namespaces, follow;
    bool check_json; /* with OPTIONS_CHECK */
    bool print_config;

    const char *namespace;                              /* NULL: the context's */
    const char *container;                              /* NULL: to be chosen */
    const char *interfaces[OPTIONS_INTERFACES_MAX + 1]; /* NULL-terminated; empty: any */
    size_t interface_count;
    const char *filter;      /* NULL: none */
    const char *output_file; /* NULL: the viewer; "-": standard output */
    const char *viewer;      /* NULL: Wireshark */
    const char *local_tcpdump_path;
    bool tcpdump_by_letter; /* -l was a file's name */
    const char *remote_tcpdump_path;

    bool privileged;    /* -p: the same as method "node" */
    const char *method; /* "upload", "node", "ephemeral"; NULL: the best that works */
    const char *image;  /* NULL: to be chosen */
    const char *node_namespace, *service_account, *requests, *limits;
    const char *tcpdump_image, *socket; /* not needed; the Go plugin has them */
    uint64_t pod_creation_timeout;      /* milliseconds; 0: no limit */
    bool wait;
    uint64_t wait_timeout; /* milliseconds; 0: no limit */
    bool no_reconnect;
    bool fail_fast;
    const char *summary; /* a file, or "-"; NULL: none */
    const char *keylog;  /* in the targets' containers; NULL: none */
    bool include_own_traffic;
    bool no_names;

    const char *record_name;           /* of --record; NULL: to be made */
    uint64_t keep_bytes, keep_seconds; /* 0 seconds: no limit */
    uint64_t record_for;               /* seconds */
    bool keep_in_memory;
    const char *stop_when; /* a filter; NULL: none */
    uint64_t after;        /* milliseconds */
    bool recordings_json;  /* with OPTIONS_RECORDINGS */
    unsigned given;        /* enum recording_flag, of settings/settings.h */
    const char *recording; /* that there is: of --end and OPTIONS_FETCH */

    const char *fetch, *wait_for;        /* the names behind these; NULL: none */
    bool fetches, ends;                  /* --fetch, also as --wait-for; and --end besides */
    const char *since_text, *until_text; /* as settings/moment.h reads them; NULL: no limit */
    uint64_t since, until; /* what they are from now: nanoseconds since 1970; 0: no limit */
    bool live;

    uint32_t snaplen; /* bytes */
    bool headers_only;
    uint64_t count;          /* packets; 0: no limit */
    uint64_t duration;       /* milliseconds; 0: no limit */
    uint64_t drain_timeout;  /* milliseconds; 0: no limit */
    uint64_t reorder_window; /* milliseconds; 0: none */
    bool no_clock_sync;
    bool dedup;
    uint64_t max_size;     /* bytes of output; 0: no limit */
    uint64_t rotate_size;  /* bytes of one file; 0: no limit */
    uint64_t rotate_time;  /* milliseconds of one file; 0: no limit */
    uint64_t rotate_files; /* that are kept; 0: all */
    uint64_t buffer_size;  /* bytes of the agent's ring; 0: default */
    enum options_format format;
    bool quiet;
    unsigned verbose; /* how many times */

    struct kube_overrides kube;
    const char *as_groups[OPTIONS_AS_GROUPS_MAX + 1];
    uint64_t request_timeout; /* milliseconds; 0: none */
};

/*
 * options_parse - read the command line, and the environment for what it leaves out
 * @argv: argv[0] is the program
 *
 * Errors are ERROR_USAGE, with the nearest match as the remedy where there is one.
 */
int options_parse(int argc, char *const argv[], struct options *ret_options, struct error *err);

/*
 * options_parse_with - the same, with what the user's file says for what both leave out
 * @defaults: empty; it is read here where it is wanted, and must outlive the options
 */
int options_parse_with(int argc, char *const argv[], struct defaults *defaults,
                       struct options *ret_options, struct error *err);

#endif
