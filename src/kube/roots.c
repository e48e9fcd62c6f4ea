/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/roots.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/kubeconfig_files.h"

/* Where systems have their CAs. Source: Go's crypto/x509, root_linux.go and root_bsd.go. */
static const char *const system_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Arch, Alpine */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora */
    "/etc/ssl/ca-bundle.pem",                            /* SUSE */
    "/etc/pki/tls/cacert.pem",                           /* OpenELEC */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* CentOS */
    "/etc/ssl/cert.pem",                                 /* Alpine, macOS */
    NULL,
};
static const char *const system_folders[] = {"/etc/ssl/certs", "/etc/pki/tls/certs", NULL};

enum { MOST_BYTES = 7 * 1000 * 1000 }; /* of all of them; curl takes 8 MB */

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"

/* The certificates so far, and a number of each: the system's folder has every one three times, and
 * OpenSSL takes a quarter of a millisecond for each, at each connection. */
struct collection {
    struct buf pem;
    struct buf seen; /* of uint64_t */
};

/* FNV-1a. Return: is it new? */
static bool is_new(struct collection *out, const unsigned char *der, size_t length)
{
    uint64_t number = 0xcbf29ce484222325u, other;

    for (size_t i = 0; i < length; i++)
        number = (number ^ der[i]) * 0x100000001b3u;
    for (size_t at = 0; at < out->seen.length; at += sizeof(other)) {
        memcpy(&other, buf_bytes(&out->seen) + at, sizeof(other));
        if (other == number)
            return false;
    }
    return buf_append(&out->seen, &number, sizeof(number));
}

/* Copies the certificates among @text; keys and prose, which curl might stumble over, stay out. */
static void add_certificates(struct collection *out, const char *text)
{
    const char *begin, *end;

    while ((begin = strstr(text, BEGIN)) && (end = strstr(begin, END))) {
        const char *body = begin + strlen(BEGIN);
        size_t length;
        unsigned char *der = text_base64_decode(body, (size_t)(end - body), &length);

        text = end + strlen(END);
        /* 0x30: a SEQUENCE, which every certificate is. */
        if (der && length > 0 && der[0] == 0x30 && is_new(out, der, length))
            buf_printf(&out->pem, "%.*s\n", (int)(text - begin), begin);
        free(der);
    }
}

static void add_file(struct collection *out, const char *path)
{
    struct kube_blob content;

    if (kube_read_file(path, MOST_BYTES, &content, NULL) < 0)
        return;
    add_certificates(out, (const char *)content.data);
    free(content.data);
}

static void add_folder(struct collection *out, const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        cleanup_free char *file = text_format("%s/%s", path, entry->d_name);

        if (file)
            add_file(out, file);
    }
    if (folder)
        closedir(folder);
}

static void add_folders(struct collection *out, const char *list)
{
    for (size_t length; list; list = list[length] ? list + length + 1 : NULL) {
        length = strcspn(list, ":");
        cleanup_free char *path = strndup(list, length);

        if (path && *path)
            add_folder(out, path);
    }
}

static void collection_free(struct collection *collection)
{
    buf_free(&collection->pem);
    buf_free(&collection->seen);
}

static struct kube_blob take_blob(struct buf *from)
{
    struct kube_blob blob = {.length = from->length};

    if (from->length > 0)
        blob.data = steal_pointer(from->data); /* nothing was taken from its front */
    return blob;
}

static const char *value_of(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* The first that is there, of what curl was built for and the others; NULL: none is. */
static const char *first_there(const char *built_in, const char *const *others)
{
    if (built_in && access(built_in, R_OK) == 0)
        return built_in;
    while (*others && access(*others, R_OK) != 0)
        others++;
    return *others;
}

int kube_roots_load(const struct kube_blob *authority, struct kube_roots *ret_roots,
                    struct error *err)
{
    const curl_version_info_data *built_in = curl_version_info(CURLVERSION_NOW);
    const char *file = value_of("SSL_CERT_FILE"), *folders = value_of("SSL_CERT_DIR");
    struct kube_roots roots = {.replaced = file || folders};
    CLEANUP(collection_free) struct collection all;
    CLEANUP(buf_free) struct buf proxy;

    buf_init(&all.pem, MOST_BYTES);
    buf_init(&all.seen, MOST_BYTES);
    buf_init(&proxy, MOST_BYTES);
    roots.file = first_there(built_in->cainfo, system_files);
    roots.folder = folders ? NULL : first_there(built_in->capath, system_folders);
    if (!roots.replaced && !(authority && authority->data)) {
        *ret_roots = roots;
        return 0;
    }
    if (file || roots.file)
        add_file(&all, file ? file : roots.file);
    add_folders(&all, folders);
    if (authority && authority->data &&
        (!buf_append(&proxy, buf_bytes(&all.pem), all.pem.length) ||
         !buf_append(&proxy, authority->data, authority->length)))
        return error_set(err, ERROR_INTERNAL, "out of memory");
    roots.proxy = take_blob(&proxy);
    if (roots.replaced)
        roots.pem = take_blob(&all.pem);
    *ret_roots = roots;
    return 0;
}

void kube_roots_free(struct kube_roots *roots)
{
    free(roots->pem.data);
    free(roots->proxy.data);
    *roots = (struct kube_roots){.replaced = false};
}

void kube_set_blob(CURL *easy, CURLoption option, struct kube_blob source)
{
    struct curl_blob blob = {.data = source.data, .len = source.length, .flags = CURL_BLOB_COPY};

    if (source.data)
        curl_easy_setopt(easy, option, &blob);
}

void kube_roots_apply(const struct kube_roots *roots, const struct kube_blob *authority, CURL *easy)
{
    bool own = authority->data != NULL;

    kube_set_blob(easy, CURLOPT_CAINFO_BLOB, own ? *authority : roots->pem);
    kube_set_blob(easy, CURLOPT_PROXY_CAINFO_BLOB, roots->proxy.data ? roots->proxy : roots->pem);
    /* The system's would be believed beside them. */
    curl_easy_setopt(easy, CURLOPT_CAINFO, own || roots->replaced ? NULL : roots->file);
    curl_easy_setopt(easy, CURLOPT_CAPATH, own ? NULL : roots->folder);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, roots->replaced ? NULL : roots->file);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, roots->folder);
}
