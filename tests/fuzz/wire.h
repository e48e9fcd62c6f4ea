/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of the transports have in common: a server that says anything. */
#ifndef KSNIFF_TESTS_FUZZ_WIRE_H
#define KSNIFF_TESTS_FUZZ_WIRE_H

#include <stddef.h>
#include <stdint.h>

struct kube_transport;

/*
 * wire_fuzz - give a transport the bytes of an input as the server's, in its pieces (fuzz_cut());
 * between them the client speaks
 * @head: of the answer that it has taken as an upgrade
 */
void wire_fuzz(const struct kube_transport *transport, const char *head, const uint8_t *data,
               size_t size);

#endif
