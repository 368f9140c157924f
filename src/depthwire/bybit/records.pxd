from cpython.object cimport PyObject


cdef enum Kind:
    TEXT            # required, and must not be empty where that means absent
    NUMBER
    INTEGER
    FLAG
    TIME
    AMOUNTS         # numbers by name
    RECORDS         # a list of them


cdef struct Place:
    Kind kind
    Py_ssize_t offset
    bint is_required
    bint may_be_none
    int inner               # of RECORDS: which of the layouts
    PyObject* absent        # the value of an absent field, which the Struct keeps alive


cdef class Number:
    cdef str name
    cdef Py_ssize_t offset

    cdef object read(self, record)
    cdef object as_float(self, record)


cdef class Layout:
    cdef readonly object kind
    cdef readonly object twin
    cdef readonly dict numbers      # the Number of each field that has one
    cdef bint empty_is_absent
    cdef list inner                 # the layouts of records in this one
    cdef list derived
    cdef object derived_required
    cdef object _kept
    cdef Py_ssize_t length
    cdef Place* places

    cdef int read(self, record) except -1
    cdef bint settle(self, PyObject* twin) except -1
    cdef bint settle_all(self, PyObject* twins) except -1
    cdef bint derive(self, PyObject* twin) except -1


cdef class EventDecoder:
    cdef Layout _layout
    cdef object _twin
    cdef object _decode
    cdef Py_ssize_t _data
    cdef list _integers         # where the numbers next to the events are


cpdef object as_float(record, str name)
