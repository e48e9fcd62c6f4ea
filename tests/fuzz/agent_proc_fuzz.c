/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent reads in /proc of processes that are not its own: cgroup and stat. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "agent/options.h"
#include "agent/target.h"

#define A "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111"
#define B "2222222233333333444444445555555566666666777777778888888899999999"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct options options = {
        .containers = {A, B}, .container_count = 2, .pod = "11223344-5566-7788-99aa-bbccddeeff00"};
    size_t target = target_match(&options, (const char *)data, size);
    uint64_t start;

    if (target > options.container_count && target != TARGET_NONE)
        abort();
    target_parse_stat((const char *)data, size, &start);
    return 0;
}
