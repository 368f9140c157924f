"""Publishes a book topic: a snapshot, then the changes of its levels."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from depthwire.venue.market.market import MarketFrame, PublicTopic
from depthwire.venue.market.matching import BUY, SELL, Matcher
from depthwire.venue.market.topic_publisher import TopicPublisher


class LevelChange(NamedTuple):
    """A level's size before and after a change, in lots; 0 means that the topic does not show the level."""

    sign: int
    tick: int
    before: int
    lots: int


class BookEncoder(Protocol):
    """Encodes the frames of a book topic in one dialect. Levels come bids first, each side best first."""

    def snapshot(self, levels: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        """Return a frame with all levels."""

    def delta(self, changes: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        """Return a frame with the changed levels."""


class BookPublisher(TopicPublisher):
    """Publishes the best ``depth`` levels per side: a snapshot, then deltas."""

    def __init__(
        self, topic: PublicTopic, interval_ms: int, depth: int, matcher: Matcher, encoder: BookEncoder
    ) -> None:
        super().__init__(topic, interval_ms)
        self._depth = depth
        self._matcher = matcher
        self._encoder = encoder
        self._shown: dict[int, dict[int, int]] = {}
        self._versions: dict[int, int] = {}

    def start(self, at_ns: int) -> Iterator[MarketFrame]:
        """Return a snapshot. O(depth)."""
        self._shown, self._versions = {BUY: {}, SELL: {}}, {}
        yield self.frame(at_ns, self._encoder.snapshot(self._changes(), self._matcher.sequence, at_ns))

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        """Return a delta if the levels changed since the last frame. O(depth), or O(1) if the book did not change."""
        if changes := self._changes():
            yield self.frame(at_ns, self._encoder.delta(changes, self._matcher.sequence, at_ns))

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
