from depthwire.frame cimport BookFrame
from depthwire.ladder cimport LevelChange
from depthwire.scan_text cimport PriceShape
from depthwire.scanner cimport Scanner


cdef class V5Scanner(Scanner):
    cdef bytes _head            # {"topic":"…",
    cdef bytes _symbol          # "data":{"s":"…","b":[
    cdef PriceShape _shape

    cdef const char* _levels(self, const char* at, const char* end, int side, BookFrame frame) noexcept
    cdef const char* _other_price(self, const char* at, const char* end, LevelChange* change, BookFrame frame) noexcept
