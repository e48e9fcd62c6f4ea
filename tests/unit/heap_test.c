/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/heap.h"

#define IDS 50

/* Against a plain table, over many random changes. */
static void test_it_knows_the_smallest(void **state)
{
    struct heap heap = {0};
    uint64_t keys[IDS];
    bool there[IDS] = {false};
    unsigned seed = 7;

    (void)state;
    assert_null(heap_top(&heap));
    assert_true(heap_reserve(&heap, 3));
    assert_true(heap_reserve(&heap, IDS));
    for (unsigned i = 0; i < 20000; i++) {
        size_t id = (size_t)rand_r(&seed) % IDS, best = IDS;

        if (rand_r(&seed) % 3 == 0) {
            heap_remove(&heap, id);
            there[id] = false;
        } else {
            keys[id] = (uint64_t)rand_r(&seed) % 30;
            heap_set(&heap, id, keys[id]);
            there[id] = true;
        }
        for (size_t j = IDS; j-- > 0;)
            if (there[j] && (best == IDS || keys[j] <= keys[best]))
                best = j;
        if (best == IDS) {
            assert_null(heap_top(&heap));
            continue;
        }
        assert_int_equal(heap_top(&heap)->id, best);
        assert_int_equal(heap_top(&heap)->key, keys[best]);
    }
    heap_free(&heap);
    heap_remove(&heap, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_knows_the_smallest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
