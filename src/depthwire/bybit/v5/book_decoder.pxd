from cpython.object cimport PyObject

from depthwire.book.book cimport Book
from depthwire.feed.book_decoder cimport BookDecoder, FrameBytes

cdef enum:
    US_PER_MS = 1000
    LATEST_MS = 9_000_000_000_000_000       # in µs it still fits int64


cdef class V5BookDecoder(BookDecoder):
    cdef object _decode         # leaves levels as they are written
    cdef object _decode_texts   # makes them pairs of str
    cdef FrameBytes _bytes

    cdef object _message(self, object decode, const char* data, Py_ssize_t size, Book book)
    cdef bint _take_written(self, PyObject* levels, int side, const char* data, const char* end) except -1
    cdef int _take_texts(self, PyObject* levels, int side, str symbol) except -1
