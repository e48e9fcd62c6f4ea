/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_BASE_JSON_PRINT_H
#define KSNIFF_BASE_JSON_PRINT_H

#include <jansson.h>
#include <stdio.h>

/*
 * json_print - write a document for people and programs, with a line feed behind it
 *
 * It may hold text of any origin, and a terminal may show it: all that is not printable ASCII is
 * written as \uNNNN.
 *
 * Return: 0, -1 when @json is NULL or was not taken whole.
 */
int json_print(FILE *file, const json_t *json);

#endif
