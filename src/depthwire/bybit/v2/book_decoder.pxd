from cpython.object cimport PyObject

from depthwire.feed.book_decoder cimport BookDecoder, FrameBytes


cdef struct LevelSlots:
    Py_ssize_t price
    Py_ssize_t symbol
    Py_ssize_t id
    Py_ssize_t side
    Py_ssize_t size     # 0: the Struct has none


cdef struct MessageSlots:
    Py_ssize_t data
    Py_ssize_t cross_seq
    Py_ssize_t timestamp_e6


cdef class V2BookDecoder(BookDecoder):
    cdef object _decode
    cdef FrameBytes _bytes

    cdef int _read(self, PyObject* levels, int action, const LevelSlots* slots, str symbol) except -1
