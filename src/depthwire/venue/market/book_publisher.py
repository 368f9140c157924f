"""What a book topic shows of a symbol's book, and what changed since it last did."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from depthwire.venue.market.market import MarketFrame, PublicTopic
from depthwire.venue.market.matching import BUY, SELL, Matcher
from depthwire.venue.market.topic_publisher import TopicPublisher


class LevelChange(NamedTuple):
    """A level that is shown otherwise than before; 0 lots: not at all."""

    sign: int
    tick: int
    before: int
    lots: int


class BookWords(Protocol):
    """How a dialect writes the frames of a book topic. Levels come bids first, each side from its best."""

    def snapshot(self, levels: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        """All levels."""

    def delta(self, changes: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        """What changed."""


class BookPublisher(TopicPublisher):
    """The best ``depth`` levels a side: a snapshot, then deltas."""

    def __init__(self, topic: PublicTopic, interval_ms: int, depth: int, matcher: Matcher, words: BookWords) -> None:
        super().__init__(topic, interval_ms)
        self._depth = depth
        self._matcher = matcher
        self._words = words
        self._shown: dict[int, dict[int, int]] = {}
        self._versions: dict[int, int] = {}

    def begin(self, at_ns: int) -> Iterator[MarketFrame]:
        """All levels. O(depth)."""
        self._shown, self._versions = {BUY: {}, SELL: {}}, {}
        yield self.frame(at_ns, self._words.snapshot(self._changes(), self._matcher.sequence, at_ns))

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        """The difference between the levels shown last and those to be shown now; nothing where there is
        none. O(1) where nothing happened, else O(depth).
        """
        if changes := self._changes():
            yield self.frame(at_ns, self._words.delta(changes, self._matcher.sequence, at_ns))

    def _changes(self) -> list[LevelChange]:
        changes: list[LevelChange] = []
        for sign in (BUY, SELL):
            side = self._matcher.side(sign)
            if side.changes == self._versions.get(sign):
                continue
            self._versions[sign] = side.changes
            shown, window = self._shown[sign], side.window(self._depth)
            if window == shown:
                continue
            self._shown[sign] = window
            keys = [key for key, lots in window.items() if shown.get(key) != lots]
            keys += [key for key in shown if key not in window]
            changes += [LevelChange(sign, -sign * key, shown.get(key, 0), window.get(key, 0)) for key in sorted(keys)]
        return changes

    def _levels(self) -> list[LevelChange]:
        return [
            LevelChange(sign, -sign * key, 0, lots)
            for sign, shown in self._shown.items()
            for key, lots in shown.items()
        ]
