/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upload method: one exec in the target container. A shell script (upload.sh) finds a place,
 * says how it takes the agent, takes it from standard input, and runs it; from then on the exec's
 * streams are the agent's. Where there is no shell but a tar, tar puts the file in place in an exec
 * of its own, and a second exec runs it. The ephemeral method brings its agent in the same way, and
 * keeps the file.
 *
 * Each stage has its own time-out: an exec whose process ends without having read its stdin may
 * never tell its end.
 */
#include "method/upload.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/system.h"
#include "base/text.h"
#include "method/agent_binary.h"
#include "method/agent_exec.h"
#include "method/method.h"
#include "method/command.h"
#include "method/elf.h"
#include "method/session.h"
#include "settings/settings.h"
#include "method/tar.h"
#include "target/target.h"
#include "common/agent.h"
#include "kube/client.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "kube/stream.h"

#define HELLO_MS    20000       /* until the shell has found a place */
#define PROGRESS_MS 20000       /* between two pieces of the executable being taken */
#define START_MS    20000       /* from the executable's last byte to the first of the capture */
#define PIECE       (16u << 10) /* bytes given to the stream at once */
#define HELLO_MAX   256
#define PLACES_MAX  24

/* upload.sh's own exit codes. */
enum { EXIT_NO_PLACE = 80, EXIT_CUT_SHORT = 81, EXIT_NOEXEC = 82, EXIT_NO_CHMOD = 83 };

enum stage {
    STAGE_HELLO,     /* the shell is starting */
    STAGE_SENDING,   /* the executable is on its way */
    STAGE_CAPTURING, /* what comes is the capture */
    STAGE_TAR,       /* tar is unpacking it */
};

struct upload {
    enum stage stage;
    bool keep;             /* the file stays, for captures to come */
    uint64_t memory_limit; /* bytes, of the container */
    char name[32];         /* of the file, where only its directory is given */
    const char *places[PLACES_MAX];
    size_t place_count;
    struct buf hello;

    const unsigned char *bytes; /* the executable: an agent's, or of tcpdump */
    size_t length, sent;
    unsigned char *owned; /* tcpdump's bytes */
    bool octal;           /* as lines for printf */
    bool sized;           /* the size has been sent */

    size_t tar_place; /* the place that is being tried */
};

extern const char upload_script[]; /* generated from upload.sh */

static const struct kube_stream_events upload_events;

/* ---- starting ---- */

static int read_tcpdump(struct upload *upload, const char *path, struct error *err)
{
    cleanup_file FILE *file = fopen(path, "rb");
    long size = -1;

    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (!file || size < 4 || size > (64l << 20)) {
        error_set(err, ERROR_USAGE, "cannot read a tcpdump from \"%s\"", path);
        return error_remedy(err, "-l takes the path of a static tcpdump for the pod's node");
    }
    rewind(file);
    upload->owned = malloc((size_t)size);
    if (!upload->owned || fread(upload->owned, 1, (size_t)size, file) != (size_t)size)
        return error_set(err, ERROR_USAGE, "cannot read \"%s\"", path);
    if (memcmp(upload->owned, "\177ELF", 4) != 0) {
        error_set(err, ERROR_USAGE, "\"%s\" is not a Linux executable", path);
        return error_remedy(err, "-l takes the path of a static tcpdump for the pod's node");
    }
    upload->bytes = upload->owned;
    upload->length = (size_t)size;
    return 0;
}

static void add_place(struct upload *upload, const char *path)
{
    if (path && *path && upload->place_count < PLACES_MAX)
        upload->places[upload->place_count++] = path;
}

static void choose_places(struct upload *upload, const struct session *session)
{
    static const char *const usual[] = {"/tmp", "/dev/shm", "/var/tmp", "/run"};
    const char *mounts[8];
    size_t count = kube_pod_writable_mounts(session->target->pod, session->target->container,
                                            mounts, sizeof(mounts) / sizeof(mounts[0]));

    add_place(upload, session->settings->remote_path);
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        add_place(upload, usual[i]);
    for (size_t i = 0; i < count; i++)
        add_place(upload, mounts[i]);
    add_place(upload, ".");
}

static int open_shell(struct session *session, struct error *err)
{
    struct upload *upload = session->upload;
    const char *command[COMMAND_MAX + PLACES_MAX + 8] = {"sh", "-c", upload_script, "ksniff"};
    struct command agent;
    size_t used = 4;

    command[used++] = upload->keep ? "keep" : session->settings->tcpdump_path ? "tcpdump" : "agent";
    command[used++] = upload->name;
    for (size_t i = 0; i < upload->place_count; i++)
        command[used++] = upload->places[i];
    command[used++] = "--";
    if (command_build(&agent, session->settings, upload->memory_limit, err) < 0)
        return -1;
    for (size_t i = 0; i < agent.count; i++)
        command[used++] = agent.words[i];
    command[used] = NULL;
    upload->stage = STAGE_HELLO;
    int result = agent_exec_open(session, command, &upload_events, err);
    command_free(&agent);
    return result;
}

/* A new upload; one from before a cut is forgotten. */
static struct upload *new_upload(struct session *session, struct error *err)
{
    struct upload *upload = calloc(1, sizeof(*upload));
    unsigned char random[4];

    upload_release(session);
    if (!upload || system_random(random, sizeof(random)) < 0) {
        free(upload);
        error_set(err, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    session->upload = upload;
    buf_init(&upload->hello, HELLO_MAX);
    snprintf(upload->name, sizeof(upload->name), ".ksniff-%02x%02x%02x%02x", random[0], random[1],
             random[2], random[3]);
    return upload;
}

static int start(struct session *session, struct error *err)
{
    const struct target *target = session->target;
    const struct session_place place = {target->namespace, target->name, target->container->name};
    struct upload *upload = new_upload(session, err);

    if (!upload)
        return -1;
    session_set_place(session, &place);
    upload->memory_limit = target->container->memory_limit;
    if (session->settings->tcpdump_path &&
        read_tcpdump(upload, session->settings->tcpdump_path, err) < 0)
        return -1;
    choose_places(upload, session);
    return open_shell(session, err);
}

int upload_start_keeping(struct session *session, const char *path, struct error *err)
{
    struct upload *upload = new_upload(session, err);

    if (!upload)
        return -1;
    upload->keep = true;
    add_place(upload, path);
    return open_shell(session, err);
}

/* ---- sending the executable ---- */

/* Turns a piece into a line of octal escapes, which the shell's own printf takes back. */
static int send_octal(struct kube_stream *stream, const unsigned char *bytes, size_t length)
{
    cleanup_free char *line = malloc(4 * length + 2);
    size_t used = 0;

    if (!line)
        return -1;
    for (size_t i = 0; i < length; i++)
        used += (size_t)snprintf(line + used, 5, "\\%03o", bytes[i]);
    line[used++] = '\n';
    return kube_stream_send(stream, line, used);
}

static int send_piece(struct session *session, struct upload *upload)
{
    size_t left = upload->length - upload->sent;
    /* A shell reads a line byte by byte: short ones keep its buffer small. */
    size_t piece = upload->octal ? 512 : PIECE;
    int result;

    piece = piece < left ? piece : left;
    result = upload->octal
                 ? send_octal(session->stream.exec, upload->bytes + upload->sent, piece)
                 : kube_stream_send(session->stream.exec, upload->bytes + upload->sent, piece);
    upload->sent += piece;
    if (result == 0 && upload->octal && upload->sent == upload->length)
        result = kube_stream_send(session->stream.exec, ".\n", 2);
    return result;
}

/* Gives the stream as much as it may queue. Called again when that is on its way. */
static void send_more(struct session *session)
{
    struct upload *upload = session->upload;
    struct error err;
    int result = 0;

    if (!upload->sized) {
        char size[32];

        upload->sized = true;
        snprintf(size, sizeof(size), "%zu\n", upload->length);
        result = kube_stream_send(session->stream.exec, size, strlen(size));
    }
    for (int i = 0; i < 8 && result == 0 && upload->sent < upload->length; i++)
        result = send_piece(session, upload);
    if (result < 0) {
        error_set(&err, ERROR_NETWORK, "the agent could not be sent");
        session_end(session, &err);
    } else if (upload->sent == upload->length) {
        log_debug("sent %zu bytes", upload->length);
        session_stage(session, "the start of the agent", START_MS);
    } else {
        session_stage(session, "the upload of the agent", PROGRESS_MS);
    }
}

static void on_drained(void *data)
{
    struct session *session = data;
    struct upload *upload = session->upload;

    if (upload->stage == STAGE_SENDING && upload->sent < upload->length)
        send_more(session);
}

static int choose_agent(struct session *session, const char *machine, struct error *err)
{
    struct upload *upload = session->upload;

    if (upload->bytes)
        return 0;
    const struct agent_binary *agent = agent_binary_choose(*machine ? machine : "amd64", err);
    if (!agent)
        return -1;
    upload->bytes = agent->bytes;
    upload->length = agent->length;
    return 0;
}

/* The user has named a place, and got another. */
static void say_place(const struct session *session, unsigned place)
{
    const char *wanted = session->settings->remote_path;

    if (!wanted || place == 0 || place >= session->upload->place_count || place >= PLACES_MAX)
        return;
    log_warning("nothing can be written to, or executed from, '%s' (-r): using '%s'", wanted,
                session->upload->places[place]);
}

/* containerd says so in the Status; CRI-O on standard error, with an exit code; Docker, with an
 * exit code, on standard output. */
static bool says_no_program(const char *text)
{
    return strstr(text, "executable file not found") || strstr(text, "no such file or directory") ||
           strstr(text, "not found in $PATH");
}

/* There is no hello. */
static void on_other_words(struct session *session, const char *line)
{
    struct error err;

    if (says_no_program(line)) {
        text_escape(session->last_complaint, sizeof(session->last_complaint), line, strlen(line));
        return; /* the exit code follows */
    }
    session->elsewhere = true;
    error_set(&err, ERROR_PROTOCOL, "%s: its shell says \"%s\"", session->where, line);
    session_end(session, &err);
}

/* The shell is ready: "ksniff HOW PLACE MACHINE". */
static void on_hello(struct session *session, const char *line)
{
    struct upload *upload = session->upload;
    char how[16] = "", machine[32] = "";
    unsigned place = 0;
    struct error err;

    if (sscanf(line, "ksniff %15s %u %31s", how, &place, machine) < 1) {
        on_other_words(session, line);
        return;
    }
    session->has_shell = true;
    log_debug("the container takes the agent with %s; its machine is '%s'", how, machine);
    upload->octal = strcmp(how, "printf") == 0;
    upload->stage = STAGE_SENDING;
    if (strcmp(how, "ready") == 0) {
        session_stage(session, "the start of the agent", START_MS);
        return;
    }
    if (!upload->keep && place > 0)
        say_place(session, place - 1);
    if (choose_agent(session, machine, &err) < 0)
        session_end(session, &err);
    else
        send_more(session);
}

/* ---- what comes back ---- */

/* Takes the line of the hello, byte by byte: what stands behind it belongs to the capture. */
static size_t take_hello(struct session *session, const unsigned char *bytes, size_t length)
{
    struct upload *upload = session->upload;

    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n') {
            on_hello(session, buf_string(&upload->hello));
            buf_take(&upload->hello, upload->hello.length);
            return i + 1;
        }
        if (!buf_append(&upload->hello, &bytes[i], 1)) {
            on_hello(session, buf_string(&upload->hello));
            return length;
        }
    }
    return length;
}

static void on_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                      size_t length)
{
    struct session *session = data;
    struct upload *upload = session->upload;

    if (session->state == SESSION_ENDED)
        return;
    if (channel == KUBE_CHANNEL_STDERR) {
        session_complaint(session, bytes, length);
        return;
    }
    if (upload->stage == STAGE_HELLO) {
        size_t taken = take_hello(session, bytes, length);

        bytes += taken;
        length -= taken;
    }
    if (length == 0 || session->state == SESSION_ENDED)
        return;
    if (upload->stage == STAGE_SENDING) {
        upload->stage = STAGE_CAPTURING;
        session_running(session);
    }
    session_packets(session, bytes, length);
}

static void on_opened(void *data)
{
    session_stage(data, "the shell's answer", HELLO_MS);
}

/* Did the runtime find no such program in the container? Else the program itself has ended. */
static bool no_such_program(const struct session *session, const struct kube_exit *exit)
{
    if (!exit)
        return false;
    if (exit->kind == KUBE_EXIT_START_FAILED)
        return says_no_program(exit->message);
    return exit->kind == KUBE_EXIT_CODE && exit->code != 0 &&
           says_no_program(session->last_complaint);
}

static void on_closed(void *data, const struct kube_exit *exit, const struct error *err)
{
    session_closed(data, exit, err);
}

static const struct kube_stream_events upload_events = {
    .opened = on_opened, .output = on_output, .drained = on_drained, .closed = on_closed};

/* ---- without a shell: tar ---- */

/* The archive goes out in one go: it is small. Its end is said twice, by its format and by stdin's.
 */
static void send_archive(struct session *session, struct kube_stream *stream)
{
    struct upload *upload = session->upload;
    size_t length;
    cleanup_free unsigned char *archive =
        tar_of_executable(upload->name, upload->bytes, upload->length, &length);
    struct error err;

    if (!archive || kube_stream_send(stream, archive, length) < 0) {
        error_set(&err, ERROR_NETWORK, "the agent could not be sent");
        session_end(session, &err);
        return;
    }
    kube_stream_close_stdin(stream);
    session_stage(session, "the upload of the agent by tar", PROGRESS_MS);
}

static void on_tar_opened(void *data)
{
    struct session *session = data;

    send_archive(session, session->stream.exec);
}

static void on_tar_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                          size_t length)
{
    (void)channel; /* either may say why there is no tar */
    session_complaint(data, bytes, length);
}

/* Runs what tar has unpacked, directly. */
static int run_unpacked(struct session *session, struct error *err)
{
    struct upload *upload = session->upload;
    cleanup_free char *path = text_format("%s/%s", upload->places[upload->tar_place], upload->name);
    const char *const more[] = {"-u", path, NULL};

    if (!path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    say_place(session, (unsigned)upload->tar_place);
    session->last_complaint[0] = '\0';
    upload->stage = STAGE_CAPTURING;
    return agent_exec_start(session, path, more, upload->memory_limit, err);
}

static int no_tool(struct session *session, struct error *err)
{
    session->elsewhere = true;
    error_set(err, ERROR_TARGET, "%s has neither a shell nor tar", session->where);
    return error_remedy(err,
                        "capture from the node instead with -p, or choose another container of "
                        "the pod with -c: they share one network");
}

static int no_place(struct session *session, struct error *err)
{
    session->elsewhere = true;
    error_set(err, ERROR_TARGET, "%s has no directory that can be written to", session->where);
    return error_remedy(err, "capture from the node instead with -p, choose another container with "
                             "-c, or name a writable path with -r");
}

static int open_tar(struct session *session, struct error *err);

static void on_tar_closed(void *data, const struct kube_exit *exit, const struct error *err)
{
    struct session *session = data;
    struct upload *upload = session->upload;
    struct error failure;

    if (session->state == SESSION_ENDED)
        return;
    session_complaint(session, (const unsigned char *)"\n", 1);
    if (no_such_program(session, exit)) {
        no_tool(session, &failure);
        session_end(session, &failure);
        return;
    }
    if (!exit || exit->kind != KUBE_EXIT_CODE) {
        session_closed(session, exit, err);
        return;
    }
    session_retire_stream(session);
    if (exit->code != 0)
        upload->tar_place++;
    if ((exit->code == 0 ? run_unpacked(session, &failure) : open_tar(session, &failure)) < 0)
        session_end(session, &failure);
}

static const struct kube_stream_events tar_events = {
    .opened = on_tar_opened, .output = on_tar_output, .closed = on_tar_closed};

/* Unpacks the executable into the next place. */
static int open_tar(struct session *session, struct error *err)
{
    struct upload *upload = session->upload;

    if (session->settings->tcpdump_path) {
        error_set(err, ERROR_TARGET, "%s has no shell to run a tcpdump in", session->where);
        return error_remedy(err, "leave out -l");
    }
    if (upload->tar_place == upload->place_count)
        return no_place(session, err);
    if (!upload->bytes) {
        /* Without a shell nobody inside can say what machine it is. */
        struct kube_node *node = NULL;
        bool asked = kube_node_get(session->client, session->target->node_name, &node, NULL) == 0;
        int chosen = choose_agent(session, asked ? node->architecture : "", err);

        kube_node_free(node);
        if (chosen < 0)
            return -1;
    }
    const char *const command[] = {"tar", "-xf", "-", "-C", upload->places[upload->tar_place],
                                   NULL};
    upload->stage = STAGE_TAR;
    session->last_complaint[0] = '\0';
    session_stage(session, "the start of tar", HELLO_MS);
    return agent_exec_open(session, command, &tar_events, err);
}

/* ---- the method's table ---- */

/* Without a shell: perhaps there is a tar. */
static bool again(struct session *session, const struct kube_exit *exit)
{
    struct error err;

    if (session->upload->stage != STAGE_HELLO || session->upload->keep ||
        !no_such_program(session, exit))
        return false;
    log_debug("%s has no shell: trying tar", session->where);
    session_retire_stream(session);
    if (open_tar(session, &err) < 0)
        session_end(session, &err);
    return true;
}

bool upload_explain(struct session *session, const struct kube_exit *exit, struct error *err)
{
    if (exit->kind != KUBE_EXIT_CODE)
        return false;
    session->elsewhere = true;
    session->has_shell =
        session->has_shell || (exit->code >= EXIT_NO_PLACE && exit->code <= EXIT_NO_CHMOD);
    switch (exit->code) {
    case EXIT_NO_PLACE:
        no_place(session, err);
        return true;
    case EXIT_CUT_SHORT:
        error_set(err, ERROR_NETWORK, "the agent did not come whole into %s", session->where);
        error_remedy(err, "is there room where it was put? another path can be named with -r");
        return true;
    case EXIT_NOEXEC:
        error_set(err, ERROR_TARGET,
                  "%s lets nothing be executed from where it lets files be written (noexec)",
                  session->where);
        error_remedy(err, "capture from the node instead with -p, or name a path with -r");
        return true;
    case EXIT_NO_CHMOD:
        error_set(err, ERROR_TARGET, "%s has no chmod", session->where);
        error_remedy(err, "capture from the node instead with -p");
        return true;
    case 126:
    case 127:
        if (session->settings->tcpdump_path &&
            elf_is_dynamic(session->upload->bytes, session->upload->length)) {
            error_set(err, ERROR_TARGET,
                      "\"%s\" is not static, and %s has not the libraries it needs",
                      session->settings->tcpdump_path, session->where);
            error_remedy(err, "leave out -l, or give it a tcpdump that is linked statically");
            return true;
        }
        error_set(err, ERROR_TARGET, "the agent cannot be executed in %s: %s", session->where,
                  session->last_complaint);
        error_remedy(err, "capture from the node instead with -p");
        return true;
    default:
        session->elsewhere = false;
        return false;
    }
}

void upload_release(struct session *session)
{
    struct upload *upload = session->upload;

    if (!upload)
        return;
    buf_free(&upload->hello);
    free(upload->owned);
    free(upload);
    session->upload = NULL;
}

const struct method method_upload = {
    .name = "upload",
    .start = start,
    .stop = agent_exec_stop,
    .heartbeat = agent_exec_heartbeat,
    .again = again,
    .explain = upload_explain,
    .release = upload_release,
};
