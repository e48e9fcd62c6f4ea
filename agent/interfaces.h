/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interfaces of the network namespace, as pcapng describes them: each once, when it is first
 * seen. On a node they come and go with its pods, so those in the table make room for new ones; the
 * id of one that is forgotten is not used again.
 */
#ifndef KSNIFF_AGENT_INTERFACES_H
#define KSNIFF_AGENT_INTERFACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERFACES_MAX 1024 /* that are known at the same time */
#define INTERFACE_NONE UINT32_MAX

struct interface {
    uint32_t ifindex;
    uint32_t id;       /* of its Interface Description Block; INTERFACE_NONE: there is none yet */
    uint16_t hatype;   /* ARPHRD_* */
    uint16_t linktype; /* LINKTYPE_* */
    bool loopback;
    char name[16];   /* printable */
    char driver[32]; /* the same; empty: unknown */
    bool has_mac;
    uint8_t mac[6];
    uint64_t speed;    /* bits per second, 0: unknown */
    uint64_t packets;  /* written */
    uint64_t reported; /* packets, as the last statistics said */
    uint64_t used;     /* a number that is greater than that of those used before it */
};

struct interfaces {
    int fd; /* any socket, for ioctl(2) */
    size_t count;
    uint64_t uses;
    size_t last; /* the one found last: packets come in runs */
    struct interface list[INTERFACES_MAX];
};

/* interfaces_add - describe an interface by its index, when the table is not full. Return: NULL
 * when there is none. */
struct interface *interfaces_add(struct interfaces *interfaces, uint32_t ifindex);

/* interfaces_add_of - the same of one that a packet has come from: it may have gone meanwhile.
 * @hatype: ARPHRD_* as the packet says; 0: it does not. Return: NULL when the table is full. */
struct interface *interfaces_add_of(struct interfaces *interfaces, uint32_t ifindex,
                                    unsigned hatype);

/* interfaces_find - Return: NULL when it has not been added; otherwise it counts as used now. */
struct interface *interfaces_find(struct interfaces *interfaces, uint32_t ifindex);

/* interfaces_is_gone - is there no such interface any more, or has it another name? */
bool interfaces_is_gone(const struct interfaces *interfaces, const struct interface *interface);

/* interfaces_forget - take one out of the table; the last takes its place. */
void interfaces_forget(struct interfaces *interfaces, struct interface *interface);

/* interfaces_index - Return: the index of a name, 0 when there is no such interface. */
uint32_t interfaces_index(const struct interfaces *interfaces, const char *name);

/* interfaces_names - all that there are, as "eth0, lo"; some, where @size ends.
 * Return: @out. */
char *interfaces_names(char *out, size_t size);

/* interfaces_add_up - describe every interface that is up. */
void interfaces_add_up(struct interfaces *interfaces);

#endif
