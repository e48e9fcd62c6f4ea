/* SPDX-License-Identifier: Apache-2.0 */
/* How to capture: what the command line said, ready for use. Strings are borrowed. */
#ifndef KSNIFF_SETTINGS_SETTINGS_H
#define KSNIFF_SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings/filter.h"

struct method;
struct capture_format;
struct recordings;

/* What the command line may say of a recording, and may leave to the one that is there. */
enum recording_flag {
    RECORDING_FILTER = 1,
    RECORDING_INTERFACES = 2,
    RECORDING_SNAPLEN = 4,
    RECORDING_HEADERS_ONLY = 8,
    RECORDING_KEEP = 16,
    RECORDING_KEEP_IN = 32,
    RECORDING_STOP_WHEN = 64,
    RECORDING_AFTER = 128,
};

/* Of --record. */
struct recording_settings {
    const char *name;           /* NULL: to be made from the target */
    uint64_t keep_bytes;        /* on each node */
    uint64_t keep_seconds;      /* 0: no limit */
    uint64_t seconds;           /* that it may take */
    bool in_memory;             /* what is kept, and not on the node's disk */
    const char *stop_when_text; /* NULL: nothing freezes it */
    struct filter stop_when;
    uint64_t after;           /* milliseconds from that packet on */
    const char *asked_filter; /* as the user gave it, with names; NULL: none */
    unsigned given;           /* of enum recording_flag */
};

struct settings {
    const char *namespace;
    const char *pod;          /* the one target; NULL: it is a node, or there may be several */
    const char *node;         /* the same */
    const char *const *words; /* the targets as the user named them: target/words.h */
    size_t word_count;
    const char *selector;          /* labels of pods besides; NULL: none */
    const char *field_selector;    /* of what is listed; NULL: none */
    bool all_namespaces;           /* list in all of them */
    uint64_t max_targets;          /* 0: no limit */
    bool follow;                   /* what comes to match later is captured, too */
    const char *container;         /* NULL: to be chosen */
    const char *const *interfaces; /* NULL-terminated; none: every interface */
    size_t interface_count;
    const char *filter_text; /* NULL: none */
    struct filter filter;
    uint32_t snaplen;      /* bytes */
    bool headers_only;     /* of each packet, up to the transport's */
    uint64_t buffer_size;  /* bytes of the agent's ring, 0: chosen by the container's limit */
    uint64_t count;        /* packets, 0: no limit */
    uint64_t duration;     /* milliseconds, 0: no limit */
    uint64_t max_size;     /* bytes of output, 0: no limit */
    uint64_t rotate_size;  /* bytes of one file, 0: no limit */
    uint64_t rotate_time;  /* milliseconds of one file, 0: no limit */
    uint64_t rotate_files; /* that are kept, 0: all */
    const struct capture_format *format;
    const char *tcpdump_path; /* -l: upload this instead of our agent; NULL: no */
    const char *remote_path;  /* -r; NULL: chosen in the container */

    const struct method *method; /* NULL: the best that works */
    bool by_node;                /* it is the node's, which needs no container that runs */
    bool wait;                   /* for a pod that is Pending or does not exist yet */
    uint64_t wait_timeout;       /* milliseconds, 0: no limit */
    bool fail_fast;              /* one target that fails ends all */
    const char *summary;         /* a file for what came of it, or "-"; NULL: none */
    bool reconnect;              /* take a cut capture up again */
    uint64_t drain_timeout;      /* milliseconds, for what is to come at the end; 0: no limit */
    uint64_t reorder_window;     /* milliseconds that a packet may wait for others' earlier ones */
    bool clock_sync;             /* correct the times of nodes whose clocks differ */
    bool dedup;                  /* of a packet that is seen at several interfaces keep the first */
    bool names;                  /* of addresses, in formats that have any */
    const char *keylog;          /* of TLS, in the targets' containers; NULL: none is read */
    bool follows_keylog;         /* not a capture: the agent is to follow that */
    bool own_traffic;            /* do not keep the capture's own stream out */
    const char *asked_filter; /* with leave_own_out: filter_text as the user gave it; NULL: none */
    bool leave_own_out;       /* it would be captured: the agent looks for it and leaves it out */

    /* What was recorded is fetched, and not captured. */
    const char *fetched;                 /* the recording's name; NULL: it is a capture */
    const struct recordings *recordings; /* of it: the pods that were found */
    uint64_t since, until; /* nanoseconds since 1970, of the packets that are wanted; 0: no limit */
    bool live;             /* and then it goes on */
    bool whole;            /* less than all that is wanted is a failure, whoever has ended it */

    /* Of the helper pod and the ephemeral container. */
    const char *image;           /* NULL: to be chosen */
    const char *node_namespace;  /* of the helper pod; NULL: the target's */
    const char *service_account; /* NULL: none is mounted */
    uint64_t creation_timeout;   /* milliseconds, 0: no limit */
    const char *requests;        /* "cpu=10m,memory=32Mi"; NULL: the default */
    const char *limits;          /* NULL: the default */

    struct recording_settings recording;
};

#endif
