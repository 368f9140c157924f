from libc.stdint cimport int64_t, uint64_t
from picows.picows cimport WSFrame, WSListener, WSTransport

from depthwire.feed.routes cimport Routes


cdef class Feed(WSListener):
    cdef readonly Routes channels
    cdef readonly uint64_t frames
    cdef readonly int64_t last_recv_ns
    cdef public object tap
    cdef Py_ssize_t max_message_size
    cdef object _owner
    cdef bytearray _fragments
    cdef bint _is_over
    cdef bint _is_binary        # the message that comes in fragments
    cdef set _ended             # topics that this connection served before
    cdef int64_t _up_since_ns
    cdef dict _verdicts         # (topic, symbols) of unexpected frames -> what _similar returns
    cdef uint64_t _verdicts_of  # the channels' changes then

    cdef int on_message(self, const char* data, Py_ssize_t size, int64_t ts_recv_ns) except -1
    cdef int _fail(self, WSTransport transport, code, reason) except -1
    cdef int _take_close(self, WSTransport transport, WSFrame frame) except -1
    cdef int _assemble(self, WSTransport transport, WSFrame frame, int64_t ts_recv_ns) except -1
    cdef int _route_slowly(self, const char* data, Py_ssize_t size, int64_t ts_recv_ns) except -1
    cdef int _handle_refused(self, object channel, bytes message, bytes following, object error) except -1
    cdef int _refuse(self, object channel, object error) except -1
    cdef list _candidates(self)
    cdef list _others(self, str topic, bytes message, object error)
    cdef int _handle_unexpected(self, str topic, bytes message) except -1
    cdef tuple _similar(self, str topic, tuple symbols)
    cdef int _take_binary(self, bytes message, int64_t ts_recv_ns) except -1
    cdef int _suspect(self, tuple topics, str why) except -1
    cdef int _deliver(
        self, object channel, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns
    ) except -1
