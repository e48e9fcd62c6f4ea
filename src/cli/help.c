/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "base/place.h"
#include "cli/complete.h"
#include "cli/flags.h"
#include "cli/options.h"

#define WIDTH  99
#define INDENT 35 /* column of the sentences */

static const char *const groups[] = {
    [FLAG_GROUP_CAPTURE] = "What to capture",
    [FLAG_GROUP_OUTPUT] = "Where the packets and messages go",
    [FLAG_GROUP_METHOD] = "How to capture",
    [FLAG_GROUP_RECORDING] = "Recordings, which go on without you",
    [FLAG_GROUP_CLUSTER] = "Which cluster, and as whom (as for kubectl)",
};

static const struct {
    const char *command, *says;
} examples[] = {
    {"kubectl sniff web", "open the traffic of the pod web in Wireshark"},
    {"kubectl sniff deploy/shop data/svc/db", "of a workload and of a Service, in one window"},
    {"kubectl sniff -l app=shop", "of all pods with this label"},
    {"kubectl sniff web -n shop -c app", "choose namespace and container"},
    {"kubectl sniff web -f 'tcp port 8080'", "only what the filter matches"},
    {"kubectl sniff web -o web.pcapng --duration 30s", "30 seconds into a file"},
    {"kubectl sniff -l app=shop -o '%n-%p.pcapng.zst' --rotate-size 100M --rotate-files 10",
     "for each pod the last GB, in compressed files"},
    {"kubectl sniff web --viewer tshark", "read along in the terminal, with names"},
    {"kubectl sniff web --check", "tell which methods would work, and what the others lack"},
    {"kubectl sniff node/node1 -f 'port 53'", "a node's own interfaces"},
    {"kubectl sniff deploy/shop --record=shop --keep 2G",
     "record the last 2 GiB on each node for a day, without a terminal"},
    {"kubectl sniff --fetch shop --since 10m", "what it has of the last ten minutes"},
    {"kubectl sniff --end shop", "take it away again"},
};

#define EXAMPLES (sizeof(examples) / sizeof(examples[0]))

/* Prints words from the column INDENT on, wrapped; @column is where the line stands now. */
static void print_wrapped(const char *text, size_t column)
{
    if (column > INDENT) {
        putchar('\n');
        column = 0;
    }
    printf("%*s", (int)(INDENT - column), "");
    column = INDENT;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");

        if (column > INDENT && column + 1 + length > WIDTH) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        }
        if (column > INDENT)
            column += (size_t)printf(" ");
        column += (size_t)printf("%.*s", (int)length, word);
        word += length + strspn(word + length, " ");
    }
    putchar('\n');
}

static void print_flag(const struct flag *flag)
{
    size_t column = 0;

    column += (size_t)(flag->letter ? printf("  -%c, ", flag->letter) : printf("      "));
    column += (size_t)printf("--%s", flag->name);
    if (flag->metavar)
        column += (size_t)printf(flag->kind == FLAG_OPTION ? "[=%s]" : " %s", flag->metavar);
    column += (size_t)printf(" ");
    print_wrapped(flag->help, column);
    if (flag->environment)
        printf("%*s[$%s]\n", INDENT, "", flag->environment);
}

static void print_help(void)
{
    printf("Show the network traffic of Kubernetes pods, live, in Wireshark or in a file.\n\n"
           "Usage:\n  kubectl sniff TARGET... [flags]\n  kubectl sniff -l SELECTOR [flags]\n"
           "  kubectl sniff TARGET... --record[=NAME] [flags]\n"
           "  kubectl sniff --fetch NAME|--wait-for NAME [flags]\n"
           "  kubectl sniff --recordings|--end NAME|--cleanup [-n NAMESPACE|-A]\n\n"
           "Targets:\n"
           "  web 'api-*'         pods, by name or by a shell pattern in quotes\n"
           "  deploy/shop         the pods of a workload: deploy, rs, sts, ds, job, cronjob\n"
           "  svc/shop            the pods that are behind a Service\n"
           "  node/node1          a node's own interfaces\n"
           "  data/db             the pod db of the namespace data; data/svc/db: of a type\n"
           "  deploy shop api     a type before all names, as kubectl takes it\n");
    for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++) {
        printf("\n%s:\n", groups[group]);
        for (size_t i = 0; i < flag_count; i++)
            if (flags[i].group == (enum flag_group)group)
                print_flag(&flags[i]);
    }
    printf("\nExamples:\n");
    for (size_t i = 0; i < EXAMPLES; i++)
        printf("  # %s\n  %s\n", examples[i].says, examples[i].command);
}

/* ---- the man page ---- */

/* man(7) takes a dash for a hyphen, and a leading quote or dot for a request. */
static void print_man_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '-')
            printf("\\-");
        else if (*text == '\\')
            printf("\\e");
        else if (*text == '\'')
            printf("\\(aq");
        else
            putchar(*text);
    }
}

static void print_man_flag(const struct flag *flag)
{
    printf(".TP\n\\fB");
    if (flag->letter)
        printf("\\-%c\\fR, \\fB", flag->letter);
    printf("\\-\\-");
    print_man_text(flag->name);
    printf("\\fR");
    if (flag->metavar)
        printf(flag->kind == FLAG_OPTION ? "[=\\fI%s\\fR]" : " \\fI%s\\fR", flag->metavar);
    putchar('\n');
    print_man_text(flag->help);
    putchar('\n');
    if (flag->environment)
        printf(".br\nEnvironment: %s\n", flag->environment);
}

static void print_man_targets(void)
{
    printf(
        ".SH TARGETS\nAny number of these may be named; a pod that several of them mean is "
        "captured once.\n"
        ".TP\n\\fINAME\\fR\na pod\n"
        ".TP\n\\fB\\(aq\\fIPATTERN\\fB\\(aq\\fR\npods, by a shell pattern (*, ?, [...]), in quotes "
        "so "
        "that the shell leaves it alone\n"
        ".TP\n\\fITYPE\\fB/\\fINAME\\fR\npod, deploy, rs, sts, ds, job, cronjob (the pods that the "
        "workload has made), svc (the pods of its EndpointSlices, ready or not), node (its own "
        "interfaces), by the names and short names that kubectl takes\n"
        ".TP\n\\fINAMESPACE\\fB/\\fINAME\\fR, \\fINAMESPACE\\fB/\\fITYPE\\fB/\\fINAME\\fR\nwhat "
        "lives "
        "in another namespace than that of \\fB\\-n\\fR\n"
        ".TP\n\\fITYPE NAME\\fR...\na type before names that have none, as for kubectl\n"
        ".PP\nWhere a word could be a type, it is one: svc/web is the Service web, and "
        "svc/pod/web the pod web of a namespace that is called svc. What is none is taken for a "
        "namespace: rc/web is the pod web of the namespace rc. A pod that is called as a "
        "type is, stands alone, or is written pod/svc.\n"
        ".PP\n\\fB\\-l\\fR adds the pods that have these labels to those that are named. With the "
        "name of a file that exists, \\fB\\-l\\fR is a static tcpdump to upload instead "
        "(\\fB\\-\\-local\\-tcpdump\\-path\\fR), as for the plugin in Go; any other value is a "
        "selector. \\fB\\-\\-selector\\fR always is one.\n"
        ".PP\nPods that cannot be captured, as they have ended or have no node yet, are left out "
        "of what a pattern, a selector or a workload chooses. Pods with their node\\(aqs network, "
        "and the node itself, have the same interfaces: they are captured once.\n"
        ".PP\nWith \\-\\-follow pods that come to match later are captured, too: of a rollout, of "
        "a "
        "workload that grows, and what is made again under its name. One whose container does not "
        "run yet is waited for, unless the method is node; one that cannot be captured is told, "
        "and "
        "tried again with its next change or after a while, as long as it is there. What would "
        "then be more than \\-\\-max\\-targets is told, and not captured.\n");
}

static void print_man_files(void)
{
    printf(
        ".SH FILES\nIn the name that \\fB\\-o\\fR gives, not in its directory\\(aqs, these stand "
        "for "
        "something:\n"
        ".TP\n%%n, %%p, %%c\nthe namespace, pod and container of a target, each of which gets a "
        "file of its own; of a node: node, its name, host. What could mean something in a file "
        "name becomes _, and more than 100 bytes are cut. Where two targets would have the same "
        "name, the second has \\-2 before its ending.\n"
        ".TP\n%%t\nthe local time at which the file begins, 20261128T193000\n"
        ".TP\n%%i\nthe number of the file, 00001\n"
        ".TP\n%%%%\na percent sign\n"
        ".PP\nWith \\fB\\-\\-rotate\\-size\\fR or \\fB\\-\\-rotate\\-time\\fR files follow each "
        "other. Where the name has no %%i, the number and the local time stand before its ending, "
        "as dumpcap writes them. Each file has its own section, interfaces, and statistics of the "
        "packets in it; it begins with a packet, so there is no empty one. The oldest is removed "
        "when the newest has begun. \\fB\\-\\-count\\fR, \\fB\\-\\-duration\\fR and "
        "\\fB\\-\\-max\\-size\\fR are over all targets and all files, those that have been removed "
        "too.\n");
    printf(
        ".PP\nA file that ends in .gz, .zst or .lz4 is compressed. Sizes are those of the "
        "compressed file. What was captured is in it within a second, and then it is whole: what a "
        "killed client or a full disk leaves can be read up to there.\n");
}

static void print_man_viewers(void)
{
    printf(
        ".SH VIEWERS\n\\fB\\-\\-viewer\\fR chooses what shows the packets where there is no "
        "\\fB\\-o\\fR:\n"
        ".TP\nwireshark\nits window; the default\n"
        ".TP\ntshark\na line a packet on standard output, with names. A Ctrl\\-C ends the "
        "capture, and tshark prints what was still on its way.\n"
        ".TP\ntermshark\nin the terminal, of which it has the whole: our messages follow when it "
        "has been left. Leaving it ends the capture.\n"
        ".TP\n\\(aq\\fICOMMAND\\fB\\(aq\\fR\nany program that reads a capture, such as "
        "\\(aqtcpdump \\-n \\-r \\-\\(aq. It reads its standard input; where {} stands in the "
        "command, that is the path of a named pipe instead, which is removed at the end. Blanks "
        "part "
        "words, \\(aq...\\(aq keeps all that is in it, as \"...\" does but for \\e\" and \\e\\e, "
        "and "
        "elsewhere a backslash keeps the character behind it. No shell runs it: variables and "
        "patterns stay as they are written, and for a pipe or a redirection write "
        "sh \\-c \\(aq...\\(aq. "
        "A Ctrl\\-C reaches it, too, as any reader of a pipe.\n"
        ".PP\nWhen the viewer ends, so does the capture; an exit code of it that is not 0 becomes "
        "1, "
        "unless an interrupt has ended both. One that goes on when it has read all is waited for, "
        "and another Ctrl\\-C ends it. One that reads slowly is waited for, while the agent\\(aqs "
        "buffer holds the packets, and what it has no room for is counted as dropped. Beside a "
        "viewer in the terminal there is no status line.\n");
}

static void print_man_serving(void)
{
    printf(
        ".SH SERVING\n\\fB\\-o tcp://127.0.0.1:4000\\fR listens there, and gives the live capture "
        "to "
        "whoever connects, up to 32 at once: \\fBwireshark \\-k \\-i TCP@127.0.0.1:4000\\fR, "
        "tshark "
        "with the same, or any program that reads PCAP\\-over\\-IP (for one that does not know "
        "pcapng: \\fB\\-\\-format pcap\\fR). Port 0 is any that is free, and a line tells which; "
        "[::1] is the loopback address of IPv6. Nobody is asked who he is, and nothing is "
        "encrypted: an address that others reach has to be written out, and a warning says so.\n"
        ".PP\nEach reader gets a whole section: its head, all interfaces and names so far, and "
        "then "
        "the packets that come. While nobody reads, packets wait for a reader: 16 MiB of them "
        "here, "
        "others in the agents\\(aq buffers (\\fB\\-\\-buffer\\-size\\fR), and what these have no "
        "room for is counted as dropped; the first to connect gets what has waited. A reader that "
        "is 16 MiB behind is cut, and a line says so; the capture goes on without it. When the "
        "capture ends, readers get the rest; one that takes nothing for 10 seconds is cut. Where "
        "nobody has connected by then, or the last reader was cut, the packets that wait are lost, "
        "and the exit status is 3; what comes after the last reader has left by itself is "
        "nobody\\(aqs. A reader has got what this machine has taken for it.\n");
}

static void print_man_defaults(void)
{
    printf(".SH DEFAULTS\nWho always wants the same writes it into "
           "\\fI$XDG_CONFIG_HOME/ksniff/config\\fR, by default \\fI~/.config/ksniff/config\\fR, a "
           "flag a line, without its dashes:\n"
           ".PP\n# my cluster forbids exec\n.br\nmethod = node\n.br\nviewer = tshark\n.br\n"
           "namespace = shop\n.br\nno\\-names\n"
           ".PP\nWhat stands behind # is a comment; a value that has a # in it, or blanks at its "
           "ends, "
           "stands in quotes. The command line comes first, then the environment, then the file; a "
           "default that contradicts what is asked for yields. What chooses the pods (selector, "
           "field\\-selector, all\\-namespaces) or asks for something else than a capture is no "
           "default. "
           "An unknown name, one that stands twice, and a value that the flag does not take are "
           "errors, wherever they stand. \\fB\\-\\-print\\-config\\fR tells what holds, and where "
           "it is "
           "from; tokens are not shown.\n");
}

static void print_man_names(void)
{
    printf(
        ".SH NAMES\nA pcapng file holds the names of addresses: of pods "
        "(\\fIpod\\fR.\\fInamespace\\fR), "
        "Services (\\fIservice\\fR.\\fInamespace\\fR.svc), nodes, and the API server "
        "(kube\\-apiserver). They are asked for while the capture begins, which does not wait for "
        "them; with \\fB\\-\\-follow\\fR those of later pods follow. Where pods, Services or nodes "
        "may "
        "not be listed in the whole cluster, those of the targets\\(aq namespaces and the targets "
        "themselves have names.\n"
        ".PP\nWireshark is started with "
        "\\fB\\-o nameres.network_name:TRUE \\-o nameres.use_external_name_resolver:FALSE\\fR: it "
        "shows "
        "these names, and asks no DNS server for others. For a file: "
        "\\fBtshark \\-N dn \\-r\\fR \\fIFILE\\fR, where packets in front of the names show "
        "addresses (\\fB\\-2\\fR names them too), or in Wireshark View, Name Resolution.\n"
        ".PP\nWith several targets it also has a column \\(lqSeen at\\(rq, the interface "
        "(frame.interface_name), in front of the source, beside the columns of the profile that "
        "was "
        "used last. Both hold for that window, and nothing is saved when it is closed; they stay "
        "where preferences or columns are saved in it. To have the column for good: Edit, "
        "Preferences, Appearance, "
        "Columns, then OK, in such a window.\n");
}

static void print_man_several_places(void)
{
    printf(
        ".SH \"THE SAME PACKET TWICE\"\nA packet that is seen at several interfaces, such as at "
        "both "
        "ends of a flow, is there once for each. Wireshark 4.0 takes them for one conversation and "
        "calls the second sighting a TCP retransmission. \\fB\\-\\-dedup\\fR keeps the first only; "
        "in "
        "a capture that is there already, look at one place: "
        "\\fBtshark \\-Y \\(aqtcp.analysis.retransmission && frame.interface_name == "
        "\"default/web:eth0\"\\(aq \\-r\\fR \\fIFILE\\fR. Newer versions of Wireshark have the "
        "preference \\(lqDeinterlacing conversations key\\(rq (Edit, Preferences, Protocols): with "
        ".MI "
        "each interface has conversations of its own.\n");
}

static void print_man_plain_text(void)
{
    printf(".SH \"PLAIN TEXT\"\nPrograms that use OpenSSL with a key log callback, curl, NSS, "
           "BoringSSL, Go (KeyLogWriter) or rustls write the secrets of their TLS connections to a "
           "file, where they are told to: most of them by the variable SSLKEYLOGFILE. With "
           "\\fB\\-\\-keylog\\fR \\fIPATH\\fR that file is followed in each target\\(aqs "
           "container (that of \\fB\\-c\\fR), while the application writes it, and its secrets are "
           "put into the capture before the packets that need them: Wireshark and tshark show the "
           "plain text without another file. So can everybody else who has the capture: keep it as "
           "you would what it shows.\n");
    printf(
        ".PP\nThe file need not be there yet, and may be cut to nothing, moved away and made anew. "
        "Only lines that are secrets of TLS are taken from it, and of what it holds at the start "
        "the last 4 MiB. It is read by a second agent with an exec of its own: in the container, "
        "as "
        "its user, where the capture is made by the upload or the ephemeral method; by the node "
        "method from the helper pod, in which links lead to nothing outside of the "
        "container\\(aqs root directory, and which has the capability DAC_READ_SEARCH then. Where "
        "it cannot be read a warning says so, and the capture goes on.\n"
        ".PP\nA program may write a secret a moment after the packets that need it have passed. "
        "So each packet waits for \\fB\\-\\-reorder\\-window\\fR before it is written: what "
        "comes within that time stands in front of it. What comes later cannot be decrypted by "
        "who reads the file once from its front, as Wireshark does; a longer window helps. A "
        "connection whose handshake is not in the capture cannot be, either. Of files that follow "
        "each other each has the secrets of those before it (at most half of its size), and where "
        "each target has a file, that has its own target\\(aqs.\n");
}

static void print_man_checksums(void)
{
    printf(
        ".SH CHECKSUMS\nBetween the pods of a node nobody computes the checksums of TCP and UDP, "
        "and from there to elsewhere the network card does, behind the place where packets are "
        "captured. Where Wireshark is told to check them it calls them bad. What the node\\(aqs "
        "kernel knows stands in each packet\\(aqs flags (pcapng\\(aqs epb_flags, "
        "frame.packet_flags; Wireshark 4.0 has no names for these bits): "
        "0x200, the checksum was not computed yet; 0x400, it was checked and is right; 0x800 (with "
        "Linux 6.3 and later), several segments of TCP in one packet, longer than the wire takes. "
        "Those that are really bad: "
        "\\fBtshark \\-o tcp.check_checksum:TRUE \\-Y \\(aqtcp.checksum.status == Bad && "
        "!(frame.packet_flags & 0x200)\\(aq \\-r\\fR \\fIFILE\\fR.\n");
}

static void print_man_recordings(void)
{
    printf(
        ".SH RECORDINGS\n\\fB\\-\\-record\\fR leaves a recorder beside the targets, on each of "
        "their "
        "nodes, waits until every target is recorded, and returns. It is a helper pod, as those of "
        "the node method: the others cannot record. It keeps the last packets in an emptyDir, and "
        "stays until \\fB\\-\\-end\\fR, or for the time of \\fB\\-\\-for\\fR. The same command "
        "with "
        "the same name takes in what is not recorded yet, such as the pods of a rollout, and "
        "leaves what runs as it is. A recording is of one kind: what is left out of \\-f, \\-i, "
        "\\-\\-snaplen, \\-\\-headers\\-only, \\-\\-keep, \\-\\-keep\\-in, "
        "\\-\\-stop\\-when and \\-\\-after is as it is recorded already, and something else is "
        "refused.\n"
        ".PP\nA recording is that of a namespace, in which its pods are: the targets\\(aq, or that "
        "of \\-\\-node\\-namespace. Whoever may exec there can fetch it.\n"
        ".PP\nA time back behind \\-\\-since and \\-\\-until, such as 10m, is back from the moment "
        "at which the fetch begins, by this machine\\(aqs clock; with \\-\\-wait\\-for from the "
        "first packet that has fired a "
        "trigger: \\-\\-since 10m is what happened in the ten minutes before it, and what was "
        "recorded behind it.\n"
        ".PP\n\\-\\-recordings=json writes an array of objects: \"name\", \"namespace\", \"by\" "
        "(who "
        "has started it), \"started\", \"ends\" (times in UTC), \"keep\" (\"bytes\" and "
        "\"seconds\" "
        "on each node, 0 being no limit, and \"in\": disk or memory), \"filter\", \"stopWhen\", "
        "\"after\" (milliseconds), \"state\", \"oldest\" and \"newest\" (packets), \"packets\", "
        "\"bytes\" and \"dropped\". In the array \"pods\" each recorder has \"node\", \"pod\", "
        "\"state\", \"reason\" (why it does not record), \"complaint\" (the last thing that went "
        "wrong), \"ends\", \"trigger\" (\"time\" of the packet, and \"namespace\" and \"name\" of "
        "its "
        "target), and \"targets\": for each \"namespace\", \"name\", \"container\", \"state\", "
        "\"oldest\", \"newest\", \"segments\", \"packets\", \"bytes\" and \"dropped\". What is not "
        "known, or not there, is null. A state is starting, waiting (a target has no network at "
        "the "
        "moment), recording, triggered (it freezes soon), frozen, ended or unknown (it could not "
        "be asked); that of a recording whose pods differ is mixed.\n");
}

static void print_man(void)
{
    printf(".TH KUBECTL\\-SNIFF 1 \"\" \"ksniff %s\"\n"
           ".SH NAME\nkubectl\\-sniff \\- show the network traffic of Kubernetes pods\n"
           ".SH SYNOPSIS\n\\fBkubectl sniff\\fR \\fITARGET\\fR... [\\fIflags\\fR]\n.br\n"
           "\\fBkubectl sniff\\fR \\fB\\-l\\fR \\fISELECTOR\\fR [\\fIflags\\fR]\n.br\n"
           "\\fBkubectl sniff\\fR \\fITARGET\\fR... \\fB\\-\\-record\\fR[=\\fINAME\\fR] "
           "[\\fIflags\\fR]\n.br\n"
           "\\fBkubectl sniff\\fR \\fB\\-\\-fetch\\fR \\fINAME\\fR|\\fB\\-\\-wait\\-for\\fR "
           "\\fINAME\\fR [\\fIflags\\fR]\n.br\n"
           "\\fBkubectl sniff\\fR \\fB\\-\\-recordings\\fR|\\fB\\-\\-end\\fR \\fINAME\\fR|"
           "\\fB\\-\\-cleanup\\fR [\\fB\\-n\\fR \\fINAMESPACE\\fR|\\fB\\-A\\fR]\n"
           ".SH DESCRIPTION\nPuts a small capture agent beside the pod and streams its packets "
           "live into Wireshark, a file or a pipe. It takes the agent away again; only of an "
           "ephemeral container the pod keeps the entry.\n",
           KSNIFF_VERSION);
    printf(".PP\nThree methods are tried in this order: \\fBupload\\fR puts the agent into the "
           "container; \\fBnode\\fR makes a helper pod on its node, which enters the pod's "
           "network; \\fBephemeral\\fR adds an ephemeral container to the pod, whose process ends "
           "by itself within a minute after the capture, and which is added only where an exec is "
           "known to reach the pod. The roles they need stand in ");
    print_man_text(place_after_install());
    print_man_text("/rbac");
    printf(
        ".\n.PP\nA stream that is cut is taken up again; a comment on the first packet after the "
        "gap tells its length and cause.\n");
    printf(
        ".PP\nThe first Ctrl\\-C, or Wireshark\\(aqs Stop button, ends the capture, and the window "
        "stays with its packets; its Start and Restart buttons begin another capture. A second "
        "Ctrl\\-C closes Wireshark, without asking about unsaved packets. SIGTERM and SIGHUP end "
        "the capture and leave Wireshark open. A script\\(aqs background job has SIGINT ignored: "
        "SIGTERM ends it, or a limit. Wireshark has its packets read by dumpcap, which on some "
        "systems only members of the group wireshark may run: who may not is told before anything "
        "happens. Where Wireshark reads nothing for five seconds while packets wait, that is told, "
        "too.\n");
    printf(
        ".PP\nThe end of a capture waits for the packets that are still on their way, as long as "
        "any of them come. A second interrupt gives them up. What is lost is counted in the "
        "statistics of the output, and a comment on its last packet says so.\n");
    print_man_targets();
    print_man_names();
    print_man_several_places();
    print_man_plain_text();
    print_man_checksums();
    print_man_recordings();
    printf(".SH OPTIONS\nWhere a variable is named, it is read when the flag is not given.\n");
    for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++) {
        printf(".SS \"");
        print_man_text(groups[group]);
        printf("\"\n");
        for (size_t i = 0; i < flag_count; i++)
            if (flags[i].group == (enum flag_group)group)
                print_man_flag(&flags[i]);
    }
    print_man_files();
    print_man_viewers();
    print_man_serving();
    print_man_defaults();
    printf(".SH EXAMPLES\n");
    for (size_t i = 0; i < EXAMPLES; i++) {
        printf(".TP\n.B ");
        print_man_text(examples[i].command);
        putchar('\n');
        print_man_text(examples[i].says);
        putchar('\n');
    }
    printf(
        ".SH \"EXIT STATUS\"\n0 when the capture ended as it was meant to, also by an interrupt "
        "or a closed pipe; 2 for a wrong command line; 3 when packets that were captured were lost "
        "on the way to the output; 130 when it was interrupted before it had begun; 1 for every "
        "other failure, and for \\-\\-check when no method works for one of the targets.\n"
        "\\-\\-fetch and \\-\\-wait\\-for end with 0 when all that the recording has of what is "
        "wanted has come; with 1 when not all has, since a node cannot be reached; with 3 when all "
        "has come that is left, but a recorder has ended, and what it had kept is gone; with 130 "
        "when they were interrupted before all had come, also while they waited (with "
        "\\-\\-live: before anything had). \\-\\-wait\\-for ends with 1, too, when nothing has "
        "fired in the "
        "time of \\-\\-wait, or nothing can. With \\-\\-end nothing is removed unless all has "
        "come that is left.\n"
        "Of several targets one is enough: those that failed are told, and in the table at the "
        "end; "
        "with \\-\\-fail\\-fast the first that fails ends all, with its own status.\n"
        ".SH SUMMARY\n\\-\\-summary writes one JSON object. Of the whole: \"version\", "
        "\"context\", "
        "\"started\" and \"ended\" (times in UTC), \"output\" (the file, null for Wireshark), "
        "\"exitCode\", \"error\" (null when there was none). Of the whole, and of each object in "
        "the array \"targets\": \"packets\" in the output, \"bytes\" (how long these were on the "
        "wire), \"capturedBytes\" (what of that is in the output: less with \\-\\-snaplen or "
        "\\-\\-headers\\-only), \"dropped\" (packets that the kernel had no room for), \"lost\" "
        "(captured, and not in the output), \"late\" (too late "
        "for "
        "their place in time), \"duplicates\" (left out by \\-\\-dedup), \"cuts\" (how often the "
        "stream "
        "was cut and taken up again) and \"gapMilliseconds\" (how long all these gaps were). Of "
        "each target besides: \"namespace\", \"pod\" and \"container\" (null for a node), "
        "\"node\", "
        "\"method\" (null where none was found), \"captured\", \"gone\" (with its pod: that is "
        "no error), \"error\", and \"clock\": null "
        "where it "
        "is not known, else \"offsetNanoseconds\", what the node\\(aqs clock is ahead of this "
        "machine\\(aqs, give or take \"boundNanoseconds\".\n"
        ".SH ENVIRONMENT\n.TP\nKUBECONFIG\nthe kubeconfig files, as for kubectl\n"
        ".TP\nKSNIFF_CONFIG\nthe file of defaults to use; empty: none\n"
        ".TP\nKSNIFF_WIRESHARK\nthe Wireshark to use; one that ends in .exe reads its standard "
        "input instead of a named pipe\n"
        ".TP\nDISPLAY, WAYLAND_DISPLAY\none of them is needed for Wireshark, but on macOS\n"
        ".TP\nTMPDIR\nwhere Wireshark\\(aqs files and the pipe to it are kept until its end; "
        "default: /tmp\n"
        ".TP\nHTTPS_PROXY, HTTP_PROXY, NO_PROXY\nas for kubectl: the proxy (http, https or socks5) "
        "for a server of https or http, unless proxy\\-url in the kubeconfig names one; and the "
        "hosts, domains, addresses and networks that are reached without it, as localhost and "
        "loopback addresses always are\n"
        ".TP\nSSL_CERT_FILE, SSL_CERT_DIR\nCAs in the place of the system's: a file, and folders "
        "between colons; a certificate\\-authority in the kubeconfig comes before them\n"
        ".SH \"SEE ALSO\"\n\\fBkubectl\\fR(1), \\fBwireshark\\fR(1), \\fBpcap\\-filter\\fR(7)\n"
        ".PP\nThe pages of the manual are in ");
    print_man_text(place_after_install());
    printf(": \\fBtroubleshooting.md\\fR has every message with what to do about it.\n");
}

int help_print(const struct options *options)
{
    if (options->action == OPTIONS_VERSION)
        printf("kubectl-sniff %s\n", KSNIFF_VERSION);
    else if (options->action == OPTIONS_MAN)
        print_man();
    else if (options->action == OPTIONS_COMPLETION)
        complete_print(options);
    else
        print_help();
    return fflush(stdout) == 0 ? 0 : 1;
}
