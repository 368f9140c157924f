"""The rules that the protocol sets for the frames of a book topic: a second opinion, without depthwire's code.

A frame that breaks a rule proves that an earlier one was lost, altered, or reordered. If no rule is broken, no reader can
know: only this is called unprovable in the reports.
"""

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from typing import Any

from tests.reliability.damage import UNREADABLE

DEPTHS = {"orderBookL2_25": 25, "orderBook_200.100ms": 200}
REMEMBERED = 32
"""Number of frames whose copies do not indicate a loss."""
SNAPSHOT_MISSING = "a delta before any snapshot"
LEVELS_DIFFER = "a snapshot of the book's own number that has other levels"

Sides = tuple[dict[float, float], dict[float, float]]
Numbers = tuple[int, int, int]


class Rules(ABC):
    """A book of one topic. ``sides`` maps prices to sizes, bids first; ``numbers`` are those of the last frame: the
    sequence over all topics, that of the topic's own frames (v2: 0), and the time in µs.
    """

    depth: int

    def __init__(self) -> None:
        self.begin(None, ({}, {}))

    def begin(self, numbers: Numbers | None, sides: Sides, applied: Iterable[Numbers] = ()) -> None:
        """Start with a book and the numbers of its frames; without numbers wait for a snapshot."""
        self.is_live = numbers is not None
        self.applied = deque(applied, maxlen=REMEMBERED)
        self.numbers: Numbers = numbers or (0, 0, 0)
        self.sides = sides

    def receive(self, raw: bytes) -> str | None:
        """Apply a frame; return the rule that it breaks, or None. After a broken rule, wait for a snapshot.

        Any snapshot counts then: one with lower numbers is right if earlier frames were altered, or if the connection
        is new. A snapshot that proves this book wrong also counts, because it may have been requested for that reason.
        """
        proof = None
        try:
            frame = json.loads(raw.decode(errors="replace"))
            is_snapshot = {"snapshot": True, "delta": False}[frame["type"]]
            if not is_snapshot and not self.is_live:
                return SNAPSHOT_MISSING
            numbers = self.numbers_of(frame)
            if not is_snapshot and self.is_copy(numbers):
                return None
            if is_snapshot and self.is_live and self.is_late(numbers):
                return None
            broken, sides = self.misplaced(numbers, is_snapshot=is_snapshot), self.sides
            if broken is None:
                before: Sides = ({}, {}) if is_snapshot else (dict(sides[0]), dict(sides[1]))
                broken, sides = self.changed(before, frame["data"]), before
                broken = broken or out_of_bounds(sides, self.depth)
                if broken is None and not is_snapshot and self.is_unbalanced(sides):
                    broken = "inserts and deletes that do not balance on a full side"
                if broken is None:
                    if is_snapshot and self.is_live and self.is_same(numbers):
                        proof = LEVELS_DIFFER if sides != self.sides else None
                        numbers = max(numbers, self.numbers)
                    self.sides, self.numbers, self.is_live = sides, numbers, True
                    self.applied.append(numbers)
        except UNREADABLE:
            broken = "a frame that cannot be read"
        if broken:
            self.is_live = False
        return broken or proof

    def is_unbalanced(self, sides: Sides) -> bool:
        """Whether a side that was full is so no more."""
        return False

    def is_copy(self, numbers: Numbers) -> bool:
        """Whether the book has a delta in it already."""
        return numbers in self.applied and all(late <= now for late, now in zip(numbers, self.numbers, strict=True))

    def is_newer(self, numbers: Numbers) -> bool:
        """Whether a frame's sequence or time is above the book's; a 0 is ignored."""
        return any(after > before > 0 for before, after in zip(self.numbers[::2], numbers[::2], strict=True))

    def is_late(self, numbers: Numbers) -> bool:
        """Whether a snapshot is from before the book."""
        number, known = self.number_of(numbers), self.number_of(self.numbers)
        if number == known or self.is_newer(numbers):
            return False
        return number < known or any(
            before > after > 0 for before, after in zip(self.numbers[::2], numbers[::2], strict=True)
        )

    def is_same(self, numbers: Numbers) -> bool:
        """Whether a snapshot must have the book's levels."""
        return self.number_of(numbers) == self.number_of(self.numbers)

    @abstractmethod
    def number_of(self, numbers: Numbers) -> int:
        """The number that a snapshot's levels belong to."""

    @abstractmethod
    def numbers_of(self, frame: Any) -> Numbers:
        """A frame's numbers."""

    @abstractmethod
    def misplaced(self, numbers: Numbers, *, is_snapshot: bool) -> str | None:
        """The rule of their order that a frame's numbers break."""

    @abstractmethod
    def changed(self, sides: Sides, data: Any) -> str | None:
        """Changes the sides; returns the rule that a change breaks."""


def rules_of(topic: str) -> Rules:
    """A new book of a topic of either dialect."""
    return V5Rules(topic) if topic.startswith("orderbook.") else V2Rules(topic)


class V2Rules(Rules):
    """Levels are deleted, updated and inserted by their price; numbers and times may not fall, but have gaps."""

    def __init__(self, topic: str) -> None:
        self.depth = DEPTHS[topic.rpartition(".")[0]]
        super().__init__()

    def number_of(self, numbers: Numbers) -> int:
        """See `Rules.number_of`."""
        return numbers[0]

    def numbers_of(self, frame: Any) -> Numbers:
        """See `Rules.numbers_of`."""
        return int(frame["cross_seq"]), 0, int(frame["timestamp_e6"])

    def misplaced(self, numbers: Numbers, *, is_snapshot: bool) -> str | None:
        """See `Rules.misplaced`."""
        falls = any(after < before for before, after in zip(self.numbers, numbers, strict=True))
        return "a sequence or time that falls" if falls and not is_snapshot else None

    def is_unbalanced(self, sides: Sides) -> bool:
        """See `Rules.is_unbalanced`."""
        return any(len(was) == self.depth != len(now) for was, now in zip(self.sides, sides, strict=True))

    def changed(self, sides: Sides, data: Any) -> str | None:
        """See `Rules.changed`."""
        if isinstance(data, list) or "order_book" in data:
            data = {"delete": (), "update": (), "insert": data if isinstance(data, list) else data["order_book"]}
        for action in ("delete", "update", "insert"):
            for level in data[action]:
                side, price = sides[{"Buy": 0, "Sell": 1}[level["side"]]], float(level["price"])
                if (price in side) == (action == "insert"):
                    return f"{action} of a level that {'exists' if action == 'insert' else 'does not exist'}"
                if action == "delete":
                    del side[price]
                else:
                    side[price] = float(level["size"])
        return None


class V5Rules(Rules):
    """Sizes are set at prices; ``u`` is one more with each frame."""

    def __init__(self, topic: str) -> None:
        self.depth = int(topic.split(".")[1])
        super().__init__()

    def number_of(self, numbers: Numbers) -> int:
        """See `Rules.number_of`."""
        return numbers[1]

    def is_same(self, numbers: Numbers) -> bool:
        """See `Rules.is_same`."""
        return super().is_same(numbers) and not (numbers[1] <= 1 and self.is_newer(numbers))

    def numbers_of(self, frame: Any) -> Numbers:
        """See `Rules.numbers_of`."""
        seq = frame["data"].get("seq", 0)
        if self.numbers[0] and not seq:
            raise ValueError("no seq; option frames may have none, but then all of them")
        return seq, frame["data"]["u"], frame["ts"] * 1000

    def misplaced(self, numbers: Numbers, *, is_snapshot: bool) -> str | None:
        """See `Rules.misplaced`."""
        is_ahead = not is_snapshot and numbers[1] > self.numbers[1] + 1
        return "an update id that is not one more" if is_ahead else None

    def is_copy(self, numbers: Numbers) -> bool:
        """See `Rules.is_copy`."""
        return numbers[1] <= self.numbers[1]

    def changed(self, sides: Sides, data: Any) -> str | None:
        """See `Rules.changed`."""
        for side, pairs in zip(sides, (data["b"], data["a"]), strict=True):
            for price, size in pairs:
                if float(size):
                    side[float(price)] = float(size)
                else:
                    side.pop(float(price), None)
        return None


def out_of_bounds(sides: Sides, depth: int) -> str | None:
    """The rule of every book after every frame that this one breaks."""
    bids, asks = sides
    if max(len(bids), len(asks)) > depth:
        return "more levels than the depth"
    return "a crossed or locked book" if bids and asks and max(bids) >= min(asks) else None
