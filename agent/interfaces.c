/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/interfaces.h"

#include <linux/ethtool.h>
#include <net/if_arp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agent/message.h"
#include "common/pcapng.h"

/* linux/if_arp.h has them, not every libc. */
#ifndef ARPHRD_RAWIP
#define ARPHRD_RAWIP 519
#endif
#ifndef ARPHRD_IP6GRE
#define ARPHRD_IP6GRE 823
#endif

/* Return: what SOCK_RAW gives on such a device, -1 where pcapng has no name for it. */
static int linktype_of(unsigned hatype)
{
    switch (hatype) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK: /* has an Ethernet header of zeros */
        return LINKTYPE_ETHERNET;
    case ARPHRD_NONE:
    case ARPHRD_RAWIP:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
        return LINKTYPE_RAW;
    default:
        return -1;
    }
}

static void make_request(struct ifreq *request, const char *name)
{
    memset(request, 0, sizeof(*request));
    memcpy(request->ifr_name, name, strnlen(name, sizeof(request->ifr_name) - 1));
}

uint32_t interfaces_index(const struct interfaces *interfaces, const char *name)
{
    struct ifreq request;

    make_request(&request, name);
    return ioctl(interfaces->fd, SIOCGIFINDEX, &request) < 0 ? 0 : (uint32_t)request.ifr_ifindex;
}

static uint64_t speed_of(const struct interfaces *interfaces, const char *name)
{
    struct ethtool_cmd settings = {.cmd = ETHTOOL_GSET};
    struct ifreq request;

    make_request(&request, name);
    request.ifr_data = (void *)&settings;
    if (ioctl(interfaces->fd, SIOCETHTOOL, &request) < 0)
        return 0;
    uint32_t megabits = ethtool_cmd_speed(&settings);
    return megabits == 0 || megabits == (uint32_t)SPEED_UNKNOWN ? 0 : megabits * 1000000ull;
}

struct interface *interfaces_add(struct interfaces *interfaces, uint32_t ifindex)
{
    struct interface *interface = &interfaces->list[interfaces->count];
    struct ifreq request = {.ifr_ifindex = (int)ifindex};

    if (interfaces->count == INTERFACES_MAX || ioctl(interfaces->fd, SIOCGIFNAME, &request) < 0)
        return NULL;
    *interface = (struct interface){.ifindex = ifindex};
    memcpy(interface->name, request.ifr_name, sizeof(interface->name) - 1);
    make_request(&request, interface->name);
    if (ioctl(interfaces->fd, SIOCGIFHWADDR, &request) < 0)
        return NULL;
    unsigned hatype = request.ifr_hwaddr.sa_family;
    int linktype = linktype_of(hatype);
    interface->loopback = hatype == ARPHRD_LOOPBACK;
    interface->has_mac = hatype == ARPHRD_ETHER;
    memcpy(interface->mac, request.ifr_hwaddr.sa_data, sizeof(interface->mac));
    interface->speed = speed_of(interfaces, interface->name);
    for (char *c = interface->name; *c; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
    interface->linktype = (uint16_t)linktype;
    interface->id = linktype < 0 ? INTERFACE_UNSUPPORTED : interfaces->described++;
    if (linktype < 0) {
        char number[21];

        message("left out, its link type is not known: interface", interface->name,
                decimal(number, hatype));
    }
    interfaces->count++;
    return interface;
}

struct interface *interfaces_find(struct interfaces *interfaces, uint32_t ifindex)
{
    if (interfaces->last < interfaces->count &&
        interfaces->list[interfaces->last].ifindex == ifindex)
        return &interfaces->list[interfaces->last];
    for (size_t i = 0; i < interfaces->count; i++) {
        if (interfaces->list[i].ifindex == ifindex) {
            interfaces->last = i;
            return &interfaces->list[i];
        }
    }
    return NULL;
}

void interfaces_add_up(struct interfaces *interfaces)
{
    struct if_nameindex *list = if_nameindex();

    for (struct if_nameindex *entry = list; entry && entry->if_index; entry++) {
        struct ifreq request;

        make_request(&request, entry->if_name);
        if (ioctl(interfaces->fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP))
            interfaces_add(interfaces, entry->if_index);
    }
    if (list)
        if_freenameindex(list);
}
