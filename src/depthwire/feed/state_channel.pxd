from libc.stdint cimport int64_t

from depthwire.feed.channel cimport Channel
from depthwire.feed.frame_state cimport FrameState


cdef class StateChannel(Channel):
    cdef readonly object state
    cdef FrameState _reads_frames   # the state if it reads plain frames itself, else None
    cdef object _message_type
