from libc.stdint cimport int64_t

from depthwire.book.book cimport Book
from depthwire.book.update cimport BookFrame
from depthwire.wire.template cimport Template
from depthwire.book.ladder cimport LevelChange
from depthwire.wire.level cimport PairShape
from depthwire.feed.scanner cimport Scanner


cdef class V5Scanner(Scanner):
    cdef bytes _symbol                  # "data":{"s":"…","b":[
    cdef Template _delta_before         # from the topic up to a delta's first level
    cdef Template _levels_behind        # from the bracket that closes the levels on
    cdef PairShape _shape

    cdef const char* _before(self, const char* begin, const char* end, Book book, BookFrame frame, int64_t* ts_ms) noexcept
    cdef const char* _start(self, const char* at, const char* end, Book book, BookFrame frame) noexcept
    cdef const char* _other_before(self, const char* begin, const char* end, Book book, BookFrame frame, int64_t* ts_ms) noexcept
    cdef const char* _behind(self, const char* at, const char* end, BookFrame frame, int64_t* cts_ms) noexcept
    cdef const char* _other_behind(self, const char* begin, const char* end, BookFrame frame, int64_t* cts_ms) noexcept
    cdef const char* _levels(self, const char* at, const char* end, int side, BookFrame frame) noexcept
    cdef const char* _other_pair(
        self, const char* begin, const char* end, LevelChange* change, BookFrame frame, int64_t* mantissa
    ) noexcept
