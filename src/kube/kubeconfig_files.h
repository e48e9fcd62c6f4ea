/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubeconfig files as they are: found, read, checked for their outer form, and searched by
 * kubectl's rule for several files, which is that the first file with an entry of that name wins
 * and nothing of the later ones is mixed in. What the entries mean is decided in kubeconfig.c.
 *
 * Source of the rules: client-go, tools/clientcmd/loader.go.
 */
#ifndef KSNIFF_KUBE_KUBECONFIG_FILES_H
#define KSNIFF_KUBE_KUBECONFIG_FILES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kube/kubeconfig.h"

struct error;

/* One file that was there. */
struct kubeconfig_file {
    char *path;   /* absolute */
    json_t *root; /* always an object */
};

struct kubeconfig_files {
    struct kubeconfig_file *files;
    size_t count;
    char *missing; /* the files that were looked for and are not there: "a", "b"; NULL: none */
};

/* One named entry of "clusters", "contexts" or "users". Borrowed from the files. */
struct kubeconfig_entry {
    const char *kind; /* "cluster", "context", "user", for messages */
    const char *name;
    const char *path;   /* the file it stands in; NULL: there is no such entry */
    const json_t *body; /* an object, or NULL when there is nothing in it */
};

/*
 * kubeconfig_files_load - read the files kubectl would
 * @explicit_path: --kubeconfig: only this file, and it must exist; or NULL: those of $KUBECONFIG,
 *                 else ~/.kube/config, each of which may be missing
 * @ret_files: release with kubeconfig_files_free()
 *
 * Errors (ERROR_CONFIG): a file that cannot be read or is no kubeconfig.
 */
int kubeconfig_files_load(const char *explicit_path, struct kubeconfig_files *ret_files,
                          struct error *err);
void kubeconfig_files_free(struct kubeconfig_files *files);

/* kubeconfig_current_context - that of the first file that sets one; NULL when none does. */
const char *kubeconfig_current_context(const struct kubeconfig_files *files);

/*
 * kubeconfig_find - the entry of this name
 * @kind: "cluster", "context" or "user"
 * @ret_entry: filled in in any case; without a path when there is no such entry
 *
 * Return: is there one?
 */
bool kubeconfig_find(const struct kubeconfig_files *files, const char *kind, const char *name,
                     struct kubeconfig_entry *ret_entry);

/* kubeconfig_not_found - the error for an entry that is not there, with the nearest name or the
 * known ones as the remedy. Return: always -1. */
int kubeconfig_not_found(const struct kubeconfig_files *files, const char *kind, const char *name,
                         struct error *err);

/*
 * kubeconfig_string - a field of an entry, or of an object within it
 * @entry: for the error message
 * @object: where the field is looked for; NULL: it is not there
 * @ret_value: owned by the caller; NULL where the field is absent, null or empty
 *
 * Errors (ERROR_CONFIG): the field is no string (as kubectl, which takes no number for one).
 */
int kubeconfig_string(const struct kubeconfig_entry *entry, const json_t *object, const char *field,
                      char **ret_value, struct error *err);

/* kubeconfig_bool - likewise; false where it is absent or null. */
int kubeconfig_bool(const struct kubeconfig_entry *entry, const json_t *object, const char *field,
                    bool *ret_value, struct error *err);

/* kubeconfig_member - an object or array that is a field of @object; NULL where it is absent or
 * null. @type: JSON_OBJECT or JSON_ARRAY. Errors (ERROR_CONFIG): it is something else. */
int kubeconfig_member(const struct kubeconfig_entry *entry, const json_t *object, const char *field,
                      json_type type, const json_t **ret_value, struct error *err);

/* kubeconfig_path - a path that stands in @entry, made absolute by the folder of its file. Return:
 * owned by the caller, NULL when out of memory. */
char *kubeconfig_path(const struct kubeconfig_entry *entry, const char *path);

/*
 * kube_read_file - the whole of a file of bounded size
 * @maximum: bytes; a longer file is an error
 * @ret_blob: owned by the caller; a NUL stands behind its length
 *
 * Return: 0, or -1 (ERROR_CONFIG) with errno ENOENT when there is no such file.
 */
int kube_read_file(const char *path, size_t maximum, struct kube_blob *ret_blob, struct error *err);

#endif
