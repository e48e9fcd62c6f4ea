/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <string.h>

#include "agent/headers.h"
#include "agent/message.h"
#include "agent/number.h"
#include "agent/program.h"

static int parse_number(const char *text, uint64_t least, uint32_t most, uint32_t *ret)
{
    uint64_t value;

    if (number_parse(text, least, most, &value) < 0)
        return -1;
    *ret = (uint32_t)value;
    return 0;
}

/* Return: 0 or -1. */
static int parse_program(const char *text, struct options *options)
{
    static struct program program; /* too large for a stack */

    program_begin(&program);
    for (; *text; text++)
        if (program_byte(&program, *text) < 0)
            return -1;
    memcpy(options->program, program.insns, program.length * sizeof(program.insns[0]));
    options->program_length = program.length;
    return program_end(&program);
}

static int add_interface(struct options *options, const char *name)
{
    if (options->interface_count == AGENT_INTERFACES_MAX || !*name || strlen(name) > 15)
        return -1;
    options->interfaces[options->interface_count++] = name;
    return 0;
}

/* Are these @length hex digits? */
static bool is_hex(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
    return true;
}

static int add_container(struct options *options, const char *id)
{
    if (options->container_count == AGENT_TARGETS_MAX || strlen(id) != OPTIONS_CONTAINER_LENGTH ||
        !is_hex(id, OPTIONS_CONTAINER_LENGTH))
        return -1;
    options->containers[options->container_count++] = id;
    return 0;
}

/* A uuid, or what the kubelet makes of a static pod's file: 32 hex digits. */
static int parse_pod(struct options *options, const char *uid)
{
    static const size_t groups[] = {8, 4, 4, 4, 12};
    const char *at = uid;

    options->pod = uid;
    if (strlen(uid) == 32)
        return is_hex(uid, 32) ? 0 : -1;
    if (strlen(uid) != 36)
        return -1;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (!is_hex(at, groups[i]) || (at[groups[i]] != '-' && at[groups[i]] != '\0'))
            return -1;
        at += groups[i] + 1;
    }
    return 0;
}

static int parse_value(char letter, const char *value, struct options *options)
{
    switch (letter) {
    case 'i':
        return add_interface(options, value);
    case 's':
        return parse_number(value, 1, AGENT_SNAPLEN_MAX, &options->snaplen);
    case 'b':
        return parse_number(value, 1, 1u << 31, &options->ring);
    case 'F':
        return parse_program(value, options);
    case 'S':
        return parse_number(value, 1, 3600, &options->silence);
    case 'u':
        options->unlink_path = value;
        return 0;
    case 'C':
        return add_container(options, value);
    case 'P':
        return parse_pod(options, value);
    case 'k':
        options->keylog = value;
        return 0;
    default:
        return -1;
    }
}

static void set_flag(char letter, struct options *options)
{
    if (letter == 'V')
        options->vlan = true;
    else if (letter == 'H')
        options->headers_only = true;
    else if (letter == 'N')
        options->no_shell = true;
    else if (letter == 'E')
        options->ethernet_only = true;
    else if (letter == 'O')
        options->own = true;
    else
        options->no_ring = true;
}

/* @flags, @letters: the options without and with a value that there are */
static int parse(int argc, char *const argv[], const char *flags, const char *letters,
                 struct options *options)
{
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        char letter = word[0] == '-' && word[1] && !word[2] ? word[1] : '\0';

        if (letter && strchr(flags, letter)) {
            set_flag(letter, options);
        } else if (!letter || !strchr(letters, letter) || i + 1 == argc ||
                   parse_value(letter, argv[i + 1], options) < 0) {
            message("bad option", word, i + 1 < argc ? argv[i + 1] : NULL);
            return -1;
        } else {
            i++;
        }
    }
    return 0;
}

int options_parse(int argc, char *const argv[], struct options *ret_options)
{
    ret_options->snaplen = AGENT_SNAPLEN_MAX;
    ret_options->ring = AGENT_RING_DEFAULT;
    ret_options->silence = AGENT_SILENCE_SECONDS;
    if (parse(argc, argv, "VHREON", "isbFSuCP", ret_options) < 0)
        return -1;
    /* The kernel need not copy what is cut off, unless the agent's mark may stand there. */
    if (ret_options->headers_only && !ret_options->own && ret_options->snaplen > HEADERS_MOST)
        ret_options->snaplen = HEADERS_MOST;
    return 0;
}

int options_parse_hold(int argc, char *const argv[], struct options *ret_options)
{
    ret_options->silence = AGENT_HOLD_SECONDS;
    return parse(argc, argv, "", "Su", ret_options);
}

int options_parse_follow(int argc, char *const argv[], struct options *ret_options)
{
    ret_options->silence = AGENT_SILENCE_SECONDS;
    if (parse(argc, argv, "N", "kSuC", ret_options) < 0)
        return -1;
    if (ret_options->keylog)
        return 0;
    message("follow what? -k PATH", NULL, NULL);
    return -1;
}

const char *options_unlink(int argc, char *const argv[])
{
    for (int i = 0; i + 1 < argc; i++)
        if (strcmp(argv[i], "-u") == 0)
            return argv[i + 1];
    return NULL;
}
