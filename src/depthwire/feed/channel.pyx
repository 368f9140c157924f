"""The receiver of one topic's frames; the kinds of channels have files of their own."""

cimport cython

from depthwire.feed.callbacks import log_error


cdef class Channel:
    """The receiver of one topic's frames. ``frames`` counts those that arrived."""

    def __init__(self, str topic not None):
        self.topic = topic
        self.report = log_error

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* behind_topic, int64_t ts_recv_ns) except -1:
        """Decode and apply one frame, which is borrowed for this call; raises FrameError.

        ``behind_topic`` is where it goes on behind the topic's closing quote, or NULL where it does not begin with the topic.
        """
        raise NotImplementedError

    def attach(self, report, double slow_callback_s=0.0):
        """Say whom to report subscribers' errors to, and frames whose callbacks take longer than so long; 0: none."""
        self.report = report
        self.slow_callback_ns = <int64_t>(slow_callback_s * 1e9)

    def refuse(self, error):
        """A frame of this topic could not be used."""
        raise NotImplementedError

    def damaged(self, reason, since_ns, until_ns):
        """A frame that may have been of this topic arrived damaged at ``until_ns``; ``since_ns``: the connection's begin."""
        raise NotImplementedError

    @property
    def needs_snapshot(self):
        """Whether its state is not LIVE, so that only a new snapshot helps."""
        return False

    def asked(self):
        """The venue is asked for the topic: its frames may come from now on, before the answer."""

    def start_over(self):
        """What comes next is from elsewhere: apply its first snapshot, whatever the numbers are."""

    def connection_lost(self, reason, since_ns):
        """No frames until the connection is back, and those since ``since_ns`` are lost."""
        raise NotImplementedError

    def connection_back(self, until_ns):
        """The topic is served again since ``until_ns``."""

    def finish(self, reason):
        """No frames any more."""
        raise NotImplementedError

    def fail(self, error):
        """No frames any more, and readers meet the error that says why."""
        self.failure = error
        self._fail(error)

    def _fail(self, error):
        raise NotImplementedError


@cython.final
cdef class IgnoredChannel(Channel):
    """Takes a topic's frames and decodes none: ``frames`` counts them."""

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* behind_topic, int64_t ts_recv_ns) except -1:
        self.frames += 1
        return 0

    def refuse(self, error):
        """Nothing is kept that a lost frame could make wrong."""

    def damaged(self, reason, since_ns, until_ns):
        """As :meth:`refuse`."""


def with_raw(channels):
    """Each channel, and after it that of its raw frames, where there is one."""
    for channel in channels:
        yield channel
        if channel.raw is not None:
            yield channel.raw
