"""The current state of each public topic, from which the venue answers new subscribers.

The books deliberately share no code with `depthwire.book.book`, so that tests can compare the two.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from depthwire.bybit.topics import split_topic
from depthwire.venue.frames import public_v2, public_v5
from depthwire.venue.market.market import Category, Dialect, PublicTopic

_UNUSABLE = (msgspec.MsgspecError, ValueError, RecursionError, LookupError, TypeError, AttributeError)


class TopicState(ABC):
    """The state that a topic's frames add up to.

    ``is_live`` is false before the first snapshot, after an unusable frame, and from the end of a market, or of the
    topic's publication, until the next snapshot.
    """

    def __init__(self, topic: PublicTopic) -> None:
        self.topic = topic
        self.is_live = False

    @abstractmethod
    def apply(self, raw: bytes) -> bool:
        """Apply a frame and return ``is_live``: False if the frame is unusable, or the state waits for a snapshot."""

    @abstractmethod
    def snapshot(self) -> bytes:
        """Return a frame with the current state, for a new subscriber."""


class IncrementalState(TopicState):
    """A state that snapshots and deltas build. O(fields or levels in the frame) per frame."""

    def apply(self, raw: bytes) -> bool:
        """See `TopicState.apply`."""
        try:
            frame = msgspec.json.decode(raw)
            if frame["type"] == "snapshot":
                self._apply_snapshot(frame)
                self.is_live = True
            elif self.is_live:
                self._apply_delta(frame)
        except _UNUSABLE:
            self.is_live = False
        return self.is_live

    @abstractmethod
    def _apply_snapshot(self, frame: dict[str, Any]) -> None:
        """Apply a snapshot."""

    @abstractmethod
    def _apply_delta(self, frame: dict[str, Any]) -> None:
        """Apply a delta."""


class V2WireBook(IncrementalState):
    """The levels of a v2 book topic.

    ``levels`` maps a level's id, as on the wire (int on inverse, str on linear), to its JSON object. ``cross_seq`` and
    ``timestamp_e6`` (µs) come from the last frame and have the wire's types. Deleting an unknown level changes nothing,
    because a recorded stream may have gaps.
    """

    def __init__(self, topic: PublicTopic) -> None:
        super().__init__(topic)
        self.levels: dict[int | str, dict[str, Any]] = {}
        self.cross_seq: int | str = 0
        self.timestamp_e6: int | str = 0

    def _apply_snapshot(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        levels = data if self.topic.category is Category.INVERSE else data["order_book"]
        self.levels = {level["id"]: level for level in levels}
        self._stamp(frame)

    def _apply_delta(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        for level in data["delete"]:
            self.levels.pop(level["id"], None)
        for level in (*data["update"], *data["insert"]):
            self.levels[level["id"]] = level
        self._stamp(frame)

    def _stamp(self, frame: dict[str, Any]) -> None:
        self.cross_seq, self.timestamp_e6 = frame["cross_seq"], frame["timestamp_e6"]

    def snapshot(self) -> bytes:
        """Return all Buy levels, then all Sell levels, each lowest price first. O(n log n)."""
        levels = sorted(self.levels.values(), key=lambda level: (level["side"] != "Buy", int(level["id"])))
        return msgspec.json.encode(
            {
                "topic": self.topic.name,
                "type": "snapshot",
                "data": levels if self.topic.category is Category.INVERSE else {"order_book": levels},
                "cross_seq": self.cross_seq,
                "timestamp_e6": self.timestamp_e6,
            }
        )


class V5WireBook(IncrementalState):
    """The levels of a v5 book topic: ``bids`` and ``asks`` map a price to its size, both as on the wire.

    ``u`` and ``seq`` come from the last frame. Deleting an unknown level changes nothing, as in `V2WireBook`.
    """

    def __init__(self, topic: PublicTopic) -> None:
        super().__init__(topic)
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.u = self.seq = 0
        self._frame: dict[str, Any] = {}

    def _apply_snapshot(self, frame: dict[str, Any]) -> None:
        self.bids, self.asks = {}, {}
        self._apply_delta(frame)

    def _apply_delta(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        for levels, pairs in ((self.bids, data["b"]), (self.asks, data["a"])):
            for price, size in pairs:
                if float(size):
                    levels[price] = size
                else:
                    levels.pop(price, None)
        self.u, self.seq = data["u"], data["seq"]
        self._frame = {**frame, "type": "snapshot"}

    def snapshot(self) -> bytes:
        """Return bids and asks, best first. O(n log n)."""
        data = {
            **self._frame["data"],
            "b": sorted(self.bids.items(), key=lambda pair: -float(pair[0])),
            "a": sorted(self.asks.items(), key=lambda pair: float(pair[0])),
        }
        return msgspec.json.encode({**self._frame, "data": data})


class FieldsState(IncrementalState):
    """The merged fields of a v2 ``instrument_info`` or v5 ``tickers`` topic."""

    def __init__(self, topic: PublicTopic) -> None:
        super().__init__(topic)
        self._frame: dict[str, Any] = {}

    def _apply_snapshot(self, frame: dict[str, Any]) -> None:
        self._frame = {**frame, "data": dict(frame["data"])}

    def _apply_delta(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        updates = data["update"] if self.topic.dialect is Dialect.V2 else [data]
        fields = self._frame["data"]
        for update in updates:
            fields = {**fields, **update}
        stamps = {name: value for name, value in frame.items() if name not in ("type", "data")}
        self._frame = {**self._frame, **stamps, "data": fields}

    def snapshot(self) -> bytes:
        """Return all fields."""
        return msgspec.json.encode(self._frame)


class LastTradeState(TopicState):
    """The last frame of a v2 linear ``trade`` topic, which repeats the last trade for a new subscriber."""

    def __init__(self, topic: PublicTopic) -> None:
        super().__init__(topic)
        self._raw = b""

    def apply(self, raw: bytes) -> bool:
        """Store a frame. O(1): `snapshot` decodes it."""
        self._raw = raw
        self.is_live = True
        return True

    def snapshot(self) -> bytes:
        """Return a frame with the last trade."""
        frame = msgspec.json.decode(self._raw)
        return msgspec.json.encode({**frame, "data": frame["data"][-1:]})


_STATES: Mapping[str, Callable[[PublicTopic], TopicState]] = {
    **dict.fromkeys(public_v2.BOOK_KINDS, V2WireBook),
    **dict.fromkeys(public_v5.BOOK_KINDS, V5WireBook),
    **dict.fromkeys((public_v2.INFO_KIND, public_v5.TICKER_KIND), FieldsState),
}


def new_state(topic: PublicTopic) -> TopicState | None:
    """Return a new state for a topic; None if new subscribers just wait for the next frame."""
    kind = split_topic(topic.name)[0]
    if kind == public_v2.TRADE_KIND and topic.category is Category.LINEAR:
        return LastTradeState(topic)
    make = _STATES.get(kind)
    return make(topic) if make else None
