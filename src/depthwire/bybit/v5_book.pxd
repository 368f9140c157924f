from cpython.object cimport PyObject

from depthwire.book_decoder cimport BookDecoder, FrameBytes

cdef enum:
    US_PER_MS = 1000
    LATEST_MS = 9_000_000_000_000_000       # in µs it still fits int64


cdef class V5BookDecoder(BookDecoder):
    cdef object _decode
    cdef FrameBytes _bytes

    cdef int _read(self, PyObject* levels, int side, str symbol) except -1
