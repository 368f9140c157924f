# A sorted array and another one in parallel: see parallel_arrays.h. ``step`` is 1 or -1: a gap's elements are counted from
# the gap on, in its direction.

from libc.stdint cimport int64_t


cdef extern from "depthwire/book/parallel_arrays.h" nogil:
    enum:
        SLACK "DEPTHWIRE_SLACK"     # elements to spare at either end of both arrays

    # The index of the first of ``count`` keys, sorted by key ^ flip, that is not less than this one. O(log n).
    Py_ssize_t search "depthwire_search"(const int64_t* keys, Py_ssize_t count, int64_t key, int64_t flip)
    # Prefetch the end of ``count`` elements. O(1).
    void prefetch_tail "depthwire_prefetch_tail"(const int64_t* ids, const double* lots, Py_ssize_t count)
    # Move ``count`` elements by so many places.
    void move "depthwire_move"(int64_t* ids, double* lots, Py_ssize_t count, Py_ssize_t by)
    # Move ``count`` elements one place away: the first place is free then.
    void open_gap "depthwire_open_gap"(int64_t* ids, double* lots, Py_ssize_t count, int step)
    # Move the ``count`` elements after the first place one place back: the first place is filled then.
    void close_gap "depthwire_close_gap"(int64_t* ids, double* lots, Py_ssize_t count, int step)
