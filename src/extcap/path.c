/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/path.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define BARE_PATH "/usr/bin:/bin:/usr/sbin:/sbin" /* as where PATH is not set */

/* Where installers of aws, gcloud, kubelogin and krew put them; "~": below the home directory. */
static const char *const folders[] = {"/usr/local/bin",
                                      "/opt/homebrew/bin",
                                      "/home/linuxbrew/.linuxbrew/bin",
                                      "/opt/local/bin",
                                      "/snap/bin",
                                      "~/.local/bin",
                                      "~/bin",
                                      "~/.krew/bin",
                                      "~/.asdf/shims",
                                      "~/google-cloud-sdk/bin"};

/* Return: owned by the caller; NULL: no memory, or no home. */
static char *with_folder(const char *path, const char *folder)
{
    const char *home = getenv("HOME");

    if (*folder != '~')
        return text_format("%s:%s", path, folder);
    return home && *home == '/' ? text_format("%s:%s%s", path, home, folder + 1) : NULL;
}

void extcap_widen_path(void)
{
    const char *given = getenv("PATH");
    cleanup_free char *path = strdup(given && *given ? given : BARE_PATH);

    for (size_t i = 0; path && i < sizeof(folders) / sizeof(folders[0]); i++) {
        char *longer = with_folder(path, folders[i]);

        if (!longer)
            continue;
        free(path);
        path = longer;
    }
    if (path)
        setenv("PATH", path, 1);
}
