from depthwire.frame cimport BookFrame
from depthwire.scanner cimport Scanner


cdef class V5Scanner(Scanner):
    cdef bytes _head            # {"topic":"…",
    cdef bytes _symbol          # "data":{"s":"…","b":[

    cdef const char* _levels(self, const char* at, const char* end, int side, BookFrame frame) except? NULL
