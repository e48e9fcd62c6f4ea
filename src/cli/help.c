/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/flags.h"
#include "cli/options.h"

#define WIDTH  98
#define INDENT 34 /* column of the sentences */

static const char *const groups[] = {
    [FLAG_GROUP_CAPTURE] = "What to capture",
    [FLAG_GROUP_OUTPUT] = "Where the packets and messages go",
    [FLAG_GROUP_METHOD] = "How to capture",
    [FLAG_GROUP_CLUSTER] = "Which cluster, and as whom (as for kubectl)",
};

static const struct {
    const char *command, *says;
} examples[] = {
    {"kubectl sniff web", "open the traffic of the pod web in Wireshark"},
    {"kubectl sniff web -n shop -c app", "choose namespace and container"},
    {"kubectl sniff web -f 'tcp port 8080'", "only what the filter matches"},
    {"kubectl sniff web -o web.pcapng --duration 30s", "30 seconds into a file"},
    {"kubectl sniff web -o - | tshark -r -", "read along in the terminal"},
    {"kubectl sniff web -i eth0 --count 100 --snaplen 96 -o head.pcap",
     "the headers of 100 packets, as pcap"},
};

#define EXAMPLES (sizeof(examples) / sizeof(examples[0]))

/* Prints words from the column INDENT on, wrapped; @column is where the line stands now. */
static void print_wrapped(const char *text, size_t column)
{
    if (column >= INDENT) {
        putchar('\n');
        column = 0;
    }
    printf("%*s", (int)(INDENT - column), "");
    column = INDENT;
    while (*text) {
        size_t length = strcspn(text, " ");

        if (column + length > WIDTH && column > INDENT) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        }
        column += (size_t)printf("%.*s", (int)length, text);
        text += length;
        while (*text == ' ')
            text++;
        if (*text)
            column += (size_t)printf(" ");
    }
    putchar('\n');
}

static void print_flag(const struct flag *flag)
{
    size_t column = 0;

    column += (size_t)(flag->letter ? printf("  -%c, ", flag->letter) : printf("      "));
    column += (size_t)printf("--%s", flag->name);
    if (flag->metavar)
        column += (size_t)printf(" %s", flag->metavar);
    column += (size_t)printf(" ");
    print_wrapped(flag->help, column);
    if (flag->environment) {
        printf("%*s[%s]\n", INDENT, "", flag->environment);
    }
}

static void print_help(void)
{
    printf("Show the network traffic of a Kubernetes pod, live, in Wireshark or in a file.\n\n"
           "Usage:\n  kubectl sniff POD [flags]\n");
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
        printf(" \\fI%s\\fR", flag->metavar);
    putchar('\n');
    print_man_text(flag->help);
    putchar('\n');
    if (flag->environment)
        printf(".br\nEnvironment: %s\n", flag->environment);
}

static void print_man(void)
{
    printf(".TH KUBECTL\\-SNIFF 1 \"\" \"ksniff %s\"\n"
           ".SH NAME\nkubectl\\-sniff \\- show the network traffic of a Kubernetes pod\n"
           ".SH SYNOPSIS\n\\fBkubectl sniff\\fR \\fIPOD\\fR [\\fIflags\\fR]\n"
           ".SH DESCRIPTION\nPuts a small capture agent beside the pod and streams its packets "
           "live into Wireshark, a file or a pipe. Nothing of it stays in the pod.\n",
           KSNIFF_VERSION);
    for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++) {
        printf(".SH \"");
        print_man_text(groups[group]);
        printf("\"\n");
        for (size_t i = 0; i < flag_count; i++)
            if (flags[i].group == (enum flag_group)group)
                print_man_flag(&flags[i]);
    }
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
        "or a closed pipe; 2 for a wrong command line; 130 when it was interrupted before it had "
        "begun; 1 for every other failure.\n"
        ".SH ENVIRONMENT\n.TP\nKUBECONFIG\nthe kubeconfig files, as for kubectl\n"
        ".TP\nKSNIFF_WIRESHARK\nthe Wireshark to use\n"
        ".TP\nHTTPS_PROXY, NO_PROXY\nas for kubectl\n"
        ".SH \"SEE ALSO\"\n\\fBkubectl\\fR(1), \\fBwireshark\\fR(1), \\fBpcap\\-filter\\fR(7)\n");
}

int help_print(const struct options *options)
{
    if (options->action == OPTIONS_VERSION)
        printf("kubectl-sniff %s\n", KSNIFF_VERSION);
    else if (options->action == OPTIONS_MAN)
        print_man();
    else
        print_help();
    return fflush(stdout) == 0 ? 0 : 1;
}
