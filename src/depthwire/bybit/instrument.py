"""What the exchange tells of a symbol, as a live state: a snapshot, and the deltas merged into it."""

from collections.abc import AsyncIterator, Callable
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
    """What every frame of an instrument's topic says beside its fields."""

    is_snapshot: bool
    seq: int
    ts_exchange_us: int


class Instrument(LiveFields):
    """What the exchange tells of one symbol, kept current. Made by ``client.instrument(...)``.

    Each field of :class:`~depthwire.bybit.v2.public.InstrumentInfo`, or on v5 of
    :class:`~depthwire.bybit.v5.public.Ticker`, is an attribute, and so is on v2 the exact value of each scaled one:
    ``instrument.last_price_e4``, ``instrument.last_price``. A field that was never sent is None.

    It is EMPTY until its first snapshot, LIVE while each frame follows from the one before, and STALE from the moment
    one does not, or the connection is lost, until the next snapshot. Reading a field while it is not LIVE raises
    :class:`~depthwire.errors.BookNotLive`. A field whose latest value is odd (another type, no number, a null) is None,
    or "" where it is text that may be absent, until the next good value: the one before is not true any more.
    ``odd_fields`` counts such values.

    ``updated`` names the fields that the last frame changed: on v2 as the wire does, on v5 as the attributes.
    ``frame_seq`` is the ``cross_seq`` of that frame, v5's ``cs`` (v2's field ``cross_seq`` is that of the symbol's
    last change), ``ts_exchange_us`` and ``ts_recv_ns`` its times since the epoch. ``version`` counts applied frames,
    ``dropped`` the deltas that came while it waited for a snapshot, ``outdated`` the late snapshots that it left out.
    ``finished`` tells that its client was closed or
    the topic unsubscribed, or that the venue serves it no more: then ``failure`` is the error that says why, else None.

    Subclasses read a dialect's messages: :meth:`_head` and :meth:`_merged`. ``names`` pairs the attributes of ``info``
    with what they are called in ``updated``.
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
        """Apply one frame, whole or not at all, then call the subscribers. O(fields).

        A snapshot replaces all fields and makes the state LIVE. A delta that comes while STALE is dropped. A snapshot
        whose sequence and time are not newer is a late copy: it is left out and counted. An older answer to a request
        is refused while STALE, the third one in a row is applied. One of the same sequence and time is no change where
        its fields are the same, else one of the two is damaged.

        Raises SnapshotMissing (a delta while EMPTY), OutOfSequence (a sequence that falls), SnapshotMismatch,
        SymbolMismatch or MalformedFrame; then the fields are as before, and a LIVE state is STALE.
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
        """What comes next is from elsewhere: apply its first snapshot, whatever the numbers are."""
        self._starts_over = True

    def adopt(self, other: "Instrument") -> None:
        """Take over the LIVE state of another instrument of the symbol, and call the subscribers. O(fields)."""
        other._is_shared = True
        self._take(other._info, other.frame_seq, other.ts_exchange_us, other.ts_recv_ns)

    def _take(self, info: Record, seq: int, ts_exchange_us: int, ts_recv_ns: int) -> None:
        self.updated = frozenset(
            called for name, called in self.names if getattr(info, name) != getattr(self._info, name)
        )
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
        """A snapshot of the state's own sequence and time: no change, or proof of damage."""
        if info != self._info:
            seq, ts_us = self._numbers
            raise SnapshotMismatch(
                f"a snapshot of sequence {seq} at {ts_us} µs has other fields than the state has at that number; "
                "one of the two is damaged",
                self.topic,
            )
        self.ts_recv_ns = ts_recv_ns

    @property
    def _numbers(self) -> tuple[int, int]:
        return self.frame_seq, self.ts_exchange_us

    def _is_newer(self, head: Head) -> bool:
        """Whether a frame's sequence or time is above the state's; an absent one, 0, is neither above nor below."""
        return any(number > known > 0 for number, known in zip(head[1:], self._numbers, strict=True))

    def _is_late(self, head: Head) -> bool:
        """Whether a snapshot is from before the state."""
        if self.state is BookState.EMPTY or self._starts_over or self._is_newer(head):
            return False
        return any(known > number > 0 for number, known in zip(head[1:], self._numbers, strict=True))

    def _is_same(self, head: Head) -> bool:
        """Whether a snapshot has the numbers of the LIVE state. Without a ``cs``, a time alone proves nothing."""
        is_live = self.state is BookState.LIVE and not self._starts_over
        return is_live and head.seq > 0 and head[1:] == self._numbers

    def _is_rollback(self, head: Head) -> bool:
        """Whether a late snapshot is applied all the same; raises OutOfSequence where it must be asked for again."""
        is_rollback = self.rollback.is_confirmed() if self.state is BookState.STALE else None
        if is_rollback is False:
            (seq, ts_us), (known, known_us) = head[1:], self._numbers
            raise OutOfSequence(
                f"a snapshot of sequence {seq} at {ts_us} µs is older than the state of sequence {known} "
                f"at {known_us} µs; it is fetched again",
                self.topic,
            )
        return bool(is_rollback)

    def _check_follows(self, head: Head) -> None:
        if self.state is not BookState.LIVE:
            raise SnapshotMissing(f"a delta came while the instrument is {self.state}; it needs a snapshot", self.topic)
        if head.seq < self.frame_seq:
            fall = f"the sequence {self.frame_seq} was followed by {head.seq}; it may not fall"
            raise OutOfSequence(fall, self.topic)

    def _head(self, message: Any) -> Head:
        raise NotImplementedError

    def _merged(self, message: Any) -> Record:
        """All fields after a frame; raises FrameError."""
        raise NotImplementedError

    def _check_symbol(self, symbol: object) -> None:
        if symbol != self.symbol:
            raise SymbolMismatch(f"data of {symbol!r} on the topic of {self.symbol}", self.topic)

    def mark_stale(self, reason: str) -> None:
        """Say that the state can no longer be trusted, and why. A client refetches it, unless it is EMPTY. O(1)."""
        if self.state is BookState.LIVE:
            self._enter(BookState.STALE, reason)

    def finish(self, reason: str) -> None:
        """No more frames will come: the state goes STALE and iterations over it end. Told once."""
        if self.finished:
            return
        self.finished = True
        if self.state is BookState.LIVE:
            self.mark_stale(reason)
        else:
            self._tell_state()

    def fail(self, error: DepthwireError) -> None:
        """The venue serves the topic no more: the state is finished, and iterations over it raise ``error``."""
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
        TypeError if the listener is not callable, or async. O(1).
        """
        return self._listeners.add(listener)

    def on_state(self, listener: StateListener) -> Callable[[], None]:
        """Call ``listener(instrument)`` on each change of :attr:`state`. Returns a function that ends it. O(1)."""
        return self._state_listeners.add(listener)

    def changes(self) -> "AsyncIterator[Instrument]":
        """Iterate asynchronously over the instrument itself: now, and after each change, always its latest state.

        Changes that come while the reader works are one. Only a LIVE state is yielded; the iteration ends when the
        client is closed, and raises :attr:`failure` where the venue serves the topic no more.
        """
        return changes(self)

    # ---- reading

    def snapshot(self, *, allow_stale: bool = False) -> Any:
        """All fields at this moment, immutable: an InstrumentInfo, or on v5 a Ticker. O(1).

        ``allow_stale=True`` also takes what was last known.
        """
        if self.state is not BookState.LIVE and not allow_stale:
            hint = "wait for its first snapshot" if self.state is BookState.EMPTY else f"{self.stale_reason}"
            raise BookNotLive(f"{self.symbol}: the instrument is {self.state}: {hint}")
        self._is_shared = True
        return self._info

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
