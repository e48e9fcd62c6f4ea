/* SPDX-License-Identifier: Apache-2.0 */
/* What can go wrong at a proxy, told as the proxy's. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "kube/proxy.h"

/* Where to look: the kubeconfig, or the variable, which NO_PROXY can go round. */
static int check_setting(const struct kube_proxy *proxy, struct error *err)
{
    if (strcmp(proxy->source, "proxy-url") == 0)
        return error_remedy(err, "check proxy-url of the cluster in the kubeconfig");
    return error_remedy(err, "check %s; NO_PROXY names the servers that are reached without it",
                        proxy->source);
}

static int wants_login(const struct kube_proxy *proxy, struct error *err)
{
    error_set(err, ERROR_NETWORK,
              proxy->has_login ? "the proxy \"%s\" does not take the user name and password of %s "
                                 "(HTTP 407)"
                               : "the proxy \"%s\" wants a user name and password, and %s has none "
                                 "(HTTP 407)",
              proxy->name, proxy->source);
    return error_remedy(err, "write them as http://USER:PASSWORD@HOST:PORT, other characters than "
                             "letters and digits as %%XX");
}

int kube_proxy_refused(const struct kube_proxy *proxy, long code, const char *server,
                       struct error *err)
{
    if (code == 407)
        return wants_login(proxy, err);
    if (code >= 500)
        error_set(err, ERROR_NETWORK, "the proxy \"%s\" cannot reach the server \"%s\" (HTTP %ld)",
                  proxy->name, server, code);
    else
        error_set(err, ERROR_NETWORK,
                  "the proxy \"%s\" does not let us through to the server \"%s\" (HTTP %ld)",
                  proxy->name, server, code);
    return check_setting(proxy, err);
}

static int unreachable(const struct kube_proxy *proxy, CURL *easy, const char *detail,
                       struct error *err)
{
    long os_errno = 0;

    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
    if (os_errno == ECONNREFUSED)
        error_set(err, ERROR_NETWORK, "connection to the proxy \"%s\" was refused", proxy->name);
    else
        error_set(err, ERROR_NETWORK, "cannot connect to the proxy \"%s\": %s", proxy->name,
                  os_errno ? strerror((int)os_errno) : detail);
    return check_setting(proxy, err);
}

static int not_trusted(const struct kube_proxy *proxy, const char *detail, struct error *err)
{
    error_set(err, ERROR_TLS, "the certificate of the proxy \"%s\" is not trusted: %s", proxy->name,
              detail);
    return error_remedy(err, "add its CA to the system's, or name a file with it in SSL_CERT_FILE");
}

/* Before the tunnel stood: everything is the proxy's then. */
static int no_tunnel(const struct kube_proxy *proxy, CURLcode code, const char *detail,
                     const char *server, struct error *err)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return not_trusted(proxy, detail, err);
    case CURLE_SSL_CONNECT_ERROR:
        error_set(err, ERROR_TLS, "no TLS connection to the proxy \"%s\": %s", proxy->name, detail);
        return error_remedy(err, "does it speak TLS? write http:// in %s if not", proxy->source);
    case CURLE_OPERATION_TIMEDOUT:
        error_set(err, ERROR_TIMEOUT, "no answer from the proxy \"%s\" in time", proxy->name);
        return check_setting(proxy, err);
    default:
        error_set(err, ERROR_NETWORK, "no way through the proxy \"%s\" to the server \"%s\": %s",
                  proxy->name, server, detail);
        return check_setting(proxy, err);
    }
}

bool kube_proxy_error(const struct kube_proxy *proxy, CURL *easy, CURLcode code, const char *detail,
                      const char *server, struct error *err)
{
    long answer = 0;
    curl_off_t ready = 0;

    if (!proxy->url)
        return false;
    if (!detail || !*detail)
        detail = curl_easy_strerror(code);
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &answer);
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    if (code == CURLE_COULDNT_RESOLVE_PROXY) {
        error_set(err, ERROR_NETWORK, "cannot resolve the host of the proxy \"%s\"", proxy->name);
        check_setting(proxy, err);
    } else if (code == CURLE_COULDNT_CONNECT) {
        unreachable(proxy, easy, detail, err);
    } else if (answer >= 300) {
        kube_proxy_refused(proxy, answer, server, err);
    } else if (code == CURLE_PROXY) {
        error_set(err, ERROR_NETWORK,
                  "the proxy \"%s\" does not let us through to the server \"%s\": %s", proxy->name,
                  server, detail);
        check_setting(proxy, err);
    } else if (ready == 0 && answer == 0 && strncmp(proxy->url, "http", 4) == 0) {
        no_tunnel(proxy, code, detail, server, err);
    } else {
        return false;
    }
    return true;
}
