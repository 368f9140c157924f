"""The channels of events, typed or raw, and of patterns."""

from depthwire.feed.slow_callback cimport report_if_slow
from depthwire.wire.clock cimport now_ns

from depthwire.errors import MalformedEvent, MalformedFrame, StreamGap, SymbolMismatch
from depthwire.feed.callbacks import report_raised
from depthwire.feed.repair import repaired, repaired_events


cdef class EventChannel(Channel):
    """EventChannel(topic, message_type, view=None, named=None)

    Hands the items of each frame's ``data`` to its streams. ``events`` counts them, ``latest`` is the last one, and
    ``ts_recv_ns`` is when its frame arrived (ns since the epoch); None and 0 before the first. A MalformedEvent takes the
    place of an event that cannot be used; ``refused_events`` counts these. ``odd_fields`` counts fields that were left out
    of other events because their values made no sense. ``view``, if given, receives events before the streams do.
    ``named`` is a field of the events and the value that the topic requires: SymbolMismatch is raised if a frame's first
    event has another value. ``watcher``, if set, is a :class:`~depthwire.feed.streams.ConnectionWatcher`.
    """

    def __init__(self, str topic not None, message_type, view=None, named=None):
        super().__init__(topic)
        self._field, self._value = named or (None, None)
        self.view = view
        self._message_type = message_type
        self._decode = message_type.decoder()
        self._bytes = FrameBytes()
        self._streams = [] if view is None else [view]

    def join(self, stream):
        """Add a reader: any object with the ``push``, ``break_off`` and ``finish`` of an EventStream."""
        self._streams.append(stream)

    def leave(self, stream):
        """Remove a reader; do nothing if it was removed before."""
        if stream in self._streams:
            self._streams.remove(stream)

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns) except -1:
        self.frames += 1
        message = self._decode(self._bytes.over(data, size))
        if message is None:
            events, odd_fields = repaired(repaired_events, self._message_type, data[:size])
            self.odd_fields += odd_fields
        else:
            events = message.data
        if self._field is not None and events:
            self._check(events[0])
        self.ts_recv_ns = ts_recv_ns
        if self._gap is not None:
            self.connection_back(ts_recv_ns)
        if message is None:
            self._hand_some(events)
        else:
            self._hand(events)
        report_if_slow(self.slow_callback_ns, ts_recv_ns, self.topic, self.report)
        return 0

    cdef inline int _check(self, event) except -1:
        """Raise SymbolMismatch if an event belongs to another topic. An option's symbol begins with its base coin."""
        found = getattr(event, self._field, None)
        if found is not None and found != self._value and not found.startswith(f"{self._value}-"):
            raise SymbolMismatch(f"an event with {self._field} {found[:40]!r} in a frame of {self._value}")
        return 0

    cdef int _hand_some(self, list events) except -1:
        """Hand out a frame's events, with an error in place of each one that cannot be used."""
        cdef list good = []
        for event in events:
            if not isinstance(event, MalformedEvent):
                good.append(event)
                continue
            self._hand(good)
            good = []
            event.topic = self.topic
            self.refused_events += 1
            self.refuse(event)
            self.report(event)
        return self._hand(good)

    cdef int _hand(self, list events) except -1:
        self.events += len(events)
        if events:
            self.latest = events[len(events) - 1]  # without wraparound
        for stream in tuple(self._streams):
            stream.push(events, self._callback_failed)
        return 0

    def hand(self, events):
        """Hand out events from another source as one frame. O(events × streams)."""
        self.frames += 1
        self.ts_recv_ns = now_ns()
        self._hand(events)

    def take_over(self, events):
        """Hand out what another channel of the topic brought, a MalformedEvent in place of each refused event, as one frame.

        O(events × streams).
        """
        self.frames += 1
        self.ts_recv_ns = now_ns()
        self._hand_some(events)

    def _callback_failed(self, error, topic):
        report_raised(error, f"{topic}: a callback", self.report)

    def refuse(self, error):
        self.break_off(error)

    def damaged(self, reason, since_ns, until_ns):
        if self._gap is not None:
            return  # the gap of the lost connection includes it
        error = StreamGap(self.topic, reason, self.ts_recv_ns or since_ns, until_ns)
        if self.watcher is not None:
            self.watcher.damaged(error)
        self.break_off(error)

    def break_off(self, error):
        """Put an error into each stream at this point, because events may be missing. O(streams)."""
        for stream in tuple(self._streams):
            stream.break_off(error)

    def asked(self):
        if self.watcher is not None:
            self.watcher.asked()

    def connection_lost(self, reason, since_ns):
        if self._gap is None:
            self._gap = reason, since_ns, tuple(self._streams)
        if self.watcher is not None:
            self.watcher.lost(reason, since_ns)

    def connection_back(self, until_ns):
        if self.watcher is not None:
            self.watcher.back(until_ns)
        if self._gap is not None:
            reason, since_ns, streams = self._gap
            self._gap = None
            error = StreamGap(self.topic, reason, since_ns, until_ns)
            for stream in streams:
                if stream in self._streams:
                    stream.break_off(error)

    def finish(self, reason):
        for stream in self._streams:
            stream.finish()

    def _fail(self, error):
        self.break_off(error)
        self.finish(str(error))


cdef class RawChannel(EventChannel):
    """RawChannel(topic)

    Hands each frame of a topic to its streams as bytes, exactly as received. If the topic is also read as typed data, this
    is the ``raw`` of the typed channel.
    """

    def __init__(self, str topic not None):
        Channel.__init__(self, topic)
        self._streams = []

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns) except -1:
        self.frames += 1
        self.ts_recv_ns = ts_recv_ns
        if self._gap is not None:
            self.connection_back(ts_recv_ns)
        self._hand([data[:size]])
        report_if_slow(self.slow_callback_ns, ts_recv_ns, self.topic, self.report)
        return 0


cdef class PatternChannel(RawChannel):
    """PatternChannel(pattern)

    Reports what may concern topics of a pattern that no frame has named yet: a damaged frame, a lost connection. Events
    come through the channels of the concrete topics.
    """

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* after_topic, int64_t ts_recv_ns) except -1:
        raise MalformedFrame("expected a concrete topic, got a pattern")
