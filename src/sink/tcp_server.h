/* SPDX-License-Identifier: Apache-2.0 */
/* -o tcp://ADDRESS:PORT: the capture for whoever connects (PCAP-over-IP). See tcp.c for who gets
 * what. */
#ifndef KSNIFF_SINK_TCP_SERVER_H
#define KSNIFF_SINK_TCP_SERVER_H

#include <stdbool.h>
#include <netinet/in.h>

struct error;
struct tcp_server;

union tcp_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/*
 * tcp_address_parse - "tcp://127.0.0.1:4000", "tcp://[::1]:4000", "tcp://localhost:4000";
 * "tcp://:4000" is the loopback address, and port 0 any that is free
 *
 * No name is looked up: who else may read is to be seen on the command line.
 * Errors: ERROR_USAGE.
 */
int tcp_address_parse(const char *output, union tcp_address *ret_address, struct error *err);

/* tcp_address_is_loopback - can only this machine reach it? */
bool tcp_address_is_loopback(const union tcp_address *address);

/* tcp_server_free - close all its connections as they are; NULL is allowed. */
void tcp_server_free(struct tcp_server *server);

#endif
