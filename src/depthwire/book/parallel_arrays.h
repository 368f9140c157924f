/* Two parallel arrays, one of them sorted: search, open and close a gap in both, and prefetch their ends.
 *
 * A side of a book is an array of price ids and an array of sizes, with the best price at the end. Most changes happen
 * there and move a few elements.
 *
 * The trick: the search halves a power of two, so its number of steps depends on the length alone and each step is a
 * conditional move. A short move copies four elements of both arrays per iteration of one loop, which costs a fraction
 * of two calls of memmove. It may touch up to DEPTHWIRE_SLACK elements after the last one that it moves, so both arrays
 * have that many extra elements at both ends.
 *
 * The reason: branches on prices cannot be predicted. A binary search that branches mispredicts half of its steps.
 *
 * The worst case: a search of n elements takes log2(n) + 1 steps. A gap far from the end moves all elements in between
 * by memmove, 16 bytes a level.
 */
#ifndef DEPTHWIRE_BOOK_PARALLEL_ARRAYS_H
#define DEPTHWIRE_BOOK_PARALLEL_ARRAYS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "depthwire/wire/bits.h"

#define DEPTHWIRE_SLACK 8
#define DEPTHWIRE_SHORT_MOVE 16

/* Return the index of the first key that is not less than `key`, comparing key ^ flip, by which the keys are sorted. */
static inline ptrdiff_t depthwire_search(const int64_t* keys, ptrdiff_t count, int64_t key, int64_t flip) {
    const int64_t* base = keys;
    ptrdiff_t half;
    if (count == 0) return 0;
    half = (ptrdiff_t)1 << depthwire_highest_bit((uint64_t)count);
    key ^= flip;
    base += (keys[half - 1] ^ flip) < key ? count - half : 0;
    for (half >>= 1; half; half >>= 1) base += (base[half - 1] ^ flip) < key ? half : 0;
    return base - keys + ((*base ^ flip) < key);
}

/* Move `count` elements of both arrays by `by` places. */
static inline void depthwire_move(int64_t* ids, double* lots, ptrdiff_t count, ptrdiff_t by) {
    memmove(ids + by, ids, (size_t)count * sizeof *ids);
    memmove(lots + by, lots, (size_t)count * sizeof *lots);
}

typedef struct {
    int64_t elements[4];
} depthwire_four;

/* Return the address of the four elements from `i` on in the direction of `step`. */
static inline char* depthwire_address_four(void* array, ptrdiff_t i, int step) {
    return (char*)((int64_t*)array + (step > 0 ? i : -i - 3));
}

static inline depthwire_four depthwire_load_four(void* array, ptrdiff_t i, int step) {
    depthwire_four four;
    memcpy(&four, depthwire_address_four(array, i, step), sizeof four);
    return four;
}

static inline void depthwire_store_four(void* array, ptrdiff_t i, int step, depthwire_four four) {
    memcpy(depthwire_address_four(array, i, step), &four, sizeof four);
}

/* Move `count` elements by one place in the direction of `step`, 1 or -1, which frees their first place. The next four
 * are loaded before the store of the previous four overwrites the first of them. */
static inline void depthwire_open_gap(int64_t* ids, double* lots, ptrdiff_t count, int step) {
    depthwire_four four_ids, four_lots;
    ptrdiff_t i;
    if (count > DEPTHWIRE_SHORT_MOVE) {
        ptrdiff_t from = step > 0 ? 0 : 1 - count;
        depthwire_move(ids + from, lots + from, count, step);
        return;
    }
    four_ids = depthwire_load_four(ids, 0, step);
    four_lots = depthwire_load_four(lots, 0, step);
    for (i = 0; i < count; i += 4) {
        depthwire_four next_ids = depthwire_load_four(ids, i + 4, step);
        depthwire_four next_lots = depthwire_load_four(lots, i + 4, step);
        depthwire_store_four(ids, i + 1, step, four_ids);
        depthwire_store_four(lots, i + 1, step, four_lots);
        four_ids = next_ids;
        four_lots = next_lots;
    }
}

/* Move the `count` elements after a place by one place against `step`, which overwrites that place. */
static inline void depthwire_close_gap(int64_t* ids, double* lots, ptrdiff_t count, int step) {
    ptrdiff_t i;
    if (count > DEPTHWIRE_SHORT_MOVE) {
        ptrdiff_t from = step > 0 ? 1 : -count;
        depthwire_move(ids + from, lots + from, count, -step);
        return;
    }
    for (i = 0; i < count; i += 4) {
        depthwire_store_four(ids, i, step, depthwire_load_four(ids, i + 1, step));
        depthwire_store_four(lots, i, step, depthwire_load_four(lots, i + 1, step));
    }
}

#if defined(__GNUC__)
#define DEPTHWIRE_PREFETCH(address) __builtin_prefetch(address)
#else
#define DEPTHWIRE_PREFETCH(address) ((void)(address))
#endif

/* Prefetch the last two cache lines of both arrays, where most changes happen. */
static inline void depthwire_prefetch_tail(const int64_t* ids, const double* lots, ptrdiff_t count) {
    DEPTHWIRE_PREFETCH(ids + count - 1);
    DEPTHWIRE_PREFETCH(ids + count - DEPTHWIRE_SLACK);
    DEPTHWIRE_PREFETCH(lots + count - 1);
    DEPTHWIRE_PREFETCH(lots + count - DEPTHWIRE_SLACK);
}

#endif
