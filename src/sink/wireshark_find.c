/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/wireshark_find.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "base/text.h"

/* What was dragged there from its disk image; the user's own folder is for who is no administrator.
 */
static char *find_application(const char *place)
{
    cleanup_free char *path =
        place ? text_format("%s/Applications/Wireshark.app/Contents/MacOS/Wireshark", place) : NULL;

    return path ? process_find(path) : NULL;
}

char *wireshark_find(const char *root)
{
    const char *home = getenv("HOME");
    char *found = process_find("wireshark");

    if (!found)
        found = process_find("Wireshark");
    if (!found)
        found = find_application(root);
    return found || !home || !*home ? found : find_application(home);
}
