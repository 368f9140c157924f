from libc.stdint cimport int64_t

from depthwire.frame cimport BookFrame
from depthwire.ladder cimport LevelChange
from depthwire.level_text cimport PairShape
from depthwire.scanner cimport Scanner


cdef class V5Scanner(Scanner):
    cdef bytes _head            # {"topic":"…",
    cdef bytes _symbol          # "data":{"s":"…","b":[
    cdef PairShape _shape

    cdef const char* _levels(self, const char* at, const char* end, int side, BookFrame frame) noexcept
    cdef const char* _other_pair(
        self, const char* begin, const char* end, LevelChange* change, BookFrame frame, int64_t* mantissa
    ) noexcept
