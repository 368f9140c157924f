cimport cython
from cpython.object cimport PyObject
from libc.math cimport isfinite
from libc.stdint cimport int8_t, int32_t, int64_t

from depthwire.wire.decimal cimport MAX_DIGITS, POWERS_OF_TEN
from depthwire.book.parallel_arrays cimport prefetch_tail, seek


cdef enum Side:
    BID = 0
    ASK = 1


# Where a dialect says only which size stands at a price from now on, a change is a SET or a REMOVE; once applied it has
# become what it turned out to be. A delete and an insert undo each other: INSERT - action undoes an action. What takes a
# level away is at most DELETE, what may add one at least INSERT.
cdef enum Action:
    NOTHING = -2
    REMOVE = -1
    DELETE = 0
    UPDATE = 1
    INSERT = 2
    SET = 3


# One change of one price level, as a frame states it. Once applied, `size` holds the size that stood there before,
# which is all that is needed to take the change back.
cdef struct LevelChange:
    int64_t price_id
    double size
    int32_t at          # where the ladder should look first
    int8_t side
    int8_t action


@cython.final
cdef class Ladder:
    cdef Py_ssize_t count
    cdef int64_t flip           # 0: ids rise towards the tail; -1: they fall (x ^ -1 reverses the order of int64)
    cdef int64_t* ids           # sorted, best at the tail; moves within the arrays, and with them when they grow
    cdef double* lots
    cdef Py_ssize_t first       # how much of the arrays lies free before the levels
    cdef Py_ssize_t room        # the arrays' length
    cdef object _ids_view       # the arrays, read-only, which own the memory
    cdef object _lots_view

    cdef _allocate(self, Py_ssize_t capacity)
    cdef void _recentre(self) noexcept nogil
    cdef void _settle(self, Py_ssize_t first) noexcept nogil
    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef bint apply(self, LevelChange* change) noexcept nogil
    cdef int64_t highest_id(self) noexcept nogil
    cdef void rescale(self, int64_t factor) noexcept nogil
    cdef void empty(self) noexcept nogil
    cdef void append(self, int64_t price_id, double size) noexcept nogil

    cdef inline void expect_change(self) noexcept nogil:
        """Have the best levels fetched while the frame that changes them is read: many other books may be in use. O(1)."""
        prefetch_tail(self.ids, self.lots, self.count)

    cdef inline Py_ssize_t seek(self, int64_t price_id) noexcept nogil:
        """Index of the first level that is not worse than ``price_id``. O(log n)."""
        return seek(self.ids, self.count, price_id, self.flip)

    cdef inline bint stands(self, Py_ssize_t at, int64_t price_id) noexcept nogil:
        """Whether the level at an index, which may be the one behind the last, has this price id."""
        return (at < self.count) & (self.ids[at] == price_id)

    cdef inline bint belongs(self, Py_ssize_t at, int64_t price_id) noexcept nogil:
        """Whether a price id that does not stand at ``at`` would do so once inserted, so that ``seek`` answers it."""
        cdef int64_t flip = self.flip, key = price_id ^ flip
        return (
            at <= self.count
            and (at == self.count or (self.ids[at] ^ flip) > key)
            and (at == 0 or (self.ids[at - 1] ^ flip) < key)
        )


# All changes of a frame. ``ladders`` by side: an index costs nothing, a branch on the side is mispredicted often.
cdef Py_ssize_t apply_changes(PyObject** ladders, LevelChange* changes, Py_ssize_t count) except -1


cdef inline bint is_price_id(int64_t number) noexcept nogil:
    """Whether it may be one; the sum of two still fits int64."""
    return 0 < number <= POWERS_OF_TEN[MAX_DIGITS]


cdef inline bint is_valid(const LevelChange* level) noexcept nogil:
    return is_price_id(level.price_id) and level.size > 0 and isfinite(level.size)
