"""The channel of a state that merges its frames, such as an instrument."""

from depthwire.feed.slow_callback cimport report_if_slow

from depthwire.book.types import BookState
from depthwire.feed.repair import repaired, repaired_message


cdef class StateChannel(Channel):
    """StateChannel(topic, message_type, state)

    Keeps ``state`` current; see :class:`~depthwire.feed.streams.LiveState` for its interface.
    """

    def __init__(self, str topic not None, message_type, state not None):
        super().__init__(topic)
        self.state = state
        self._reads_frames = state if isinstance(state, FrameState) else None
        self._message_type = message_type

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns) except -1:
        self.frames += 1
        if self._reads_frames is None or not self._reads_frames.take(data, size, ts_recv_ns):
            message, odd_fields = repaired(repaired_message, self._message_type, data[:size])
            self.state.odd_fields += odd_fields
            self.state.apply(message, ts_recv_ns)
        report_if_slow(self.slow_callback_ns, ts_recv_ns, self.topic, self.report)
        return 0

    def attach(self, report, double slow_callback_s=0.0):
        Channel.attach(self, report, slow_callback_s)
        self.state.report = report

    def refuse(self, error):
        self.state.mark_stale(error.message)

    def damaged(self, reason, since_ns, until_ns):
        self.state.mark_stale(reason)

    @property
    def needs_snapshot(self):
        return self.state.state != BookState.LIVE

    def asked(self):
        self.state.rollback.requested()

    def request_failed(self):
        self.state.rollback.request_failed()

    def start_over(self):
        self.state.start_over()

    def connection_lost(self, reason, since_ns):
        self.state.rollback.reset()
        self.state.mark_stale(reason)

    def finish(self, reason):
        self.state.finish(reason)

    def _fail(self, error):
        self.state.fail(error)
