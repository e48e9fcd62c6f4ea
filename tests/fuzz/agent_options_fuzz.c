/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's command line, a word a line, and the filter program in it, run on the input itself.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "agent/bpf.h"
#include "agent/options.h"

#define WORDS_MAX 200

static void use(const struct options *options, const uint8_t *data, size_t size)
{
    const struct bpf_metadata metadata = {.hatype = 1, .ifindex = 2, .protocol = 0x0800};
    uint32_t length = size < AGENT_SNAPLEN_MAX ? (uint32_t)size : AGENT_SNAPLEN_MAX;

    if (options->program_length == 0)
        return;
    if (!bpf_valid(options->program, options->program_length))
        abort(); /* the parser takes no other */
    bpf_run(options->program, data, length, length, &metadata);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct options options; /* too large for a stack */
    char *text = malloc(size + 1), *words[WORDS_MAX + 1];
    int count = 0;

    memcpy(text, data, size);
    text[size] = '\0';
    for (char *word = text; word && count < WORDS_MAX; count++) {
        words[count] = word;
        word = strchr(word, '\n');
        if (word)
            *word++ = '\0';
    }
    words[count] = NULL;
    options_unlink(count, words);
    options = (struct options){0};
    options_parse_hold(count, words, &options);
    options = (struct options){0};
    if (options_parse(count, words, &options) == 0)
        use(&options, data, size);
    free(text);
    return 0;
}
