"""The live state of ``instrument_info``: a snapshot, and the deltas merged into it."""

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import fields, replace

from depthwire.bybit.public import InstrumentDelta, InstrumentInfo, InstrumentSnapshot
from depthwire.channel import callback_error, log_error
from depthwire.errors import (
    BookNotLive,
    DepthwireError,
    FrameError,
    MalformedFrame,
    OutOfSequence,
    SnapshotMissing,
    SymbolMismatch,
)
from depthwire.streams import Callbacks, changes
from depthwire.values import BookState

NAMES: Final = tuple((field.name, field.encode_name) for field in fields(InstrumentInfo))
ChangeListener = Callable[["Instrument", frozenset[str]], object]
StateListener = Callable[["Instrument"], object]


class Instrument:
    """What the exchange tells of one symbol, kept current. Made by ``client.instrument(...)``.

    Each field of :class:`~depthwire.bybit.public.InstrumentInfo` is an attribute, and so is the exact value of each
    scaled one: ``instrument.last_price_e4``, ``instrument.last_price``. A field that was never sent is None.

    It is EMPTY until its first snapshot, LIVE while each frame follows from the one before, and STALE from the moment
    one does not, or the connection is lost, until the next snapshot. Reading a field while it is not LIVE raises
    :class:`~depthwire.errors.BookNotLive`.

    ``updated`` names the fields that the last frame changed, as the wire does. ``frame_seq`` is the ``cross_seq`` of
    that frame (the field ``cross_seq`` is that of the symbol's last change), ``ts_exchange_us`` and ``ts_recv_ns`` its
    times since the epoch. ``version`` counts applied frames, ``dropped`` the deltas that came while it waited for a
    snapshot. ``finished`` tells that its client was closed or the topic unsubscribed.
    """

    def __init__(self, topic: str, symbol: str) -> None:
        self.topic = topic
        self.symbol = symbol
        self.state = BookState.EMPTY
        self.stale_reason: str | None = None
        self.updated: frozenset[str] = frozenset()
        self.frame_seq = self.ts_exchange_us = self.ts_recv_ns = 0
        self.version = self.dropped = 0
        self.finished = False
        self.report: Callable[[DepthwireError], object] = log_error
        self._info = InstrumentInfo(symbol=symbol)
        self._listeners: Callbacks[ChangeListener] = Callbacks()
        self._state_listeners: Callbacks[StateListener] = Callbacks()

    # ---- applying frames

    def apply(self, message: InstrumentSnapshot | InstrumentDelta, ts_recv_ns: int = 0) -> None:
        """Apply one frame, whole or not at all, then call the subscribers. O(fields).

        A snapshot replaces all fields and makes the state LIVE. A delta that comes while STALE is dropped.

        Raises SnapshotMissing (a delta while EMPTY), OutOfSequence (a ``cross_seq`` that falls), SymbolMismatch or
        MalformedFrame (a delta that deletes); then the fields are as before, and a LIVE state is STALE.
        """
        if isinstance(message, InstrumentDelta) and self.state is BookState.STALE:
            self.dropped += 1
            return
        try:
            info = self._merged(message)
        except FrameError as error:
            self.mark_stale(error.message)
            raise
        self.updated = frozenset(key for name, key in NAMES if getattr(info, name) != getattr(self._info, name))
        self._info = info
        self.frame_seq, self.ts_exchange_us, self.ts_recv_ns = message.cross_seq, message.timestamp_e6, ts_recv_ns
        self.version += 1
        if self.state is not BookState.LIVE:
            self._enter(BookState.LIVE, None)
        for listener in self._listeners.now:
            self._tell(listener, self, self.updated)

    def _merged(self, message: InstrumentSnapshot | InstrumentDelta) -> InstrumentInfo:
        parts = [message.data] if isinstance(message, InstrumentSnapshot) else message.data.update + message.data.insert
        for part in parts:
            if part.symbol != self.symbol:
                raise SymbolMismatch(f"data of {part.symbol!r} on the topic of {self.symbol}", self.topic)
        if isinstance(message, InstrumentSnapshot):
            return message.data
        if self.state is not BookState.LIVE:
            raise SnapshotMissing(f"a delta came while the instrument is {self.state}; it needs a snapshot", self.topic)
        if message.cross_seq < self.frame_seq:
            fall = f"cross_seq {self.frame_seq} was followed by {message.cross_seq}; it may not fall"
            raise OutOfSequence(fall, self.topic)
        if message.data.delete:
            raise MalformedFrame("a delta that deletes; one updates or inserts fields", self.topic)
        sent: dict[str, Any] = {}
        for part in parts:
            sent |= {name: value for name, _ in NAMES if (value := getattr(part, name)) is not None}
        return replace(self._info, **sent)

    def mark_stale(self, reason: str) -> None:
        """Say that the state can no longer be trusted, and why. An EMPTY one stays EMPTY. O(1)."""
        if self.state is BookState.LIVE:
            self._enter(BookState.STALE, reason)

    def finish(self, reason: str) -> None:
        """No more frames will come: the state goes STALE and iterations over it end."""
        self.finished = True
        was_live = self.state is BookState.LIVE
        self.mark_stale(reason)
        if not was_live:
            self._tell_state()

    def _enter(self, state: BookState, reason: str | None) -> None:
        self.state, self.stale_reason = state, reason
        self._tell_state()

    def _tell_state(self) -> None:
        for listener in self._state_listeners.now:
            self._tell(listener, self)

    def _tell(self, listener: Callable[..., object], *arguments: object) -> None:
        try:
            listener(*arguments)
        except Exception as error:
            self.report(callback_error(error, self.topic))

    # ---- subscribers

    def on_change(self, listener: ChangeListener) -> Callable[[], None]:
        """Call ``listener(instrument, changed)`` after each applied frame, inside the frame's own call stack.

        ``changed`` is :attr:`updated`, the names of the fields that the frame changed. What a listener raises is
        reported as a CallbackError and stops nobody else. Returns a function that ends it. O(1).
        """
        return self._listeners.add(listener)

    def on_state(self, listener: StateListener) -> Callable[[], None]:
        """Call ``listener(instrument)`` on each change of :attr:`state`. Returns a function that ends it. O(1)."""
        return self._state_listeners.add(listener)

    def changes(self) -> "AsyncIterator[Instrument]":
        """Iterate asynchronously over the instrument itself: now, and after each change, always its latest state.

        Changes that come while the reader works are one. Only a LIVE state is yielded; the iteration ends when the
        client is closed.
        """
        return changes(self)

    # ---- reading

    def snapshot(self, *, allow_stale: bool = False) -> InstrumentInfo:
        """All fields at this moment, immutable. ``allow_stale=True`` also takes what was last known. O(1)."""
        if self.state is not BookState.LIVE and not allow_stale:
            hint = "wait for its first snapshot" if self.state is BookState.EMPTY else f"{self.stale_reason}"
            raise BookNotLive(f"{self.symbol}: the instrument is {self.state}: {hint}")
        return self._info

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.snapshot(), name)

    def __repr__(self) -> str:
        shown = f"<Instrument {self.symbol} {self.state} version={self.version}"
        if self.state is not BookState.LIVE:
            return f"{shown} reason={self.stale_reason!r}>" if self.stale_reason else f"{shown}>"
        last_price: Decimal | None = self.last_price
        return f"{shown} last_price={last_price}>"
