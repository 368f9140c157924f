from libc.stdint cimport int64_t, uint64_t


cdef class Channel:
    cdef readonly str topic
    cdef readonly uint64_t frames
    cdef public Channel raw     # the channel of the topic's raw frames, or None
    cdef readonly object failure        # the error with which it ended, or None
    cdef object report
    cdef int64_t slow_callback_ns

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns) except -1


cdef class IgnoredChannel(Channel):
    pass
