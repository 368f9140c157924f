"""The channels of events, typed or raw, and of patterns."""

from depthwire.feed.slow_callback cimport report_if_slow
from depthwire.wire.clock cimport now_ns

from depthwire.errors import UNDECODABLE, MalformedEvent, MalformedFrame, StreamGap, SymbolMismatch
from depthwire.feed.callbacks import report_raised
from depthwire.feed.repair import decoder_of, repaired, repaired_events


cdef class EventChannel(Channel):
    """EventChannel(topic, message_type, view=None, named=None)

    Hands the items of each frame's ``data`` to its streams. ``events`` counts them, ``latest`` is the last of them,
    ``ts_recv_ns`` when its frame came, None and 0 before the first. An event that cannot be used is a MalformedEvent in its
    place; ``refused_events`` counts those, ``odd_fields`` the fields of other events that were left out because their value
    is odd. ``view``, if given, is joined before any of them, so
    that they find it up to date with each frame. ``named`` is a field of the events and its value, which the topic names:
    a frame whose first event has another one is a SymbolMismatch. ``watcher``, if set, is called ``asked()``, ``lost(reason, since_ns)`` and
    ``back(until_ns)`` when its connection is, and ``damaged(gap)`` where a damaged frame may have held events.
    """

    def __init__(self, str topic not None, message_type, view=None, named=None):
        super().__init__(topic)
        self._field, self._value = named or (None, None)
        self.view = view
        self._message_type = message_type
        self._decode = decoder_of(message_type)
        self._bytes = FrameBytes()
        self._streams = [] if view is None else [view]

    def join(self, stream):
        """Hand events to one more reader: anything with ``push``, ``break_off`` and ``finish`` of an EventStream."""
        self._streams.append(stream)

    def leave(self, stream):
        """Hand it no more; fine where it had left already."""
        if stream in self._streams:
            self._streams.remove(stream)

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* behind_topic, int64_t ts_recv_ns) except -1:
        self.frames += 1
        refused = False
        try:
            events = self._decode(self._bytes.over(data, size)).data
        except UNDECODABLE as error:
            events, odd_fields = repaired(repaired_events, self._message_type, data[:size], error)
            self.odd_fields += odd_fields
            refused = True
        if self._field is not None and events:
            self._check(events[0])
        self.ts_recv_ns = ts_recv_ns
        if self._gap is not None:
            self.connection_back(ts_recv_ns)
        if refused:
            self._hand_some(events)
        else:
            self._hand(events)
        report_if_slow(self.slow_callback_ns, ts_recv_ns, self.topic, self.report)
        return 0

    cdef inline int _check(self, event) except -1:
        """Raise SymbolMismatch where an event is another topic's; an option's symbol begins with the base coin."""
        found = getattr(event, self._field, None)
        if found is not None and found != self._value and not found.startswith(f"{self._value}-"):
            raise SymbolMismatch(f"an event with {self._field} {found[:40]!r} in a frame of {self._value}")
        return 0

    cdef int _hand_some(self, list events) except -1:
        """Hand out a frame's events, and in their places the errors of those that cannot be used."""
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
        """Hand out events that come from elsewhere, as those of one frame. O(events × streams)."""
        self.frames += 1
        self.ts_recv_ns = now_ns()
        self._hand(events)

    def _callback_failed(self, error, topic):
        report_raised(error, f"{topic}: a callback", self.report)

    def refuse(self, error):
        self.break_off(error)

    def damaged(self, reason, since_ns, until_ns):
        if self._gap is not None:
            return  # the lost connection's gap covers it
        error = StreamGap(self.topic, reason, self.ts_recv_ns or since_ns, until_ns)
        if self.watcher is not None:
            self.watcher.damaged(error)
        self.break_off(error)

    def break_off(self, error):
        """Events may be missing here: each reader meets the error at this place. O(streams)."""
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

    Hands each frame of a topic to its streams as it came, as bytes. A topic that is also read as what it means has it as
    the ``raw`` of its own channel; of any other it is the channel.
    """

    def __init__(self, str topic not None):
        Channel.__init__(self, topic)
        self._streams = []

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* behind_topic, int64_t ts_recv_ns) except -1:
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

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* behind_topic, int64_t ts_recv_ns) except -1:
        raise MalformedFrame("expected a concrete topic, got a pattern")
