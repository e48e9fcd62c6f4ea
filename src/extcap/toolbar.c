/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/toolbar.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/text.h"

#define QUEUED_MAX   (512u << 10) /* bytes; what is more than that is not shown */
#define RECEIVED_MAX (2 * (CONTROL_PAYLOAD_MAX + 16))
#define OPEN_MS      20 /* between looks whether Wireshark has opened its end */

enum { FILTER, PAUSE, LOG };

void toolbar_print(FILE *out)
{
    fprintf(out,
            "control {number=%d}{type=string}{display=Filter}{tooltip=Capture only what matches, "
            "from now on; as for the capture filter. Return takes it}\n"
            "control {number=%d}{type=boolean}{display=Pause}{default=false}{tooltip=What passes "
            "meanwhile is counted, and not shown}\n"
            "control {number=%d}{type=button}{role=logger}{display=Log}{tooltip=What kubectl sniff "
            "says}\n",
            FILTER, PAUSE, LOG);
}

/* ---- to Wireshark ---- */

static void on_writable(void *data, int fd, short revents);

static void close_out(struct toolbar *toolbar)
{
    loop_remove_fd(toolbar->out_watch);
    toolbar->out_watch = NULL;
    if (toolbar->out >= 0)
        close(toolbar->out);
    toolbar->out = -1;
    toolbar->out_path = NULL;
}

static void write_queued(struct toolbar *toolbar)
{
    while (toolbar->out >= 0 && toolbar->queued.length > 0) {
        ssize_t written = write(toolbar->out, buf_bytes(&toolbar->queued), toolbar->queued.length);

        if (written > 0)
            buf_take(&toolbar->queued, (size_t)written);
        else if (written < 0 && errno == EINTR)
            continue;
        else if (written < 0 && errno != EAGAIN)
            close_out(toolbar);
        else
            break;
    }
    if (toolbar->out_watch)
        loop_set_events(toolbar->out_watch, toolbar->queued.length > 0 ? POLLOUT : 0);
}

static void on_writable(void *data, int fd, short revents)
{
    struct toolbar *toolbar = data;

    (void)fd;
    if (revents & (POLLERR | POLLHUP | POLLNVAL))
        close_out(toolbar);
    else
        write_queued(toolbar);
}

/* Before Wireshark has opened its end, what is to be said waits. */
static void say(struct toolbar *toolbar, uint8_t control, enum control_command command,
                const void *payload, size_t length)
{
    if (!toolbar->out_path)
        return;
    control_write(&toolbar->queued, control, command, payload, length);
    write_queued(toolbar);
}

void toolbar_log(struct toolbar *toolbar, const char *line)
{
    cleanup_free char *whole = text_format("%s\n", line);

    if (whole)
        say(toolbar, LOG, CONTROL_ADD, whole, strlen(whole));
}

void toolbar_status(struct toolbar *toolbar, const char *text)
{
    if (toolbar->ready)
        say(toolbar, 0, CONTROL_STATUS_BAR, text, strlen(text));
}

void toolbar_warn(struct toolbar *toolbar, const char *text)
{
    say(toolbar, 0, CONTROL_WARNING, text, strlen(text));
}

void toolbar_filter(struct toolbar *toolbar, const char *text)
{
    toolbar->filter = text;
    if (toolbar->ready)
        say(toolbar, FILTER, CONTROL_SET, text ? text : "", text ? strlen(text) : 0);
}

/* ---- from Wireshark ---- */

static void close_in(struct toolbar *toolbar)
{
    loop_remove_fd(toolbar->in_watch);
    toolbar->in_watch = NULL;
    if (toolbar->in >= 0)
        close(toolbar->in);
    toolbar->in = -1;
}

static void take_filter(struct toolbar *toolbar, const struct control_message *message)
{
    cleanup_free char *text = malloc(message->length + 1);

    if (!text)
        return;
    memcpy(text, message->payload, message->length);
    text[message->length] = '\0';
    toolbar->filtered(toolbar->data, text);
}

static void take(struct toolbar *toolbar, const struct control_message *message)
{
    if (message->quit) {
        toolbar->quit(toolbar->data);
    } else if (message->command == CONTROL_INITIALIZED) {
        toolbar->ready = true;
        toolbar_filter(toolbar, toolbar->filter);
    } else if (message->command == CONTROL_SET && message->control == FILTER) {
        take_filter(toolbar, message);
    } else if (message->command == CONTROL_SET && message->control == PAUSE &&
               message->length > 0) {
        toolbar->paused(toolbar->data, message->payload[0] != 0);
    }
}

static void on_readable(void *data, int fd, short revents)
{
    struct toolbar *toolbar = data;
    struct control_message message;
    unsigned char bytes[4096];
    size_t size = 0;
    int there = 0;

    (void)revents;
    ssize_t got = read(fd, bytes, sizeof(bytes));

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || !buf_append(&toolbar->received, bytes, (size_t)got)) {
        close_in(toolbar);
        return;
    }
    while ((there = control_read(&toolbar->received, &message, &size)) > 0) {
        take(toolbar, &message);
        buf_take(&toolbar->received, size);
    }
    if (there < 0)
        close_in(toolbar);
}

/* ---- life ---- */

/* Can it be opened for writing? Only when Wireshark reads. */
static void on_opener(void *data)
{
    struct toolbar *toolbar = data;

    toolbar->out = open(toolbar->out_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (toolbar->out < 0 && errno == ENXIO) {
        loop_set_timer(toolbar->opener, OPEN_MS);
        return;
    }
    if (toolbar->out >= 0)
        toolbar->out_watch = loop_add_fd(toolbar->loop, toolbar->out, 0, on_writable, toolbar);
    if (toolbar->out_watch)
        write_queued(toolbar);
    else
        close_out(toolbar);
}

void toolbar_open(struct toolbar *toolbar)
{
    toolbar->in = toolbar->out = -1;
    buf_init(&toolbar->received, RECEIVED_MAX);
    buf_init(&toolbar->queued, QUEUED_MAX);
    if (toolbar->in_path)
        toolbar->in = open(toolbar->in_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (toolbar->in >= 0)
        toolbar->in_watch = loop_add_fd(toolbar->loop, toolbar->in, POLLIN, on_readable, toolbar);
    if (toolbar->out_path)
        toolbar->opener = loop_add_timer(toolbar->loop, 0, on_opener, toolbar);
}

void toolbar_close(struct toolbar *toolbar)
{
    if (!toolbar->loop)
        return;
    write_queued(toolbar);
    close_in(toolbar);
    close_out(toolbar);
    loop_remove_timer(toolbar->opener);
    buf_free(&toolbar->received);
    buf_free(&toolbar->queued);
    toolbar->loop = NULL;
}
