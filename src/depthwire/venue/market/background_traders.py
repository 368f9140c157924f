"""The seeded background traders of one symbol, who send random orders to the matching engine."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from depthwire.venue.market.matching import BUY, SELL, Matcher, Order, TimeInForce, Trade

_MIN_DEPTH, _MAX_DEPTH = 0.8, 1.25  # bounds of the levels per side, as multiples of the usual number
_DEEP_SHARE = 0.1  # share of the orders that go anywhere in the book rather than near its top
_MAX_SWEPT_LEVELS = 8
_VALUE_STEP_TICKS = 0.8  # standard deviation of the fair value's random walk, per step
_VALUE_PULL = 0.00001  # speed at which the fair value returns to the opening price, per step
_CONVICTION_TICKS = 25.0  # at this distance from mid, most traders push the price towards the fair value

Match = Callable[[Order, TimeInForce], list[Trade]]


@dataclass(frozen=True, slots=True)
class TraderProfile:
    """The behaviour of one symbol's background traders."""

    activity: float
    """Share of the steps in which anything happens."""
    burst: float
    """Mean number of orders in an active step."""
    take: float
    """Share of market orders. Orders that neither take, place nor cancel amend a level's size."""
    place: float
    """Share of new limit orders."""
    cancel: float
    """Share of cancellations."""
    rank: float
    """Mean number of levels between the top of the book and an order."""
    density: float
    """Share of the ticks deep in the book that have a level."""
    follow: float
    """Share of the level-clearing takers that a maker follows at the same price: a side flip."""
    size: float
    """Median size of a limit order, in lots."""
    size_sigma: float
    """Standard deviation of the logarithm of the sizes."""
    take_size: float
    """Median size of a market order, in lots."""
    stride: int = 1
    """Time steps between two moments at which anything may happen."""
    levels: int = 1300
    """Levels per side of the whole book. A topic shows at most 1,000."""


class BackgroundTraders:
    """Random traders with at most one order per price. Equal seeds and equal other orders give equal markets."""

    def __init__(
        self, seed: str, opening_tick: int, profile: TraderProfile, matcher: Matcher, match: Match, owner: object
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a market to be repeated, not a secret
        self._profile = profile
        self._matcher = matcher
        self._match = match
        self._owner = owner
        self._opening = self._value = float(opening_tick)
        self._resting: dict[int, dict[int, Order]] = {BUY: {}, SELL: {}}
        matcher.sequence = self._random.randrange(10**9, 6 * 10**9)
        matcher.last_tick = opening_tick
        self._put(BUY, -opening_tick, self._size())
        self.replenish()

    def step(self) -> bool:
        """Let the traders act for one time step. Returns False if none did. O(orders)."""
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
                self._cancel(-sign, self._random_key(-sign))  # a trader who expects a rise withdraws an offer
            else:
                self._put(-sign, self._random_key(-sign), self._size())
            self.replenish()
        return True

    def random_bits(self, bits: int) -> int:
        """Return seeded random bits for identifiers."""
        return self._random.getrandbits(bits)

    def replenish(self) -> None:
        """Add or remove levels far from the top, so that both sides keep about the usual depth after any sweep."""
        levels = self._profile.levels
        for sign in (BUY, SELL):
            side = self._matcher.side(sign)
            if len(side.keys) < _MIN_DEPTH * levels:
                key = self._next_deep_key(sign)
                while len(side.keys) < levels and sign * key < 0:
                    self._put(sign, key, self._size())
                    key += 1 + int(self._random.expovariate(1.0) * (1 / self._profile.density - 1))
            for key in side.keys[: int(_MAX_DEPTH * levels) : -1]:
                self._cancel(sign, key)

    def _next_deep_key(self, sign: int) -> int:
        """Return the key after the traders' worst level; after a sweep, the first key that they may use."""
        resting = self._resting[sign]
        for key in reversed(self._matcher.side(sign).keys):
            if key in resting and resting[key].leaves:
                return key + 1
        return max(1 - self._matcher.side(-sign).keys[0], -sign * self._matcher.last_tick)

    def _take(self, sign: int) -> None:
        """Send a market order; if it clears a level, a maker may follow at that price."""
        rng, profile = self._random, self._profile
        lots = max(1, int(profile.take_size * math.exp(rng.gauss(0.0, 1.5))))
        other = self._matcher.side(-sign)
        limit = other.keys[:_MAX_SWEPT_LEVELS][-1]
        order = Order(sign, sign * limit, lots, self._owner)
        ticks = [trade.tick for trade in self._match(order, TimeInForce.IMMEDIATE_OR_CANCEL)]
        cleared = [tick for tick in ticks if sign * tick not in other.levels]
        if cleared and rng.random() < profile.follow:
            self._put(sign, -sign * cleared[-1], self._size())

    def _place(self, sign: int) -> None:
        """Place a limit order inside the spread if it has room, else at or near the best price; it never crosses."""
        rng = self._random
        best = self._matcher.side(sign).keys[0]
        room = best + self._matcher.side(-sign).keys[0] - 1  # free ticks inside the spread
        if room and rng.random() < 0.6:
            key = best - rng.randint(1, min(room, 3))
        else:
            key = best + int(rng.expovariate(self._profile.density / self._profile.rank))
        self._put(sign, key, self._size())

    def _put(self, sign: int, key: int, lots: int) -> None:
        """Place an order of ``lots`` at a price, or amend the one that exists."""
        order = self._resting[sign].get(key)
        if order is not None and order.leaves:
            self._matcher.amend(order, lots)
        elif sign * key < 0:
            order = self._resting[sign][key] = Order(sign, -sign * key, lots, self._owner)
            self._match(order, TimeInForce.GOOD_TILL_CANCEL)

    def _cancel(self, sign: int, key: int) -> None:
        order = self._resting[sign].pop(key, None)
        if order is not None and order.leaves:
            self._matcher.cancel(order)

    def _random_key(self, sign: int) -> int:
        """Return the key of a random level, usually near the top."""
        rng, keys = self._random, self._matcher.side(sign).keys
        if rng.random() < _DEEP_SHARE:
            return keys[rng.randrange(len(keys))]
        return keys[min(int(rng.expovariate(1 / self._profile.rank)), len(keys) - 1)]

    def _size(self) -> int:
        return max(1, int(self._profile.size * math.exp(self._random.gauss(0.0, self._profile.size_sigma))))
