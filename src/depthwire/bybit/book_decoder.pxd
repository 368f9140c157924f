from depthwire.book.book cimport Book
from depthwire.feed.book_decoder cimport BookDecoder, FrameBytes


cdef class TypedBookDecoder(BookDecoder):
    cdef FrameBytes _bytes

    cdef object message(self, object decode, const char* data, Py_ssize_t size, Book book)
