/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What requests to the API server (kube/call.h) and streams (kube/stream.h) share: TLS, proxy and
 * credentials.
 */
#ifndef KSNIFF_KUBE_CLIENT_H
#define KSNIFF_KUBE_CLIENT_H

#include <curl/curl.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "kube/call.h"
#include "kube/kubeconfig.h"
#include "kube/transfers.h"

struct error;
struct loop;
struct buf;
struct kube_client;
struct kube_transport;

/*
 * kube_client_new - nothing is sent yet
 * @config: must outlive the client
 * @timeout: milliseconds that one request may take; 0: 30 s to connect, then no limit
 */
int kube_client_new(struct loop *loop, const struct kube_config *config, uint64_t timeout,
                    struct kube_client **ret_client, struct error *err);
void kube_client_free(struct kube_client *client);

struct loop *kube_client_loop(const struct kube_client *client);
const struct kube_config *kube_client_config(const struct kube_client *client);

/* kube_client_doubtful - for kube_request.timeout of a request after a cut: the way that it takes
 * may be dead without a word. */
uint64_t kube_client_doubtful(const struct kube_client *client);

/* kube_client_time - seconds since 1970 by the server's clock, as its last answer had it; by our
 * own before the first. */
int64_t kube_client_time(const struct kube_client *client);

/* kube_client_peer - the address that the last request went to ("192.0.2.7"), "" before the first;
 * a proxy's where there is one. @ret_port: its TCP port. */
const char *kube_client_peer(const struct kube_client *client, unsigned *ret_port);

/*
 * For kube/stream.h: connections that are handed over after TLS.
 *
 * kube_client_connect - open a connection to the API server
 * @done: called once, with CURLE_OK when the connection stands; the handle is the caller's from
 * then on, to be used with curl_easy_send() and curl_easy_recv(), and ended with
 *        kube_client_disconnect()
 *
 * Return: the handle, or NULL with the error.
 */
CURL *kube_client_connect(struct kube_client *client, kube_transfer_fn *done, void *data,
                          struct error *err);
void kube_client_disconnect(struct kube_client *client, CURL *handle);

/*
 * kube_client_error - why a handle of ours failed, the proxy's faults told as the proxy's
 * @code, @detail: as kube_transfer_fn is given them
 *
 * Return: always -1.
 */
int kube_client_error(const struct kube_client *client, CURL *handle, CURLcode code,
                      const char *detail, struct error *err);

/*
 * kube_client_refresh - renew the credentials, @rejected after a 401 (see kube/credentials.h)
 */
int kube_client_refresh(struct kube_client *client, bool rejected, bool *ret_changed,
                        struct error *err);

/*
 * kube_client_headers - append the header lines of authentication, impersonation, Host and
 * User-Agent to a request that is written by hand. Return: false when they do not fit.
 */
bool kube_client_headers(const struct kube_client *client, struct buf *request);

/*
 * kube_client_transport - the way of kube/transport.h that streams try first: the one that was
 * taken last; NULL before the first
 */
const struct kube_transport *kube_client_transport(const struct kube_client *client);
void kube_client_set_transport(struct kube_client *client, const struct kube_transport *transport);

/* kube_client_base_path - the path of the server's URL ("" or "/k8s/clusters/c-1"). */
const char *kube_client_base_path(const struct kube_client *client);

/* kube_escape - percent-encode for a URL. Return: owned by the caller (free()). */
char *kube_escape(const char *text);

#endif
