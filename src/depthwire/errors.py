"""Every error that depthwire raises on purpose.

::

    DepthwireError
    ├── InvalidUrl (ValueError)           the URL names no endpoint or proxy that depthwire can speak to
    ├── ConnectError (ConnectionError)    refused, unreachable, TLS or handshake failed, deadline passed:
    │                                     ``status``, ``retry_after_s``
    ├── ConnectionLost (ConnectionError)  an established connection ended; the session reconnects by itself. ``code``,
    │                                     ``reason``: of the close frame, where there was one
    ├── ClientClosed                      the client was closed while somebody waited, or is used after it
    │   └── ClientForked                  the client belongs to the process that this one was forked from
    ├── AuthError                         signing in was refused, or needs a key and secret that are not given
    ├── PinningError (ValueError)         ``cpu=`` names no CPU that the event loop's thread can be pinned to
    ├── TopicError (ValueError)           a topic or symbol that no request may carry; refused before sending
    │   └── UnknownTopic                  a topic that depthwire has no types for: ``subscribe_raw`` takes it
    ├── SubscriptionError
    │   ├── SubscriptionRejected          the venue said no: ``topic`` and ``reason``; ``reasons`` of several
    │   └── SubscriptionTimeout (TimeoutError)  no answer, or no snapshot, within the deadline
    ├── FrameError                        a frame that cannot be used; its ``topic`` where one is known
    │   ├── MalformedFrame                not JSON, wrong types, a missing field, too large
    │   │   ├── DamagedFrame              its topic is unknown: binary, empty, cut or damaged in it; ``topics``
    │   │   └── MalformedEvent            one event of a frame is left out; the others were delivered: ``raw``
    │   ├── UnexpectedTopic               data for a topic that no caller has subscribed to
    │   ├── SymbolMismatch                a level or an event of another symbol, a candle of another interval
    │   ├── PriceMismatch                 price text and price id that disagree
    │   ├── InvalidLevel                  a price or size out of range: zero, negative, not finite, beyond int64
    │   └── ContinuityError               the frame does not follow from the book: a frame was lost or is wrong
    │       ├── SnapshotMissing           a delta, but no snapshot to apply it to
    │       ├── UnknownLevel              delete or update of a price id that is not in the book
    │       ├── DuplicateLevel            insert of a price id that stands, or twice in a snapshot
    │       ├── DepthExceeded             more levels on a side than the topic's depth
    │       ├── UnbalancedFrame           a full side is left with fewer levels: inserts are missing
    │       ├── CrossedBook               best bid at or above best ask
    │       ├── OutOfSequence             a sequence or time that falls; v5: ``u`` that is not one more
    │       └── LinesDisagree             two lines' states of one sequence differ: this line's is not to be trusted
    ├── BookNotLive                       prices read from a book that is EMPTY or STALE
    ├── InsufficientDepth                 the book holds less than the size asked for
    ├── ReaderOverflow                    events were lost because their reader was too slow: ``lost``
    ├── StreamGap                         events may be missing: the connection was lost, or a frame that arrived
    │                                     damaged may have held some: ``since_ns``, ``until_ns``, ``reason``
    ├── TopicSilent                       a topic says nothing, though its connection lives: ``topic``, ``silent_s``
    ├── CallbackError                     a subscriber's callback raised; its exception is the ``__cause__``
    ├── SlowCallback                      a frame's callbacks held up the socket: ``topic``, ``took_s``, ``bound_s``
    └── TapeError                         a tape that cannot be opened, is none, or would be overwritten
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
"""What msgspec raises on bytes that are not the JSON it was asked for; always answered by a MalformedFrame."""


LONGEST_MESSAGE: Final = 600


def shortened(text: str) -> str:
    """A text that may quote a frame of any size, its middle left out where it is long. O(1) beyond that."""
    if len(text) <= LONGEST_MESSAGE:
        return text
    half = LONGEST_MESSAGE // 2
    return f"{text[:half]} … {text[-half:]}"


class DepthwireError(Exception):
    """The base of every error that depthwire raises on purpose."""


class InvalidUrl(DepthwireError, ValueError):
    """The URL names no endpoint, or no proxy, that depthwire can speak to."""


class ConnectError(DepthwireError, ConnectionError):
    """No connection: refused, unreachable, TLS or handshake failed, or the deadline passed.

    ``status`` is that of the HTTP response that refused the handshake, ``retry_after_s`` what its ``Retry-After`` asks
    for, in seconds; None where there was none.
    """

    def __init__(self, message: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class ConnectionLost(DepthwireError, ConnectionError):
    """An established connection ended. The session reconnects by itself; books are STALE until then.

    ``code`` and ``reason`` are those of the close frame that ended it; None and "" where there was none.
    """

    def __init__(self, message: str, code: int | None = None, reason: str = "") -> None:
        super().__init__(message, code, reason)
        self.message = message
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return self.message


class AuthError(DepthwireError):
    """Signing in was refused, or is needed and no key and secret were given. Never shows either."""


class ClientClosed(DepthwireError):
    """The client was closed while somebody waited on it, or is used after that."""


class PinningError(DepthwireError, ValueError):
    """``cpu=`` names no CPU that the event loop's thread can be pinned to, or comes without ``busy_poll=True``."""


class ClientForked(ClientClosed):
    """The client belongs to the process that this one was forked from, which keeps it. Make a new one here."""


class TopicError(DepthwireError, ValueError):
    """A topic or symbol that no request may carry. Nothing was sent."""


class UnknownTopic(TopicError):
    """A topic that depthwire has no types for; ``client.subscribe_raw`` takes it. Nothing was sent."""


class SubscriptionError(DepthwireError):
    """A subscription that did not come about."""


class SubscriptionRejected(SubscriptionError):
    """The venue refused ``topic`` and gave ``reason``; where it refused several, these are the first one's.

    ``reasons`` holds the reason of each refused topic.
    """

    def __init__(self, topic: str, reason: str, more: Mapping[str, str] | None = None) -> None:
        super().__init__(topic, reason, more)
        self.topic = topic
        self.reason = reason
        self.reasons = {topic: reason, **(more or {})}

    @classmethod
    def of(cls, reasons: Mapping[str, str]) -> "SubscriptionRejected":
        """One error for all topics that were refused, of which there is at least one."""
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
    """A frame that cannot be used. ``topic`` is the frame's topic, or "" where it has none.

    ``is_damage`` tells that the frame itself arrived damaged, rather than that it says what makes no sense: it is not
    well-formed JSON, or it contradicts a frame of the same number. The third one within 60 s replaces the connection.
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
    """A frame arrived of which nobody can tell whose it was: binary, empty, not one JSON object, damaged in its topic.

    ``topics`` are those that it may have been of: all of its connection that its readable part does not exclude. Their
    books and instruments are STALE and refetched; their streams carry a :class:`StreamGap`.
    """

    is_damage = True

    def __init__(self, message: str, topics: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.topics = topics


class MalformedEvent(MalformedFrame):
    """One event of a frame has an odd value in a field that it needs. The frame's other events were delivered.

    ``raw`` holds the event's bytes as they came.
    """

    def __init__(self, message: str, topic: str = "", raw: bytes = b"") -> None:
        super().__init__(message, topic)
        self.args = (self.message, topic, raw)
        self.raw = raw


class UnexpectedTopic(FrameError):
    """Data for a topic that no caller has subscribed to."""


class SymbolMismatch(FrameError):
    """A level or an event of another symbol, or a candle of another interval, than the topic's."""


class PriceMismatch(FrameError):
    """Price text and price id that disagree at the symbol's scale."""


class InvalidLevel(FrameError):
    """A price, price id or size out of range: zero, negative, not finite, or beyond int64."""


class ContinuityError(FrameError):
    """The frame does not follow from the book: a frame was lost before it, or it is wrong."""


class SnapshotMissing(ContinuityError):
    """A delta came, but there is no snapshot to apply it to."""


class SnapshotMismatch(ContinuityError):
    """A snapshot has the book's own number (v5: ``u``, v2: ``cross_seq``) but other levels: one is damaged."""

    is_damage = True


class UnknownLevel(ContinuityError):
    """Delete or update of a price id that is not in the book."""


class DuplicateLevel(ContinuityError):
    """Insert of a price id that stands already, or one id twice on a side of a snapshot."""


class DepthExceeded(ContinuityError):
    """More levels on a side, after the frame, than the topic's depth."""


class UnbalancedFrame(ContinuityError):
    """A full side has fewer levels after the frame. v2 sends a level in the place of each that leaves a full side."""


class CrossedBook(ContinuityError):
    """Best bid at or above best ask after the frame."""


class OutOfSequence(ContinuityError):
    """``cross_seq`` or the exchange's time is lower than the book's; on v5, ``u`` is not one more than the book's.

    Also a snapshot that is older than the STALE book that waits for one.
    """


class LinesDisagree(ContinuityError):
    """Two lines' states of one sequence differ, so that a frame was lost unnoticed: this line's is fetched anew."""


class BookNotLive(DepthwireError):
    """Prices were read from a book that is EMPTY or STALE."""


class InsufficientDepth(DepthwireError):
    """The side holds less than the size asked for."""


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
            f"{self.topic}: {self.lost} events were lost here: {self.capacity} were waiting already. "
            "Read faster, or ask for a larger capacity"
        )


class StreamGap(DepthwireError):
    """Events between ``since_ns`` and ``until_ns`` (ns since the epoch) may be missing; ``reason`` says why.

    After a lost connection ``since_ns`` is when the last frame came before the loss, ``until_ns`` when the topic was
    served again. Where a frame arrived damaged that may have held events of the topic (see :class:`DamagedFrame`),
    ``since_ns`` is when the topic's last frame came before it, ``until_ns`` when it arrived itself. There is no
    snapshot of events: reconcile by other means.
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
    """Nothing that ``topic`` could use came for ``silent_s`` seconds, though its connection lives.

    Its book or instrument is STALE until the snapshot that it is now asked for.
    """

    def __init__(self, topic: str, silent_s: float) -> None:
        super().__init__(topic, silent_s)
        self.topic = topic
        self.silent_s = silent_s

    def __str__(self) -> str:
        return f"{self.topic}: silent for {self.silent_s:.3g} s on a connection that lives; it is fetched anew"


class CallbackError(DepthwireError):
    """A callback raised. Its exception is the ``__cause__``; the feed and the other subscribers went on.

    SystemExit and KeyboardInterrupt then end the event loop, or the client of the blocking face. Every other exception,
    asyncio's CancelledError included, is only reported.
    """


class SlowCallback(DepthwireError):
    """A frame's callbacks were over later than ``slow_callback_s`` of the settings; all were called all the same."""

    def __init__(self, topic: str, took_s: float, bound_s: float) -> None:
        super().__init__(topic, took_s, bound_s)
        self.topic = topic
        self.took_s = took_s
        self.bound_s = bound_s

    def __str__(self) -> str:
        return (
            f"{self.topic}: callbacks ended {self.took_s:.3g} s after the frame came; the bound is {self.bound_s:g} s. "
            "Nothing is read from the socket meanwhile: do less in them, or read changes() or events in a task"
        )


class TapeError(DepthwireError):
    """A tape that cannot be opened, is no tape, or would be overwritten."""


def unreadable_book(error: Exception, excerpt: str, symbol: str) -> FrameError:
    """What msgspec's error of a book's frame means: InvalidLevel where a number is beyond all floats or integers."""
    text = str(error)
    is_beyond = text.startswith(("Number out of range", "Integer value out of range"))
    kind = InvalidLevel if is_beyond else MalformedFrame
    return kind(f"not an order-book frame: {text}; it reads {excerpt}", symbol)
