/* SPDX-License-Identifier: Apache-2.0 */
/* The interfaces of the network namespace, as pcapng describes them. */
#ifndef KSNIFF_AGENT_INTERFACES_H
#define KSNIFF_AGENT_INTERFACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERFACES_MAX        1024
#define INTERFACE_UNSUPPORTED UINT32_MAX /* as id: its packets are left out */

struct interface {
    uint32_t ifindex;
    uint32_t id; /* of its Interface Description Block */
    uint16_t linktype;
    bool loopback;
    char name[16]; /* printable */
    bool has_mac;
    uint8_t mac[6];
    uint64_t speed;    /* bits per second, 0: unknown */
    uint64_t packets;  /* written */
    uint64_t reported; /* packets, as the last statistics said */
};

struct interfaces {
    int fd; /* any socket, for ioctl(2) */
    struct interface list[INTERFACES_MAX];
    size_t count;
    uint32_t described; /* how many have an id */
    size_t last;        /* the one found last: packets come in runs */
    uint64_t left_out;  /* packets of unsupported ones */
};

/* interfaces_add - describe an interface by its index. Return: NULL when it is gone or too many. */
struct interface *interfaces_add(struct interfaces *interfaces, uint32_t ifindex);

/* interfaces_find - Return: NULL when it has not been added. */
struct interface *interfaces_find(struct interfaces *interfaces, uint32_t ifindex);

/* interfaces_index - Return: the index of a name, 0 when there is no such interface. */
uint32_t interfaces_index(const struct interfaces *interfaces, const char *name);

/* interfaces_add_up - describe every interface that is up. */
void interfaces_add_up(struct interfaces *interfaces);

#endif
