"""Published liquidations, and random liquidations among the background traders."""

import math
import random
from typing import NamedTuple

from depthwire.venue.market.background_traders import Match, TraderProfile
from depthwire.venue.market.contracts import MAINTENANCE_RATE
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.market import Category
from depthwire.venue.market.matching import BUY, SELL, Matcher, Order, TimeInForce

_STEPS_BETWEEN = 1500  # 30 s on average
_SIZE_FACTOR = 3  # median size, as a multiple of the median market order
_SIZE_SIGMA = 1.0
_MARGINED = (Category.INVERSE, Category.LINEAR)
_SIDES = {BUY: "Buy", SELL: "Sell"}


class Liquidation(NamedTuple):
    """A liquidated position: its side, bankruptcy price, size and time."""

    side: str
    tick: int
    lots: int
    at_ns: int


class BackgroundLiquidations:
    """Liquidates positions of background traders at random, in symbols that are traded on margin.

    A liquidation is a market order that is limited by the bankruptcy price. The loss stays among the background
    traders: no account and no insurance fund pays. Equal seeds give equal liquidations.
    """

    def __init__(
        self, seed: str, instrument: Instrument, profile: TraderProfile, matcher: Matcher, match: Match, owner: object
    ) -> None:
        # A separate generator: until the first liquidation the traders act as they would without any.
        self._random = random.Random(f"{seed}:liquidations")  # noqa: S311  # a market to be repeated, not a secret
        self._share = profile.stride / _STEPS_BETWEEN if instrument.category in _MARGINED else 0.0
        self._lots = _SIZE_FACTOR * profile.take_size
        self._matcher = matcher
        self._match = match
        self._owner = owner
        self._last_tick = instrument.opening_tick

    def step(self, now_ns: int) -> Liquidation | None:
        """Advance one time step. Returns a liquidation after executing its trades, or None."""
        rng, last = self._random, self._matcher.last_tick
        if rng.random() >= self._share:
            return None
        sign = BUY if last < self._last_tick else SELL  # a fall liquidates long positions
        self._last_tick = last
        tick = max(1, last - sign * int(last * MAINTENANCE_RATE))
        lots = max(1, int(self._lots * math.exp(rng.gauss(0.0, _SIZE_SIGMA))))
        self._match(Order(-sign, tick, lots, self._owner), TimeInForce.IMMEDIATE_OR_CANCEL)
        return Liquidation(_SIDES[sign], tick, lots, now_ns)
