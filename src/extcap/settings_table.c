/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/settings_table.h"

#include <string.h>

static const char *const methods[][2] = {
    {"upload", "upload: the agent into the container"},
    {"node", "node: a helper pod on its node"},
    {"ephemeral", "ephemeral: an ephemeral container in the pod"},
    {NULL, NULL},
};

static const char *const levels[][2] = {
    {"info", "what kubectl sniff says"},
    {"debug", "more, as with -v"},
    {"trace", "requests to the API server too (never secrets)"},
    {NULL, NULL},
};

#define TARGET  "Target"
#define CLUSTER "Cluster"
#define CAPTURE "Capture"
#define DEBUG   "Log"

const struct extcap_row extcap_rows[EXTCAP_SETTINGS] = {
    [EXTCAP_POD] = {"pod", NULL, "Pod or workload",
                    "The pods that run in the namespace, and the workloads that have made them",
                    "selector", "{reload=true}{placeholder=Load pods}{required=true}", TARGET, "",
                    NULL},
    [EXTCAP_TARGETS] = {"targets", NULL, "More targets",
                        "Words as of kubectl sniff, with spaces between: web deploy/shop "
                        "data/svc/db api-* node/node1",
                        "string", "{placeholder=web deploy/shop data/svc/db node/node1}", TARGET,
                        "", NULL},
    [EXTCAP_CONTAINER] = {"container", "--container", "Container",
                          "The container to put the agent in; they share one network", "selector",
                          "{reload=true}{placeholder=Load containers}", TARGET, "", NULL},
    [EXTCAP_NAMESPACE] = {"namespace", "--namespace", "Namespace",
                          "The pod's namespace; Load pods lists the pods of this one", "selector",
                          "{reload=true}{placeholder=Load namespaces}", TARGET, "", NULL},
    [EXTCAP_CONTEXT] = {"context", "--context", "Context",
                        "The kubeconfig context to use; load namespaces and pods anew for another",
                        "selector", "{reload=true}{placeholder=Load contexts}", CLUSTER, "", NULL},
    [EXTCAP_KUBECONFIG] = {"kubeconfig", "--kubeconfig", "Kubeconfig",
                           "The file to use; where none is chosen those of KUBECONFIG, or "
                           "~/.kube/config",
                           "fileselect", "{mustexist=true}", CLUSTER, "", NULL},
    [EXTCAP_INTERFACE] = {"interface", "--interface", "Interfaces of the pod",
                          "Only these interfaces, with spaces between; none: all", "string",
                          "{placeholder=any}", CAPTURE, "", NULL},
    [EXTCAP_FILTER] = {"filter", NULL, "Filter",
                       "In the language of pcap-filter; a Service or Pod stands for its "
                       "addresses. It holds together with Wireshark's own capture filter",
                       "string", "{placeholder=tcp port 80 or host db.data.svc}", CAPTURE, "",
                       NULL},
    [EXTCAP_SNAPLEN] = {"snaplen", "--snaplen", "Bytes kept of each packet",
                        "0: all of them, up to 262144", "unsigned", "{range=0,262144}", CAPTURE,
                        "0", NULL},
    [EXTCAP_BUFFER] = {"buffer", "--buffer-size", "Buffer",
                       "Holds packets while the way to you is slow: 64M, 1G", "string",
                       "{placeholder=32M}{validation=^[0-9]*[.]?[0-9]*[kKMGT]?i?B?$}", CAPTURE, "",
                       NULL},
    [EXTCAP_NAMES] = {"names", NULL, "Names of pods and Services",
                      "Ask the cluster for the names of addresses, and give them to Wireshark",
                      "boolean", "", CAPTURE, "true", NULL},
    [EXTCAP_METHOD] = {"method", "--method", "Method",
                       "How the agent gets beside the pod; the first that works, unless one is "
                       "chosen",
                       "selector", "", CAPTURE, "", methods},
    [EXTCAP_LOG_LEVEL] = {"log-level", NULL, "How much is logged",
                          "In the toolbar's log, and in the file", "selector", "", DEBUG, "",
                          levels},
    [EXTCAP_LOG_FILE] = {"log-file", NULL, "Log file", "Messages are added to this file too",
                         "fileselect", "{mustexist=false}", DEBUG, "", NULL},
};

enum extcap_setting extcap_row_find(const char *name, size_t length)
{
    size_t dashes = 0;

    while (dashes < length && name[dashes] == '-')
        dashes++;
    for (size_t i = 0; i < EXTCAP_SETTINGS; i++)
        if (strlen(extcap_rows[i].name) == length - dashes &&
            memcmp(extcap_rows[i].name, name + dashes, length - dashes) == 0)
            return (enum extcap_setting)i;
    return EXTCAP_SETTINGS;
}
