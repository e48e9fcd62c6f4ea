/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml tells where each value stands in the text, so that one can be cut out and another put in.
 * What comes out is read again and compared with what was meant: only then is it taken.
 */
#include "kube/kubeconfig_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/kubeconfig_files.h"
#include "kube/kubeconfig_yaml.h"

enum { MOST_BYTES = 8 * 1024 * 1024 };

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* ---- finding the place ---- */

static bool is_scalar(const yaml_node_t *node, const char *text)
{
    return node && node->type == YAML_SCALAR_NODE &&
           strcmp((const char *)node->data.scalar.value, text) == 0;
}

/* Return: the value of a key of a map; NULL where it is not there. */
static yaml_node_t *member(yaml_document_t *document, const yaml_node_t *map, const char *key)
{
    if (!map || map->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++)
        if (is_scalar(yaml_document_get_node(document, pair->key), key))
            return yaml_document_get_node(document, pair->value);
    return NULL;
}

/* Return: the map config of the user's auth-provider; NULL where there is none. */
static yaml_node_t *find_config(yaml_document_t *document, const char *user)
{
    const yaml_node_t *users = member(document, yaml_document_get_root_node(document), "users");

    if (!users || users->type != YAML_SEQUENCE_NODE)
        return NULL;
    for (yaml_node_item_t *item = users->data.sequence.items.start;
         item < users->data.sequence.items.top; item++) {
        const yaml_node_t *entry = yaml_document_get_node(document, *item);

        if (!is_scalar(member(document, entry, "name"), user))
            continue;
        yaml_node_t *config = member(
            document, member(document, member(document, entry, "user"), "auth-provider"), "config");
        bool filled = config && config->type == YAML_MAPPING_NODE &&
                      config->data.mapping.pairs.start < config->data.mapping.pairs.top;
        return filled ? config : NULL;
    }
    return NULL;
}

/* libyaml counts characters. Return: where the character stands, at most @length. */
static size_t byte_of(const char *text, size_t length, size_t character)
{
    size_t at = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

    for (; at < length && character > 0; character--)
        for (at++; at < length && ((unsigned char)text[at] & 0xc0) == 0x80;)
            at++;
    return at;
}

/* ---- putting it in ---- */

/* Where a piece of the text is to be replaced, and by what. */
struct cut {
    size_t from, to; /* bytes */
    char *by;
};

/* A string as both YAML and JSON write it. Return: owned by the caller. */
static char *quote(const char *value)
{
    json_t *string = json_string(value);
    char *text = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

    json_decref(string);
    return text;
}

/* A key that is not there yet comes before the first one. */
static struct cut cut_before(const char *text, size_t length, const yaml_node_t *map,
                             const yaml_node_t *first, const struct kube_pair *pair)
{
    size_t at = byte_of(text, length, first->start_mark.index);
    cleanup_free char *value = quote(pair->value);
    struct cut cut = {.from = at, .to = at};

    if (value && map->data.mapping.style == YAML_FLOW_MAPPING_STYLE)
        cut.by = text_format("\"%s\": %s, ", pair->name, value);
    else if (value)
        cut.by = text_format("%s: %s\n%*s", pair->name, value, (int)first->start_mark.column, "");
    return cut;
}

static struct cut cut_value(const char *text, size_t length, const yaml_node_t *node,
                            const struct kube_pair *pair)
{
    struct cut cut = {.from = byte_of(text, length, node->start_mark.index),
                      .to = byte_of(text, length, node->end_mark.index),
                      .by = quote(pair->value)};

    /* "key:" without a value. */
    if (cut.by && cut.from == cut.to && cut.from > 0 && text[cut.from - 1] == ':') {
        char *spaced = text_format(" %s", cut.by);

        free(cut.by);
        cut.by = spaced;
    }
    /* The lines of a block end with the indentation of what follows. */
    while (cut.to > cut.from && strchr(" \t\r\n", text[cut.to - 1]))
        cut.to--;
    return cut;
}

/* Sets one value. Return: the new text, owned by the caller, or NULL with the error. */
static char *set_one(const char *text, size_t length, const char *path, const char *user,
                     const struct kube_pair *pair, struct error *err)
{
    yaml_parser_t parser;
    yaml_document_t document;
    char *result = NULL;

    if (!yaml_parser_initialize(&parser)) {
        out_of_memory(err);
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (yaml_parser_load(&parser, &document)) {
        const yaml_node_t *config = find_config(&document, user);

        if (config) {
            const yaml_node_t *value = member(&document, config, pair->name);
            const yaml_node_t *first =
                yaml_document_get_node(&document, config->data.mapping.pairs.start->key);
            struct cut cut = value ? cut_value(text, length, value, pair)
                                   : cut_before(text, length, config, first, pair);

            if (cut.by)
                result = text_format("%.*s%s%s", (int)cut.from, text, cut.by, text + cut.to);
            free(cut.by);
            if (!result)
                out_of_memory(err);
        } else {
            error_set(err, ERROR_CONFIG, "kubeconfig \"%s\" has no auth-provider of user \"%s\"",
                      path, user);
        }
        yaml_document_delete(&document);
    } else {
        error_set(err, ERROR_CONFIG, "kubeconfig \"%s\" is no YAML any more", path);
    }
    yaml_parser_delete(&parser);
    return result;
}

/* Sets the values in the tree that @text stands for. */
static void set_in_tree(json_t *tree, const char *user, const struct kube_pair *pairs, size_t count)
{
    size_t i;
    json_t *entry;

    json_array_foreach(json_object_get(tree, "users"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        json_t *provider = json_object_get(json_object_get(entry, "user"), "auth-provider");

        if (!name || strcmp(name, user) != 0)
            continue;
        for (size_t k = 0; k < count; k++)
            json_object_set_new(json_object_get(provider, "config"), pairs[k].name,
                                json_string(pairs[k].value));
        return;
    }
}

/* Is @changed what @text is, but for the values? */
static bool is_as_meant(const char *text, size_t length, const char *changed, const char *path,
                        const char *user, const struct kube_pair *pairs, size_t count)
{
    json_t *meant = NULL, *is = NULL, *copy = NULL;
    bool same = false;

    if (kube_yaml_parse(text, length, path, &meant, NULL) == 0 &&
        kube_yaml_parse(changed, strlen(changed), path, &is, NULL) == 0 &&
        (copy = json_deep_copy(meant))) {
        set_in_tree(copy, user, pairs, count);
        same = json_equal(copy, is);
    }
    json_decref(meant);
    json_decref(copy);
    json_decref(is);
    return same;
}

char *kubeconfig_edit(const char *text, size_t length, const char *path, const char *user,
                      const struct kube_pair *pairs, size_t count, struct error *err)
{
    cleanup_free char *changed = strdup(text);

    for (size_t i = 0; changed && i < count; i++) {
        char *next = set_one(changed, strlen(changed), path, user, &pairs[i], err);

        free(changed);
        changed = next;
        if (!changed)
            return NULL;
    }
    if (!changed) {
        out_of_memory(err);
        return NULL;
    }
    if (is_as_meant(text, length, changed, path, user, pairs, count))
        return steal_pointer(changed);
    error_set(err, ERROR_CONFIG,
              "the tokens of user \"%s\" in kubeconfig \"%s\" cannot be replaced alone: an alias "
              "refers to them",
              user, path);
    return NULL;
}

/* ---- the file ---- */

static int write_all(int fd, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t written = write(fd, text, left);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        text += written;
        left -= (size_t)written;
    }
    return fsync(fd);
}

/* A new file in the place of the old one, in one step. Return: 0, or -1 with errno. */
static int replace(const char *path, const struct stat *old, const char *text)
{
    cleanup_free char *name = text_format("%s.XXXXXX", path);
    cleanup_fd int fd = name ? mkstemp(name) : -1; /* for nobody else to read, until it is whole */

    if (fd < 0)
        return -1;
    bool own = fchown(fd, old->st_uid, old->st_gid) == 0;
    if (own && fchmod(fd, old->st_mode & 0777) == 0 && write_all(fd, text) == 0 &&
        rename(name, path) == 0)
        return 0;
    int reason = errno;
    unlink(name);
    errno = reason;
    return -1;
}

/* Where the folder does not let us, or the file is a mount of its own, as kubectl does it. */
static int overwrite(const char *path, const char *text)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || ftruncate(fd, 0) < 0)
        return -1;
    return write_all(fd, text);
}

static int store_locked(const char *path, const char *user, const struct kube_pair *pairs,
                        size_t count, struct error *err)
{
    cleanup_free char *real = realpath(path, NULL); /* a link stays one */
    cleanup_free char *old = NULL, *text = NULL;
    struct kube_blob content;
    struct stat status;

    if (!real || stat(real, &status) < 0)
        return error_set(err, ERROR_CONFIG, "cannot find \"%s\": %s", path, strerror(errno));
    if (kube_read_file(real, MOST_BYTES, &content, err) < 0)
        return -1;
    old = (char *)content.data;
    text = kubeconfig_edit(old, content.length, path, user, pairs, count, err);
    if (!text)
        return -1;
    if (replace(real, &status, text) == 0 || overwrite(real, text) == 0)
        return 0;
    return error_set(err, ERROR_CONFIG, "cannot write \"%s\": %s", path, strerror(errno));
}

int kubeconfig_store(const char *path, const char *user, const struct kube_pair *pairs,
                     size_t count, bool *ret_locked, struct error *err)
{
    cleanup_free char *lock = text_format("%s.lock", path);
    cleanup_fd int fd = lock ? open(lock, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0) : -1;

    *ret_locked = fd < 0 && errno == EEXIST;
    if (*ret_locked) {
        error_set(err, ERROR_CONFIG, "somebody else writes \"%s\": \"%s\" is there", path, lock);
        return error_remedy(err, "remove it if no kubectl runs");
    }
    if (fd < 0)
        return error_set(err, ERROR_CONFIG, "cannot write \"%s\": %s", path, strerror(errno));
    int result = store_locked(path, user, pairs, count, err);
    unlink(lock);
    return result;
}
