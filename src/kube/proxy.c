/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

/* The server, as NO_PROXY is compared with it. */
struct destination {
    char host[256]; /* lower case, an IPv6 address without brackets */
    char port[8];
    bool https;
    bool is_address;
    struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
};

static const char *first_set(const char *const names[2], const char **ret_name)
{
    for (size_t i = 0; i < 2; i++) {
        const char *value = getenv(names[i]);

        if (value && *value) {
            *ret_name = names[i];
            return value;
        }
    }
    return NULL;
}

/* ---- addresses ---- */

static bool parse_address(const char *text, struct in6_addr *ret_address)
{
    struct in_addr four;

    if (inet_pton(AF_INET6, text, ret_address) == 1)
        return true;
    if (inet_pton(AF_INET, text, &four) != 1)
        return false;
    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->s6_addr[10] = ret_address->s6_addr[11] = 0xff;
    memcpy(ret_address->s6_addr + 12, &four, 4);
    return true;
}

static bool is_loopback(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

static bool same_prefix(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a->s6_addr, b->s6_addr, whole) != 0)
        return false;
    return rest == 0 || (a->s6_addr[whole] ^ b->s6_addr[whole]) >> (8 - rest) == 0;
}

/* "10.0.0.0/8", "fd00::/8". Return: false when @entry is none; *ret_match: is the server in it? */
static bool match_network(const char *entry, const struct destination *to, bool *ret_match)
{
    const char *slash = strchr(entry, '/');
    cleanup_free char *text = slash ? strndup(entry, (size_t)(slash - entry)) : NULL;
    struct in6_addr network;
    char *end;

    if (!text || !parse_address(text, &network) || slash[1] < '0' || slash[1] > '9')
        return false;
    bool four = !strchr(text, ':');
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (*end || bits > (four ? 32 : 128))
        return false;
    /* ::/0 holds no IPv4 address. */
    *ret_match = to->is_address &&
                 IN6_IS_ADDR_V4MAPPED(&network) == IN6_IS_ADDR_V4MAPPED(&to->address) &&
                 same_prefix(&network, &to->address, (unsigned)bits + (four ? 96 : 0));
    return true;
}

/* ---- NO_PROXY ---- */

/* Cuts "host:port" and "[address]:port" apart, in place; "fe80::1" has no port. Return: the port,
 * "" where there is none. */
static const char *split_port(char **host)
{
    char *bracket = **host == '[' ? strchr(*host, ']') : NULL;
    char *colon = strchr(bracket ? bracket : *host, ':');

    if (!colon || (bracket ? colon != bracket + 1 : strchr(colon + 1, ':') != NULL))
        return "";
    *colon = '\0';
    if (bracket) {
        *bracket = '\0';
        ++*host;
    }
    return colon + 1;
}

/* "example.com" is the domain and all below it, ".example.com" and "*.example.com" only those. */
static bool match_domain(const char *domain, const struct destination *to)
{
    size_t host = strlen(to->host), length;
    bool itself = domain[0] != '.' && strncmp(domain, "*.", 2) != 0;

    domain += domain[0] == '*' && domain[1] == '.';
    domain += domain[0] == '.';
    length = strlen(domain);
    if (host < length || strcmp(to->host + host - length, domain) != 0)
        return false;
    return host == length ? itself : to->host[host - length - 1] == '.';
}

/* @entry: lower case, without white space around it; changed. */
static bool match_entry(char *entry, const struct destination *to)
{
    struct in6_addr address;
    bool match;

    if (match_network(entry, to, &match))
        return match;
    const char *port = split_port(&entry);
    if (!*entry || (*port && strcmp(port, to->port) != 0))
        return false;
    if (parse_address(entry, &address))
        return to->is_address && memcmp(&address, &to->address, sizeof(address)) == 0;
    return match_domain(entry, to);
}

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text + 'a' - 'A');
}

static bool is_left_out(const struct destination *to)
{
    static const char *const names[2] = {"NO_PROXY", "no_proxy"};
    const char *name, *list = first_set(names, &name);

    if (strcmp(to->host, "localhost") == 0 || (to->is_address && is_loopback(&to->address)))
        return true;
    for (size_t length; list; list = list[length] ? list + length + 1 : NULL) {
        length = strcspn(list, ",");
        size_t start = strspn(list, " \t\r\n"), end = length;

        while (end > start && strchr(" \t\r\n", list[end - 1]))
            end--;
        cleanup_free char *entry = start < end ? strndup(list + start, end - start) : NULL;
        if (!entry)
            continue;
        lower(entry);
        if (strcmp(entry, "*") == 0 || match_entry(entry, to))
            return true;
    }
    return false;
}

/* ---- URLs ---- */

static const struct {
    const char *name, *port; /* where the URL has none */
    const char *curl;        /* curl's name of it */
} schemes[] = {
    {"http", "80", "http"},
    {"https", "443", "https"},
    {"socks5", "1080", "socks5h"},
    {"socks5h", "1080", "socks5h"},
};
enum { SCHEMES = sizeof(schemes) / sizeof(schemes[0]) };

static size_t find_scheme(const char *url)
{
    size_t length = strcspn(url, ":"), i = 0;

    while (i < SCHEMES &&
           (strlen(schemes[i].name) != length || strncasecmp(url, schemes[i].name, length) != 0))
        i++;
    return i;
}

/* Puts the parts of the URL that count together again. Return: 0, or -1 when it is none. */
static int read_parts(CURLU *url, const char *text, size_t scheme, struct kube_proxy *proxy)
{
    char *user = NULL, *password = NULL, *host = NULL, *port = NULL;
    int result = -1;

    if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK && *host) {
        curl_url_get(url, CURLUPART_PORT, &port, 0);
        curl_url_get(url, CURLUPART_USER, &user, 0);
        curl_url_get(url, CURLUPART_PASSWORD, &password, 0);
        const char *number = port ? port : schemes[scheme].port;

        proxy->has_login = user || password;
        proxy->name = text_format("%s://%s:%s", schemes[scheme].name, host, number);
        proxy->url = text_format("%s://%s%s%s%s%s:%s", schemes[scheme].curl, user ? user : "",
                                 password ? ":" : "", password ? password : "",
                                 proxy->has_login ? "@" : "", host, number);
        result = proxy->name && proxy->url ? 0 : -1;
    }
    curl_free(user);
    curl_free(password);
    curl_free(host);
    curl_free(port);
    return result;
}

/* @text: of the environment it may lack the scheme, as in "proxy:3128". */
static int read_url(const char *text, struct kube_proxy *proxy, struct error *err)
{
    cleanup_free char *completed =
        strstr(text, "://") ? strdup(text) : text_format("http://%s", text);
    size_t scheme = completed ? find_scheme(completed) : SCHEMES;
    CURLU *url = curl_url();
    int result = -1;

    if (completed && url && scheme < SCHEMES)
        result = read_parts(url, completed, scheme, proxy);
    curl_url_cleanup(url);
    if (result == 0)
        return 0;
    error_set(err, ERROR_CONFIG, "the value of %s is no proxy's URL", proxy->source);
    return error_remedy(err, "write it as http://, https://, socks5:// or socks5h://HOST:PORT");
}

static int read_destination(const char *server, struct destination *to)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    int result = -1;

    if (url && curl_url_set(url, CURLUPART_URL, server, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        bool brackets = host[0] == '[';

        snprintf(to->host, sizeof(to->host), "%.*s", (int)strcspn(host + brackets, "]"),
                 host + brackets);
        snprintf(to->port, sizeof(to->port), "%s", port);
        lower(to->host);
        to->https = strcasecmp(scheme, "https") == 0;
        to->is_address = parse_address(to->host, &to->address);
        result = 0;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return result;
}

/* ---- the choice ---- */

static int choose_from_environment(const char *server, struct kube_proxy *proxy, struct error *err)
{
    static const char *const https[2] = {"HTTPS_PROXY", "https_proxy"};
    static const char *const http[2] = {"HTTP_PROXY", "http_proxy"};
    struct destination to = {.host = ""};
    const char *method = getenv("REQUEST_METHOD");

    if (read_destination(server, &to) < 0)
        return 0;
    const char *value = first_set(to.https ? https : http, &proxy->source);
    if (!value)
        return 0;
    if (!to.https && method && *method) {
        error_set(err, ERROR_CONFIG,
                  "%s is not obeyed in a CGI program, where a request can set it", proxy->source);
        return error_remedy(err, "unset it or REQUEST_METHOD, or set proxy-url in the kubeconfig");
    }
    return is_left_out(&to) ? 0 : read_url(value, proxy, err);
}

int kube_proxy_choose(const char *proxy_url, const char *server, struct kube_proxy *ret_proxy,
                      struct error *err)
{
    struct kube_proxy proxy = {.source = "proxy-url"};
    int result =
        proxy_url ? read_url(proxy_url, &proxy, err) : choose_from_environment(server, &proxy, err);

    if (result < 0)
        kube_proxy_free(&proxy);
    else
        *ret_proxy = proxy;
    return result;
}

void kube_proxy_free(struct kube_proxy *proxy)
{
    free(proxy->url);
    free(proxy->name);
    *proxy = (struct kube_proxy){.url = NULL};
}

void kube_proxy_apply(const struct kube_proxy *proxy, CURL *easy)
{
    /* Each said outright, or curl would read the environment in its own way. */
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy->url ? proxy->url : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
}
