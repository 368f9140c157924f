# Searching a sorted array, opening and closing a gap in it and in another one beside it, and having them fetched.
#
# A gap's elements are counted from the gap on, in the direction of ``step``, which is 1 or -1. Most moves are of a few
# elements: one loop over both arrays costs a fraction of two calls of memmove, which choose by size each time. A move
# may touch up to SLACK elements beyond the last one, so both arrays have as many to spare at either end.

from libc.stdint cimport int64_t

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    #define DEPTHWIRE_SLACK 8
    #define DEPTHWIRE_FEW 16

    #if defined(_MSC_VER)
    #include <intrin.h>
    static __inline int depthwire_highest_bit(uint64_t number) { unsigned long at; _BitScanReverse64(&at, number); return (int)at; }
    #else
    static inline int depthwire_highest_bit(uint64_t number) { return 63 - __builtin_clzll(number); }
    #endif

    /* Halves a power of two: a half that reaches over the end is never looked at, and no branch depends on what is found. */
    static inline ptrdiff_t depthwire_seek(const int64_t* keys, ptrdiff_t count, int64_t key, int64_t flip) {
        const int64_t* base = keys;
        ptrdiff_t half;
        if (count == 0) return 0;
        half = (ptrdiff_t)1 << depthwire_highest_bit((uint64_t)count);
        key ^= flip;
        base += (keys[half - 1] ^ flip) < key ? count - half : 0;
        for (half >>= 1; half; half >>= 1) base += (base[half - 1] ^ flip) < key ? half : 0;
        return base - keys + ((*base ^ flip) < key);
    }

    static inline void depthwire_move(int64_t* a, double* b, ptrdiff_t count, ptrdiff_t by) {
        memmove(a + by, a, count * sizeof *a);
        memmove(b + by, b, count * sizeof *b);
    }

    typedef struct { int64_t each[4]; } depthwire_four;

    static inline char* depthwire_four_at(void* array, ptrdiff_t i, int step) {
        return (char*)((int64_t*)array + (step > 0 ? i : -i - 3));
    }

    static inline depthwire_four depthwire_load_four(void* array, ptrdiff_t i, int step) {
        depthwire_four four;
        memcpy(&four, depthwire_four_at(array, i, step), sizeof four);
        return four;
    }

    static inline void depthwire_store_four(void* array, ptrdiff_t i, int step, depthwire_four four) {
        memcpy(depthwire_four_at(array, i, step), &four, sizeof four);
    }

    /* The next four are read before these overwrite one of them. */
    static inline void depthwire_open_gap(int64_t* a, double* b, ptrdiff_t count, int step) {
        depthwire_four four_a, four_b;
        ptrdiff_t i;
        if (count > DEPTHWIRE_FEW) {
            ptrdiff_t from = step > 0 ? 0 : 1 - count;
            depthwire_move(a + from, b + from, count, step);
            return;
        }
        four_a = depthwire_load_four(a, 0, step);
        four_b = depthwire_load_four(b, 0, step);
        for (i = 0; i < count; i += 4) {
            depthwire_four next_a = depthwire_load_four(a, i + 4, step), next_b = depthwire_load_four(b, i + 4, step);
            depthwire_store_four(a, i + 1, step, four_a);
            depthwire_store_four(b, i + 1, step, four_b);
            four_a = next_a;
            four_b = next_b;
        }
    }

    static inline void depthwire_close_gap(int64_t* a, double* b, ptrdiff_t count, int step) {
        ptrdiff_t i;
        if (count > DEPTHWIRE_FEW) {
            ptrdiff_t from = step > 0 ? 1 : -count;
            depthwire_move(a + from, b + from, count, -step);
            return;
        }
        for (i = 0; i < count; i += 4) {
            depthwire_store_four(a, i, step, depthwire_load_four(a, i + 1, step));
            depthwire_store_four(b, i, step, depthwire_load_four(b, i + 1, step));
        }
    }

    #if defined(__GNUC__)
    #define DEPTHWIRE_PREFETCH(at) __builtin_prefetch(at)
    #else
    #define DEPTHWIRE_PREFETCH(at) ((void)(at))
    #endif

    /* The last two cache lines of each. */
    static inline void depthwire_prefetch_tail(const int64_t* a, const double* b, ptrdiff_t count) {
        DEPTHWIRE_PREFETCH(a + count - 1);
        DEPTHWIRE_PREFETCH(a + count - DEPTHWIRE_SLACK);
        DEPTHWIRE_PREFETCH(b + count - 1);
        DEPTHWIRE_PREFETCH(b + count - DEPTHWIRE_SLACK);
    }
    """
    enum:
        SLACK "DEPTHWIRE_SLACK"

    # Where among ``count`` keys, sorted by key ^ flip, the first one stands that is not below this one. O(log n).
    Py_ssize_t seek "depthwire_seek"(const int64_t* keys, Py_ssize_t count, int64_t key, int64_t flip) nogil
    # Have what stands at the end of ``count`` elements brought into the cache. O(1).
    void prefetch_tail "depthwire_prefetch_tail"(const int64_t* a, const double* b, Py_ssize_t count) nogil
    # Move ``count`` elements from ``a`` and ``b`` on by so many places.
    void move "depthwire_move"(int64_t* a, double* b, Py_ssize_t count, Py_ssize_t by) nogil
    # Move ``count`` elements from ``a`` and ``b`` on one place away: the first place is free then.
    void open_gap "depthwire_open_gap"(int64_t* a, double* b, Py_ssize_t count, int step) nogil
    # Move the ``count`` elements behind ``a`` and ``b`` one place towards them: the first place is filled then.
    void close_gap "depthwire_close_gap"(int64_t* a, double* b, Py_ssize_t count, int step) nogil
