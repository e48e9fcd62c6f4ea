/* SPDX-License-Identifier: Apache-2.0 */
/* What was looked for, where, and what may have been meant: for where nothing is found. */
#ifndef KSNIFF_TARGET_MISSING_H
#define KSNIFF_TARGET_MISSING_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct settings;
struct source;

/* missing_text - what has no pods: "no pod has the labels "app=web" in namespace "shop"". Return:
 * @out. */
char *missing_text(const struct source *source, char *out, size_t size);

/* missing_set - that as an error, ERROR_TARGET, with a remedy. Asks the server for near names. */
int missing_set(const struct source *source, struct error *err);

/*
 * missing_type - a pod was not found: did the user mean a type, by what was taken for a namespace
 * ("deplyo/web", "rc/web") or for the pod's name ("deploy")? Only the remedy changes, and not where
 * it names a pod that is near.
 */
void missing_type(const struct settings *settings, const char *namespace, const char *name,
                  struct error *err);

/* missing_is_explained - does the remedy say what may have been meant, by one of these or by
 * target/nearest.h? */
bool missing_is_explained(const struct error *err);

#endif
