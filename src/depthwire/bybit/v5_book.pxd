from cpython.object cimport PyObject

from depthwire.book_decoder cimport BookDecoder, FrameBytes


cdef class V5BookDecoder(BookDecoder):
    cdef object _decode
    cdef FrameBytes _bytes

    cdef int _read(self, PyObject* levels, int side, str symbol) except -1
