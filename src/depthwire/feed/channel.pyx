"""What a topic's frames become: a live book, or a stream of events; and who is told.

Subscribers are called inside the frame's own call stack, after the frame is applied whole.
"""

cimport cython

from logging import getLogger

import msgspec

from depthwire.book.book cimport EMPTY, LIVE, STALE
from depthwire.book.prefetch cimport prefetch_best
from depthwire.wire.clock cimport coarse_ns, now_ns
from depthwire.book.update cimport BookFrame
from depthwire.book.snapshot_age cimport LATE, SAME_NUMBER, Age, age_of, is_restart

from depthwire.feed.callbacks import checked_callback, report_raised
from depthwire.feed.insistence import Insistence
from depthwire.errors import (
    UNDECODABLE,
    MalformedEvent,
    MalformedFrame,
    OutOfSequence,
    SlowCallback,
    SnapshotMismatch,
    StreamGap,
    SymbolMismatch,
)
from depthwire.feed.repair import Refused, repaired_events, repaired_message
from depthwire.feed.streams import changes
from depthwire.book.types import BookState

log = getLogger("depthwire")


def log_error(error):
    """Where errors go that nobody asked to be told of."""
    log.warning("%s: %s", type(error).__name__, error)


cdef class BookListener:
    """A subscriber in Cython: subclass it, override ``on_book`` and give it to :meth:`LiveBook.on_change`.

    ``on_sent_again`` is called where a snapshot came once more without a change: the book has newer times.
    """

    cdef int on_book(self, LiveBook book) except -1:
        raise NotImplementedError

    cdef int on_sent_again(self, LiveBook book) except -1:
        return 0


cdef class LiveBook(Book):
    """A book that a feed keeps current, and that tells its subscribers. Made by ``client.book(...)``.

    ``topic`` is the topic that feeds it; ``finished`` tells that its client was closed or the topic unsubscribed, or that
    the venue serves it no more: then ``failure`` is the error that says why, else None.
    """

    def __init__(self, str topic not None, str symbol not None, Py_ssize_t depth):
        super().__init__(symbol, depth)
        self.topic = topic
        self.report = log_error
        self._listeners = self._state_listeners = ()

    def on_change(self, listener):
        """Call ``listener(book)`` after each applied frame, inside the frame's own call stack.

        ``listener`` is a callable or a :class:`BookListener`. Returns a function that removes it. Raises TypeError if it
        is neither, or async. O(1).

        What it raises is reported as a CallbackError; the book and its other subscribers go on. SystemExit and
        KeyboardInterrupt are reported, too, and then end the event loop, as in asyncio, or a client of the blocking face.
        """
        self._listeners += (checked_listener(listener),)

        def remove():
            self._listeners = without(self._listeners, listener)

        return remove

    def on_state(self, listener):
        """Call ``listener(book)`` on each change of :attr:`state`. Returns a function that ends it. O(1)."""
        self._state_listeners += (checked_listener(listener),)

        def remove():
            self._state_listeners = without(self._state_listeners, listener)

        return remove

    def changes(self):
        """Iterate asynchronously over the book itself: now, and after each change, always its latest state.

        Changes that come while the reader works are one. Only a LIVE book is yielded; the iteration ends when the
        client is closed, and raises :attr:`failure` where the venue serves the topic no more.
        """
        return changes(self)

    def finish(self, str reason not None):
        """No more frames will come: the book goes STALE and iterations over it end. Told once."""
        if self.finished:
            return
        self.finished = True
        if self.status == LIVE:
            self.go_stale(reason)
        else:
            self.on_state_changed()

    def fail(self, error not None):
        """The venue serves the topic no more: the book is finished, and iterations over it raise ``error``."""
        if not self.finished:
            self.failure = error
            self.finish(str(error))

    def adopt(self, LiveBook other not None):
        """Take over the levels of another, LIVE book of the topic, as a frame's, and call the subscribers. O(1).

        ``other`` gets this one's in exchange, and is no book any more.
        """
        self.bid_ladder, other.bid_ladder = other.bid_ladder, self.bid_ladder
        self.ask_ladder, other.ask_ladder = other.ask_ladder, self.ask_ladder
        self.number_as(other)
        other.go_stale("its levels were taken over")
        self.renewed(other.ts_recv_ns)

    cdef void number_as(self, LiveBook other) noexcept:
        """Take over the numbers that go with another book's levels."""
        self.decimals, self.unit = other.decimals, other.unit
        self.is_numbered = other.is_numbered
        self.cross_seq, self.update_id = other.cross_seq, other.update_id
        self.ts_exchange_us, self.ts_matching_us = other.ts_exchange_us, other.ts_matching_us

    cdef int renewed(self, int64_t ts_recv_ns) except -1:
        """Levels that came at ``ts_recv_ns`` were taken over: that counts as a frame, and the subscribers are called."""
        self.ts_recv_ns = ts_recv_ns
        self.version += 1
        if self.status != LIVE:
            self._enter(LIVE, None)
        return self.applied()

    cdef int sent_again(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        """A snapshot came once more: that is no change, so only the times move, and they never move back."""
        if frame.cross_seq >= self.cross_seq and frame.ts_exchange_us >= self.ts_exchange_us:
            self.cross_seq = frame.cross_seq
            self.ts_exchange_us = frame.ts_exchange_us
            self.ts_matching_us = frame.ts_matching_us
            self.ts_recv_ns = ts_recv_ns
            for listener in self._listeners:
                if isinstance(listener, BookListener):
                    (<BookListener>listener).on_sent_again(self)
        return 0

    cdef int applied(self) except -1:
        if self._listeners:
            tell(self._listeners, self)
            if self.slow_callback_ns:
                check_time(self.slow_callback_ns, self.ts_recv_ns, self.topic, self.report)
        return 0

    cdef int on_state_changed(self) except -1:
        if self._state_listeners:
            tell(self._state_listeners, self)
        return 0


cdef object checked_listener(object listener):
    return listener if isinstance(listener, BookListener) else checked_callback(listener)


cdef tuple without(tuple listeners, object listener):
    return tuple([other for other in listeners if other is not listener])


cdef int tell(tuple listeners, LiveBook book) except -1:
    for listener in listeners:
        try:
            if isinstance(listener, BookListener):
                (<BookListener>listener).on_book(book)
            else:
                listener(book)
        except BaseException as error:
            report_raised(error, f"{book.topic}: a callback", book.report)
    return 0


cdef int check_time(int64_t bound_ns, int64_t ts_recv_ns, str topic, object report) except -1:
    """Report where callbacks, of a frame that came at ``ts_recv_ns``, are over only now."""
    if coarse_ns() - ts_recv_ns > bound_ns:
        report(SlowCallback(topic, (now_ns() - ts_recv_ns) / 1e9, bound_ns / 1e9))
    return 0


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


cdef class BookChannel(Channel):
    """BookChannel(book, decoder, scanner=None)

    Keeps ``book``, also called ``state``, current. Each frame takes the scanner's lane, or, where that knows no such
    shape, the decoder's: ``scanned``, ``decoded`` and ``rejected`` (by either lane, or by the book) count them.
    ``dropped`` counts deltas that came while the book waited for its snapshot. ``outdated`` counts late frames, which it
    leaves out: snapshots as ``snapshot_age.pxd`` defines them, copies of one of its last deltas, on v5 all deltas that are
    not beyond its own ``u`` and ``seq``.

    A venue may start over with older numbers, after a restart on an older clock. More late deltas in a row than a LIVE
    book remembers make it STALE. A late snapshot that answers a request for a STALE book is refused, so that the book is
    fetched again; the answer to the third request in a row is applied, where nothing newer came in between. A late
    snapshot that no request asked for is left out, always.
    """

    def __init__(self, LiveBook book not None, BookDecoder decoder not None, Scanner scanner=None):
        super().__init__(book.topic)
        self.book = book
        self._decoder = decoder
        self._scanner = scanner
        self._insistence = Insistence()

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* behind_topic, int64_t ts_recv_ns) except -1:
        cdef BookFrame frame = self._decoder.frame
        prefetch_best(self.book.bid_ladder)
        prefetch_best(self.book.ask_ladder)
        self.frames += 1
        if behind_topic != NULL and self._scanner is not None and self._scanner.scan(behind_topic, data + size, self.book, frame):
            self.scanned += 1
        else:
            self._decoder.decode(data, size, self.book)
            self.decoded += 1
        if frame.is_snapshot:
            return self._take_snapshot(frame, ts_recv_ns)
        if self.book.status == STALE:
            return self._drop(frame)
        if self.book.is_late(frame) and self._was_applied(frame):
            return self._leave_out_delta(frame)
        return self._apply(frame, ts_recv_ns)

    def start_over(self):
        self._starts_over = True

    cdef inline int _apply(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        self.book.apply(frame, ts_recv_ns)
        self._applied[self.book.version % REMEMBERED] = FrameNumbers(frame.cross_seq, frame.ts_exchange_us)
        return self.book.applied()

    cdef int _take_snapshot(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        """Apply a snapshot, or do what its numbers say instead."""
        cdef Age age
        if self.book.status == EMPTY or self._starts_over:
            self._starts_over = False
            return self._begin(frame, ts_recv_ns)
        age = age_of(frame, self.book)
        if self.book.status == STALE:
            return self._hold_back(frame, ts_recv_ns) if age == LATE else self._begin(frame, ts_recv_ns)
        if age == LATE:
            self.outdated += 1
            return 0
        if age == SAME_NUMBER:
            refusal = self.book.arrange(frame)
            if refusal is not None:
                raise refusal
            if self.book.holds(frame):
                return self.book.sent_again(frame, ts_recv_ns)
            if not is_restart(frame, self.book):
                raise SnapshotMismatch(
                    f"a snapshot of {self._numbers(frame)} has other levels than the book has at that number; one of the two "
                    "is damaged",
                    self.topic,
                )
        return self._apply(frame, ts_recv_ns)

    cdef int _hold_back(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        """A late snapshot came while the book waits for one: have it fetched again, unless the venue insists."""
        is_insisted_on = self._insistence.older()
        if is_insisted_on is None:
            self.outdated += 1
            return 0
        if is_insisted_on:
            return self._begin(frame, ts_recv_ns)
        raise OutOfSequence(
            f"a snapshot of {self._numbers(frame)} is older than the book, which was at {self._numbers(None)}; it is fetched again",
            self.topic,
        )

    cdef int _begin(self, BookFrame frame, int64_t ts_recv_ns) except -1:
        """Apply a snapshot that the book waited for."""
        self._insistence.forget()
        return self._apply(frame, ts_recv_ns)

    cdef int _leave_out_delta(self, BookFrame frame) except -1:
        """A late delta came while the book is LIVE: count it. Too many in a row are no copies."""
        if self._counted_at != self.book.version:
            self._counted_at = self.book.version
            self._late = 0
        self.outdated += 1
        self._late += 1
        if self._late > REMEMBERED:
            raise OutOfSequence(
                f"{self._late} deltas in a row are older than the book at {self._numbers(None)}, the last one of "
                f"{self._numbers(frame)}; the venue may have started over",
                self.topic,
            )
        return 0

    cdef int _drop(self, BookFrame frame) except -1:
        """A delta came while the book waits for its snapshot. A newer one shows that the venue did not start over."""
        self.dropped += 1
        if frame.cross_seq > self.book.cross_seq or frame.ts_exchange_us > self.book.ts_exchange_us:
            self._insistence.contradicted()
        return 0

    cdef str _numbers(self, BookFrame frame):
        """The numbers of a frame, of the book where it is None, as an error shows them."""
        cdef bint is_frame = frame is not None
        cdef int64_t cross_seq = frame.cross_seq if is_frame else self.book.cross_seq
        cdef int64_t ts_us = frame.ts_exchange_us if is_frame else self.book.ts_exchange_us
        if not self.book.is_numbered:
            return f"cross_seq {cross_seq} at {ts_us} µs"
        return f"u {frame.update_id if is_frame else self.book.update_id}, seq {cross_seq} at {ts_us} µs"

    cdef bint _was_applied(self, BookFrame frame) noexcept:
        """Whether a late delta's changes are in the book; on v2, whose frames are not counted, where it is remembered."""
        cdef int i
        if self.book.is_numbered:
            return True
        for i in range(REMEMBERED):
            if self._applied[i].cross_seq == frame.cross_seq and self._applied[i].ts_exchange_us == frame.ts_exchange_us:
                return True
        return False

    @property
    def state(self):
        return self.book

    def attach(self, report, double slow_callback_s=0.0):
        Channel.attach(self, report, slow_callback_s)
        self.book.report = report
        self.book.slow_callback_ns = self.slow_callback_ns

    def refuse(self, error):
        self.rejected += 1
        self.book.go_stale(error.message)

    def damaged(self, reason, since_ns, until_ns):
        self.book.go_stale(reason)

    @property
    def needs_snapshot(self):
        return self.book.status != LIVE

    def asked(self):
        self._insistence.asked()

    def connection_lost(self, reason, since_ns):
        self._insistence.forget()
        self.book.go_stale(reason)

    def finish(self, reason):
        self.book.finish(reason)

    def _fail(self, error):
        self.book.fail(error)


cdef object decoder_of(message_type):
    if hasattr(message_type, "decoder"):
        return message_type.decoder()
    # Where one dialect writes a number the other writes a string; lax decoding takes either.
    return msgspec.json.Decoder(message_type, strict=False).decode


cdef tuple HOPELESS = (*UNDECODABLE, Refused)


cdef object repaired(object repair, object message_type, const char* data, Py_ssize_t size, object error):
    """What is left of a frame that was refused with ``error``; raises MalformedFrame where that is nothing."""
    try:
        return repair(message_type, data[:size])
    except HOPELESS:
        raise MalformedFrame(f"{error}; it reads {bytes(data[: min(size, 120)])!r}") from None


cdef class StateChannel(Channel):
    """StateChannel(topic, message_type, state)

    Keeps ``state`` current, which is anything with ``apply(message, ts_recv_ns)`` that raises FrameError, ``state``,
    ``mark_stale(reason)``, ``finish(reason)``, ``fail(error)``, ``start_over()``, an attribute ``report`` for its subscribers' errors, an
    ``insistence`` that learns of requests, and a count ``odd_fields`` of those whose value was left out because it was odd.
    """

    def __init__(self, str topic not None, message_type, state not None):
        super().__init__(topic)
        self.state = state
        self._message_type = message_type
        self._decode = decoder_of(message_type)
        self._bytes = FrameBytes()

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* behind_topic, int64_t ts_recv_ns) except -1:
        self.frames += 1
        try:
            message = self._decode(self._bytes.over(data, size))
        except UNDECODABLE as error:
            message, odd_fields = repaired(repaired_message, self._message_type, data, size, error)
            self.state.odd_fields += odd_fields
        self.state.apply(message, ts_recv_ns)
        if self.slow_callback_ns:
            check_time(self.slow_callback_ns, ts_recv_ns, self.topic, self.report)
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
        self.state.insistence.asked()

    def start_over(self):
        self.state.start_over()

    def connection_lost(self, reason, since_ns):
        self.state.insistence.forget()
        self.state.mark_stale(reason)

    def finish(self, reason):
        self.state.finish(reason)

    def _fail(self, error):
        self.state.fail(error)


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
            events, odd_fields = repaired(repaired_events, self._message_type, data, size, error)
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
        if self.slow_callback_ns:
            check_time(self.slow_callback_ns, ts_recv_ns, self.topic, self.report)
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
        if self.slow_callback_ns:
            check_time(self.slow_callback_ns, ts_recv_ns, self.topic, self.report)
        return 0


cdef class PatternChannel(RawChannel):
    """PatternChannel(pattern)

    Reports what may concern topics of a pattern that no frame has named yet: a damaged frame, a lost connection. Events
    come through the channels of the concrete topics.
    """

    cdef int on_frame(self, const char* data, Py_ssize_t size, const char* behind_topic, int64_t ts_recv_ns) except -1:
        raise MalformedFrame("expected a concrete topic, got a pattern")


def with_raw(channels):
    """Each channel, and after it that of its raw frames, where there is one."""
    for channel in channels:
        yield channel
        if channel.raw is not None:
            yield channel.raw
