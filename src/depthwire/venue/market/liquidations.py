"""Liquidations: what the public is told of them, and those of traders who never appear."""

import math
import random
from typing import NamedTuple

from depthwire.venue.market.background_traders import Match, TraderProfile
from depthwire.venue.market.contracts import MAINTENANCE_RATE
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.market import Category
from depthwire.venue.market.matching import BUY, SELL, Matcher, Order, TimeInForce

_STEPS_BETWEEN = 1500  # 30 s, in the mean
_TAKES = 3  # how many times the size of a usual market order
_SIZE_SIGMA = 1.0
_MARGINED = (Category.INVERSE, Category.LINEAR)
_SIDES = {BUY: "Buy", SELL: "Sell"}


class Liquidation(NamedTuple):
    """A position that was liquidated: its side, its bankruptcy price, its size."""

    side: str
    tick: int
    lots: int
    at_ns: int


class BackgroundLiquidations:
    """Now and then liquidates a position in the crowd of a symbol that is traded on margin.

    It is sold in the market down to its bankruptcy price, or bought up to it, as any order of the crowd is. What its
    owner lost stays in the crowd: no account and no insurance fund pays. Equal seeds give equal liquidations.
    """

    def __init__(
        self, seed: str, instrument: Instrument, profile: TraderProfile, matcher: Matcher, match: Match, owner: object
    ) -> None:
        # Numbers of its own: the crowd acts as it would without liquidations, until the first.
        self._random = random.Random(f"{seed}:liquidations")  # noqa: S311  # a market to be repeated, not a secret
        self._share = profile.stride / _STEPS_BETWEEN if instrument.category in _MARGINED else 0.0
        self._lots = _TAKES * profile.take_size
        self._matcher = matcher
        self._match = match
        self._owner = owner
        self._last_tick = instrument.opening_tick

    def step(self, now_ns: int) -> Liquidation | None:
        """One step of time: a liquidation, and its trades, or None."""
        rng, last = self._random, self._matcher.last_tick
        if rng.random() >= self._share:
            return None
        sign = BUY if last < self._last_tick else SELL  # those lose who bought before a fall
        self._last_tick = last
        tick = max(1, last - sign * int(last * MAINTENANCE_RATE))
        lots = max(1, int(self._lots * math.exp(rng.gauss(0.0, _SIZE_SIGMA))))
        self._match(Order(-sign, tick, lots, self._owner), TimeInForce.IMMEDIATE_OR_CANCEL)
        return Liquidation(_SIDES[sign], tick, lots, now_ns)
