"""Trades as published: side, price, size, identifier and tick direction."""

import uuid
from collections.abc import Callable
from typing import NamedTuple

from depthwire.venue.market.instruments import Instrument

_NAMES = {1: "Buy", -1: "Sell"}


class PublicTrade(NamedTuple):
    """A trade: the taker's sign, price in ticks, size in lots, time, and the book's sequence number."""

    sign: int
    tick: int
    lots: int
    at_ns: int
    sequence: int

    @property
    def side(self) -> str:
        """The taker's side, ``Buy`` or ``Sell``."""
        return _NAMES[self.sign]


class NumberedTrade(NamedTuple):
    """A trade with its identifiers and its tick direction."""

    trade: PublicTrade
    trade_id: int
    """A random 128-bit number."""
    number: int
    """Increases by one with each trade of the symbol."""
    tick_direction: str

    @property
    def uuid(self) -> uuid.UUID:
        """The identifier in the wire's format."""
        return uuid.UUID(int=self.trade_id, version=5)


class TradeNumbering:
    """Assigns identifiers and tick directions to a symbol's trades."""

    def __init__(self, instrument: Instrument, random_bits: Callable[[int], int]) -> None:
        self._random_bits = random_bits
        self._last_tick = instrument.opening_tick
        self._number = random_bits(40)
        self.tick_direction = "ZeroPlusTick"
        """The tick direction of the last trade."""
        self.last: NumberedTrade | None = None
        """The last trade; None before the first."""

    def add(self, trade: PublicTrade) -> NumberedTrade:
        """Number a trade and return it."""
        if trade.tick != self._last_tick:
            self.tick_direction = "PlusTick" if trade.tick > self._last_tick else "MinusTick"
        elif not self.tick_direction.startswith("Zero"):
            self.tick_direction = "Zero" + self.tick_direction
        self._last_tick = trade.tick
        self._number += 1
        self.last = NumberedTrade(trade, self._random_bits(128), self._number, self.tick_direction)
        return self.last
