/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network devices of the namespace, as the kernel lists them.
 *
 * The C library's if_nameindex() says the same, and brings malloc(), an eighth of the agent's size.
 *
 * Source: netlink(7), rtnetlink(7): RTM_GETLINK.
 */
#ifndef KSNIFF_AGENT_DEVICES_H
#define KSNIFF_AGENT_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * devices_each - call @each with every device, in the kernel's order, until it returns false
 *
 * Where the kernel does not say, there are none.
 */
void devices_each(bool (*each)(void *data, uint32_t ifindex, const char *name), void *data);

#endif
