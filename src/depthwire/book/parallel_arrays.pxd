# A sorted array and a parallel one: see parallel_arrays.h. ``step`` is 1 or -1, the direction in which elements are counted
# from the gap.

from libc.stdint cimport int64_t


cdef extern from "depthwire/book/parallel_arrays.h" nogil:
    enum:
        SLACK "DEPTHWIRE_SLACK"     # extra elements at both ends of both arrays

    # Return the index of the first of ``count`` keys, sorted by key ^ flip, that is not less than ``key``. O(log n).
    Py_ssize_t search "depthwire_search"(const int64_t* keys, Py_ssize_t count, int64_t key, int64_t flip)
    # Prefetch the last of ``count`` elements. O(1).
    void prefetch_tail "depthwire_prefetch_tail"(const int64_t* ids, const double* lots, Py_ssize_t count)
    # Move ``count`` elements by ``by`` places.
    void move "depthwire_move"(int64_t* ids, double* lots, Py_ssize_t count, Py_ssize_t by)
    # Move ``count`` elements by one place, which frees the first place.
    void open_gap "depthwire_open_gap"(int64_t* ids, double* lots, Py_ssize_t count, int step)
    # Move the ``count`` elements after the first place back by one place, which overwrites the first place.
    void close_gap "depthwire_close_gap"(int64_t* ids, double* lots, Py_ssize_t count, int step)
