/* SPDX-License-Identifier: Apache-2.0 */
/* What a client consists of, for client.c and call.c alone. */
#ifndef KSNIFF_KUBE_CLIENT_STATE_H
#define KSNIFF_KUBE_CLIENT_STATE_H

#include <curl/curl.h>
#include <stdint.h>

#include "kube/client.h"
#include "kube/proxy.h"
#include "kube/roots.h"

struct kube_credentials;
struct kube_transfers;

struct kube_client {
    struct loop *loop;
    const struct kube_config *config;
    struct kube_credentials *credentials;
    struct kube_transfers *transfers;
    CURLSH *share;
    uint64_t timeout;         /* milliseconds, 0: none */
    char *host;               /* the Host header: of the server's URL, without a default port */
    char *base_path;          /* path of the server's URL */
    char *url;                /* the server's URL, with tls-server-name in place of its host */
    struct curl_slist *route; /* CURLOPT_CONNECT_TO back to the real host, or NULL */
    struct kube_proxy proxy;
    struct kube_roots roots;
    int64_t clock_offset; /* seconds that the server's clock is ahead of ours */
    char peer[64];        /* where the last request went to */
    unsigned peer_port;
    const struct kube_transport *transport; /* that streams try first, or NULL */
};

/* kube_client_set_up - what requests and streams have in common. */
void kube_client_set_up(struct kube_client *client, CURL *easy);

#endif
