/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/kubeconfig_yaml.h"

enum { MOST_FILE_BYTES = 8 * 1024 * 1024 };

static int out_of_memory(struct error *err)
{
    return error_set(err, ERROR_INTERNAL, "out of memory");
}

/* ---- files ---- */

/* Return: 0 at the end of the file, -1 with errno (EFBIG: longer than the buffer may be). */
static int read_all(int fd, struct buf *content)
{
    for (;;) {
        unsigned char chunk[16384];
        ssize_t got = read(fd, chunk, sizeof(chunk));

        if (got == 0)
            return 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (!buf_append(content, chunk, (size_t)got)) {
            errno = EFBIG;
            return -1;
        }
    }
}

int kube_read_file(const char *path, size_t maximum, struct kube_blob *ret_blob, struct error *err)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    cleanup_buf struct buf content;

    buf_init(&content, maximum);
    if (fd < 0 || read_all(fd, &content) < 0) {
        int reason = errno;

        error_set(err, ERROR_CONFIG, "cannot read \"%s\": %s", path, strerror(reason));
        errno = reason;
        return -1;
    }
    if (!buf_string(&content))
        return out_of_memory(err);
    ret_blob->length = content.length;
    ret_blob->data = steal_pointer(content.data);
    return 0;
}

/* Return: the path from the root, owned by the caller; NULL when out of memory or without a working
 * directory. */
static char *absolute_path(const char *path)
{
    char here[PATH_MAX];

    if (path[0] == '/')
        return strdup(path);
    return getcwd(here, sizeof(here)) ? text_format("%s/%s", here, path) : NULL;
}

/* The list of all the clusters (contexts, users) of one file. */
static const json_t *list_of(const json_t *root, const char *kind)
{
    char list[16];

    snprintf(list, sizeof(list), "%ss", kind);
    return json_object_get(root, list);
}

/* An entry without a name can stand there, as in kubectl, but nothing refers to it. */
static const char *name_of(const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "name"));

    return name ? name : "";
}

/* One of "clusters" and so on: {"name": "...", "cluster": {...}}. */
static int check_entry(const json_t *entry, size_t number, const char *kind, const char *path,
                       struct error *err)
{
    const json_t *name = json_object_get(entry, "name");
    const json_t *body = json_object_get(entry, kind);

    if (!json_is_object(entry) || (name && !json_is_null(name) && !json_is_string(name)))
        return error_set(err, ERROR_CONFIG,
                         "%s number %zu in kubeconfig \"%s\" is not a map with a name", kind,
                         number, path);
    if (body && !json_is_null(body) && !json_is_object(body))
        return error_set(err, ERROR_CONFIG, "%s \"%s\" in kubeconfig \"%s\" is not a map", kind,
                         name_of(entry), path);
    return 0;
}

/* No name twice in one file, as in kubectl. */
static int check_list(const json_t *root, const char *kind, const char *path, struct error *err)
{
    const json_t *entries = list_of(root, kind);
    json_t *seen, *entry;
    size_t i;
    int result = 0;

    if (!entries || json_is_null(entries))
        return 0;
    if (!json_is_array(entries))
        return error_set(err, ERROR_CONFIG, "\"%ss\" in kubeconfig \"%s\" is not a list", kind,
                         path);
    seen = json_object();
    json_array_foreach(entries, i, entry)
    {
        result = check_entry(entry, i + 1, kind, path, err);
        if (result == 0 && json_object_get(seen, name_of(entry)))
            result = error_set(err, ERROR_CONFIG, "%s \"%s\" stands twice in kubeconfig \"%s\"",
                               kind, name_of(entry), path);
        if (result < 0)
            break;
        json_object_set_new(seen, name_of(entry), json_true());
    }
    json_decref(seen);
    return result;
}

/* apiVersion and kind may be absent, but not be something else. */
static int check_type(const json_t *root, const char *path, struct error *err)
{
    static const char *const expected[][2] = {{"apiVersion", "v1"}, {"kind", "Config"}};

    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_object_get(root, expected[i][0]);
        const char *text = json_string_value(value);

        if (!value || json_is_null(value) || (text && !*text))
            continue;
        if (!text || strcmp(text, expected[i][1]) != 0)
            return error_set(err, ERROR_CONFIG, "\"%s\" is no kubeconfig: its %s is not \"%s\"",
                             path, expected[i][0], expected[i][1]);
    }
    return 0;
}

static int check_root(json_t **root, const char *path, struct error *err)
{
    static const char *const kinds[] = {"cluster", "context", "user"};

    if (json_is_null(*root)) { /* an empty file */
        json_decref(*root);
        *root = json_object();
        return *root ? 0 : out_of_memory(err);
    }
    if (!json_is_object(*root))
        return error_set(err, ERROR_CONFIG, "\"%s\" is no kubeconfig: it is not a map", path);
    if (check_type(*root, path, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (check_list(*root, kinds[i], path, err) < 0)
            return -1;
    const json_t *current = json_object_get(*root, "current-context");
    if (current && !json_is_null(current) && !json_is_string(current))
        return error_set(err, ERROR_CONFIG,
                         "\"current-context\" in kubeconfig \"%s\" is not a string", path);
    return 0;
}

static int add_missing(struct kubeconfig_files *files, const char *path)
{
    char *longer = files->missing ? text_format("%s, \"%s\"", files->missing, path)
                                  : text_format("\"%s\"", path);

    if (!longer)
        return -1;
    free(files->missing);
    files->missing = longer;
    return 0;
}

/* Return: 0, or -1 with errno ENOENT when there is no such file. */
static int load_root(const char *absolute, const char *path, json_t **ret_root, struct error *err)
{
    struct kube_blob content = {.data = NULL};
    json_t *root = NULL;

    if (kube_read_file(absolute, MOST_FILE_BYTES, &content, err) < 0) {
        int reason = errno;

        error_prefix(err, "kubeconfig");
        errno = reason;
        return -1;
    }
    int result = kube_yaml_parse(content.data, content.length, path, &root, err);
    if (result == 0)
        result = check_root(&root, path, err);
    free(content.data);
    if (result == 0) {
        *ret_root = root;
        return 0;
    }
    json_decref(root);
    errno = EINVAL;
    return -1;
}

static int add_file(struct kubeconfig_files *files, const char *path, bool may_miss,
                    struct error *err)
{
    cleanup_free char *absolute = absolute_path(path);
    json_t *root;

    if (!absolute)
        return error_set(err, ERROR_CONFIG, "cannot find the folder of \"%s\": %s", path,
                         strerror(errno));
    if (load_root(absolute, path, &root, err) < 0) {
        if (errno != ENOENT || !may_miss)
            return -1;
        return add_missing(files, path) < 0 ? out_of_memory(err) : 0;
    }
    struct kubeconfig_file *grown =
        realloc(files->files, (files->count + 1) * sizeof(*files->files));
    if (!grown) {
        json_decref(root);
        return out_of_memory(err);
    }
    files->files = grown;
    grown[files->count++] = (struct kubeconfig_file){.path = steal_pointer(absolute), .root = root};
    return 0;
}

/* $KUBECONFIG: paths between colons; empty ones say nothing. */
static int add_list(struct kubeconfig_files *files, const char *list, struct error *err)
{
    for (;;) {
        size_t length = strcspn(list, ":");
        cleanup_free char *path = strndup(list, length);

        if (!path)
            return out_of_memory(err);
        if (length > 0 && add_file(files, path, true, err) < 0)
            return -1;
        if (!list[length])
            return 0;
        list += length + 1;
    }
}

static int add_home(struct kubeconfig_files *files, struct error *err)
{
    const char *home = getenv("HOME");

    if (!home || !*home) {
        const struct passwd *user = getpwuid(getuid());

        home = user ? user->pw_dir : NULL;
    }
    if (!home)
        return 0;
    cleanup_free char *path = text_format("%s/.kube/config", home);
    return path ? add_file(files, path, true, err) : out_of_memory(err);
}

int kubeconfig_files_load(const char *explicit_path, struct kubeconfig_files *ret_files,
                          struct error *err)
{
    const char *list = getenv("KUBECONFIG");
    struct kubeconfig_files files = {.count = 0};
    int result;

    if (explicit_path)
        result = add_file(&files, explicit_path, false, err);
    else
        result = list && *list ? add_list(&files, list, err) : add_home(&files, err);
    if (result < 0)
        kubeconfig_files_free(&files);
    else
        *ret_files = files;
    return result;
}

void kubeconfig_files_free(struct kubeconfig_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->files[i].path);
        json_decref(files->files[i].root);
    }
    free(files->files);
    free(files->missing);
    *files = (struct kubeconfig_files){.count = 0};
}

/* ---- entries ---- */

const char *kubeconfig_current_context(const struct kubeconfig_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        const char *name =
            json_string_value(json_object_get(files->files[i].root, "current-context"));

        if (name && *name)
            return name;
    }
    return NULL;
}

bool kubeconfig_find(const struct kubeconfig_files *files, const char *kind, const char *name,
                     struct kubeconfig_entry *ret_entry)
{
    *ret_entry = (struct kubeconfig_entry){.kind = kind, .name = name};
    for (size_t i = 0; i < files->count; i++) {
        size_t k;
        json_t *entry;

        json_array_foreach(list_of(files->files[i].root, kind), k, entry)
        {
            if (strcmp(name_of(entry), name) != 0)
                continue;
            const json_t *body = json_object_get(entry, kind);
            ret_entry->path = files->files[i].path;
            ret_entry->body = json_is_null(body) ? NULL : body;
            return true;
        }
    }
    return false;
}

/* "a", "b", "c", ...: as many as fit. */
static void list_names(const struct kubeconfig_files *files, const char *kind, char *out,
                       size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < files->count; i++) {
        size_t k;
        json_t *entry;

        json_array_foreach(list_of(files->files[i].root, kind), k, entry)
        {
            const char *name = name_of(entry);
            size_t needed = strlen(name) + 4;

            if (used + needed + sizeof(", ...") > size) {
                snprintf(out + used, size - used, ", ...");
                return;
            }
            used += (size_t)snprintf(out + used, size - used, "%s\"%s\"", used ? ", " : "", name);
        }
    }
}

static const char *nearest_name(const struct kubeconfig_files *files, const char *kind,
                                const char *wanted)
{
    unsigned least = (unsigned)strlen(wanted) / 3 + 1; /* further off is another name */
    const char *nearest = NULL;

    for (size_t i = 0; i < files->count; i++) {
        size_t k;
        json_t *entry;

        json_array_foreach(list_of(files->files[i].root, kind), k, entry)
        {
            const char *name = name_of(entry);
            unsigned distance = text_distance(name, wanted);

            if (distance < least || (distance == least && !nearest)) {
                least = distance;
                nearest = name;
            }
        }
    }
    return nearest;
}

int kubeconfig_not_found(const struct kubeconfig_files *files, const char *kind, const char *name,
                         struct error *err)
{
    const char *nearest = nearest_name(files, kind, name);
    char names[400];

    error_set(err, ERROR_CONFIG, "%s \"%s\" does not exist in the kubeconfig", kind, name);
    if (nearest)
        return error_remedy(err, "did you mean \"%s\"?", nearest);
    list_names(files, kind, names, sizeof(names));
    if (names[0])
        return error_remedy(err, "it has: %s", names);
    return -1;
}

static int wrong_type(const struct kubeconfig_entry *entry, const char *field, const char *type,
                      struct error *err)
{
    return error_set(err, ERROR_CONFIG, "\"%s\" of %s \"%s\" in kubeconfig \"%s\" is not %s", field,
                     entry->kind, entry->name, entry->path, type);
}

int kubeconfig_string(const struct kubeconfig_entry *entry, const json_t *object, const char *field,
                      char **ret_value, struct error *err)
{
    const json_t *value = json_object_get(object, field);

    if (value && !json_is_null(value) && !json_is_string(value)) {
        wrong_type(entry, field, "a string", err);
        if (json_is_object(value) || json_is_array(value))
            return -1;
        return error_remedy(err, "put its value between quotation marks");
    }
    if (json_string_length(value) == 0) {
        *ret_value = NULL;
        return 0;
    }
    char *copy = strdup(json_string_value(value));
    if (!copy)
        return out_of_memory(err);
    *ret_value = copy;
    return 0;
}

int kubeconfig_bool(const struct kubeconfig_entry *entry, const json_t *object, const char *field,
                    bool *ret_value, struct error *err)
{
    const json_t *value = json_object_get(object, field);

    if (value && !json_is_null(value) && !json_is_boolean(value))
        return wrong_type(entry, field, "true or false", err);
    *ret_value = json_is_true(value);
    return 0;
}

int kubeconfig_member(const struct kubeconfig_entry *entry, const json_t *object, const char *field,
                      json_type type, const json_t **ret_value, struct error *err)
{
    const json_t *value = json_object_get(object, field);

    if (value && !json_is_null(value) && json_typeof(value) != type)
        return wrong_type(entry, field, type == JSON_ARRAY ? "a list" : "a map", err);
    *ret_value = json_is_null(value) ? NULL : value;
    return 0;
}

char *kubeconfig_path(const struct kubeconfig_entry *entry, const char *path)
{
    const char *slash = entry->path ? strrchr(entry->path, '/') : NULL;

    if (path[0] == '/' || !slash)
        return strdup(path);
    return text_format("%.*s/%s", (int)(slash - entry->path), entry->path, path);
}
