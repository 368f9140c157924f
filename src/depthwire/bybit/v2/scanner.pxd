from libc.stdint cimport int64_t

from depthwire.book.update cimport BookFrame
from depthwire.wire.template cimport Template
from depthwire.book.ladder cimport LevelChange
from depthwire.wire.level cimport LevelShape
from depthwire.feed.scanner cimport Scanner


cdef class V2Scanner(Scanner):
    cdef bytes _symbol                  # ","symbol":"…","id":
    cdef bint _quoted                   # whether integers are quoted, as in the last level
    cdef LevelShape _shape
    cdef Template _suffix_template      # the text after a delta's levels, from the closing bracket on

    cdef const char* _snapshot(self, const char* at, const char* end, BookFrame frame) noexcept
    cdef const char* _list(self, const char* at, const char* end, int action, BookFrame frame) noexcept
    cdef const char* _levels(self, const char* at, const char* end, int action, BookFrame frame) noexcept
    cdef const char* _other_level(self, const char* level, const char* end, LevelChange* change, BookFrame frame) noexcept
    cdef const char* _suffix(self, const char* at, const char* end, BookFrame frame) noexcept
    cdef const char* _other_suffix(self, const char* begin, const char* end, BookFrame frame) noexcept
    cdef const char* _numbers(self, const char* begin, const char* at, const char* end, BookFrame frame) noexcept
