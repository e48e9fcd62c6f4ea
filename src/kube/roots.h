/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom to believe who a server or a proxy is.
 *
 * A server is judged by the kubeconfig's certificate-authority alone where there is one, else by
 * the system's CAs. SSL_CERT_FILE takes the place of the system's bundle, SSL_CERT_DIR (folders
 * between colons, every file in them) that of its folder, as in Go programs. A proxy over TLS is
 * judged by the system's CAs, or theirs, and by the kubeconfig's, which kubectl takes for it.
 * Where the system's are is looked for, as a program that comes ready-made does not know it.
 * Source: Go's crypto/x509, root_unix.go.
 */
#ifndef KSNIFF_KUBE_ROOTS_H
#define KSNIFF_KUBE_ROOTS_H

#include <curl/curl.h>
#include <stdbool.h>

#include "kube/kubeconfig.h"

struct kube_roots {
    bool replaced;          /* SSL_CERT_FILE or SSL_CERT_DIR is set */
    const char *file;       /* the system's bundle; NULL: there is none */
    const char *folder;     /* its folder, by OpenSSL's hashes; NULL: none, or it is replaced */
    struct kube_blob pem;   /* their certificates; none: there were none */
    struct kube_blob proxy; /* PEM for a proxy over TLS; none: as for a server without its own CA */
};

/*
 * kube_roots_load - read what the environment names
 * @authority: the kubeconfig's, for a proxy; NULL: none
 * @ret_roots: release with kube_roots_free()
 *
 * What cannot be read is passed over, as Go does: less is trusted then. Return: 0, or -1 when out
 * of memory.
 */
int kube_roots_load(const struct kube_blob *authority, struct kube_roots *ret_roots,
                    struct error *err);
void kube_roots_free(struct kube_roots *roots);

/*
 * kube_roots_apply - make a handle judge certificates by these
 * @authority: of the server; without data: the system's
 */
void kube_roots_apply(const struct kube_roots *roots, const struct kube_blob *authority,
                      CURL *easy);

/* kube_set_blob - an option of curl's that takes PEM; nothing where there is no data. */
void kube_set_blob(CURL *easy, CURLoption option, struct kube_blob source);

#endif
