from libc.stdint cimport int64_t

from depthwire.frame cimport BookFrame
from depthwire.scanner cimport Scanner


cdef class V2Scanner(Scanner):
    cdef bytes _head            # {"topic":"…","type":"
    cdef bytes _symbol          # ","symbol":"…","id":
    cdef bint _quoted           # integers stand in strings

    cdef const char* _snapshot(self, const char* data, const char* end, BookFrame frame) except? NULL
    cdef const char* _integer(self, const char* at, const char* end, int64_t* value) noexcept
    cdef const char* _levels(self, const char* at, const char* end, int action, BookFrame frame) except? NULL
