/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sink/tcp_server.h"

#define PORT_MAX 65535

static int refuse(const char *output, struct error *err)
{
    error_set(err, ERROR_USAGE, "\"%s\" is no address to listen on", output);
    return error_remedy(err, "such as tcp://127.0.0.1:4000 or tcp://[::1]:4000; port 0 is any that "
                             "is free");
}

/* Return: 0, or -1 when it is none. */
static int parse_port(const char *text, in_port_t *ret_port)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || port > PORT_MAX)
        return -1;
    *ret_port = htons((in_port_t)port);
    return 0;
}

/* @host: without brackets */
static int parse_host(const char *host, bool v6, union tcp_address *address)
{
    if (v6) {
        address->v6.sin6_family = AF_INET6;
        return inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1 ? 0 : -1;
    }
    address->v4.sin_family = AF_INET;
    if (!*host || strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    return inet_pton(AF_INET, host, &address->v4.sin_addr) == 1 ? 0 : -1;
}

int tcp_address_parse(const char *output, union tcp_address *ret_address, struct error *err)
{
    const char *host = output + strlen("tcp://"), *colon = strrchr(host, ':');
    bool v6 = host[0] == '[';
    char text[INET6_ADDRSTRLEN];
    union tcp_address address;
    in_port_t port;

    memset(&address, 0, sizeof(address));
    if (!colon || (v6 && colon[-1] != ']'))
        return refuse(output, err);
    size_t length = (size_t)(colon - host) - (v6 ? 2 : 0);
    if (length >= sizeof(text) || parse_port(colon + 1, &port) < 0)
        return refuse(output, err);
    memcpy(text, host + v6, length);
    text[length] = '\0';
    if (parse_host(text, v6, &address) < 0)
        return refuse(output, err);
    if (v6)
        address.v6.sin6_port = port;
    else
        address.v4.sin_port = port;
    *ret_address = address;
    return 0;
}

bool tcp_address_is_loopback(const union tcp_address *address)
{
    if (address->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
}
