from libc.stdint cimport int64_t, uint64_t

from depthwire.feed.book_decoder cimport FrameBytes
from depthwire.feed.channel cimport Channel


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
    cdef object _gap            # (reason, since_ns, the streams of that time) while the connection is lost
    cdef str _field             # an event field that must equal _value; None: no such field
    cdef str _value

    cdef int _check(self, event) except -1
    cdef int _hand(self, list events) except -1
    cdef int _hand_some(self, list events) except -1


cdef class RawChannel(EventChannel):
    pass


cdef class PatternChannel(RawChannel):
    pass
