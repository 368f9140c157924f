cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int8_t, int32_t, int64_t


cdef enum Side:
    BID = 0
    ASK = 1


# v5 sends the new size at a price: a SET, or a REMOVE if it is 0. Applying one turns it into the UPDATE, INSERT, DELETE or
# NOTHING that it meant. INSERT - action undoes an action. Actions up to DELETE only remove levels, actions from INSERT on
# may add one.
cdef enum Action:
    NOTHING = -2
    REMOVE = -1
    DELETE = 0
    UPDATE = 1
    INSERT = 2
    SET = 3


# One change of one price level. Applying it stores the previous size in `size`, which is all that a rollback needs.
cdef struct LevelChange:
    int64_t price_id
    double size
    int32_t at          # a hint: the index where the ladder looks first
    int8_t side
    int8_t action


@cython.final
cdef class Ladder:
    cdef Py_ssize_t count
    cdef int64_t flip           # 0: ids rise towards the tail; -1: they fall (x ^ -1 reverses the order of int64)
    cdef int64_t* ids           # the first level's price id; sorted, best at the tail; any change may move the pointer
    cdef double* lots           # the first level's size
    cdef Py_ssize_t unused_before   # unused elements of the arrays before the first level
    cdef Py_ssize_t length      # of the arrays
    cdef object _ids_view       # the arrays as read-only views, which own the memory
    cdef object _lots_view

    cdef _allocate(self, Py_ssize_t capacity)
    cdef void _recentre(self) noexcept nogil
    cdef void _set_start(self, Py_ssize_t unused_before) noexcept nogil
    cdef int reserve(self, Py_ssize_t capacity) except -1
    cdef bint apply(self, LevelChange* change) noexcept nogil
    cdef int64_t highest_id(self) noexcept nogil
    cdef void rescale(self, int64_t factor) noexcept nogil
    cdef void remove_all(self) noexcept nogil
    cdef void append(self, int64_t price_id, double size) noexcept nogil
    cdef Py_ssize_t seek(self, int64_t price_id) noexcept nogil
    cdef bint has_at(self, Py_ssize_t at, int64_t price_id) noexcept nogil
    cdef bint fits_at(self, Py_ssize_t at, int64_t price_id) noexcept nogil


# Apply all changes of a frame. ``ladders`` is indexed by side, because a branch on the side is often mispredicted.
cdef Py_ssize_t apply_changes(PyObject** ladders, LevelChange* changes, Py_ssize_t count) except -1
