/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/system.h"

/*
 * Watches are kept in singly linked lists. Removing one only marks it; the lists are swept when no
 * callback is running, so that a callback may remove any watch, its own included.
 */
struct loop_fd {
    struct loop_fd *next;
    loop_fd_fn *function;
    void *data;
    int fd;
    short events;
    short revents;
    bool removed;
};

struct loop_timer {
    struct loop_timer *next;
    loop_timer_fn *function;
    void *data;
    uint64_t due; /* milliseconds; 0: not armed */
    bool removed;
};

struct loop_child {
    struct loop_child *next;
    loop_child_fn *function;
    void *data;
    pid_t pid;
    bool removed;
};

struct loop {
    struct loop_fd *fds;
    struct loop_timer *timers;
    struct loop_child *children;
    struct pollfd *polled;
    size_t polled_capacity;
    unsigned depth; /* of nested loop_step() calls */
    int interrupt;  /* the signal nobody has acknowledged yet */
    int signal_read;
};

/* Signal handlers can only reach what is static; hence one loop a program. */
static int signal_write = -1;

static void on_signal(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;

    if (write(signal_write, &byte, 1) < 0) {
        /* The pipe is full of signals already: one more says nothing new. */
    }
    errno = saved;
}

static void on_signal_pipe(void *data, int fd, short revents)
{
    struct loop *loop = data;
    unsigned char numbers[64];

    (void)revents;
    for (;;) {
        ssize_t got = read(fd, numbers, sizeof(numbers));

        if (got <= 0)
            return;
        for (ssize_t i = 0; i < got; i++)
            if (numbers[i] != SIGCHLD)
                loop->interrupt = numbers[i];
    }
}

static int make_pipe(int fds[2])
{
    if (pipe(fds) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

bool loop_ignores(int number)
{
    struct sigaction old;

    return sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}

struct loop *loop_new(struct error *err)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    struct loop *loop = calloc(1, sizeof(*loop));
    int fds[2];

    if (!loop || make_pipe(fds) < 0) {
        error_set(err, ERROR_INTERNAL, "cannot start: %s", strerror(errno));
        free(loop);
        return NULL;
    }
    loop->signal_read = fds[0];
    signal_write = fds[1];
    if (!loop_add_fd(loop, fds[0], POLLIN, on_signal_pipe, loop)) {
        error_set(err, ERROR_INTERNAL, "cannot start: out of memory");
        loop_free(loop);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

        /* nohup and shells' background jobs ask for a signal to be ignored: respect it. */
        if (caught[i] != SIGCHLD && loop_ignores(caught[i]))
            continue;
        sigaction(caught[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    return loop;
}

/* Frees what has been removed; all of it when @all. */
#define SWEEP(type, head, all)                                                                     \
    for (type **at_ = &(head); *at_;) {                                                            \
        type *item_ = *at_;                                                                        \
        if (item_->removed || (all)) {                                                             \
            *at_ = item_->next;                                                                    \
            free(item_);                                                                           \
        } else {                                                                                   \
            at_ = &item_->next;                                                                    \
        }                                                                                          \
    }

static void sweep(struct loop *loop, bool all)
{
    SWEEP(struct loop_fd, loop->fds, all)
    SWEEP(struct loop_timer, loop->timers, all)
    SWEEP(struct loop_child, loop->children, all)
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    sweep(loop, true);
    free(loop->polled);
    close(loop->signal_read);
    /* The handlers stay: a late signal then finds the pipe closed, and is nothing to anybody. */
    int fd = signal_write;
    signal_write = -1;
    close(fd);
    free(loop);
}

struct loop_fd *loop_add_fd(struct loop *loop, int fd, short events, loop_fd_fn *function,
                            void *data)
{
    struct loop_fd *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    *watch = (struct loop_fd){
        .next = loop->fds, .function = function, .data = data, .fd = fd, .events = events};
    loop->fds = watch;
    return watch;
}

void loop_set_events(struct loop_fd *watch, short events)
{
    watch->events = events;
}

void loop_remove_fd(struct loop_fd *watch)
{
    if (watch)
        watch->removed = true;
}

struct loop_timer *loop_add_timer(struct loop *loop, uint64_t milliseconds, loop_timer_fn *function,
                                  void *data)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));

    if (!timer)
        return NULL;
    *timer = (struct loop_timer){.next = loop->timers, .function = function, .data = data};
    loop_set_timer(timer, milliseconds);
    loop->timers = timer;
    return timer;
}

void loop_set_timer(struct loop_timer *timer, uint64_t milliseconds)
{
    timer->due = loop_now() + milliseconds;
}

void loop_stop_timer(struct loop_timer *timer)
{
    timer->due = 0;
}

void loop_remove_timer(struct loop_timer *timer)
{
    if (timer)
        timer->removed = true;
}

struct loop_child *loop_add_child(struct loop *loop, pid_t pid, loop_child_fn *function, void *data)
{
    struct loop_child *child = calloc(1, sizeof(*child));

    if (!child)
        return NULL;
    *child =
        (struct loop_child){.next = loop->children, .function = function, .data = data, .pid = pid};
    loop->children = child;
    return child;
}

void loop_remove_child(struct loop_child *child)
{
    if (child)
        child->removed = true;
}

/* Return: poll's time-out, so that the next timer is not missed. */
static int time_to_wait(const struct loop *loop, int milliseconds)
{
    uint64_t now = loop_now();

    for (const struct loop_timer *t = loop->timers; t; t = t->next) {
        if (t->removed || !t->due)
            continue;
        uint64_t left = t->due > now ? t->due - now : 0;
        if (milliseconds < 0 || left < (uint64_t)milliseconds)
            milliseconds = left > 60000 ? 60000 : (int)left;
    }
    return milliseconds;
}

/* Return: how many entries of loop->polled are in use, in the order of loop->fds. */
static size_t fill_polled(struct loop *loop)
{
    size_t count = 0;

    for (struct loop_fd *w = loop->fds; w; w = w->next) {
        if (count == loop->polled_capacity) {
            size_t capacity = count ? 2 * count : 16;
            struct pollfd *polled = realloc(loop->polled, capacity * sizeof(*polled));

            if (!polled)
                break;
            loop->polled = polled;
            loop->polled_capacity = capacity;
        }
        w->revents = 0;
        /* A watch for nothing is left out, or its hang-up would make poll spin. */
        loop->polled[count++] =
            (struct pollfd){.fd = w->removed || !w->events ? -1 : w->fd, .events = w->events};
    }
    return count;
}

static void run_timers(struct loop *loop)
{
    uint64_t now = loop_now();

    for (struct loop_timer *t = loop->timers; t; t = t->next) {
        if (t->removed || !t->due || t->due > now)
            continue;
        t->due = 0;
        t->function(t->data);
    }
}

static void reap_children(struct loop *loop)
{
    for (struct loop_child *c = loop->children; c; c = c->next) {
        int status;

        if (c->removed || waitpid(c->pid, &status, WNOHANG) != c->pid)
            continue;
        c->removed = true;
        c->function(c->data, status);
    }
}

void loop_step(struct loop *loop, int milliseconds)
{
    if (loop->depth++ == 0)
        sweep(loop, false);
    size_t count = fill_polled(loop);
    int ready = poll(loop->polled, count, time_to_wait(loop, milliseconds));

    /* A signal came: read of it now, so that loop_interrupted() is true before children are reaped.
     */
    if (ready < 0)
        ready = poll(loop->polled, count, 0);
    if (ready > 0) {
        size_t i = 0;

        /* Take the answers first: a callback may add watches, or step the loop itself. */
        for (struct loop_fd *w = loop->fds; w && i < count; w = w->next)
            w->revents = loop->polled[i++].revents;
        for (struct loop_fd *w = loop->fds; w; w = w->next) {
            short revents = w->revents;

            w->revents = 0;
            if (revents && !w->removed)
                w->function(w->data, w->fd, revents);
        }
    }
    run_timers(loop);
    reap_children(loop);
    loop->depth--;
}

bool loop_interrupted(const struct loop *loop)
{
    return loop->interrupt != 0;
}

int loop_acknowledge(struct loop *loop)
{
    int number = loop->interrupt;

    loop->interrupt = 0;
    return number;
}

/* A laptop's sleep is time that passes, too. */
uint64_t loop_now(void)
{
    return system_clock() / 1000000u;
}

uint64_t loop_time(void)
{
    static uint64_t zero;
    struct timespec now;

    if (zero == 0) {
        clock_gettime(CLOCK_REALTIME, &now);
        zero = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - system_clock();
    }
    return zero + system_clock();
}
