/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/complete.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "cli/defaults.h"
#include "cli/flags.h"
#include "cli/kubectl.h"
#include "cli/options.h"
#include "kube/name.h"
#include "method/helper.h"
#include "target/kinds.h"

/*
 * What may stand in the last word of a command line, in the form of kubectl's plugins: candidates,
 * one a line, with a tab before what they mean, and a last line with what the shell shall do.
 * Source: plugin_completion.go of k8s.io/kubectl; shell_completions.md of github.com/spf13/cobra.
 */
#define COMPLETE_FILES    ":0" /* ShellCompDirectiveDefault */
#define COMPLETE_NO_MORE  ":4" /* ShellCompDirectiveNoFileComp */

#define KUBECTL_FLAGS_MAX 32

/* The command line up to its last word. Strings are the words' own. */
struct line {
    const struct flag *pending; /* takes the last word for its value */
    const char *target;         /* the first */
    const char *container;      /* NULL: none is named */
    bool flags_ended;
    /* kubectl's own flags among them, which it has to be asked with. */
    struct {
        char name[40];     /* "--namespace", "--insecure-skip-tls-verify=true" */
        const char *value; /* NULL: stands in the name */
    } flags[KUBECTL_FLAGS_MAX];
    size_t flag_count;
    bool too_long; /* there were more: kubectl would look elsewhere without them */
};

static void line_add_value(struct line *line, const struct flag *flag, const char *value)
{
    bool is_switch = flag->kind != FLAG_VALUE && flag->kind != FLAG_WORD;

    if (strcmp(flag->name, "container") == 0)
        line->container = value;
    if (flag->group != FLAG_GROUP_CLUSTER)
        return;
    if (line->flag_count == KUBECTL_FLAGS_MAX) {
        line->too_long = true;
        return;
    }
    snprintf(line->flags[line->flag_count].name, sizeof(line->flags[0].name), "--%s%s%s",
             flag->name, is_switch ? "=" : "", is_switch ? value : "");
    line->flags[line->flag_count++].value = is_switch ? NULL : value;
}

static void line_add_flag(struct line *line, const struct flag *flag, const char *attached)
{
    if (!flag)
        return;
    if (attached)
        line_add_value(line, flag, attached);
    else if (flag->kind != FLAG_VALUE && flag->kind != FLAG_WORD)
        line_add_value(line, flag, "true");
    else
        line->pending = flag;
}

static void line_add_letters(struct line *line, const char *letters)
{
    for (; *letters; letters++) {
        const struct flag *flag = flag_find_letter(*letters);
        bool takes_rest = letters[1] == '=' || (flag && flag->kind == FLAG_VALUE && letters[1]);

        line_add_flag(line, flag, takes_rest ? letters + 1 + (letters[1] == '=') : NULL);
        if (takes_rest)
            return;
    }
}

static void line_add(struct line *line, const char *word)
{
    if (line->pending) {
        line_add_value(line, line->pending, word);
        line->pending = NULL;
    } else if (!line->flags_ended && strcmp(word, "--") == 0) {
        line->flags_ended = true;
    } else if (line->flags_ended || word[0] != '-') {
        line->target = line->target ? line->target : word;
    } else if (word[1] == '-') {
        size_t length = strcspn(word + 2, "=");

        line_add_flag(line, flag_find(word + 2, length),
                      word[2 + length] ? word + 3 + length : NULL);
    } else {
        line_add_letters(line, word + 1);
    }
}

#define ARGUMENTS_MAX (3 + 3 + 2 * KUBECTL_FLAGS_MAX + 8)

/* @words: NULL-terminated, at most 8. Return: where the next argument of kubectl goes. */
static size_t add_words(const char **argv, size_t count, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        argv[count++] = words[i];
    return count;
}

static size_t add_flags(const struct line *line, const char **argv, size_t count)
{
    for (size_t i = 0; i < line->flag_count; i++) {
        argv[count++] = line->flags[i].name;
        if (line->flags[i].value)
            argv[count++] = line->flags[i].value;
    }
    return count;
}

/*
 * Lets kubectl complete what stands in the cluster or in the kubeconfig, in this program's place.
 * @before: a command of kubectl and what it is about; NULL behind the last word
 * @flag: the flag that takes @word; NULL: none
 */
static void ask_kubectl(const struct line *line, const char *const before[3], const char *flag,
                        const char *word)
{
    const char *argv[ARGUMENTS_MAX] = {"kubectl", "__complete"};
    struct buf answer;
    size_t count = add_flags(line, argv, add_words(argv, 2, before));

    if (flag)
        argv[count++] = flag;
    argv[count] = word;
    buf_init(&answer, KUBECTL_ANSWER_MAX);
    if (!line->too_long && kubectl_run(argv, &answer) == 0 && answer.length > 0)
        fwrite(buf_bytes(&answer), 1, answer.length, stdout);
    else
        puts(COMPLETE_NO_MORE); /* nothing to offer without kubectl, or within its time */
    buf_free(&answer);
}

static bool is_metavar(const struct flag *flag, const char *metavar)
{
    return flag->metavar && strcmp(flag->metavar, metavar) == 0;
}

/* Flags of kubectl whose values it completes itself. */
static bool kubectl_knows(const struct flag *flag)
{
    return is_metavar(flag, "NAMESPACE") || is_metavar(flag, "CONTEXT") ||
           is_metavar(flag, "CLUSTER") || is_metavar(flag, "USER");
}

/* The pod whose containers are asked for: "web", "pod/web". Return: NULL when it is another thing.
 */
static const char *pod_of(const char *target)
{
    const char *slash = target ? strchr(target, '/') : NULL;
    const struct target_kind *kind =
        slash ? target_kind_find(target, (size_t)(slash - target)) : &target_kinds[TARGET_POD];

    if (!kind || kind->id != TARGET_POD || (slash && strchr(slash + 1, '/')))
        return NULL;
    return slash ? slash + 1 : target;
}

/* Could kubectl exec into it: a pod, or a workload, of the namespace that -n names? A node has no
 * containers. */
static bool is_in_namespace(const char *target)
{
    const char *slash = strchr(target, '/');
    const struct target_kind *kind =
        slash ? target_kind_find(target, (size_t)(slash - target)) : &target_kinds[TARGET_POD];

    return kind && kind->id != TARGET_NODE &&
           !(slash && (strchr(slash + 1, '/') || slash[1] == '-'));
}

/* Does the kernel take it for an interface's name? */
static bool is_interface(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isgraph((unsigned char)name[i]) || name[i] == '/')
            return false;
    return length > 0 && length < 16;
}

/* The lines of /proc/net/dev are "  eth0: 1234 ...", behind two of headings. */
static void print_interfaces(const char *text)
{
    for (; text && *text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
        const char *name = text + strspn(text, " ");
        size_t length = strcspn(name, ":\n");

        if (name[length] == ':' && is_interface(name, length))
            printf("%.*s\n", (int)length, name);
    }
}

/* Those that the first target's container sees, if it has a program to show them. */
static void complete_interface(const struct line *line)
{
    static const char *const show[] = {"--", "cat", "/proc/net/dev", NULL};
    const char *const exec[] = {"exec", line->target, NULL};
    const char *const container[] = {"--container", line->container, NULL};
    const char *argv[ARGUMENTS_MAX] = {"kubectl"};
    struct buf answer;

    puts("any");
    buf_init(&answer, KUBECTL_ANSWER_MAX);
    if (line->target && line->target[0] != '-' && !line->too_long &&
        is_in_namespace(line->target)) {
        size_t count = add_flags(line, argv, add_words(argv, 1, exec));

        if (line->container)
            count = add_words(argv, count, container);
        add_words(argv, count, show);
        if (kubectl_run(argv, &answer) == 0)
            print_interfaces(buf_string(&answer));
    }
    buf_free(&answer);
    puts(COMPLETE_NO_MORE);
}

/* A label's value and nothing else, whoever has made the pod. */
static void print_recordings(const char *text)
{
    for (; text && *text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
        char name[KUBE_VALUE_MAX + 1];
        size_t length = strcspn(text, "\n");

        snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : 0), text);
        if (kube_name_is_value(name))
            puts(name);
    }
}

/* Those that there are: each of their pods has the name as a label. */
static void complete_recording(const struct line *line)
{
    static const char *const get[] = {
        "get",
        "pods",
        "-l",
        HELPER_RECORDING_LABEL,
        "-o",
        "jsonpath={range .items[*]}{.metadata.labels['" HELPER_RECORDING_LABEL "']}{\"\\n\"}{end}",
        NULL};
    const char *argv[ARGUMENTS_MAX] = {"kubectl"};
    struct buf answer;

    add_words(argv, add_flags(line, argv, 1), get);
    buf_init(&answer, KUBECTL_ANSWER_MAX);
    if (!line->too_long && kubectl_run(argv, &answer) == 0)
        print_recordings(buf_string(&answer));
    buf_free(&answer);
    puts(COMPLETE_NO_MORE);
}

static void complete_value(const struct line *line, const struct flag *flag, const char *word)
{
    const char *pod = pod_of(line->target);
    char name[64];

    snprintf(name, sizeof(name), "--%s", flag->name);
    if (kubectl_knows(flag)) {
        ask_kubectl(line, (const char *const[3]){"get"}, name, word);
    } else if (is_metavar(flag, "CONTAINER") && pod && *pod != '-') {
        ask_kubectl(line, (const char *const[3]){"exec", pod}, name, word);
    } else if (is_metavar(flag, "INTERFACE")) {
        complete_interface(line);
    } else if (is_metavar(flag, "RECORDING")) {
        complete_recording(line);
    } else if (is_metavar(flag, "FILE")) {
        puts(COMPLETE_FILES);
    } else {
        if (is_metavar(flag, "FORMAT"))
            puts("pcapng\npcap");
        else if (is_metavar(flag, "METHOD"))
            puts("auto\nupload\nnode\nephemeral");
        else if (is_metavar(flag, "VIEWER"))
            puts("wireshark\ntshark\ntermshark");
        else if (is_metavar(flag, "SHELL"))
            puts("bash\nzsh\nfish");
        else if (is_metavar(flag, "MODE"))
            puts("auto\noff");
        else if (is_metavar(flag, "PLACE"))
            puts("disk\nmemory");
        else if (is_metavar(flag, "json"))
            puts("json");
        else if (flag->kind == FLAG_SWITCH)
            puts("true\nfalse");
        puts(COMPLETE_NO_MORE);
    }
}

static void complete_flag(const char *word)
{
    for (size_t i = 0; i < flag_count; i++) {
        char name[64];

        if (flags[i].group == FLAG_GROUP_HIDDEN)
            continue;
        snprintf(name, sizeof(name), "--%s", flags[i].name);
        if (strncmp(name, word, strlen(word)) == 0)
            printf("%s\t%s\n", name, flags[i].help);
        if (flags[i].letter && strcmp(word, "-") == 0)
            printf("-%c\t%s\n", flags[i].letter, flags[i].help);
    }
    puts(COMPLETE_NO_MORE);
}

/* The flag before "=" in "--name=value" or "-n=value". Return: NULL when it is unknown. */
static const struct flag *flag_before(const char *word, const char *equals)
{
    if (word[1] != '-')
        return flag_find_letter(word[1]);
    return flag_find(word + 2, (size_t)(equals - word) - 2);
}

/* Types that begin so; behind one the names of its kind are completed, as for kubectl. */
static void complete_type(const char *word)
{
    for (size_t i = 0; *word && i < TARGET_KIND_COUNT; i++)
        if (strncmp(target_kinds[i].name, word, strlen(word)) == 0)
            puts(target_kinds[i].name);
}

static void complete_target(const struct line *line, const char *word)
{
    const struct target_kind *before =
        line->target ? target_kind_find(line->target, strlen(line->target)) : NULL;
    const char *slash = strchr(word, '/');

    /* Of another namespace, or with a dash, kubectl would take it for a type, or for a flag. */
    if (word[0] == '-' || (slash && !target_kind_find(word, (size_t)(slash - word)))) {
        puts(COMPLETE_NO_MORE);
    } else if (slash) {
        ask_kubectl(line, (const char *const[3]){"get"}, NULL, word);
    } else {
        if (!line->target)
            complete_type(word);
        ask_kubectl(line, (const char *const[3]){"get", before ? before->resource : "pods"}, NULL,
                    word);
    }
}

/* The user's defaults, in front of what the line says. A file that is wrong is another's affair,
 * and a secret is not for the list of processes. */
static void add_defaults(struct line *line, struct defaults *defaults)
{
    struct error unused;

    if (defaults_load(defaults, &unused) < 0)
        return;
    for (size_t i = 0; i < defaults->count; i++)
        if (!defaults_is_secret(defaults->settings[i].flag))
            line_add_value(line, defaults->settings[i].flag, defaults->settings[i].value);
}

static void complete_words(char *const *words, size_t count)
{
    CLEANUP(defaults_free) struct defaults defaults = {0};
    const char *last = count ? words[count - 1] : "";
    const char *equals = strchr(last, '=');
    const struct flag *flag = NULL;
    struct line line = {0};

    add_defaults(&line, &defaults);
    for (size_t i = 0; i + 1 < count; i++)
        line_add(&line, words[i]);
    bool is_flag = !line.flags_ended && last[0] == '-';
    if (is_flag && equals)
        flag = flag_before(last, equals);
    if (line.pending)
        complete_value(&line, line.pending, last);
    else if (flag)
        complete_value(&line, flag, equals + 1);
    else if (is_flag && !equals)
        complete_flag(last);
    else if (!is_flag)
        complete_target(&line, last);
    else
        puts(COMPLETE_NO_MORE);
}

/* bash cuts words at "=" too; 3.2, which macOS has, knows no compopt. */
static const char bash_script[] =
    "# Completion of kubectl-sniff: source <(kubectl-sniff --completion=bash)\n"
    "_kubectl_sniff()\n"
    "{\n"
    "    local i line word current directive=0 tab=$'\\t'\n"
    "    local -a words=()\n"
    "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if ((i > 1)) && [[ $word == = || ${COMP_WORDS[i - 1]} == = ]]; then\n"
    "            words[${#words[@]} - 1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "    done\n"
    "    current=${COMP_WORDS[COMP_CWORD]}\n"
    "    [[ $current == = ]] && current=\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :[0-9]*) directive=${line#:} ;;\n"
    "        \"$current\"*) COMPREPLY+=(\"${line%%\"$tab\"*}\") ;;\n"
    "        esac\n"
    "    done < <(kubectl-sniff --completion=words -- \"${words[@]}\" 2>/dev/null)\n"
    "    ((directive & 4)) && compopt +o default 2>/dev/null\n"
    "    return 0\n"
    "}\n"
    "complete -o default -F _kubectl_sniff kubectl-sniff\n";

static const char zsh_script[] =
    "#compdef kubectl-sniff\n"
    "# Completion of kubectl-sniff: source <(kubectl-sniff --completion=zsh)\n"
    "_kubectl-sniff()\n"
    "{\n"
    "    local line directive=0 tab=$'\\t'\n"
    "    local -a candidates\n"
    "    for line in \"${(@f)$(kubectl-sniff --completion=words -- \\\n"
    "        \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
    "        case $line in\n"
    "        :[0-9]*) directive=${line#:} ;;\n"
    "        ?*) candidates+=(\"${${line//:/\\\\:}/$tab/:}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    compset -P '-*='\n"
    "    if ((${#candidates})); then\n"
    "        _describe completions candidates\n"
    "    elif ! ((directive & 4)); then\n"
    "        _files\n"
    "    fi\n"
    "}\n"
    "compdef _kubectl-sniff kubectl-sniff\n";

static const char fish_script[] =
    "# Completion of kubectl-sniff: kubectl-sniff --completion=fish | source\n"
    "function __kubectl_sniff_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l current (commandline -ct)\n"
    "    set -l prefix (string match -r -- '^-[^=]*=' \"$current\")\n"
    "    set -l directive 0\n"
    "    set -l found 0\n"
    "    for line in (kubectl-sniff --completion=words -- $words[2..-1] \"$current\" 2>/dev/null)\n"
    "        if string match -qr '^:[0-9]+$' -- $line\n"
    "            set directive (string sub -s 2 -- $line)\n"
    "        else\n"
    "            set found 1\n"
    "            printf '%s\\n' \"$prefix$line\"\n"
    "        end\n"
    "    end\n"
    "    if test $found -eq 0 -a $directive -eq 0\n"
    "        __fish_complete_path (string replace -- \"$prefix\" '' \"$current\") | \\\n"
    "            string replace -r '^' -- \"$prefix\"\n"
    "    end\n"
    "end\n"
    "complete -c kubectl-sniff -f -a '(__kubectl_sniff_complete)'\n";

/* Whoever puts the script into a file is told what `kubectl sniff` needs besides; a shell that
 * reads it at each start, from a pipe, is not. */
static void tell_of_kubectl(void)
{
    cleanup_free char *hook = process_find("kubectl_complete-sniff");
    unsigned minor;
    struct stat out;

    if (fstat(STDOUT_FILENO, &out) < 0 || S_ISFIFO(out.st_mode) || !kubectl_minor_version(&minor))
        return;
    if (minor < KUBECTL_WITH_HOOK)
        log_warning("kubectl 1.%u completes no plugins (1.%d and later do): this is for the words "
                    "behind kubectl-sniff, not kubectl sniff",
                    minor, KUBECTL_WITH_HOOK);
    else if (!hook)
        log_warning("\"kubectl_complete-sniff\" is not on PATH, where kubectl looks for it to "
                    "complete kubectl sniff: make install puts it there");
}

void complete_print(const struct options *options)
{
    static const char *const scripts[] = {[OPTIONS_COMPLETE_BASH] = bash_script,
                                          [OPTIONS_COMPLETE_ZSH] = zsh_script,
                                          [OPTIONS_COMPLETE_FISH] = fish_script};

    if (options->completion == OPTIONS_COMPLETE_WORDS) {
        complete_words(options->words, options->word_count);
        return;
    }
    fputs(scripts[options->completion], stdout);
    fflush(stdout);
    tell_of_kubectl();
}
