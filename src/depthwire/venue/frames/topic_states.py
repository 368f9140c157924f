"""The venue's own order book of one topic, in the wire's own objects.

It shares no code with `depthwire.book.book`, on purpose: a mistake in either shows as a difference between them.
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
    """What a topic's frames have come to. ``is_live`` is false before the first snapshot, after a frame that cannot be
    read, and between the end of a market, or of its telling, and the snapshot of its next round.
    """

    def __init__(self, topic: PublicTopic) -> None:
        self.topic = topic
        self.is_live = False

    @abstractmethod
    def apply(self, raw: bytes) -> bool:
        """Takes a frame in. Returns false where it cannot, or waits for a snapshot: what it knows is then not live."""

    @abstractmethod
    def snapshot(self) -> bytes:
        """A frame that tells how things are: what a new subscriber is sent first."""


class IncrementalState(TopicState):
    """What a snapshot and the deltas behind it have come to: O(fields or levels in the frame) for each."""

    def apply(self, raw: bytes) -> bool:
        """See `TopicState.apply`."""
        try:
            frame = msgspec.json.decode(raw)
            if frame["type"] == "snapshot":
                self._begin(frame)
                self.is_live = True
            elif self.is_live:
                self._change(frame)
        except _UNUSABLE:
            self.is_live = False
        return self.is_live

    @abstractmethod
    def _begin(self, frame: dict[str, Any]) -> None:
        """Takes a snapshot in."""

    @abstractmethod
    def _change(self, frame: dict[str, Any]) -> None:
        """Takes a delta in."""


class V2WireBook(IncrementalState):
    """The levels of a v2 book topic, keyed by their id as the wire writes it (int on inverse, str on linear).

    ``levels`` maps an id to the level's whole JSON object. ``cross_seq`` and ``timestamp_e6`` (µs) are the
    last frame's, in the wire's own type. Lenient about levels, as a recording may be of a stream with gaps: deleting
    what is not there changes nothing.
    """

    def __init__(self, topic: PublicTopic) -> None:
        super().__init__(topic)
        self.levels: dict[int | str, dict[str, Any]] = {}
        self.cross_seq: int | str = 0
        self.timestamp_e6: int | str = 0

    def _begin(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        levels = data if self.topic.category is Category.INVERSE else data["order_book"]
        self.levels = {level["id"]: level for level in levels}
        self._stamp(frame)

    def _change(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        for level in data["delete"]:
            self.levels.pop(level["id"], None)
        for level in (*data["update"], *data["insert"]):
            self.levels[level["id"]] = level
        self._stamp(frame)

    def _stamp(self, frame: dict[str, Any]) -> None:
        self.cross_seq, self.timestamp_e6 = frame["cross_seq"], frame["timestamp_e6"]

    def snapshot(self) -> bytes:
        """All Buys, then all Sells, each by ascending price. O(n log n)."""
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
    """The levels of a v5 book topic: ``bids`` and ``asks`` map a price to its size, both as the wire's text.

    ``u`` and ``seq`` are the last frame's. As lenient about levels as `V2WireBook`.
    """

    def __init__(self, topic: PublicTopic) -> None:
        super().__init__(topic)
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.u = self.seq = 0
        self._frame: dict[str, Any] = {}

    def _begin(self, frame: dict[str, Any]) -> None:
        self.bids, self.asks = {}, {}
        self._change(frame)

    def _change(self, frame: dict[str, Any]) -> None:
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
        """Bids, then asks, each from its best price. O(n log n)."""
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

    def _begin(self, frame: dict[str, Any]) -> None:
        self._frame = {**frame, "data": dict(frame["data"])}

    def _change(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        updates = data["update"] if self.topic.dialect is Dialect.V2 else [data]
        fields = self._frame["data"]
        for update in updates:
            fields = {**fields, **update}
        stamps = {name: value for name, value in frame.items() if name not in ("type", "data")}
        self._frame = {**self._frame, **stamps, "data": fields}

    def snapshot(self) -> bytes:
        """All fields."""
        return msgspec.json.encode(self._frame)


class LastTradeState(TopicState):
    """The last frame of a v2 linear ``trade`` topic, whose first frame to a subscriber is the last trade again."""

    def __init__(self, topic: PublicTopic) -> None:
        super().__init__(topic)
        self._raw = b""

    def apply(self, raw: bytes) -> bool:
        """Takes a frame in. O(1): it is read when somebody asks."""
        self._raw = raw
        self.is_live = True
        return True

    def snapshot(self) -> bytes:
        """The last trade."""
        frame = msgspec.json.decode(self._raw)
        return msgspec.json.encode({**frame, "data": frame["data"][-1:]})


_STATES: Mapping[str, Callable[[PublicTopic], TopicState]] = {
    **dict.fromkeys(public_v2.BOOK_KINDS, V2WireBook),
    **dict.fromkeys(public_v5.BOOK_KINDS, V5WireBook),
    **dict.fromkeys((public_v2.INFO_KIND, public_v5.TICKER_KIND), FieldsState),
}


def new_state(topic: PublicTopic) -> TopicState | None:
    """A new state of a topic, None where its subscribers wait for the next frame."""
    kind = split_topic(topic.name)[0]
    if kind == public_v2.TRADE_KIND and topic.category is Category.LINEAR:
        return LastTradeState(topic)
    make = _STATES.get(kind)
    return make(topic) if make else None
