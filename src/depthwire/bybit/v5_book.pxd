from cpython.object cimport PyObject

from depthwire.book_decoder cimport BookDecoder, FrameBytes
from depthwire.frame cimport BookFrame


cdef class V5BookDecoder(BookDecoder):
    cdef object _decode
    cdef FrameBytes _bytes
    cdef BookFrame _frame

    cdef int _read(self, PyObject* levels, int side, str symbol) except -1
