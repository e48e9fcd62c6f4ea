/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/filter.h"

#include <ctype.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "settings/display_filter.h"

/* linux/filter.h and linux/if_arp.h, which the client's system (macOS) need not have. */
#define SKF_AD_HATYPE_OFFSET ((uint32_t)(-0x1000) + 28)
#define ARPHRD_ETHER         1
#define ARPHRD_LOOPBACK      772

#define BPF_LOAD_WORD        0x20 /* BPF_LD | BPF_W | BPF_ABS */
#define BPF_JUMP_IF_EQUAL    0x15 /* BPF_JMP | BPF_JEQ | BPF_K */
#define BPF_JUMP_ALWAYS      0x05 /* BPF_JMP | BPF_JA */
#define DISPATCH_LENGTH      4

#define TEXT_MAX             16384 /* bytes */

static void cleanup_pcap(pcap_t **pcap)
{
    if (*pcap)
        pcap_close(*pcap);
}

/*
 * Compiles for one link type.
 * Return: 0 with a program to be released with pcap_freecode(); -1 with libpcap's message.
 */
static int compile_for(int linktype, const char *text, uint32_t snaplen, bool optimise,
                       struct bpf_program *ret, char *message, size_t size)
{
    CLEANUP(cleanup_pcap) pcap_t *pcap = pcap_open_dead(linktype, (int)snaplen);

    if (!pcap) {
        snprintf(message, size, "out of memory");
        return -1;
    }
    if (pcap_compile(pcap, ret, text, optimise, PCAP_NETMASK_UNKNOWN) == 0)
        return 0;
    snprintf(message, size, "%s", pcap_geterr(pcap));
    return -1;
}

static bool compiles(const char *text, size_t length, uint32_t snaplen)
{
    cleanup_free char *part = strndup(text, length);
    struct bpf_program program;
    char message[PCAP_ERRBUF_SIZE];

    if (!part ||
        compile_for(DLT_EN10MB, part, snaplen, false, &program, message, sizeof(message)) < 0)
        return false;
    pcap_freecode(&program);
    return true;
}

/* Return: where the word that begins at or after @at ends. */
static size_t end_of_word(const char *text, size_t at)
{
    at += strspn(text + at, " \t\r\n");
    return at + strcspn(text + at, " \t\r\n");
}

/*
 * libpcap does not say where a filter is wrong. The words up to the place, alone, are a right
 * filter or might become one; so the place is the word behind the longest part that compiles.
 * @shown: what the user has written, as long as @text
 */
static int refuse(const char *text, const char *shown, const char *message, uint32_t snaplen,
                  struct error *err)
{
    size_t good = 0;

    if (display_filter_is_meant(text)) {
        error_set(err, ERROR_USAGE, "filter \"%s\" is a display filter, not a capture filter",
                  shown);
        return error_remedy(err,
                            "it belongs in Wireshark's window, or in: kubectl sniff POD -o - "
                            "| tshark -i - -Y FILTER; capture filters, such as 'tcp port 8080', "
                            "are described in pcap-filter(7)");
    }
    if (strstr(message, "syntax error") || strstr(message, "illegal")) {
        for (size_t end = end_of_word(text, 0); text[end]; end = end_of_word(text, end))
            if (compiles(text, end, snaplen))
                good = end;
    } else {
        error_set(err, ERROR_USAGE, "filter \"%s\": %s", shown, message);
        if (strstr(message, "unknown host"))
            return error_remedy(err, "a host is an address, a Service or Pod of the namespace that "
                                     "you may get, NAME.NAMESPACE.svc, NAME.NAMESPACE.pod, or what "
                                     "the DNS of this machine knows");
        return error_remedy(err, "the language is pcap-filter(7)");
    }
    size_t start = good + strspn(text + good, " \t\r\n");
    error_set(err, ERROR_USAGE, "filter \"%s\": %s, at or after \"%s\" (column %zu)", shown,
              message, shown + start, start + 1);
    return error_remedy(err, "the language is pcap-filter(7)");
}

/* Is "vlan" one of the words? Parentheses and operators end a word as spaces do. */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        bool starts = at == text || !(isalnum((unsigned char)at[-1]) || strchr("-_.", at[-1]));
        unsigned char after = (unsigned char)at[length];

        if (starts && !isalnum(after) && after != '-' && after != '_' && after != '.')
            return true;
    }
    return false;
}

static void copy_program(struct agent_bpf_insn *out, const struct bpf_program *program)
{
    for (unsigned i = 0; i < program->bf_len; i++)
        out[i] = (struct agent_bpf_insn){.code = program->bf_insns[i].code,
                                         .jt = program->bf_insns[i].jt,
                                         .jf = program->bf_insns[i].jf,
                                         .k = program->bf_insns[i].k};
}

static int too_long(size_t length, struct error *err)
{
    error_set(err, ERROR_USAGE, "the filter has %zu instructions, more than the kernel takes",
              length);
    return error_remedy(err, "make it shorter, for example with net instead of many hosts");
}

/* Puts the two programs behind one dispatch on the hardware type. Jumps are relative: they hold.
 * @raw: NULL: the other serves for everything */
static int join(const struct bpf_program *ethernet, const struct bpf_program *raw,
                struct filter *filter, struct error *err)
{
    size_t dispatched = raw ? DISPATCH_LENGTH : 0;
    size_t length = dispatched + ethernet->bf_len + (raw ? raw->bf_len : 0);
    const struct agent_bpf_insn dispatch[DISPATCH_LENGTH] = {
        {BPF_LOAD_WORD, 0, 0, SKF_AD_HATYPE_OFFSET},
        {BPF_JUMP_IF_EQUAL, 2, 0, ARPHRD_ETHER},
        {BPF_JUMP_IF_EQUAL, 1, 0, ARPHRD_LOOPBACK},
        {BPF_JUMP_ALWAYS, 0, 0, ethernet->bf_len},
    };

    if (length > AGENT_BPF_INSNS_MAX - AGENT_BPF_OWN_MAX)
        return too_long(length, err);
    filter->program = calloc(length, sizeof(*filter->program));
    if (!filter->program)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (raw)
        memcpy(filter->program, dispatch, sizeof(dispatch));
    copy_program(filter->program + dispatched, ethernet);
    if (raw)
        copy_program(filter->program + dispatched + ethernet->bf_len, raw);
    filter->length = length;
    return 0;
}

int filter_compile(const char *text, uint32_t snaplen, struct filter *ret_filter, struct error *err)
{
    struct bpf_program ethernet, raw;
    char message[PCAP_ERRBUF_SIZE];

    *ret_filter = (struct filter){0};
    if (!text || !text[strspn(text, " \t\r\n")])
        return 0;
    /* libpcap may take minutes over a filter that could not become short enough anyway. */
    if (strlen(text) > TEXT_MAX) {
        error_set(err, ERROR_USAGE, "the filter is longer than %d bytes", TEXT_MAX);
        return error_remedy(err, "make it shorter, for example with net instead of many hosts");
    }
    if (compile_for(DLT_EN10MB, text, snaplen, true, &ethernet, message, sizeof(message)) < 0)
        return refuse(text, text, message, snaplen, err);
    /* What cannot be asked of raw IP ("not vlan 5") is asked as if it had an Ethernet header. */
    bool on_raw = compile_for(DLT_RAW, text, snaplen, true, &raw, message, sizeof(message)) == 0;
    int result = join(&ethernet, on_raw ? &raw : NULL, ret_filter, err);
    ret_filter->vlan = has_word(text, "vlan");
    ret_filter->ethernet_only = !on_raw;
    pcap_freecode(&ethernet);
    if (on_raw)
        pcap_freecode(&raw);
    return result;
}

int filter_check(const char *text, const char *shown, uint32_t snaplen, struct error *err)
{
    struct bpf_program program;
    char message[PCAP_ERRBUF_SIZE];

    /* Not optimised: of the same address twice libpcap might find that nothing can match. */
    if (compile_for(DLT_EN10MB, text, snaplen, false, &program, message, sizeof(message)) < 0)
        return refuse(text, shown, message, snaplen, err);
    pcap_freecode(&program);
    return 0;
}

void filter_free(struct filter *filter)
{
    free(filter->program);
    *filter = (struct filter){0};
}

char *filter_encode(const struct filter *filter)
{
    cleanup_free unsigned char *bytes = malloc(filter->length * 8 + 1);

    if (!bytes)
        return NULL;
    for (size_t i = 0; i < filter->length; i++) {
        const struct agent_bpf_insn *insn = &filter->program[i];
        unsigned char *out = bytes + 8 * i;

        out[0] = (unsigned char)insn->code;
        out[1] = (unsigned char)(insn->code >> 8);
        out[2] = insn->jt;
        out[3] = insn->jf;
        for (int k = 0; k < 4; k++)
            out[4 + k] = (unsigned char)(insn->k >> 8 * k);
    }
    return text_base64_encode(bytes, filter->length * 8, true);
}
