/* SPDX-License-Identifier: Apache-2.0 */
/* Gives each file of the folders that are named to a fuzz target, without libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

/* Return: 0, or -1 after a message. */
static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    int result = -1;

    if (file && fstat(fileno(file), &st) == 0) {
        /* Of just this size, so that the sanitizers see a byte beyond it. */
        uint8_t *data = malloc((size_t)st.st_size ? (size_t)st.st_size : 1);

        if (data && fread(data, 1, (size_t)st.st_size, file) == (size_t)st.st_size)
            result = LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
        free(data);
    }
    if (file)
        fclose(file);
    if (result < 0)
        fprintf(stderr, "%s: cannot be read\n", path);
    return result;
}

/* Return: how many files there are, or -1. */
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    if (!dir) {
        fprintf(stderr, "%s: cannot be read\n", folder);
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (replay(path) < 0) {
            count = -1;
            break;
        }
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char *argv[])
{
    int count = 0;

    for (int i = 1; i < argc; i++) {
        int files = replay_folder(argv[i]);

        if (files < 0)
            return 1;
        count += files;
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1; /* a folder without any tests nothing */
}
