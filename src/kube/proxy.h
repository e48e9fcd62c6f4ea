/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which proxy a connection goes through: the one that the kubeconfig names, else what the
 * environment says, read as Go programs read it, so that kubectl and we take the same way.
 *
 * Of the environment: HTTPS_PROXY or https_proxy for a server of https, HTTP_PROXY or http_proxy
 * for one of http (not in a CGI program, where a request could set it), unless NO_PROXY or no_proxy
 * leaves the server out. Never for localhost and loopback addresses. ALL_PROXY is not read.
 * Source: golang.org/x/net/http/httpproxy; for proxy-url, client-go (net/http's ProxyURL).
 */
#ifndef KSNIFF_KUBE_PROXY_H
#define KSNIFF_KUBE_PROXY_H

#include <curl/curl.h>
#include <stdbool.h>

struct error;

/* All strings owned, besides source. */
struct kube_proxy {
    char *url;          /* scheme://[user:password@]host:port; NULL: there is none to go through */
    char *name;         /* the same without user name and password: for messages */
    const char *source; /* where it is set: "proxy-url", "HTTPS_PROXY", "http_proxy", ... */
    bool has_login;
};

/*
 * kube_proxy_choose - the proxy for a server
 * @proxy_url: the kubeconfig's, which wins; NULL: as the environment says
 * @server: an http or https URL
 * @ret_proxy: release with kube_proxy_free()
 *
 * A proxy is http, https, socks5 or socks5h, which both resolve the server's name at the proxy. One
 * of the environment without a scheme is http. Errors (ERROR_CONFIG): a value that is no proxy's
 * URL; it may hold a password, so the error names only the variable.
 */
int kube_proxy_choose(const char *proxy_url, const char *server, struct kube_proxy *ret_proxy,
                      struct error *err);
void kube_proxy_free(struct kube_proxy *proxy);

/* kube_proxy_apply - make a handle go through the proxy, or through none. */
void kube_proxy_apply(const struct kube_proxy *proxy, CURL *easy);

/*
 * kube_proxy_error - is it the proxy's fault that a transfer failed?
 * @code, @detail: curl's reason, and the text of CURLOPT_ERRORBUFFER
 * @server: "host:port" of where it was to go
 *
 * Return: true with the error, which names the proxy; false when the proxy has done its part.
 */
bool kube_proxy_error(const struct kube_proxy *proxy, CURL *easy, CURLcode code, const char *detail,
                      const char *server, struct error *err);

/* kube_proxy_refused - the error for what the proxy itself answers: @code, 407 for instance.
 * Return: always -1. */
int kube_proxy_refused(const struct kube_proxy *proxy, long code, const char *server,
                       struct error *err);

#endif
