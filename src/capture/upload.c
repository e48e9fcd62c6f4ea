/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upload method: one exec in the target container. A shell script (upload.sh) finds a place,
 * says how it takes the agent, takes it from standard input, and runs it; from then on the exec's
 * streams are the agent's. Where there is no shell but a tar, tar puts the file in place in an exec
 * of its own, and a second exec runs it.
 *
 * Each stage has its own time-out: an exec whose process ends without having read its stdin may
 * never tell its end.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/agent_binary.h"
#include "capture/backend.h"
#include "capture/command.h"
#include "capture/session.h"
#include "capture/settings.h"
#include "capture/tar.h"
#include "capture/target.h"
#include "common/agent.h"
#include "kube/client.h"
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
    STAGE_TAR_DONE,  /* tar has ended: run what it unpacked */
};

struct upload {
    enum stage stage;
    char name[32]; /* of the file, where only its directory is given */
    const char *places[PLACES_MAX];
    size_t place_count;
    struct buf hello;

    const unsigned char *bytes; /* the executable: an agent's, or of tcpdump */
    size_t length, sent;
    unsigned char *owned; /* tcpdump's bytes */
    bool octal;           /* as lines for printf */
    bool sized;           /* the size has been sent */

    size_t tar_place;             /* the place that is being tried */
    struct kube_stream *finished; /* tar's exec, to be freed outside of its events */
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

static int open_stream(struct session *session, const char *const *command,
                       const struct kube_stream_events *events, struct error *err)
{
    const struct kube_exec exec = {
        .namespace = session->target->pod->namespace,
        .pod = session->target->pod->name,
        .container = session->target->container->name,
        .command = command,
    };

    session->stream = kube_stream_open(session->client, &exec, events, session, err);
    return session->stream ? 0 : -1;
}

static int open_shell(struct session *session, struct error *err)
{
    struct upload *upload = session->backend_data;
    const char *command[COMMAND_MAX + PLACES_MAX + 8] = {"sh", "-c", upload_script, "ksniff"};
    struct command agent;
    size_t used = 4;

    command[used++] = session->settings->tcpdump_path ? "tcpdump" : "agent";
    command[used++] = upload->name;
    for (size_t i = 0; i < upload->place_count; i++)
        command[used++] = upload->places[i];
    command[used++] = "--";
    if (command_build(&agent, session->settings, session->target->container, err) < 0)
        return -1;
    for (size_t i = 0; i < agent.count; i++)
        command[used++] = agent.words[i];
    command[used] = NULL;
    upload->stage = STAGE_HELLO;
    int result = open_stream(session, command, &upload_events, err);
    command_free(&agent);
    return result;
}

static int start(struct session *session, struct error *err)
{
    struct upload *upload = calloc(1, sizeof(*upload));
    unsigned char random[4];

    if (!upload || getentropy(random, sizeof(random)) < 0) {
        free(upload);
        return error_set(err, ERROR_INTERNAL, "out of memory");
    }
    session->backend_data = upload;
    buf_init(&upload->hello, HELLO_MAX);
    snprintf(upload->name, sizeof(upload->name), ".ksniff-%02x%02x%02x%02x", random[0], random[1],
             random[2], random[3]);
    if (session->settings->tcpdump_path &&
        read_tcpdump(upload, session->settings->tcpdump_path, err) < 0)
        return -1;
    choose_places(upload, session);
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
        used += (size_t)sprintf(line + used, "\\%03o", bytes[i]);
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
    result = upload->octal ? send_octal(session->stream, upload->bytes + upload->sent, piece)
                           : kube_stream_send(session->stream, upload->bytes + upload->sent, piece);
    upload->sent += piece;
    if (result == 0 && upload->octal && upload->sent == upload->length)
        result = kube_stream_send(session->stream, ".\n", 2);
    return result;
}

/* Gives the stream as much as it may queue. Called again when that is on its way. */
static void send_more(struct session *session)
{
    struct upload *upload = session->backend_data;
    struct error err;
    int result = 0;

    if (!upload->sized) {
        char size[32];

        upload->sized = true;
        snprintf(size, sizeof(size), "%zu\n", upload->length);
        result = kube_stream_send(session->stream, size, strlen(size));
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
    struct upload *upload = session->backend_data;

    if (upload->stage == STAGE_SENDING && upload->sent < upload->length)
        send_more(session);
}

static int choose_agent(struct session *session, const char *machine, struct error *err)
{
    struct upload *upload = session->backend_data;
    const struct agent_binary *agent = agent_binary_find(*machine ? machine : "amd64");

    if (upload->bytes)
        return 0;
    if (!agent) {
        error_set(err, ERROR_TARGET, "there is no agent for \"%s\" machines", machine);
        return error_remedy(err, "upload a static tcpdump for it with -l PATH");
    }
    upload->bytes = agent->bytes;
    upload->length = agent->length;
    return 0;
}

/* The shell is ready: "ksniff HOW MACHINE". */
static void on_hello(struct session *session, const char *line)
{
    struct upload *upload = session->backend_data;
    char how[16] = "", machine[32] = "";
    struct error err;

    if (sscanf(line, "ksniff %15s %31s", how, machine) < 1) {
        error_set(&err, ERROR_PROTOCOL, "container \"%s\": its shell says \"%s\"",
                  session->target->container->name, line);
        session_end(session, &err);
        return;
    }
    log_debug("the container takes the agent with %s; its machine is '%s'", how, machine);
    upload->octal = strcmp(how, "printf") == 0;
    upload->stage = STAGE_SENDING;
    if (choose_agent(session, machine, &err) < 0)
        session_end(session, &err);
    else
        send_more(session);
}

/* ---- what comes back ---- */

static void begin_capturing(struct session *session)
{
    struct upload *upload = session->backend_data;
    struct capture_reader *reader = session->settings->tcpdump_path
                                        ? capture_reader_pcap(session->settings->interface_count
                                                                  ? session->settings->interfaces[0]
                                                                  : "any")
                                        : capture_reader_pcapng();
    struct error err;

    if (!reader) {
        error_set(&err, ERROR_INTERNAL, "out of memory");
        session_end(session, &err);
        return;
    }
    upload->stage = STAGE_CAPTURING;
    session_running(session, reader);
}

/* Takes the line of the hello, byte by byte: what stands behind it belongs to the capture. */
static size_t take_hello(struct session *session, const unsigned char *bytes, size_t length)
{
    struct upload *upload = session->backend_data;

    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n') {
            on_hello(session, buf_string(&upload->hello));
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
    struct upload *upload = session->backend_data;

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
    if (upload->stage == STAGE_SENDING)
        begin_capturing(session);
    session_packets(session, bytes, length);
}

static void on_opened(void *data)
{
    struct session *session = data;
    struct upload *upload = session->backend_data;

    if (upload->stage == STAGE_TAR_DONE) {
        upload->stage = STAGE_SENDING; /* it is there already: the next bytes are the capture */
        session_stage(session, "the start of the agent", START_MS);
    } else {
        session_stage(session, "the shell's answer", HELLO_MS);
    }
}

/* Did the runtime find no such program in the container? containerd, CRI-O and Docker word it so.
 */
static bool no_such_program(const struct kube_exit *exit)
{
    return exit && exit->kind == KUBE_EXIT_START_FAILED &&
           (strstr(exit->message, "executable file not found") ||
            strstr(exit->message, "no such file or directory") ||
            strstr(exit->message, "not found in $PATH"));
}

static int open_tar(struct session *session, struct error *err);

static void on_closed(void *data, const struct kube_exit *exit, const struct error *err)
{
    struct session *session = data;
    struct upload *upload = session->backend_data;
    struct error tar_error;

    if (upload->stage == STAGE_HELLO && no_such_program(exit) && session->state != SESSION_ENDED) {
        log_debug("container '%s' has no shell: trying tar", session->target->container->name);
        upload->finished = session->stream;
        session->stream = NULL;
        if (open_tar(session, &tar_error) < 0)
            session_end(session, &tar_error);
        return;
    }
    session_closed(session, exit, err);
}

static const struct kube_stream_events upload_events = {
    .opened = on_opened, .output = on_output, .drained = on_drained, .closed = on_closed};

/* ---- without a shell: tar ---- */

/* The archive goes out in one go: it is small. Its end is said twice, by its format and by stdin's.
 */
static void send_archive(struct session *session, struct kube_stream *stream)
{
    struct upload *upload = session->backend_data;
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

    send_archive(session, session->stream);
}

static void on_tar_output(void *data, enum kube_channel channel, const unsigned char *bytes,
                          size_t length)
{
    if (channel == KUBE_CHANNEL_STDERR)
        session_complaint(data, bytes, length);
}

/* Runs what tar has unpacked, directly. */
static int run_unpacked(struct session *session, struct error *err)
{
    struct upload *upload = session->backend_data;
    const char *command[COMMAND_MAX + 4];
    cleanup_free char *path = text_format("%s/%s", upload->places[upload->tar_place], upload->name);
    struct command agent;
    size_t used = 0;

    if (!path)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (command_build(&agent, session->settings, session->target->container, err) < 0)
        return -1;
    command[used++] = path;
    for (size_t i = 0; i < agent.count; i++)
        command[used++] = agent.words[i];
    command[used++] = "-u";
    command[used++] = path;
    command[used] = NULL;
    upload->stage = STAGE_TAR_DONE;
    int result = open_stream(session, command, &upload_events, err);
    command_free(&agent);
    return result;
}

static int no_tool(const struct session *session, struct error *err)
{
    error_set(err, ERROR_TARGET, "container \"%s\" of pod \"%s\" has neither a shell nor tar",
              session->target->container->name, session->target->pod->name);
    return error_remedy(err,
                        "capture from the node instead with -p, or choose another container of "
                        "the pod with -c: they share one network");
}

static int no_place(const struct session *session, struct error *err)
{
    error_set(err, ERROR_TARGET,
              "container \"%s\" of pod \"%s\" has no directory that can be written to",
              session->target->container->name, session->target->pod->name);
    return error_remedy(err, "capture from the node instead with -p, choose another container with "
                             "-c, or name a writable path with -r");
}

static void on_tar_closed(void *data, const struct kube_exit *exit, const struct error *err)
{
    struct session *session = data;
    struct upload *upload = session->backend_data;
    struct error failure;

    if (session->state == SESSION_ENDED)
        return;
    if (no_such_program(exit)) {
        no_tool(session, &failure);
        session_end(session, &failure);
        return;
    }
    if (!exit || exit->kind != KUBE_EXIT_CODE) {
        session_closed(session, exit, err);
        return;
    }
    upload->stage = STAGE_TAR_DONE;
    kube_stream_free(upload->finished);
    upload->finished = session->stream;
    session->stream = NULL;
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
    struct upload *upload = session->backend_data;
    cleanup_free char *machine = NULL;

    if (session->settings->tcpdump_path) {
        error_set(err, ERROR_TARGET, "container \"%s\" has no shell to run a tcpdump in",
                  session->target->container->name);
        return error_remedy(err, "leave out -l");
    }
    if (upload->tar_place == upload->place_count)
        return no_place(session, err);
    if (!upload->bytes) {
        /* Without a shell nobody inside can say what machine it is. */
        machine = target_node_machine(session->client, session->target);
        if (choose_agent(session, machine ? machine : "", err) < 0)
            return -1;
    }
    const char *const command[] = {"tar", "-xf", "-", "-C", upload->places[upload->tar_place],
                                   NULL};
    upload->stage = STAGE_TAR;
    session_stage(session, "the start of tar", HELLO_MS);
    return open_stream(session, command, &tar_events, err);
}

/* ---- the back-end's table ---- */

static void stop(struct session *session)
{
    static const char end[] = {AGENT_STOP, AGENT_HEARTBEAT};

    kube_stream_send(session->stream, end, sizeof(end));
    kube_stream_close_stdin(session->stream);
}

static void heartbeat(struct session *session)
{
    static const char beat[] = {AGENT_HEARTBEAT};

    kube_stream_send(session->stream, beat, sizeof(beat));
}

static bool explain(const struct session *session, const struct kube_exit *exit, struct error *err)
{
    const char *container = session->target->container->name, *pod = session->target->pod->name;

    if (exit->kind != KUBE_EXIT_CODE)
        return false;
    switch (exit->code) {
    case EXIT_NO_PLACE:
        no_place(session, err);
        return true;
    case EXIT_CUT_SHORT:
        error_set(err, ERROR_NETWORK, "the agent did not come whole into container \"%s\"",
                  container);
        error_remedy(err, "is there room where it was put? another path can be named with -r");
        return true;
    case EXIT_NOEXEC:
        error_set(
            err, ERROR_TARGET,
            "container \"%s\" of pod \"%s\" lets nothing be executed from where it lets files "
            "be written (noexec)",
            container, pod);
        error_remedy(err, "capture from the node instead with -p, or name a path with -r");
        return true;
    case EXIT_NO_CHMOD:
        error_set(err, ERROR_TARGET, "container \"%s\" of pod \"%s\" has no chmod", container, pod);
        error_remedy(err, "capture from the node instead with -p");
        return true;
    case 126:
    case 127:
        error_set(err, ERROR_TARGET,
                  "the agent cannot be executed in container \"%s\" of pod \"%s\": %s", container,
                  pod, session->last_complaint);
        error_remedy(err, "capture from the node instead with -p");
        return true;
    default:
        return false;
    }
}

static void release(struct session *session)
{
    struct upload *upload = session->backend_data;

    if (!upload)
        return;
    kube_stream_free(upload->finished);
    buf_free(&upload->hello);
    free(upload->owned);
    free(upload);
    session->backend_data = NULL;
}

const struct backend backend_upload = {
    .name = "upload",
    .start = start,
    .stop = stop,
    .heartbeat = heartbeat,
    .explain = explain,
    .release = release,
};
