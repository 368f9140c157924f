from depthwire.book cimport Book
from depthwire.frame cimport BookFrame


cdef class Scanner:
    cdef int scan(self, const char* at, const char* end, Book book, BookFrame frame) except -1
