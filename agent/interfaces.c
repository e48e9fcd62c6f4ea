/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/interfaces.h"

#include <linux/ethtool.h>
#include <net/if_arp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "agent/devices.h"
#include "agent/link.h"
#include "agent/message.h"

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
    /* As ethtool_cmd_speed() puts it together, which shifts into the sign. */
    uint32_t megabits = (uint32_t)settings.speed_hi << 16 | settings.speed;
    return megabits == 0 || megabits == (uint32_t)SPEED_UNKNOWN ? 0 : megabits * 1000000ull;
}

/* A name as it is written: Wireshark shows it. @size: of @out, and of @name at least */
static void copy_name(char *out, size_t size, const char *name)
{
    memcpy(out, name, size - 1);
    out[size - 1] = '\0';
    for (char *c = out; *c; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
}

/* "veth", "ena": what kind of hardware it is. */
static void look_at_driver(const struct interfaces *interfaces, const char *name,
                           struct interface *interface)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq request;

    make_request(&request, name);
    request.ifr_data = (void *)&info;
    if (ioctl(interfaces->fd, SIOCETHTOOL, &request) == 0)
        copy_name(interface->driver, sizeof(interface->driver), info.driver);
}

/* What packets of a device that has gone are said to come from. */
static void name_by_index(char *out, uint32_t ifindex)
{
    char digits[21];

    strcpy(stpcpy(out, "if"), decimal(digits, ifindex));
}

/* What only a device that is there can say. */
static void look_at_device(const struct interfaces *interfaces, const struct ifreq *named,
                           struct interface *interface)
{
    struct ifreq request;

    copy_name(interface->name, sizeof(interface->name), named->ifr_name);
    look_at_driver(interfaces, named->ifr_name, interface);
    interface->speed = speed_of(interfaces, named->ifr_name);
    make_request(&request, named->ifr_name);
    if (ioctl(interfaces->fd, SIOCGIFHWADDR, &request) < 0)
        return;
    interface->hatype = request.ifr_hwaddr.sa_family;
    interface->has_mac = interface->hatype == ARPHRD_ETHER;
    memcpy(interface->mac, request.ifr_hwaddr.sa_data, sizeof(interface->mac));
}

static struct interface *add(struct interfaces *interfaces, uint32_t ifindex, unsigned hatype,
                             const struct ifreq *named)
{
    struct interface *interface = &interfaces->list[interfaces->count++];

    *interface =
        (struct interface){.ifindex = ifindex, .id = INTERFACE_NONE, .used = ++interfaces->uses};
    interface->hatype = ARPHRD_VOID;
    if (named)
        look_at_device(interfaces, named, interface);
    else
        name_by_index(interface->name, ifindex);
    if (hatype != ARPHRD_VOID)
        interface->hatype = (uint16_t)hatype;
    interface->linktype = link_type(interface->hatype);
    interface->loopback = interface->hatype == ARPHRD_LOOPBACK;
    return interface;
}

struct interface *interfaces_add(struct interfaces *interfaces, uint32_t ifindex)
{
    struct ifreq request = {.ifr_ifindex = (int)ifindex};

    if (interfaces->count == INTERFACES_MAX || ioctl(interfaces->fd, SIOCGIFNAME, &request) < 0)
        return NULL;
    return add(interfaces, ifindex, ARPHRD_VOID, &request);
}

struct interface *interfaces_add_of(struct interfaces *interfaces, uint32_t ifindex,
                                    unsigned hatype)
{
    struct ifreq request = {.ifr_ifindex = (int)ifindex};
    bool there = ioctl(interfaces->fd, SIOCGIFNAME, &request) == 0;

    if (interfaces->count == INTERFACES_MAX)
        return NULL;
    return add(interfaces, ifindex, hatype ? hatype : ARPHRD_VOID, there ? &request : NULL);
}

static struct interface *use(struct interfaces *interfaces, size_t i)
{
    interfaces->last = i;
    interfaces->list[i].used = ++interfaces->uses;
    return &interfaces->list[i];
}

struct interface *interfaces_find(struct interfaces *interfaces, uint32_t ifindex)
{
    if (interfaces->last < interfaces->count &&
        interfaces->list[interfaces->last].ifindex == ifindex)
        return use(interfaces, interfaces->last);
    for (size_t i = 0; i < interfaces->count; i++)
        if (interfaces->list[i].ifindex == ifindex)
            return use(interfaces, i);
    return NULL;
}

bool interfaces_is_gone(const struct interfaces *interfaces, const struct interface *interface)
{
    struct ifreq request = {.ifr_ifindex = (int)interface->ifindex};
    char name[IFNAMSIZ];

    if (ioctl(interfaces->fd, SIOCGIFNAME, &request) < 0)
        return true;
    copy_name(name, sizeof(name), request.ifr_name);
    return strcmp(name, interface->name) != 0;
}

void interfaces_forget(struct interfaces *interfaces, struct interface *interface)
{
    *interface = interfaces->list[--interfaces->count];
}

static bool add_if_up(void *data, uint32_t ifindex, const char *name)
{
    struct interfaces *interfaces = data;
    struct ifreq request;

    make_request(&request, name);
    if (ioctl(interfaces->fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) &&
        !interfaces_find(interfaces, ifindex))
        interfaces_add(interfaces, ifindex);
    return true;
}

void interfaces_add_up(struct interfaces *interfaces)
{
    devices_each(add_if_up, interfaces);
}

struct names {
    char *out;
    size_t used, size;
};

static void append(struct names *names, const char *text)
{
    size_t length = strlen(text);

    memcpy(names->out + names->used, text, length + 1);
    names->used += length;
}

static bool append_name(void *data, uint32_t ifindex, const char *name)
{
    struct names *names = data;

    (void)ifindex;
    if (names->used + strlen(name) + sizeof(", ..., ") > names->size) {
        append(names, ", ...");
        return false;
    }
    append(names, names->used > 0 ? ", " : "");
    append(names, name);
    return true;
}

char *interfaces_names(char *out, size_t size)
{
    struct names names = {.out = out, .size = size};

    out[0] = '\0';
    devices_each(append_name, &names);
    return out;
}
