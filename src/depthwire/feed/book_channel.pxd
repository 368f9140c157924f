from libc.stdint cimport int64_t, uint64_t

from depthwire.book.update cimport BookFrame
from depthwire.feed.book_decoder cimport BookDecoder
from depthwire.feed.channel cimport Channel
from depthwire.feed.live_book cimport LiveBook
from depthwire.feed.scanner cimport Scanner


cdef enum:
    REMEMBERED = 8              # frames


cdef struct FrameNumbers:
    int64_t cross_seq
    int64_t ts_exchange_us


cdef class BookChannel(Channel):
    cdef readonly LiveBook book
    cdef readonly uint64_t dropped
    cdef readonly uint64_t outdated
    cdef readonly uint64_t scanned
    cdef readonly uint64_t decoded
    cdef readonly uint64_t rejected
    cdef BookDecoder _decoder
    cdef Scanner _scanner       # None: every frame is decoded
    cdef FrameNumbers _applied[REMEMBERED]      # those of the last frames, by the book's version
    cdef uint64_t _counted_at   # the book's version when the first of the late deltas in a row arrived
    cdef int _late
    cdef object _rollback
    cdef bint _starts_over

    cdef bint _was_applied(self, BookFrame frame) noexcept
    cdef int _apply(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int _take_snapshot(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int _hold_back(self, BookFrame frame, int64_t ts_recv_ns, bint is_same) except -1
    cdef int _begin(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int _leave_out_delta(self, BookFrame frame) except -1
    cdef int _drop(self, BookFrame frame) except -1
    cdef str _numbers(self, BookFrame frame)
