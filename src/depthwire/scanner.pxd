from depthwire.book cimport Book
from depthwire.frame cimport BookFrame


cdef class Scanner:
    cdef int scan(self, const char* data, Py_ssize_t size, Book book, BookFrame frame) except -1
