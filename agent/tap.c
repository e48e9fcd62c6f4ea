/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tap.h"

#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stddef.h>

#include "agent/bpf.h"
#include "agent/clock.h"
#include "agent/headers.h"
#include "agent/link.h"
#include "agent/message.h"
#include "agent/options.h"

#define SWEEP_MS 1000 /* between two looks at which interfaces have gone */

/* ---- interfaces ---- */

static void describe(struct tap *tap, struct interface *interface)
{
    if (interface->id != INTERFACE_NONE)
        return;
    interface->id = tap->described++;
    output_interface(&tap->output, interface, tap->options->snaplen);
}

/* @comment: NULL: none of the caller's; @last: nothing follows */
static void write_statistics_of(struct tap *tap, struct interface *interface, const char *comment,
                                bool last)
{
    describe(tap, interface);
    uint64_t dropped = interface->id == tap->drops_id ? tap->reported_dropped : 0;
    const struct output_statistics statistics = {
        .started = tap->started,
        .received = interface->packets + dropped,
        .dropped = dropped,
        .last = last,
        .comment =
            !comment && dropped ? "dropped counts all interfaces: they share one ring" : comment,
    };

    output_statistics(&tap->output, interface, &statistics);
    interface->reported = interface->packets;
    tap->idle_due = clock_ms() + AGENT_IDLE_SECONDS * 1000ull;
}

/* Takes an interface out of the table; what it has counted is said. */
static void forget(struct tap *tap, struct interface *interface)
{
    if (interface->packets != interface->reported)
        write_statistics_of(tap, interface, NULL, false);
    tap->latest = *interface;
    if (interface->id == tap->drops_id && tap->reported_dropped > 0) {
        tap->departed = *interface;
        tap->has_departed = true;
    }
    interfaces_forget(&tap->interfaces, interface);
}

/* Those that have gone are forgotten, or else the one not used longest. */
static void make_room(struct tap *tap)
{
    struct interfaces *interfaces = &tap->interfaces;
    struct interface *oldest = interfaces->list;
    uint64_t now = clock_ms();

    /* Not with each packet where more are there than the table holds: the ring would fill up. */
    for (size_t i = now < tap->sweep_due ? 0 : interfaces->count; i-- > 0;)
        if (interfaces_is_gone(interfaces, &interfaces->list[i]))
            forget(tap, &interfaces->list[i]);
    if (now >= tap->sweep_due)
        tap->sweep_due = now + SWEEP_MS;
    if (interfaces->count < INTERFACES_MAX)
        return;
    for (size_t i = 1; i < interfaces->count; i++)
        if (interfaces->list[i].used < oldest->used)
            oldest = &interfaces->list[i];
    forget(tap, oldest);
}

void tap_make_room(struct tap *tap)
{
    if (tap->interfaces.count == INTERFACES_MAX)
        make_room(tap);
}

void tap_follow_names(struct tap *tap)
{
    bool changed = false;

    for (size_t i = 0; i < tap->options->interface_count; i++) {
        uint32_t ifindex = interfaces_index(&tap->interfaces, tap->options->interfaces[i]);

        changed |= ifindex != 0 && ifindex != tap->chosen[i];
        if (ifindex != 0)
            tap->chosen[i] = ifindex;
    }
    if (changed)
        source_refilter(&tap->source);
}

/* ---- packets ---- */

struct interface *tap_interface(struct tap *tap, const struct packet *packet)
{
    struct interfaces *interfaces = &tap->interfaces;
    struct interface *interface = interfaces_find(interfaces, packet->metadata.ifindex);

    /* A device may become another: a bond takes the type of what is put into it. 0: gVisor does not
     * say. */
    if (interface && packet->metadata.hatype && interface->hatype != packet->metadata.hatype) {
        forget(tap, interface);
        interface = NULL;
    }
    return interface ? interface
                     : interfaces_add_of(interfaces, packet->metadata.ifindex,
                                         packet->metadata.hatype);
}

/* Is it one of the interfaces of -i? Asked only where the kernel does not filter. */
static bool is_chosen(const struct tap *tap, const struct interface *interface)
{
    if (tap->options->interface_count == 0)
        return true;
    for (size_t i = 0; i < tap->options->interface_count; i++)
        if (tap->chosen[i] == interface->ifindex)
            return true;
    return false;
}

bool tap_judge(struct tap *tap, const struct agent_bpf_insn *program, bool ethernet_only,
               const struct interface *interface, const struct packet *packet)
{
    struct output *output = &tap->output;
    struct bpf_metadata metadata = packet->metadata;
    struct link_header header = {.length = 0};
    bool fits = source_fits(ethernet_only, interface->hatype);
    const struct link_header *other = fits ? NULL : &header;
    size_t before = output->used;
    const uint8_t *data;

    metadata.hatype = fits ? interface->hatype : ARPHRD_ETHER;
    if (!fits)
        link_as_ethernet(packet, &header);
    uint32_t captured = output_packet(output, interface, packet, other, AGENT_SNAPLEN_MAX, &data);
    bool taken =
        bpf_run(program, data, captured, output_original(interface, packet, other), &metadata) > 0;
    output_undo(output, before);
    return taken;
}

/* How much of a packet is written, with what is put in front of it. */
static uint32_t most_of(const struct options *options, const struct interface *interface,
                        const struct packet *packet, const struct link_header *header)
{

    if (!options->headers_only)
        return options->snaplen;
    uint32_t more = output_original(interface, packet, header) - packet->original;
    uint32_t most = headers_end(packet, interface->hatype) + more;
    return most < options->snaplen ? most : options->snaplen;
}

struct interface *tap_wants(struct tap *tap, const struct packet *packet)
{
    const struct options *options = tap->options;
    struct interface *interface = tap_interface(tap, packet);

    if (packet->metadata.pkttype == PACKET_OUTGOING && link_is_repeated(interface->hatype))
        return NULL;
    if (!tap->source.filtered && !is_chosen(tap, interface))
        return NULL;
    if (source_judged(&tap->source, packet) &&
        !tap_judge(tap, options->program, options->ethernet_only, interface, packet))
        return NULL;
    return interface;
}

void tap_put(struct tap *tap, struct interface *interface, const struct packet *packet)
{
    struct link_header header;
    const struct link_header *other = NULL;

    describe(tap, interface);
    if (!link_is_plain(interface->hatype)) {
        link_cook(interface->linktype, packet, &header);
        other = &header;
    }
    output_packet(&tap->output, interface, packet, other,
                  most_of(tap->options, interface, packet, other), NULL);
    interface->packets++;
    tap->packets++;
}

/* ---- statistics ---- */

/* One ring serves every interface: what it dropped is said of the first real one with packets. */
static struct interface *interface_for_drops(struct tap *tap)
{
    struct interface *best = NULL;

    for (size_t i = 0; i < tap->interfaces.count; i++) {
        struct interface *interface = &tap->interfaces.list[i];

        if (!best || (best->packets == 0 && interface->packets > 0) ||
            (best->loopback && !interface->loopback && interface->packets > 0))
            best = interface;
    }
    return best;
}

/* Once said, drops stay with their interface: the numbers of a reader must never go back.
 * Return: false when it cannot be known yet which that will be. */
static bool choose_interface_for_drops(struct tap *tap, bool last)
{
    if (tap->reported_dropped > 0 || tap->interfaces.count == 0)
        return true;
    struct interface *chosen = interface_for_drops(tap);
    if (chosen->packets == 0 && tap->source.dropped > 0 && !last)
        return false;
    describe(tap, chosen);
    tap->drops_id = chosen->id;
    return true;
}

static void write_news(struct tap *tap, const char *mark)
{
    bool more_dropped = tap->source.dropped != tap->reported_dropped;

    tap->reported_dropped = tap->source.dropped;
    if (more_dropped && tap->has_departed)
        write_statistics_of(tap, &tap->departed, NULL, false);
    for (size_t i = tap->interfaces.count; i-- > 0;) {
        struct interface *interface = &tap->interfaces.list[i];
        bool used = interface->packets != interface->reported;
        bool drops = interface->id == tap->drops_id && more_dropped;
        bool idle = i == 0 && clock_ms() >= tap->idle_due;
        const char *comment = i == 0 ? mark : NULL;

        if (used || drops || comment || idle)
            write_statistics_of(tap, interface, comment, false);
        if (used && interfaces_is_gone(&tap->interfaces, interface))
            forget(tap, interface);
    }
}

void tap_write_statistics(struct tap *tap, const char *mark, bool last)
{
    if (!output_has_room(&tap->output))
        return; /* the next ones say it */
    source_update_statistics(&tap->source);
    if (choose_interface_for_drops(tap, last))
        write_news(tap, mark);
    if (last)
        write_statistics_of(
            tap, tap->interfaces.count > 0 ? interface_for_drops(tap) : &tap->latest, NULL, true);
}

/* ---- start ---- */

static int choose_interfaces(struct tap *tap)
{
    const struct options *options = tap->options;
    uint32_t *ifindexes = tap->chosen;

    for (size_t i = 0; i < options->interface_count; i++) {
        ifindexes[i] = interfaces_index(&tap->interfaces, options->interfaces[i]);
        if (ifindexes[i] == 0) {
            char names[300];

            const char *const parts[] = {"no interface \"", options->interfaces[i], "\", only ",
                                         interfaces_names(names, sizeof(names))};

            message_parts(parts, sizeof(parts) / sizeof(parts[0]));
            return AGENT_EXIT_NO_INTERFACE;
        }
        if (!interfaces_find(&tap->interfaces, ifindexes[i]))
            interfaces_add(&tap->interfaces, ifindexes[i]);
    }
    if (options->interface_count == 0)
        interfaces_add_up(&tap->interfaces);
    return AGENT_EXIT_OK;
}

int tap_open(struct tap *tap)
{
    int code = source_open(&tap->source, tap->options);

    if (code != AGENT_EXIT_OK)
        return code;
    tap->interfaces.fd = tap->source.fd;
    return choose_interfaces(tap);
}

int tap_start(struct tap *tap, bool loopback_tcp)
{
    const struct kernel_filter_rules rules = {.options = tap->options,
                                              .ifindexes = tap->chosen,
                                              .count = tap->options->interface_count,
                                              .loopback_tcp = loopback_tcp};

    return source_start(&tap->source, &rules);
}

/* Nothing of an earlier section holds: not what was described, and not what was counted. */
static void reset(struct tap *tap)
{
    struct interfaces *interfaces = &tap->interfaces;

    for (size_t i = interfaces->count; i-- > 0;) {
        struct interface *interface = &interfaces->list[i];

        interface->id = INTERFACE_NONE;
        interface->packets = interface->reported = 0;
        if (interfaces_is_gone(interfaces, interface)) {
            tap->latest = *interface;
            interfaces_forget(interfaces, interface);
        }
    }
    tap->latest.id = INTERFACE_NONE;
    tap->described = 0;
    tap->packets = tap->reported_dropped = 0;
    tap->has_departed = false;
}

void tap_begin_section(struct tap *tap, const char *comment)
{
    reset(tap);
    tap->started = clock_real();
    output_section(&tap->output, comment);
}

void tap_end_section(struct tap *tap)
{
    source_update_statistics(&tap->source);
    choose_interface_for_drops(tap, true);
    tap->reported_dropped = tap->source.dropped;
    struct interface *last = tap->interfaces.count > 0 ? interface_for_drops(tap) : &tap->latest;
    for (size_t i = 0; i < tap->interfaces.count; i++) {
        struct interface *interface = &tap->interfaces.list[i];

        if (interface != last && interface->id != INTERFACE_NONE)
            write_statistics_of(tap, interface, NULL, false);
    }
    write_statistics_of(tap, last, NULL, true);
}

void tap_describe(struct tap *tap)
{
    for (size_t i = 0; i < tap->interfaces.count; i++)
        describe(tap, &tap->interfaces.list[i]);
}
