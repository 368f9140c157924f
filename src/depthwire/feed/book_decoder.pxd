from depthwire.book.book cimport Book
from depthwire.book.update cimport BookFrame


cdef class FrameBytes:
    cdef const char* data
    cdef Py_ssize_t size

    cdef FrameBytes over(self, const char* data, Py_ssize_t size)


cdef class BookDecoder:
    cdef BookFrame frame        # scratch: what it holds is used up before the next frame of any book
    cdef BookFrame decode(self, const char* data, Py_ssize_t size, Book book)
