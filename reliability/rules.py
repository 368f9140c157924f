"""What the frames of a book topic must obey, by the protocol alone: a second opinion, without depthwire's code.

A frame that breaks a rule proves that one before it was lost, or altered, or came in another order. Where no rule is
broken nobody can know: that, and nothing else, is called unprovable in the reports.
"""

import json
from typing import Any, Protocol

DEPTHS = {"orderBookL2_25": 25, "orderBook_200.100ms": 200}
SNAPSHOT_MISSING = "a delta before any snapshot"

FIRST_UPDATE = 1
"""``u`` of the snapshot with which the exchange's service begins again; its ``seq`` may do so, too."""

Sides = tuple[dict[str, float], dict[str, float]]


class Rules(Protocol):
    """A book of one topic. ``sides`` maps price texts to sizes, bids first; ``sequence`` is what the frames are ordered
    by over all connections.
    """

    sides: Sides
    sequence: int

    def receive(self, raw: bytes) -> str | None:
        """Takes a frame in; returns the rule that it breaks, or None. Behind a broken rule it waits for a snapshot."""


def rules_of(topic: str) -> Rules:
    """A new book of a topic of either dialect."""
    return V5Rules(topic) if topic.startswith("orderbook.") else V2Rules(topic)


class V2Rules:
    """Levels are deleted, updated and inserted by their id; numbers and times may not fall, but have gaps."""

    def __init__(self, topic: str) -> None:
        self._depth = DEPTHS[topic.rpartition(".")[0]]
        self.sides: Sides = ({}, {})
        self.sequence = self._time = 0
        self._is_live = False

    def receive(self, raw: bytes) -> str | None:
        """See `Rules.receive`."""
        frame = json.loads(raw)
        data, numbers = frame["data"], (int(frame["cross_seq"]), int(frame["timestamp_e6"]))
        is_snapshot = frame["type"] == "snapshot"
        if is_snapshot:
            levels = data if isinstance(data, list) else data["order_book"]
            broken, sides = self._changed(({}, {}), [], [], levels)
        elif not self._is_live:
            return SNAPSHOT_MISSING
        elif numbers[0] < self.sequence or numbers[1] < self._time:
            broken, sides = "a sequence or time that falls", self.sides
        else:
            broken, sides = self._changed(self.sides, data["delete"], data["update"], data["insert"])
            full = [before for before in range(2) if len(self.sides[before]) == self._depth]
            if not broken and any(len(sides[side]) != self._depth for side in full):
                broken = "inserts and deletes that do not balance on a full side"
        self._is_live = broken is None
        if broken is None:
            self.sides, (self.sequence, self._time) = sides, numbers
        return broken

    def _changed(self, before: Sides, delete: Any, update: Any, insert: Any) -> tuple[str | None, Sides]:
        sides: Sides = (dict(before[0]), dict(before[1]))
        for action, levels in (("delete", delete), ("update", update), ("insert", insert)):
            for level in levels:
                side, price = sides[level["side"] == "Sell"], plain(level["price"])
                if (price in side) == (action == "insert"):
                    return f"{action} of a level that {'stands' if action == 'insert' else 'does not stand'}", before
                if action == "delete":
                    del side[price]
                else:
                    side[price] = float(level["size"])
        return broken_bounds(sides, self._depth), sides


class V5Rules:
    """Sizes are set at prices; ``u`` is one more with each frame."""

    def __init__(self, topic: str) -> None:
        self._depth = int(topic.split(".")[1])
        self.sides: Sides = ({}, {})
        self.sequence = self._update = 0
        self._is_live = False

    def receive(self, raw: bytes) -> str | None:
        """See `Rules.receive`."""
        frame = json.loads(raw)
        data = frame["data"]
        is_snapshot = frame["type"] == "snapshot"
        if not is_snapshot and not self._is_live:
            return SNAPSHOT_MISSING
        if not is_snapshot and data["u"] != self._update + 1:
            self._is_live = False
            return "an update id that is not one more"
        if is_snapshot and data["u"] != FIRST_UPDATE and data["seq"] < self.sequence:
            return "a snapshot that is older than the book"
        sides: Sides = ({}, {}) if is_snapshot else (dict(self.sides[0]), dict(self.sides[1]))
        for side, pairs in zip(sides, (data["b"], data["a"]), strict=True):
            for price, size in pairs:
                if float(size):
                    side[plain(price)] = float(size)
                else:
                    side.pop(plain(price), None)
        broken = broken_bounds(sides, self._depth)
        self._is_live = broken is None
        if broken is None:
            self.sides, self.sequence, self._update = sides, data["seq"], data["u"]
        return broken


def broken_bounds(sides: Sides, depth: int) -> str | None:
    """What holds of every book after every frame."""
    bids, asks = sides
    if max(len(bids), len(asks)) > depth:
        return "more levels than the depth"
    if bids and asks and max(map(float, bids)) >= min(map(float, asks)):
        return "a crossed or locked book"
    return None


def plain(price: str) -> str:
    """A price's text without trailing zeros, so that one price has one text."""
    return price.rstrip("0").rstrip(".") if "." in price else price
