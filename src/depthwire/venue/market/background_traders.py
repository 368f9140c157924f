"""The seeded background traders of one symbol: what they send to the matching engine, in ticks and lots."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from depthwire.venue.market.matching import BUY, SELL, Matcher, Order, TimeInForce, Trade

_FEWEST, _MOST = 0.8, 1.25  # times the usual number of levels a side
_DEEP_SHARE = 0.1  # of the orders go anywhere in the book, not near its top
_LEVELS_A_SWEEP = 8
_VALUE_STEP_TICKS = 0.8  # what a step does to traders' idea of the value
_VALUE_PULL = 0.00001  # how fast traders' idea of the value returns to the opening price, per step
_CONVICTION_TICKS = 25.0  # a value this far from mid makes most traders push the price towards it

Match = Callable[[Order, TimeInForce], list[Trade]]


@dataclass(frozen=True, slots=True)
class TraderProfile:
    """How the traders of one symbol behave. Shares are of all orders; the rest amend a level's size."""

    activity: float
    """Share of the steps in which anything happens."""
    burst: float
    """Mean number of orders in such a step."""
    take: float
    place: float
    cancel: float
    rank: float
    """Mean number of levels between the top of the book and an order."""
    density: float
    """Share of the ticks deep in the book where a level stands."""
    follow: float
    """Share of the takers who clear a level and are followed by a maker at that very price: a side flip."""
    size: float
    """Median size of an order, in lots."""
    size_sigma: float
    """Spread of the sizes: the standard deviation of their logarithm."""
    take_size: float
    """Median size of a market order."""
    stride: int = 1
    """Steps of time between two moments at which anything may happen."""
    levels: int = 1300
    """A side of the whole book, of which a topic shows 1,000 at most."""


class BackgroundTraders:
    """Many traders, of whom at most one has an order at a price. Equal seeds, and equal other traders, give equal
    markets.
    """

    def __init__(
        self, seed: str, opening_tick: int, profile: TraderProfile, matcher: Matcher, match: Match, owner: object
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a market to be repeated, not a secret
        self._profile = profile
        self._matcher = matcher
        self._match = match
        self._owner = owner
        self._opening = self._value = float(opening_tick)
        self._standing: dict[int, dict[int, Order]] = {BUY: {}, SELL: {}}
        matcher.sequence = self._random.randrange(10**9, 6 * 10**9)
        matcher.last_tick = opening_tick
        self._put(BUY, -opening_tick, self._size())
        self.keep_deep()

    def step(self) -> bool:
        """Lets the traders act for one step of time; False: none did. O(orders)."""
        rng, profile = self._random, self._profile
        self._value += rng.gauss(0.0, _VALUE_STEP_TICKS) + _VALUE_PULL * (self._opening - self._value)
        self._matcher.sequence += int(rng.expovariate(1.5))
        if rng.random() >= profile.activity:
            return False
        mid = (self._matcher.asks.keys[0] - self._matcher.bids.keys[0]) / 2
        buyers = 0.5 + 0.5 * math.tanh((self._value - mid) / _CONVICTION_TICKS)
        for _ in range(1 + int(rng.expovariate(1 / profile.burst))):
            sign = BUY if rng.random() < buyers else SELL
            kind = rng.random()
            if kind < profile.take:
                self._take(sign)
            elif kind < profile.take + profile.place:
                self._place(sign)
            elif kind < profile.take + profile.place + profile.cancel:
                self._cancel(-sign, self._ranked(-sign))  # whoever expects a rise takes an offer away
            else:
                self._put(-sign, self._ranked(-sign), self._size())
            self.keep_deep()
        return True

    def random_bits(self, bits: int) -> int:
        """Seeded bits, for identifiers."""
        return self._random.getrandbits(bits)

    def keep_deep(self) -> None:
        """Keeps both sides of the whole book deep, without end, whoever sweeps it."""
        levels = self._profile.levels
        for sign in (BUY, SELL):
            side = self._matcher.side(sign)
            if len(side.keys) < _FEWEST * levels:
                key = self._worst(sign)
                while len(side.keys) < levels and sign * key < 0:
                    self._put(sign, key, self._size())
                    key += 1 + int(self._random.expovariate(1.0) * (1 / self._profile.density - 1))
            for key in side.keys[: int(_MOST * levels) : -1]:
                self._cancel(sign, key)

    def _worst(self, sign: int) -> int:
        """The key of the crowd's last level, or where its first may stand after a sweep."""
        standing = self._standing[sign]
        for key in reversed(self._matcher.side(sign).keys):
            if key in standing and standing[key].leaves:
                return key + 1
        return max(1 - self._matcher.side(-sign).keys[0], -sign * self._matcher.last_tick)

    def _take(self, sign: int) -> None:
        """A market order against the other side, and perhaps a maker who follows it."""
        rng, profile = self._random, self._profile
        wanted = max(1, int(profile.take_size * math.exp(rng.gauss(0.0, 1.5))))
        other = self._matcher.side(-sign)
        furthest = other.keys[:_LEVELS_A_SWEEP][-1]
        order = Order(sign, sign * furthest, wanted, self._owner)
        ticks = [trade.tick for trade in self._match(order, TimeInForce.IMMEDIATE_OR_CANCEL)]
        cleared = [tick for tick in ticks if sign * tick not in other.levels]
        if cleared and rng.random() < profile.follow:
            self._put(sign, -sign * cleared[-1], self._size())

    def _place(self, sign: int) -> None:
        """A limit order: within the spread where there is room, else a little behind the best, never
        crossing.
        """
        rng = self._random
        best = self._matcher.side(sign).keys[0]
        room = best + self._matcher.side(-sign).keys[0] - 1  # free ticks between the two sides
        if room and rng.random() < 0.6:
            key = best - rng.randint(1, min(room, 3))
        else:
            key = best + int(rng.expovariate(self._profile.density / self._profile.rank))
        self._put(sign, key, self._size())

    def _put(self, sign: int, key: int, lots: int) -> None:
        """Makes the crowd's order at a price one of ``lots``."""
        order = self._standing[sign].get(key)
        if order is not None and order.leaves:
            self._matcher.amend(order, lots)
        elif sign * key < 0:
            order = self._standing[sign][key] = Order(sign, -sign * key, lots, self._owner)
            self._match(order, TimeInForce.GOOD_TILL_CANCEL)

    def _cancel(self, sign: int, key: int) -> None:
        order = self._standing[sign].pop(key, None)
        if order is not None and order.leaves:
            self._matcher.cancel(order)

    def _ranked(self, sign: int) -> int:
        """The key of a level to act on."""
        rng, keys = self._random, self._matcher.side(sign).keys
        if rng.random() < _DEEP_SHARE:
            return keys[rng.randrange(len(keys))]
        return keys[min(int(rng.expovariate(1 / self._profile.rank)), len(keys) - 1)]

    def _size(self) -> int:
        return max(1, int(self._profile.size * math.exp(self._random.gauss(0.0, self._profile.size_sigma))))
