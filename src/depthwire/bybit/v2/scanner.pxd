from libc.stdint cimport int64_t

from depthwire.book.update cimport BookFrame
from depthwire.wire.template cimport Template
from depthwire.book.ladder cimport LevelChange
from depthwire.wire.level cimport LevelShape
from depthwire.feed.scanner cimport Scanner


cdef class V2Scanner(Scanner):
    cdef bytes _symbol                  # ","symbol":"…","id":
    cdef bint _quoted                   # integers stand in strings, as they did in the last level
    cdef LevelShape _shape
    cdef Template _levels_behind        # from the bracket that closes a delta's levels on

    cdef const char* _snapshot(self, const char* at, const char* end, BookFrame frame) noexcept
    cdef const char* _list(self, const char* at, const char* end, int action, BookFrame frame) noexcept
    cdef const char* _levels(self, const char* at, const char* end, int action, BookFrame frame) noexcept
    cdef const char* _other_level(self, const char* level, const char* end, LevelChange* change, BookFrame frame) noexcept
    cdef const char* _behind(self, const char* at, const char* end, BookFrame frame) noexcept
    cdef const char* _other_behind(self, const char* begin, const char* end, BookFrame frame) noexcept
    cdef const char* _numbers(self, const char* begin, const char* at, const char* end, BookFrame frame) noexcept
