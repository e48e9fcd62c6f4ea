/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the cluster is and who we are: kubeconfig files, their merging, the flags that override
 * them, and the in-cluster service account as the last resort.
 *
 * Source: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ and kubectl's rules for
 * merging (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/).
 */
#ifndef KSNIFF_KUBE_KUBECONFIG_H
#define KSNIFF_KUBE_KUBECONFIG_H

#include <stdbool.h>
#include <stddef.h>

struct error;

/* What kubectl's global flags say; every string may be NULL. The strings stay the caller's. */
struct kube_overrides {
    const char *kubeconfig; /* --kubeconfig: only this file */
    const char *context;
    const char *cluster;
    const char *user;
    const char *namespace;
    const char *server;
    const char *token;
    const char *as;
    const char *const *as_groups; /* NULL-terminated */
    const char *as_uid;
    const char *certificate_authority; /* paths */
    const char *client_certificate;
    const char *client_key;
    const char *tls_server_name;
    bool insecure_skip_tls_verify;
};

/* Bytes owned by whoever holds the struct. */
struct kube_blob {
    unsigned char *data; /* NULL: none */
    size_t length;
};

/* One name and value of a map; both owned. */
struct kube_pair {
    char *name;
    char *value;
};

/* An exec credential plugin (users[].user.exec). */
struct kube_exec_plugin {
    char *api_version; /* client.authentication.k8s.io/v1 or v1beta1 */
    char *command;     /* relative paths are resolved */
    char **args;       /* NULL-terminated, without argv[0]; may be NULL */
    struct kube_pair *env;
    size_t env_count;
    char *install_hint;     /* may be NULL */
    char *interactive_mode; /* Never, IfAvailable, Always */
    bool provide_cluster_info;
};

/* The auth-provider "oidc". All strings owned; NULL where not given. */
struct kube_oidc_config {
    char *path;      /* the file it stands in, never NULL: renewed tokens are written there */
    char *issuer;    /* never NULL */
    char *client_id; /* never NULL */
    char *client_secret;
    char *id_token;
    char *refresh_token;
    struct kube_blob certificate_authority; /* PEM, of the issuer; none: the system's */
};

/* The resolved configuration: one cluster, one user. All strings owned; NULL where not given. */
struct kube_config {
    char *context;   /* its name; NULL in a cluster or when only --server is given */
    char *cluster;   /* its name */
    char *user;      /* its name */
    char *namespace; /* never NULL: the override's, the context's, else "default" */
    bool in_cluster;

    char *server; /* https://host:port[/path], never NULL, no slash at the end */
    char *tls_server_name;
    char *proxy_url;
    bool insecure_skip_tls_verify;
    struct kube_blob certificate_authority; /* PEM; none: the system's */
    char *cluster_extension; /* JSON of extensions["client.authentication.k8s.io/exec"], or NULL */

    struct kube_blob client_certificate; /* PEM */
    struct kube_blob client_key;         /* PEM */
    char *token;
    char *token_file; /* read again as it is rotated */
    char *username;
    char *password;
    struct kube_exec_plugin *exec; /* NULL: none */
    struct kube_oidc_config *oidc; /* NULL: none */

    char *as;
    char *as_uid;
    char **as_groups;           /* NULL-terminated, or NULL */
    struct kube_pair *as_extra; /* as-user-extra; a key with several values stands several times */
    size_t as_extra_count;
};

/*
 * kube_config_load - read and resolve
 * @overrides: the flags
 * @ret_config: owned by the caller, release with kube_config_free()
 *
 * Errors (ERROR_CONFIG): no configuration at all; a file that cannot be read or parsed (with line
 * and column); a context, cluster or user that is not there; an auth-provider that is not supported
 * (the remedy says what to use instead); certificate data that is not base64; a server that is no
 * http(s) URL.
 */
int kube_config_load(const struct kube_overrides *overrides, struct kube_config **ret_config,
                     struct error *err);
void kube_config_free(struct kube_config *config);

#endif
