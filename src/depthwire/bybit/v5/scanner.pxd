from libc.stdint cimport int64_t

from depthwire.book.book cimport Book
from depthwire.book.update cimport BookFrame
from depthwire.wire.template cimport Template
from depthwire.book.ladder cimport LevelChange
from depthwire.wire.level cimport PairShape
from depthwire.feed.scanner cimport Scanner


cdef class V5Scanner(Scanner):
    cdef bytes _symbol                  # "data":{"s":"…","b":[
    cdef Template _prefix_template      # a delta's text between the topic and its first level
    cdef Template _suffix_template      # the text after the levels, from the closing bracket on
    cdef PairShape _shape

    cdef const char* _prefix(self, const char* begin, const char* end, Book book, BookFrame frame, int64_t* ts_ms) noexcept
    cdef const char* _start(self, const char* at, const char* end, Book book, BookFrame frame) noexcept
    cdef const char* _other_prefix(self, const char* begin, const char* end, Book book, BookFrame frame, int64_t* ts_ms) noexcept
    cdef const char* _suffix(self, const char* at, const char* end, BookFrame frame, int64_t* cts_ms) noexcept
    cdef const char* _other_suffix(self, const char* begin, const char* end, BookFrame frame, int64_t* cts_ms) noexcept
    cdef const char* _levels(self, const char* at, const char* end, int side, BookFrame frame) noexcept
    cdef const char* _other_pair(
        self, const char* begin, const char* end, LevelChange* change, BookFrame frame, int64_t* mantissa
    ) noexcept
