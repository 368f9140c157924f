from libc.stdint cimport int64_t

from depthwire.feed.book_decoder cimport FrameBytes
from depthwire.feed.channel cimport Channel


cdef class StateChannel(Channel):
    cdef readonly object state
    cdef object _message_type
    cdef object _decode
    cdef FrameBytes _bytes
