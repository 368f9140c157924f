from libc.stdint cimport int64_t, uint64_t

from depthwire.book.book cimport Book
from depthwire.feed.book_decoder cimport BookDecoder, FrameBytes
from depthwire.book.update cimport BookFrame
from depthwire.feed.scanner cimport Scanner


cdef class BookListener:
    cdef int on_book(self, LiveBook book) except -1
    cdef int on_sent_again(self, LiveBook book) except -1


cdef class LiveBook(Book):
    cdef readonly str topic
    cdef readonly bint finished
    cdef readonly object failure        # the error with which the topic ended, or None
    cdef object report
    cdef int64_t slow_callback_ns       # 0: what callbacks take is not looked at
    cdef tuple _listeners
    cdef tuple _state_listeners

    cdef void number_as(self, LiveBook other) noexcept
    cdef int renewed(self, int64_t ts_recv_ns) except -1
    cdef int sent_again(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int applied(self) except -1


cdef class Channel:
    cdef readonly str topic
    cdef readonly uint64_t frames
    cdef public Channel raw     # that of the topic's raw frames, or None
    cdef readonly object failure        # the error with which it ended, or None
    cdef object report
    cdef int64_t slow_callback_ns

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* behind_topic, int64_t ts_recv_ns) except -1


cdef class IgnoredChannel(Channel):
    pass


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
    cdef uint64_t _counted_at   # the book's version since which late deltas are counted
    cdef int _late
    cdef object _insistence
    cdef bint _starts_over

    cdef bint _was_applied(self, BookFrame frame) noexcept
    cdef int _apply(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int _take_snapshot(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int _hold_back(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int _begin(self, BookFrame frame, int64_t ts_recv_ns) except -1
    cdef int _leave_out_delta(self, BookFrame frame) except -1
    cdef int _drop(self, BookFrame frame) except -1
    cdef str _numbers(self, BookFrame frame)


cdef class StateChannel(Channel):
    cdef readonly object state
    cdef object _message_type
    cdef object _decode
    cdef FrameBytes _bytes


cdef class EventChannel(Channel):
    cdef readonly object view
    cdef readonly uint64_t events
    cdef readonly uint64_t odd_fields
    cdef readonly uint64_t refused_events
    cdef public object watcher
    cdef readonly int64_t ts_recv_ns
    cdef readonly object latest
    cdef object _message_type
    cdef object _decode
    cdef FrameBytes _bytes
    cdef list _streams
    cdef object _gap            # (reason, since_ns, the streams that stood then) while the connection is lost
    cdef str _field             # of an event, which has _value in each frame of the topic; None: none has
    cdef str _value

    cdef int _check(self, event) except -1
    cdef int _hand(self, list events) except -1
    cdef int _hand_some(self, list events) except -1


cdef class RawChannel(EventChannel):
    pass


cdef class PatternChannel(RawChannel):
    pass
