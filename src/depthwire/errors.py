"""Every error that depthwire raises on purpose.

::

    DepthwireError
    ├── InvalidUrl (ValueError)           the URL names no endpoint or proxy that depthwire can speak to
    ├── ConnectError (ConnectionError)    refused, unreachable, TLS or handshake failed, deadline passed:
    │                                     ``status``, ``retry_after_s``
    ├── ConnectionLost (ConnectionError)  an established connection ended; the client reconnects. ``code``, ``reason``:
    │                                     those of the close frame, if there was one
    ├── ClientClosed                      the client was closed during the call or before it
    │   └── ClientForked                  the client belongs to the process that this one was forked from
    ├── AuthError                         the sign-in was refused, or the key and secret are missing
    ├── PinningError (ValueError)         ``cpu=`` names no CPU that the event loop's thread can be pinned to
    ├── TopicError (ValueError)           an invalid topic or symbol; no request was sent
    │   └── UnknownTopic                  a topic that depthwire has no types for; use ``subscribe_raw``
    ├── SubscriptionError
    │   ├── SubscriptionRejected          the venue refused: ``topic``, ``reason``; all of them in ``reasons``
    │   └── SubscriptionTimeout (TimeoutError)  no answer, or no snapshot, within the deadline
    ├── FrameError                        an unusable frame; ``topic`` if it is known
    │   ├── MalformedFrame                not JSON, wrong types, a missing field, too large
    │   │   ├── DamagedFrame              its topic is unreadable: binary, empty, cut, damaged; ``topics``
    │   │   └── MalformedEvent            one event of a frame is malformed; the others were delivered: ``raw``
    │   ├── UnexpectedTopic               data for a topic that no caller has subscribed to
    │   ├── SymbolMismatch                a level or an event of another symbol, a candle of another interval
    │   ├── PriceMismatch                 price text and price id that disagree
    │   ├── InvalidLevel                  a price or size out of range: zero, negative, not finite, beyond int64
    │   └── ContinuityError               the frame does not follow from the book: a frame is missing or wrong
    │       ├── SnapshotMissing           a delta, but no snapshot to apply it to
    │       ├── UnknownLevel              delete or update of a price id that is not in the book
    │       ├── DuplicateLevel            insert of an existing price id, or a duplicate in a snapshot
    │       ├── DepthExceeded             more levels on a side than the topic's depth
    │       ├── UnbalancedFrame           a full side is left with fewer levels: inserts are missing
    │       ├── CrossedBook               best bid at or above best ask
    │       ├── OutOfSequence             a sequence or time that decreases; v5: a gap in ``u``
    │       └── LinesDisagree             two lines have different states at one sequence
    ├── BookNotLive                       prices were read from a book that is EMPTY or STALE
    ├── InsufficientDepth                 the book holds less than the requested size
    ├── ReaderOverflow                    events were lost because their reader was too slow: ``lost``
    ├── StreamGap                         events may be missing: the connection was lost, or a damaged frame may
    │                                     have held some: ``since_ns``, ``until_ns``, ``reason``
    ├── TopicSilent                       a topic is silent on a live connection: ``topic``, ``silent_s``
    ├── CallbackError                     a callback raised; its exception is the ``__cause__``
    ├── SlowCallback                      a frame's callbacks held up the socket: ``topic``, ``took_s``, ``bound_s``
    └── TapeError                         a tape cannot be opened, is not a tape, or would be overwritten
"""

from collections.abc import Mapping
from typing import Final

import msgspec

__all__ = [
    "AuthError",
    "BookNotLive",
    "CallbackError",
    "ClientClosed",
    "ClientForked",
    "ConnectError",
    "ConnectionLost",
    "ContinuityError",
    "CrossedBook",
    "DamagedFrame",
    "DepthExceeded",
    "DepthwireError",
    "DuplicateLevel",
    "FrameError",
    "InsufficientDepth",
    "InvalidLevel",
    "InvalidUrl",
    "LinesDisagree",
    "MalformedEvent",
    "MalformedFrame",
    "OutOfSequence",
    "PinningError",
    "PriceMismatch",
    "ReaderOverflow",
    "SlowCallback",
    "SnapshotMismatch",
    "SnapshotMissing",
    "StreamGap",
    "SubscriptionError",
    "SubscriptionRejected",
    "SubscriptionTimeout",
    "SymbolMismatch",
    "TapeError",
    "TopicError",
    "TopicSilent",
    "UnbalancedFrame",
    "UnexpectedTopic",
    "UnknownLevel",
    "UnknownTopic",
]

UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The exceptions of msgspec if bytes are not the expected JSON; depthwire raises MalformedFrame instead."""


LONGEST_MESSAGE: Final = 600


def shortened(text: str) -> str:
    """Return a text, without its middle if it is long: it may quote a frame of any size."""
    if len(text) <= LONGEST_MESSAGE:
        return text
    half = LONGEST_MESSAGE // 2
    return f"{text[:half]} … {text[-half:]}"


class DepthwireError(Exception):
    """The base of every error that depthwire raises on purpose."""


class InvalidUrl(DepthwireError, ValueError):
    """The URL is not an endpoint or a proxy that depthwire can connect to."""


class ConnectError(DepthwireError, ConnectionError):
    """The connection failed: refused, unreachable, TLS or handshake error, or the deadline passed.

    ``status`` is the status of the HTTP response that refused the handshake, ``retry_after_s`` its ``Retry-After`` in
    seconds. Both are None if there was none.
    """

    def __init__(self, message: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class ConnectionLost(DepthwireError, ConnectionError):
    """An established connection ended. The client reconnects; books are STALE until it has.

    ``code`` and ``reason`` are those of the close frame; None and "" if there was none.
    """

    def __init__(self, message: str, code: int | None = None, reason: str = "") -> None:
        super().__init__(message, code, reason)
        self.message = message
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return self.message


class AuthError(DepthwireError):
    """The sign-in was refused, or the key and secret that it needs are missing. The error never shows them."""


class ClientClosed(DepthwireError):
    """The client was closed during the call or before it."""


class PinningError(DepthwireError, ValueError):
    """The event loop's thread cannot be pinned to the CPU in ``cpu=``, or ``busy_poll=True`` is missing."""


class ClientForked(ClientClosed):
    """The client belongs to the parent of this forked process. Create a new client in this one."""


class TopicError(DepthwireError, ValueError):
    """An invalid topic or symbol. No request was sent."""


class UnknownTopic(TopicError):
    """A topic that depthwire has no types for. Use ``client.subscribe_raw``. No request was sent."""


class SubscriptionError(DepthwireError):
    """A subscription failed."""


class SubscriptionRejected(SubscriptionError):
    """The venue refused ``topic`` for ``reason``. If it refused several topics, these are the first one's.

    ``reasons`` maps each refused topic to its reason.
    """

    def __init__(self, topic: str, reason: str, more: Mapping[str, str] | None = None) -> None:
        super().__init__(topic, reason, more)
        self.topic = topic
        self.reason = reason
        self.reasons = {topic: reason, **(more or {})}

    @classmethod
    def of(cls, reasons: Mapping[str, str]) -> "SubscriptionRejected":
        """Create one error for all refused topics; there must be at least one."""
        topic, reason = next(iter(reasons.items()))
        return cls(topic, reason, reasons)

    @property
    def topics(self) -> tuple[str, ...]:
        """The refused topics."""
        return tuple(self.reasons)

    def __str__(self) -> str:
        shown = [f"{topic}: {reason or 'no reason given'}" for topic, reason in self.reasons.items()]
        if len(shown) == 1:
            return f"{self.topic}: the venue refused the request: {self.reason or 'no reason given'}"
        return shortened(f"the venue refused {len(shown)} topics: {'; '.join(shown)}")


class SubscriptionTimeout(SubscriptionError, TimeoutError):
    """The venue did not answer, or sent no snapshot, within the deadline."""


class FrameError(DepthwireError):
    """An unusable frame. ``topic`` is its topic, or "" if it has none.

    ``is_damage`` is True if the frame was damaged in transit: it is not well-formed JSON, or it contradicts a frame
    with the same number. The third damaged frame within 60 s replaces the connection.
    """

    is_damage = False

    def __init__(self, message: str, topic: str = "") -> None:
        message = shortened(message)
        super().__init__(message, topic)
        self.message = message
        self.topic = topic

    def __str__(self) -> str:
        return f"{self.topic}: {self.message}" if self.topic else self.message


class MalformedFrame(FrameError):
    """Not JSON, wrong types, a missing field, or a frame that is too large."""


class DamagedFrame(MalformedFrame):
    """A frame whose topic cannot be read: it is binary, empty, not one JSON object, or damaged in its topic.

    ``topics`` are the topics that it may belong to: all topics of its connection that its readable part does not rule
    out. Their books and instruments are STALE and refetched; their streams get a :class:`StreamGap`.
    """

    is_damage = True

    def __init__(self, message: str, topics: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.topics = topics


class MalformedEvent(MalformedFrame):
    """One event of a frame has an invalid value in a required field. The frame's other events were delivered.

    ``raw`` holds the event's raw bytes. Two of these errors are equal if their bytes are.
    """

    def __init__(self, message: str, topic: str = "", raw: bytes = b"") -> None:
        super().__init__(message, topic)
        self.args = (self.message, topic, raw)
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, MalformedEvent) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.raw)


class UnexpectedTopic(FrameError):
    """Data for a topic that no caller has subscribed to."""


class SymbolMismatch(FrameError):
    """A level or an event has another symbol than the topic, or a candle has another interval."""


class PriceMismatch(FrameError):
    """Price text and price id that disagree at the symbol's scale."""


class InvalidLevel(FrameError):
    """A price, price id or size out of range: zero, negative, not finite, or beyond int64."""


class ContinuityError(FrameError):
    """The frame does not follow from the book: an earlier frame is missing, or this one is wrong."""


class SnapshotMissing(ContinuityError):
    """A delta arrived before a snapshot that it could change."""


class SnapshotMismatch(ContinuityError):
    """A snapshot has the book's number (v5: ``u``, v2: ``cross_seq``) but other levels: one of them is damaged."""

    is_damage = True


class UnknownLevel(ContinuityError):
    """Delete or update of a price id that is not in the book."""


class DuplicateLevel(ContinuityError):
    """Insert of a price id that is already in the book, or a duplicate id on one side of a snapshot."""


class DepthExceeded(ContinuityError):
    """After the frame, a side has more levels than the topic's depth."""


class UnbalancedFrame(ContinuityError):
    """A full side has fewer levels after the frame. v2 replaces each level that leaves a full side."""


class CrossedBook(ContinuityError):
    """After the frame, the best bid is at or above the best ask."""


class OutOfSequence(ContinuityError):
    """``cross_seq`` or the exchange's time is lower than the book's; on v5, ``u`` is not one more than the book's.

    Also raised for a snapshot that is older than the STALE book that requested it.
    """


class LinesDisagree(ContinuityError):
    """Two lines have different states at one sequence, so one has missed a frame; the state of this line is
    refetched."""


class BookNotLive(DepthwireError):
    """Prices were read from a book that is EMPTY or STALE."""


class InsufficientDepth(DepthwireError):
    """The side holds less than the requested size."""


class ReaderOverflow(DepthwireError):
    """Events were lost because their reader was too slow.

    ``lost`` is their number; the events before and after them are delivered in order.
    """

    def __init__(self, lost: int, capacity: int, topic: str) -> None:
        super().__init__(lost, capacity, topic)
        self.lost = lost
        self.capacity = capacity
        self.topic = topic

    def __str__(self) -> str:
        return (
            f"{self.topic}: {self.lost} events were lost: {self.capacity} were already waiting. "
            "Read faster, or subscribe with a larger capacity"
        )


class StreamGap(DepthwireError):
    """Events between ``since_ns`` and ``until_ns`` (ns since the epoch) may be missing; ``reason`` says why.

    After a lost connection, ``since_ns`` is the time of the last frame before the loss, and ``until_ns`` the time at
    which the topic was served again. After a :class:`DamagedFrame` that may have held events of the topic, ``since_ns``
    is the time of the topic's last frame before it, and ``until_ns`` its own. Events have no snapshot: reconcile them
    by other means, such as REST.
    """

    def __init__(self, topic: str, reason: str, since_ns: int, until_ns: int) -> None:
        super().__init__(topic, reason, since_ns, until_ns)
        self.topic = topic
        self.reason = reason
        self.since_ns = since_ns
        self.until_ns = until_ns

    def __str__(self) -> str:
        return f"{self.topic}: events from {self.since_ns} to {self.until_ns} ns may be missing here: {self.reason}"


class TopicSilent(DepthwireError):
    """No usable frame of ``topic`` came for ``silent_s`` seconds on a live connection.

    Its book or instrument is STALE and refetched.
    """

    def __init__(self, topic: str, silent_s: float) -> None:
        super().__init__(topic, silent_s)
        self.topic = topic
        self.silent_s = silent_s

    def __str__(self) -> str:
        return f"{self.topic}: silent for {self.silent_s:.3g} s on a live connection; the topic is refetched"


class CallbackError(DepthwireError):
    """A callback raised. Its exception is the ``__cause__``; the feed and the other subscribers are not affected.

    SystemExit and KeyboardInterrupt then end the event loop, or the client of the blocking face. Every other exception,
    asyncio's CancelledError included, is only reported.
    """


class SlowCallback(DepthwireError):
    """A frame's callbacks ended later than ``slow_callback_s`` after its arrival. All callbacks were called."""

    def __init__(self, topic: str, took_s: float, bound_s: float) -> None:
        super().__init__(topic, took_s, bound_s)
        self.topic = topic
        self.took_s = took_s
        self.bound_s = bound_s

    def __str__(self) -> str:
        return (
            f"{self.topic}: callbacks ended {self.took_s:.3g} s after the frame arrived; the limit is "
            f"{self.bound_s:g} s. The socket is not read while they run: do less in them, or use changes() or a stream "
            "in a task"
        )


class TapeError(DepthwireError):
    """A tape cannot be opened, is not a tape, or would be overwritten."""


def unreadable_book(error: Exception, excerpt: str, symbol: str) -> FrameError:
    """Translate msgspec's error about a book's frame: InvalidLevel if a number is out of range."""
    text = str(error)
    is_beyond = text.startswith(("Number out of range", "Integer value out of range"))
    kind = InvalidLevel if is_beyond else MalformedFrame
    return kind(f"not an order-book frame: {text}; it reads {excerpt}", symbol)
