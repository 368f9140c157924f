"""Price-time priority matching for one symbol, in ticks and lots. Knows no clock, accounts or wire format."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

BUY, SELL = 1, -1


class TimeInForce(StrEnum):
    """The time for which an order stays active, as on the wire."""

    GOOD_TILL_CANCEL = "GoodTillCancel"
    IMMEDIATE_OR_CANCEL = "ImmediateOrCancel"
    FILL_OR_KILL = "FillOrKill"
    POST_ONLY = "PostOnly"


_RESTS = (TimeInForce.GOOD_TILL_CANCEL, TimeInForce.POST_ONLY)


@dataclass(eq=False, slots=True)
class Order:
    """An order as matching sees it: ``sign`` is BUY or SELL, ``tick`` the limit, ``leaves`` the unfilled lots.

    Matching ignores ``owner``. Orders compare by identity.
    """

    sign: int
    tick: int
    leaves: int
    owner: object = None

    @property
    def key(self) -> int:
        """The key of its level: on both sides the best level has the lowest key."""
        return -self.sign * self.tick


class Trade(NamedTuple):
    """A match of a maker and a taker at the maker's price."""

    maker: Order
    taker: Order
    tick: int
    lots: int


@dataclass(slots=True)
class Level:
    """The orders at one price in order of arrival, and their total."""

    lots: int = 0
    queue: dict[Order, None] = field(default_factory=dict)


class Side:
    """One side of the book. A level's key is its tick, negated for bids, so that the best key is always the lowest."""

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}
        self.changes = 0
        """Increases with every change, so that a reader can detect that nothing changed."""

    def window(self, depth: int) -> dict[int, int]:
        """Return the best ``depth`` levels, best first, as a map from key to total lots."""
        levels = self.levels
        return {key: levels[key].lots for key in self.keys[:depth]}

    def add(self, order: Order) -> None:
        """Append an order to the queue at its price. O(log n); a new level also moves O(n) memory."""
        key = order.key
        level = self.levels.get(key)
        if level is None:
            insort(self.keys, key)
            level = self.levels[key] = Level()
        level.queue[order] = None
        level.lots += order.leaves
        self.changes += 1

    def take(self, order: Order, lots: int) -> None:
        """Reduce a resting order, and remove it if nothing is left."""
        key = order.key
        level = self.levels[key]
        order.leaves -= lots
        level.lots -= lots
        self.changes += 1
        if not order.leaves:
            self._remove(level, key, order)

    def remove(self, order: Order) -> None:
        """Remove a resting order; its ``leaves`` do not change."""
        key = order.key
        level = self.levels[key]
        level.lots -= order.leaves
        self.changes += 1
        self._remove(level, key, order)

    def _remove(self, level: Level, key: int, order: Order) -> None:
        del level.queue[order]
        if not level.queue:
            del self.levels[key]
            del self.keys[bisect_left(self.keys, key)]


class Matcher:
    """The resting orders of one symbol, and the matching rules.

    An incoming order trades at the resting orders' prices: best price first, and at one price the oldest order first.
    The book is never crossed after a call.
    """

    def __init__(self, sequence: int = 0) -> None:
        self.bids, self.asks = Side(), Side()
        self._sides = {BUY: self.bids, SELL: self.asks}
        self.sequence = sequence
        """Increases with every order, change and cancellation: the wire's ``cross_seq``."""
        self.last_tick = 0
        """The price of the last trade, in ticks."""

    def side(self, sign: int) -> Side:
        """Return the side on which orders of this sign rest."""
        return self._sides[sign]

    def best(self, sign: int) -> int | None:
        """Return the best tick of a side; None if it is empty."""
        keys = self._sides[sign].keys
        return -sign * keys[0] if keys else None

    def lots_at(self, sign: int, tick: int) -> int:
        """Return the total lots at a tick of a side."""
        level = self._sides[sign].levels.get(-sign * tick)
        return level.lots if level else 0

    def is_resting(self, order: Order) -> bool:
        """Return whether the order rests in the book."""
        level = self._sides[order.sign].levels.get(order.key)
        return level is not None and order in level.queue

    def submit(self, order: Order, time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCEL) -> Iterator[Trade]:
        """Match an order; the rest stays in the book if ``time_in_force`` allows it.

        This generator yields each trade after executing it. Between trades the caller may cancel or shrink any order,
        including this one. The caller must exhaust the generator; then ``is_resting(order)`` and ``order.leaves`` show
        the result. A post-only order that would trade, and a fill-or-kill order that cannot be filled completely, have
        no effect. O(trades + log n).
        """
        self.sequence += 1
        other = self._sides[-order.sign]
        limit = order.sign * order.tick
        if time_in_force is TimeInForce.POST_ONLY and other.keys and other.keys[0] <= limit:
            return
        if time_in_force is TimeInForce.FILL_OR_KILL and self.reach(order)[0] < order.leaves:
            return
        while order.leaves and other.keys and (key := other.keys[0]) <= limit:
            maker = next(iter(other.levels[key].queue))
            lots = min(order.leaves, maker.leaves)
            order.leaves -= lots
            other.take(maker, lots)
            self.last_tick = maker.tick
            yield Trade(maker, order, maker.tick, lots)
        if order.leaves and time_in_force in _RESTS:
            self._sides[order.sign].add(order)

    def cancel(self, order: Order) -> bool:
        """Remove an order. Returns False if it does not rest in the book. O(log n)."""
        if not self.is_resting(order):
            return False
        self.sequence += 1
        self._sides[order.sign].remove(order)
        return True

    def amend(self, order: Order, leaves: int) -> None:
        """Change the size of a resting order to at least 1 lot. O(log n).

        A smaller size keeps its place in the queue; a larger one loses it.
        """
        self.sequence += 1
        side = self._sides[order.sign]
        if leaves <= order.leaves:
            side.take(order, order.leaves - leaves)
        else:
            side.remove(order)
            order.leaves = leaves
            side.add(order)

    def reach(self, order: Order) -> tuple[int, int]:
        """Return the lots that the order would trade now, and the last tick it would reach (its own if none)."""
        side, limit = self._sides[-order.sign], order.sign * order.tick
        lots, tick = 0, order.tick
        for key in side.keys:
            if key > limit or lots >= order.leaves:
                break
            lots += side.levels[key].lots
            tick = order.sign * key
        return min(lots, order.leaves), tick
