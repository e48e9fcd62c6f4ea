/* SPDX-License-Identifier: Apache-2.0 */
/* What Wireshark is answered, on standard output, to all that is no capture. */
#ifndef KSNIFF_EXTCAP_ANSWERS_H
#define KSNIFF_EXTCAP_ANSWERS_H

#include <stdio.h>

#include "extcap/request.h"

struct error;

#define EXTCAP_INTERFACE_NAME "kubernetes" /* the one that asks what to capture */

/*
 * extcap_answer - write the answer
 * @out: standard output; closed by nobody here
 *
 * Where the cluster does not answer a reload, the list says why: Wireshark shows nothing else.
 * Return: 0; -1 with the error.
 */
int extcap_answer(const struct extcap_request *request, FILE *out, struct error *err);

#endif
