from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from depthwire.bybit.records cimport Kind
from depthwire.feed.frame_state cimport FrameState

cdef enum:
    MOST_FIELDS = 128
    KEY_SLOTS = 512
    REMEMBERED = 64             # sets of names


cdef struct Column:
    Kind kind
    Py_ssize_t offset
    const char* key             # on the wire
    Py_ssize_t key_size
    bint may_be_none
    PyObject* absent            # the value of an absent field; NULL if it is required


cdef struct Span:               # a value in a frame
    const char* text
    Py_ssize_t size
    bint is_quoted


cdef struct Bits:
    uint64_t low
    uint64_t high


cdef class Columns:
    cdef readonly object kind
    cdef bint empty_is_absent
    cdef Py_ssize_t length
    cdef Column columns[MOST_FIELDS]
    cdef unsigned char by_key[KEY_SLOTS]    # number of a column + 1, by the hash of its key
    cdef tuple called           # the name of each column in `updated`
    cdef object _kept
    cdef Py_ssize_t symbol
    cdef Bits asked[REMEMBERED]     # sets of columns, and their names
    cdef list answers

    cdef Py_ssize_t find(self, const char* key, Py_ssize_t size) noexcept
    cdef object names(self, Bits changed)


cdef struct Frame:
    bint is_delta
    bint is_snapshot
    int64_t seq
    int64_t ts
    bint has_seq
    bint has_ts
    bint has_data
    bint has_parts              # the data are lists of parts, as in v2's deltas
    Bits named                  # columns
    Py_ssize_t count
    unsigned char order[MOST_FIELDS]    # the named columns, each once
    Span spans[MOST_FIELDS]


cdef class LiveFields(FrameState):
    cdef public object state
    cdef public object topic
    cdef public object symbol
    cdef public object frame_seq        # an int of any size, as the wire has it
    cdef public object ts_exchange_us
    cdef public int64_t ts_recv_ns
    cdef public int64_t version
    cdef public object _info
    cdef public object _listeners
    cdef public bint _starts_over
    cdef public bint _is_shared     # a reader holds _info, which must not change
    cdef Columns columns
    cdef bytes _symbol
    cdef object _updated
    cdef Bits _changed

    cdef bint proven(self, Frame* frame) noexcept
    cdef bint is_proven(self, Column* column, Span* span) noexcept
    cdef int commit(self, Frame* frame) except -1
    cdef int clear(self, Frame* frame) except -1
    cdef int set_text(self, Py_ssize_t index, Column* column, PyObject* info, Span* span) except -1
    cdef int set_number(self, Py_ssize_t index, Column* column, PyObject* info, Span* span) except -1
    cdef int set_integer(self, Py_ssize_t index, Column* column, PyObject* info, Span* span) except -1
