from depthwire.book.book cimport Book
from depthwire.book.update cimport BookFrame


cdef class Scanner:
    cdef int scan(self, const char* at, const char* end, Book book, BookFrame frame) except -1
