"""Price-time priority matching of one symbol: whole ticks, whole lots. No clock, no accounts, no wire in here."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

BUY, SELL = 1, -1


class TimeInForce(StrEnum):
    """How long an order works, in the wire's words."""

    GOOD_TILL_CANCEL = "GoodTillCancel"
    IMMEDIATE_OR_CANCEL = "ImmediateOrCancel"
    FILL_OR_KILL = "FillOrKill"
    POST_ONLY = "PostOnly"


_RESTS = (TimeInForce.GOOD_TILL_CANCEL, TimeInForce.POST_ONLY)


@dataclass(eq=False, slots=True)
class Order:
    """What matching knows of an order: ``sign`` is BUY or SELL, ``tick`` its limit, ``leaves`` what is unfilled.

    ``owner`` is the caller's own affair. Orders are compared by identity.
    """

    sign: int
    tick: int
    leaves: int
    owner: object = None

    @property
    def key(self) -> int:
        """Where it rests on its side: the best key is the lowest on both sides."""
        return -self.sign * self.tick


class Trade(NamedTuple):
    """A maker and a taker met at the maker's price."""

    maker: Order
    taker: Order
    tick: int
    lots: int


@dataclass(slots=True)
class Level:
    """The orders at one price, in the order of their arrival, and their sum."""

    lots: int = 0
    queue: dict[Order, None] = field(default_factory=dict)


class Side:
    """One side of the book. A level's key is its tick, negated for bids: the best key is the lowest on both
    sides.
    """

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}
        self.changes = 0
        """Rises with every change, so that a reader can tell that there was none."""

    def window(self, depth: int) -> dict[int, int]:
        """The best ``depth`` levels, best first: key to summed lots."""
        levels = self.levels
        return {key: levels[key].lots for key in self.keys[:depth]}

    def add(self, order: Order) -> None:
        """Puts an order behind those at its price: O(log n), and O(n) in a move of memory for a new level."""
        key = order.key
        level = self.levels.get(key)
        if level is None:
            insort(self.keys, key)
            level = self.levels[key] = Level()
        level.queue[order] = None
        level.lots += order.leaves
        self.changes += 1

    def take(self, order: Order, lots: int) -> None:
        """Takes lots off an order that stands, and the order out where nothing is left of it."""
        key = order.key
        level = self.levels[key]
        order.leaves -= lots
        level.lots -= lots
        self.changes += 1
        if not order.leaves:
            self._remove(level, key, order)

    def remove(self, order: Order) -> None:
        """Takes out an order that stands; its ``leaves`` stay as they are."""
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
    """The resting orders of one symbol, and the rules by which an arriving one meets them.

    An order trades at the resting orders' prices, best price first, at one price the earliest first. After each
    call the book is not crossed.
    """

    def __init__(self, sequence: int = 0) -> None:
        self.bids, self.asks = Side(), Side()
        self._sides = {BUY: self.bids, SELL: self.asks}
        self.sequence = sequence
        """Rises with every order, change and cancel: the wire's ``cross_seq``."""
        self.last_tick = 0
        """Of the last trade."""

    def side(self, sign: int) -> Side:
        """The side on which orders of that sign rest."""
        return self._sides[sign]

    def best(self, sign: int) -> int | None:
        """The best tick of a side, None where it is empty."""
        keys = self._sides[sign].keys
        return -sign * keys[0] if keys else None

    def lots_at(self, sign: int, tick: int) -> int:
        """What stands at a tick of a side."""
        level = self._sides[sign].levels.get(-sign * tick)
        return level.lots if level else 0

    def is_resting(self, order: Order) -> bool:
        """Whether the order rests in the book."""
        level = self._sides[order.sign].levels.get(order.key)
        return level is not None and order in level.queue

    def submit(self, order: Order, time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCEL) -> Iterator[Trade]:
        """Matches an order and lets the rest of it stand, as its ``time_in_force`` says.

        A generator: each trade is done when it is yielded, and between two of them the caller may cancel, or shrink,
        any order, the arriving one included; it must run to its end. Afterwards ``stands(order)`` and ``order.leaves``
        tell what became of it. A post-only order that would trade, and a fill-or-kill one that cannot be filled whole,
        change nothing. O(trades + log n).
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
        """Takes an order out; False where it does not stand. O(log n)."""
        if not self.is_resting(order):
            return False
        self.sequence += 1
        self._sides[order.sign].remove(order)
        return True

    def amend(self, order: Order, leaves: int) -> None:
        """Changes the size of an order that stands, to at least 1 lot. Less keeps its place in the queue; more
        loses it. O(log n).
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
        """How many lots the order would trade now, and the last tick that it would reach (its own where none)."""
        side, limit = self._sides[-order.sign], order.sign * order.tick
        lots, tick = 0, order.tick
        for key in side.keys:
            if key > limit or lots >= order.leaves:
                break
            lots += side.levels[key].lots
            tick = order.sign * key
        return min(lots, order.leaves), tick
