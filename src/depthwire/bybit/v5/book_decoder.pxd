from cpython.object cimport PyObject

from depthwire.bybit.book_decoder cimport TypedBookDecoder

cdef enum:
    US_PER_MS = 1000
    LATEST_MS = 9_000_000_000_000_000       # fits int64 in µs


cdef class V5BookDecoder(TypedBookDecoder):
    cdef object _decode         # leaves the levels as JSON text
    cdef object _decode_texts   # decodes them to pairs of str

    cdef bint _read_json(self, PyObject* levels, int side, const char* data, const char* end) except -1
    cdef int _read_texts(self, PyObject* levels, int side, str symbol) except -1
