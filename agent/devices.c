/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/devices.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct walk {
    bool (*each)(void *data, uint32_t ifindex, const char *name);
    void *data;
};

/* The kernel makes its pieces as large as there is room, up to 32 KiB. */
static _Alignas(struct nlmsghdr) char piece[32768];

/* Return: the name of the device that @message describes; NULL: it has none that is whole. */
static const char *name_of(const struct nlmsghdr *message)
{
    const struct ifinfomsg *info = NLMSG_DATA(message);
    size_t left = message->nlmsg_len - NLMSG_LENGTH(sizeof(*info));

    for (const struct rtattr *at = IFLA_RTA(info); RTA_OK(at, left); at = RTA_NEXT(at, left))
        if (at->rta_type == IFLA_IFNAME && memchr(RTA_DATA(at), '\0', RTA_PAYLOAD(at)))
            return RTA_DATA(at);
    return NULL;
}

/* Return: false behind the last message. */
static bool walk_piece(const struct walk *walk, size_t left)
{
    for (const struct nlmsghdr *at = (const void *)piece; NLMSG_OK(at, left);
         at = NLMSG_NEXT(at, left)) {
        const struct ifinfomsg *info = NLMSG_DATA(at);

        if (at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR)
            return false;
        if (at->nlmsg_type != RTM_NEWLINK || at->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
            continue;
        const char *name = name_of(at);
        if (name && !walk->each(walk->data, (uint32_t)info->ifi_index, name))
            return false;
    }
    return true;
}

void devices_each(bool (*each)(void *data, uint32_t ifindex, const char *name), void *data)
{
    const struct walk walk = {.each = each, .data = data};
    const struct {
        struct nlmsghdr header;
        struct ifinfomsg any;
    } question = {.header = {.nlmsg_len = sizeof(question),
                             .nlmsg_type = RTM_GETLINK,
                             .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    ssize_t got;

    if (fd < 0)
        return;
    if (send(fd, &question, sizeof(question), 0) == (ssize_t)sizeof(question))
        while ((got = recv(fd, piece, sizeof(piece), 0)) > 0 && walk_piece(&walk, (size_t)got)) {
        }
    close(fd);
}
