/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's one event loop: descriptors, timers, signals and children.
 *
 * Callbacks run inside loop_step(). They may add and remove anything, themselves included. A task
 * that reads as a sequence (a request and its answer) is written with loop_step() called until it
 * is done; so nothing ever blocks a signal.
 *
 * Interrupts: SIGINT, SIGTERM and SIGHUP are counted. What waits for something asks
 * loop_interrupted() after each step and gives up. Whoever acts on an interrupt calls
 * loop_acknowledge(), after which only a further signal interrupts again.
 */
#ifndef KSNIFF_BASE_LOOP_H
#define KSNIFF_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct loop;
struct loop_fd;
struct loop_timer;
struct loop_child;

/* @revents: what poll(2) said. */
typedef void loop_fd_fn(void *data, int fd, short revents);
typedef void loop_timer_fn(void *data);
/* @status: as waitpid(2) gives it. The watch is gone when this is called. */
typedef void loop_child_fn(void *data, int status);

/* loop_new - also installs the signal handlers and ignores SIGPIPE. One loop a program. */
struct loop *loop_new(struct error *err);
void loop_free(struct loop *loop);

/*
 * loop_add_fd - call @function when @fd is ready for @events (POLLIN, POLLOUT)
 *
 * The descriptor stays the caller's, and must outlive the watch.
 * Return: the watch, owned by the loop; NULL when out of memory.
 */
struct loop_fd *loop_add_fd(struct loop *loop, int fd, short events, loop_fd_fn *function,
                            void *data);
void loop_set_events(struct loop_fd *watch, short events);
/* loop_remove_fd - NULL is allowed. */
void loop_remove_fd(struct loop_fd *watch);

/* loop_add_timer - call @function once, @milliseconds from now. Owned by the loop. */
struct loop_timer *loop_add_timer(struct loop *loop, uint64_t milliseconds, loop_timer_fn *function,
                                  void *data);
/* loop_set_timer - (re)arm it, @milliseconds from now; also from within its own callback. */
void loop_set_timer(struct loop_timer *timer, uint64_t milliseconds);
/* loop_stop_timer - keep it without a time. */
void loop_stop_timer(struct loop_timer *timer);
/* loop_remove_timer - NULL is allowed. */
void loop_remove_timer(struct loop_timer *timer);

/* loop_add_child - call @function when the child @pid has ended; it is reaped here. */
struct loop_child *loop_add_child(struct loop *loop, pid_t pid, loop_child_fn *function,
                                  void *data);
void loop_remove_child(struct loop_child *child);

/*
 * loop_step - wait for something to happen, at most @milliseconds (-1: as long as it takes), and
 * call what is due
 */
void loop_step(struct loop *loop, int milliseconds);

/* loop_interrupted - has a signal come that nobody has acknowledged? */
bool loop_interrupted(const struct loop *loop);
/* loop_acknowledge - Return: the number of the signal (SIGINT, ...), 0 if there was none. */
int loop_acknowledge(struct loop *loop);

/* loop_ignores - was this program started with the signal ignored, as nohup and background jobs of
 * scripts are? Then it does not interrupt. */
bool loop_ignores(int number);

/* loop_now - milliseconds of the monotonic clock. */
uint64_t loop_now(void);

/* loop_time - nanoseconds since 1970, as this machine's clock had it when this was called first:
 * it goes on from there without steps, whatever is done to the clock. */
uint64_t loop_time(void);

#endif
