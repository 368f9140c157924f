"""An instrument: a snapshot of a symbol's fields, kept current by deltas."""

from collections.abc import AsyncIterator, Callable
from copy import copy
from decimal import Decimal
from typing import Any, NamedTuple

from depthwire.book.types import BookState
from depthwire.bybit.fields import Record
from depthwire.bybit.live_fields import LiveFields
from depthwire.errors import (
    BookNotLive,
    DepthwireError,
    FrameError,
    OutOfSequence,
    SnapshotMismatch,
    SnapshotMissing,
    SymbolMismatch,
)
from depthwire.feed.callbacks import Callbacks, log_error, report_raised
from depthwire.feed.rollback import RollbackCheck
from depthwire.feed.streams import changes

ChangeListener = Callable[["Instrument", frozenset[str]], object]
StateListener = Callable[["Instrument"], object]


class Head(NamedTuple):
    """The numbers that every frame of an instrument's topic has next to its fields."""

    is_snapshot: bool
    seq: int
    ts_exchange_us: int


class Instrument(LiveFields):
    """The current fields of one symbol. Made by ``client.instrument(...)``.

    Each field of :class:`~depthwire.bybit.v2.public.InstrumentInfo`, or on v5 of
    :class:`~depthwire.bybit.v5.public.Ticker`, is an attribute. On v2 the exact value of each scaled field is an
    attribute, too: ``instrument.last_price_e4``, ``instrument.last_price``. A field that was never sent is None.

    The instrument is EMPTY until its first snapshot and LIVE while each frame follows from the one before. It goes
    STALE when a frame does not follow, or when the connection is lost, and LIVE again with the next snapshot. Reading a
    field while it is not LIVE raises :class:`~depthwire.errors.BookNotLive`. A field whose latest value is invalid
    (another type, not a number, null) is None, or "" for text that may be absent, until the next good value, because
    the value before is no longer true. ``odd_fields`` counts invalid values.

    ``updated`` names the fields that the last frame changed: on v2 by their names on the wire, on v5 by their
    attributes. ``frame_seq`` is the ``cross_seq`` of that frame, on v5 its ``cs`` (the v2 field ``cross_seq`` belongs
    to the symbol's last change). ``ts_exchange_us`` and ``ts_recv_ns`` are its times since the epoch. ``version``
    counts applied frames, ``dropped`` the deltas that arrived while the instrument was STALE, ``outdated`` the late
    snapshots that were not applied. ``finished`` is True after the client was closed, the topic was unsubscribed, or
    the venue stopped serving it; in the last case ``failure`` is the error, else None.

    A subclass reads one dialect's messages with :meth:`_head` and :meth:`_merged`. ``names`` pairs the attributes of
    ``info`` with their names in ``updated``.
    """

    def __init__(
        self, topic: str, symbol: str, info: Record, names: tuple[tuple[str, str], ...], *, empty_is_absent: bool
    ) -> None:
        super().__init__(topic, symbol, info, names, empty_is_absent)
        self.state = BookState.EMPTY
        self.stale_reason: str | None = None
        self.frame_seq = self.ts_exchange_us = self.ts_recv_ns = 0
        self.version = self.dropped = self.outdated = self.odd_fields = 0
        self.rollback = RollbackCheck()
        self._starts_over = False
        self.finished = False
        self.failure: DepthwireError | None = None
        self.report: Callable[[DepthwireError], object] = log_error
        self.names = names
        self._listeners: Callbacks[ChangeListener] = Callbacks()
        self._state_listeners: Callbacks[StateListener] = Callbacks()

    # ---- applying frames

    def apply(self, message: Any, ts_recv_ns: int = 0) -> None:
        """Apply one frame, completely or not at all, then call the subscribers. O(fields).

        A snapshot replaces all fields and makes the state LIVE. A delta that arrives while the state is STALE is
        dropped. A snapshot whose sequence and time are not newer is a late copy: it is counted, not applied. While
        STALE, an older answer to a request is refused, and the third one in a row is applied. A snapshot of the same
        sequence and time is applied while STALE if it answers a request. While LIVE, it changes nothing if its fields
        are equal; if they differ, one of the two snapshots is damaged.

        Raises SnapshotMissing (a delta while EMPTY), OutOfSequence (a decreasing sequence), SnapshotMismatch,
        SymbolMismatch or MalformedFrame. Then the fields are unchanged, and a LIVE state is STALE.
        """
        head = self._head(message)
        if not head.is_snapshot and self.state is BookState.STALE:
            self.dropped += 1
            if self._is_newer(head):
                self.rollback.contradicted()
            return
        try:
            if not head.is_snapshot:
                self._check_follows(head)
            elif self._is_late(head) and not self._is_rollback(head):
                self.outdated += 1
                return
            info = self._merged(message)
            if head.is_snapshot and self._is_same(head):
                self._take_again(info, ts_recv_ns)
                return
        except FrameError as error:
            self.mark_stale(error.message)
            raise
        self._take(info, head.seq, head.ts_exchange_us, ts_recv_ns)

    def start_over(self) -> None:
        """Apply the next snapshot whatever its numbers, because the frames now come from another source."""
        self._starts_over = True

    def adopt(self, other: "Instrument") -> None:
        """Take over the LIVE state of another instrument of the symbol, and call the subscribers. O(fields)."""
        self._take(other._shared(), other.frame_seq, other.ts_exchange_us, other.ts_recv_ns)

    def _take(self, info: Record, seq: int, ts_exchange_us: int, ts_recv_ns: int) -> None:
        now, before = copy(info), copy(self._info)  # the numbers of the state stay text until they are read
        self.updated = frozenset(called for name, called in self.names if getattr(now, name) != getattr(before, name))
        self._info = info
        self._is_shared = True  # a frame that follows works on a copy
        self._starts_over = False
        self.frame_seq, self.ts_exchange_us, self.ts_recv_ns = seq, ts_exchange_us, ts_recv_ns
        self.version += 1
        if self.state is not BookState.LIVE:
            self.rollback.reset()
            self._enter(BookState.LIVE, None)
        for listener in self._listeners.now:
            self._tell(listener, self, self.updated)

    def _take_again(self, info: Record, ts_recv_ns: int) -> None:
        """Compare a snapshot with the state of the same sequence and time. Raises SnapshotMismatch if they differ."""
        if info != self._info:
            seq, ts_us = self._numbers
            raise SnapshotMismatch(
                f"a snapshot of sequence {seq} at {ts_us} µs does not have the fields of the state at that number; "
                "one of the two is damaged",
                self.topic,
            )
        self.ts_recv_ns = ts_recv_ns

    @property
    def _numbers(self) -> tuple[int, int]:
        return self.frame_seq, self.ts_exchange_us

    def _is_newer(self, head: Head) -> bool:
        """Return whether a frame's sequence or time is above the state's. An absent number, 0, does not count."""
        return any(number > known > 0 for number, known in zip(head[1:], self._numbers, strict=True))

    def _is_late(self, head: Head) -> bool:
        """Return whether a snapshot is older than the state, or a copy of what made a STALE one."""
        if self.state is BookState.EMPTY or self._starts_over or self._is_newer(head):
            return False
        is_older = any(known > number > 0 for number, known in zip(head[1:], self._numbers, strict=True))
        return is_older or (self.state is BookState.STALE and self._has_same_numbers(head))

    def _has_same_numbers(self, head: Head) -> bool:
        """Return whether a snapshot has the state's sequence and time. An equal time without a ``cs`` is not enough."""
        return head.seq > 0 and head[1:] == self._numbers

    def _is_same(self, head: Head) -> bool:
        """Return whether a snapshot has the sequence and time of the LIVE state."""
        return self.state is BookState.LIVE and not self._starts_over and self._has_same_numbers(head)

    def _is_rollback(self, head: Head) -> bool:
        """Return whether a late snapshot is applied; raises OutOfSequence if it must be requested again."""
        if self.state is not BookState.STALE:
            return False
        is_confirmed = self.rollback.is_confirmed(is_same=self._has_same_numbers(head))
        if is_confirmed is False:
            (seq, ts_us), (known, known_us) = head[1:], self._numbers
            raise OutOfSequence(
                f"a snapshot of sequence {seq} at {ts_us} µs is older than the state of sequence {known} "
                f"at {known_us} µs; requesting another",
                self.topic,
            )
        return bool(is_confirmed)

    def _check_follows(self, head: Head) -> None:
        if self.state is not BookState.LIVE:
            raise SnapshotMissing(f"a delta arrived while {self.state}; the instrument needs a snapshot", self.topic)
        if head.seq < self.frame_seq:
            fall = f"the sequence {self.frame_seq} was followed by {head.seq}; it may not fall"
            raise OutOfSequence(fall, self.topic)

    def _head(self, message: Any) -> Head:
        raise NotImplementedError

    def _merged(self, message: Any) -> Record:
        """Return all fields after a frame; raises FrameError."""
        raise NotImplementedError

    def _check_symbol(self, symbol: object) -> None:
        if symbol != self.symbol:
            raise SymbolMismatch(f"data of {symbol!r} on the topic of {self.symbol}", self.topic)

    def mark_stale(self, reason: str) -> None:
        """Make a LIVE state STALE for this reason; a client then requests a snapshot. O(1)."""
        if self.state is BookState.LIVE:
            self._enter(BookState.STALE, reason)

    def finish(self, reason: str) -> None:
        """Make the state STALE and end all iterations, because no more frames will arrive. Later calls do nothing."""
        if self.finished:
            return
        self.finished = True
        if self.state is BookState.LIVE:
            self.mark_stale(reason)
        else:
            self._tell_state()

    def fail(self, error: DepthwireError) -> None:
        """Finish the state with an error, because the venue stopped serving the topic; iterations raise ``error``."""
        if not self.finished:
            self.failure = error
            self.finish(str(error))

    def _enter(self, state: BookState, reason: str | None) -> None:
        self.state, self.stale_reason = state, reason
        self._tell_state()

    def _tell_state(self) -> None:
        for listener in self._state_listeners.now:
            self._tell(listener, self)

    def _tell(self, listener: Callable[..., object], *arguments: object) -> None:
        try:
            listener(*arguments)
        except BaseException as error:
            report_raised(error, f"{self.topic}: a callback", self.report)

    # ---- subscribers

    def on_change(self, listener: ChangeListener) -> Callable[[], None]:
        """Call ``listener(instrument, changed)`` after each applied frame, inside the frame's own call stack.

        ``changed`` is :attr:`updated`, the names of the fields that the frame changed. What a listener raises is
        handled as for :meth:`~depthwire.feed.live_book.LiveBook.on_change`. Returns a function that removes it. Raises
        TypeError if the listener is async or not callable. O(1).
        """
        return self._listeners.add(listener)

    def on_state(self, listener: StateListener) -> Callable[[], None]:
        """Call ``listener(instrument)`` on each change of :attr:`state`. Returns a function that removes it. O(1)."""
        return self._state_listeners.add(listener)

    def changes(self) -> "AsyncIterator[Instrument]":
        """Iterate asynchronously over the instrument itself: now, and after each change.

        Changes that arrive while the reader is busy are conflated. Only a LIVE state is yielded. The iteration ends
        when the client is closed, and raises :attr:`failure` if the venue stops serving the topic.
        """
        return changes(self)

    # ---- reading

    def snapshot(self, *, allow_stale: bool = False) -> Any:
        """Return the current fields, immutable: an InstrumentInfo, or on v5 a Ticker. O(1).

        The next frame copies the fields before it changes them. Raises BookNotLive unless the state is LIVE;
        ``allow_stale=True`` returns the last known fields instead.
        """
        if self.state is not BookState.LIVE and not allow_stale:
            hint = "wait for its first snapshot" if self.state is BookState.EMPTY else f"{self.stale_reason}"
            raise BookNotLive(f"{self.symbol}: the instrument is {self.state}: {hint}")
        return self._shared()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._info if self.state is BookState.LIVE else self.snapshot(), name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._info.__struct_fields__]

    def __repr__(self) -> str:
        shown = f"<Instrument {self.symbol} {self.state} version={self.version}"
        if self.state is not BookState.LIVE:
            return f"{shown} reason={self.stale_reason!r}>" if self.stale_reason else f"{shown}>"
        last_price: Decimal | None = self.last_price
        return f"{shown} last_price={last_price}>"
