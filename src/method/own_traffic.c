/* SPDX-License-Identifier: Apache-2.0 */
#include "method/own_traffic.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "method/facts.h"
#include "target/target.h"
#include "kube/client.h"
#include "kube/node.h"

#define KUBELET_PORT 10250

/* Where the control plane is in another network (GKE, AKS), the kubelet's end of an exec comes
 * through a tunnel that an agent on some node keeps to this port of it. */
#define KONNECTIVITY_PORT "8132"
/* The same of RKE2, and of k3s where its supervisor has a port of its own; otherwise that of k3s is
 * the API server's. */
#define SUPERVISOR_PORT "9345"

#define EXPRESSION_MAX  4096

static bool is_address(const char *text)
{
    unsigned char address[16];

    return text &&
           (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1);
}

static bool add_server(struct buf *out, const char *address, unsigned port)
{
    return !is_address(address) || port == 0 || port > 65535 ||
           buf_printf(out,
                      " or (host %s and (tcp port %u or tcp port " KONNECTIVITY_PORT
                      " or tcp port " SUPERVISOR_PORT "))",
                      address, port);
}

/* Each address of the slice with each of its ports. */
static bool add_slice(struct buf *out, const json_t *slice)
{
    const json_t *endpoints = json_object_get(slice, "endpoints");
    size_t i, k, m;
    json_t *endpoint, *address, *port;
    bool fits = true;

    json_array_foreach(endpoints, i, endpoint)
    {
        json_array_foreach(json_object_get(endpoint, "addresses"), k, address)
        {
            json_array_foreach(json_object_get(slice, "ports"), m, port)
            {
                json_int_t number = json_integer_value(json_object_get(port, "port"));

                if (number > 0 && number < 65536)
                    fits = fits && add_server(out, json_string_value(address), (unsigned)number);
            }
        }
    }
    return fits;
}

char *own_traffic_filter(struct facts *facts, const struct target *target, const char *text)
{
    cleanup_buf struct buf out;
    const json_t *slice = fact_object(facts_servers(facts));
    unsigned port;
    const char *peer = kube_client_peer(facts_client(facts), &port);

    buf_init(&out, EXPRESSION_MAX);
    bool fits = buf_printf(&out, "not (tcp port %u",
                           target->node ? target->node->kubelet_port : KUBELET_PORT) &&
                add_server(&out, peer, port);
    if (slice)
        fits = fits && add_slice(&out, slice);
    if (!fits || !buf_printf(&out, ")"))
        return NULL;
    if (!text || !text[strspn(text, " \t\r\n")])
        return strdup(buf_string(&out));
    return text_format("(%s) and %s", text, buf_string(&out));
}

/* ---- what only the agent could find ---- */

/* A conversation as the agent says it. */
struct carrier {
    char protocol[8], source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
    unsigned source_port, target_port;
};

static bool parse_carrier(const char *text, struct carrier *ret)
{
    int end = 0;

    /* Widths: those of the fields, without their NUL. */
    if (sscanf(text, " %7[a-z0-9] %45s %5u %45s %5u %n", ret->protocol, ret->source,
               &ret->source_port, ret->target, &ret->target_port, &end) != 5)
        return false;
    return !text[end] && is_address(ret->source) && is_address(ret->target) &&
           ret->source_port <= 65535 && ret->target_port <= 65535;
}

/* The smaller port is the one that is agreed upon; the other was chosen by the kernel. */
static char *filter_without(const struct carrier *carrier)
{
    bool ipv6 = strchr(carrier->source, ':') != NULL;
    unsigned port =
        carrier->source_port < carrier->target_port ? carrier->source_port : carrier->target_port;

    if (port)
        return text_format("not %s port %u", carrier->protocol, port);
    return text_format("not (%s proto %s and host %s and host %s)", ipv6 ? "ip6" : "ip",
                       carrier->protocol, carrier->source, carrier->target);
}

bool own_traffic_warn(const char *carried, const char *text)
{
    struct carrier carrier;

    if (!parse_carrier(carried, &carrier))
        return false;
    bool asked = text && text[strspn(text, " \t\r\n")];
    cleanup_free char *without = filter_without(&carrier);
    cleanup_free char *whole =
        asked ? text_format("(%s) and %s", text, without ? without : "") : NULL;
    log_warning("this capture feeds on itself: its stream is among what it captures, carried by %s "
                "from %s port %u to %s port %u; leave that out with -f '%s'",
                carrier.protocol, carrier.source, carrier.source_port, carrier.target,
                carrier.target_port,
                whole     ? whole
                : without ? without
                          : "");
    return true;
}
