cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int8_t, int32_t, int64_t


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
    cdef Py_ssize_t seek(self, int64_t price_id) noexcept nogil
    cdef bint stands(self, Py_ssize_t at, int64_t price_id) noexcept nogil
    cdef bint belongs(self, Py_ssize_t at, int64_t price_id) noexcept nogil


# All changes of a frame. ``ladders`` by side: an index costs nothing, a branch on the side is mispredicted often.
cdef Py_ssize_t apply_changes(PyObject** ladders, LevelChange* changes, Py_ssize_t count) except -1
