"""The base of all channels: the receiver of one topic's frames."""

cimport cython

from depthwire.feed.callbacks import log_error


cdef class Channel:
    """The receiver of one topic's frames. ``frames`` counts the frames received."""

    def __init__(self, str topic not None):
        self.topic = topic
        self.report = log_error

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns) except -1:
        """Decode and apply one frame, borrowed for this call; raises FrameError.

        ``after_topic`` points past the topic's closing quote; it is NULL if the frame does not begin with the topic.
        """
        raise NotImplementedError

    def attach(self, report, double slow_callback_s=0.0):
        """Set who receives subscribers' errors, and how long a frame's callbacks may take (seconds; 0: no limit)."""
        self.report = report
        self.slow_callback_ns = <int64_t>(slow_callback_s * 1e9)

    def refuse(self, error):
        """Handle a frame of this topic that cannot be used."""
        raise NotImplementedError

    def damaged(self, reason, since_ns, until_ns):
        """Handle a damaged frame that may belong to this topic.

        It arrived at ``until_ns``, on a connection that exists since ``since_ns`` (ns since the epoch).
        """
        raise NotImplementedError

    @property
    def needs_snapshot(self):
        """Whether the state is not LIVE, so that it needs a snapshot."""
        return False

    def asked(self):
        """Note that the topic was requested: frames may arrive before the answer."""

    def request_failed(self):
        """Note that the request was refused, or that its snapshot is overdue."""

    def start_over(self):
        """Expect frames from another source: apply the first snapshot, whatever its numbers."""

    def connection_lost(self, reason, since_ns):
        """Note that the connection is lost; frames since ``since_ns`` (ns since the epoch) may be missing."""
        raise NotImplementedError

    def connection_back(self, until_ns):
        """Note that the venue serves the topic again, since ``until_ns`` (ns since the epoch)."""

    def finish(self, reason):
        """End the channel and its readers."""
        raise NotImplementedError

    def fail(self, error):
        """End the channel with an error, which its readers receive."""
        self.failure = error
        self._fail(error)

    def _fail(self, error):
        raise NotImplementedError


@cython.final
cdef class IgnoredChannel(Channel):
    """Counts a topic's frames without decoding them."""

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns) except -1:
        self.frames += 1
        return 0

    def refuse(self, error):
        """Do nothing: there is no state."""

    def damaged(self, reason, since_ns, until_ns):
        """Do nothing: there is no state."""


def with_raw(channels):
    """Yield each channel, followed by the channel of its raw frames if it has one."""
    for channel in channels:
        yield channel
        if channel.raw is not None:
            yield channel.raw
