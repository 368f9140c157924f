from cpython.object cimport PyObject

from depthwire.bybit.book_decoder cimport TypedBookDecoder


cdef struct LevelSlots:
    Py_ssize_t price
    Py_ssize_t symbol
    Py_ssize_t id
    Py_ssize_t side
    Py_ssize_t size     # 0 if the Struct has none


cdef struct MessageSlots:
    Py_ssize_t data
    Py_ssize_t cross_seq
    Py_ssize_t timestamp_e6


cdef class V2BookDecoder(TypedBookDecoder):
    cdef object _decode

    cdef int _read(self, PyObject* levels, int action, const LevelSlots* slots, str symbol) except -1
