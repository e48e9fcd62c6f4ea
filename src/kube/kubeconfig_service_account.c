/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_service_account.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "kube/kubeconfig_files.h"

enum { MOST_FILE_BYTES = 1024 * 1024 };

const char *kube_service_account_directory = "/var/run/secrets/kubernetes.io/serviceaccount";

/* Return: the value of an environment variable; NULL where it is unset or empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static char *file_path(const char *name)
{
    return text_format("%s/%s", kube_service_account_directory, name);
}

bool kube_service_account_present(void)
{
    cleanup_free char *token = file_path("token");
    struct stat st;

    return variable("KUBERNETES_SERVICE_HOST") && variable("KUBERNETES_SERVICE_PORT") && token &&
           stat(token, &st) == 0 && !S_ISDIR(st.st_mode);
}

static char *server_url(void)
{
    const char *host = variable("KUBERNETES_SERVICE_HOST");
    const char *port = variable("KUBERNETES_SERVICE_PORT");

    if (strpbrk(host, "/?#@ \t\r\n") || strspn(port, "0123456789") != strlen(port))
        return NULL;
    return text_format(strchr(host, ':') && host[0] != '[' ? "https://[%s]:%s" : "https://%s:%s",
                       host, port);
}

/* As kubectl: $POD_NAMESPACE, else the file beside the token. */
static char *own_namespace(void)
{
    const char *given = variable("POD_NAMESPACE");
    cleanup_free char *path = file_path("namespace");
    struct kube_blob content;

    if (given)
        return strdup(given);
    if (!path || kube_read_file(path, 4096, &content, NULL) < 0)
        return NULL;
    char *text = (char *)content.data;
    text[strcspn(text, " \t\r\n")] = '\0';
    if (*text)
        return text;
    free(text);
    return NULL;
}

int kube_service_account_load(const struct kube_overrides *overrides, struct kube_config *config,
                              struct error *err)
{
    cleanup_free char *authority = file_path("ca.crt");

    config->in_cluster = true;
    config->server = server_url();
    if (!config->server)
        return error_set(err, ERROR_CONFIG,
                         "KUBERNETES_SERVICE_HOST \"%s\" with KUBERNETES_SERVICE_PORT \"%s\" is no "
                         "address",
                         variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT"));
    config->token_file = file_path("token");
    if (!config->token_file || !authority)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    if (!config->namespace)
        config->namespace = own_namespace();
    if (overrides->certificate_authority || overrides->insecure_skip_tls_verify)
        return 0;
    /* Without the file the system's authorities decide, as in client-go. */
    if (kube_read_file(authority, MOST_FILE_BYTES, &config->certificate_authority, err) < 0 &&
        errno != ENOENT)
        return -1;
    return 0;
}
