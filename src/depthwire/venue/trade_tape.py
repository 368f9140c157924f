"""What the trade topic tells."""

import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

from depthwire.venue.instruments import Instrument, utc_text
from depthwire.venue.market import MarketFrame

_NAMES = {1: "Buy", -1: "Sell"}


class Print(NamedTuple):
    """A trade as the public sees it: the taker's sign, where, how much, when, and the book's sequence number."""

    sign: int
    tick: int
    lots: int
    at_ns: int
    sequence: int


class TradeTape:
    """Collects a symbol's trades between two pushes."""

    def __init__(self, instrument: Instrument, random_bits: Callable[[int], int]) -> None:
        self._instrument = instrument
        self._topic = f"trade.{instrument.symbol}"
        self._random_bits = random_bits
        self._waiting: list[str] = []
        self._last_tick = instrument.opening_tick
        self.tick_direction = "ZeroPlusTick"
        """Of the last trade."""

    def add(self, trade: Print) -> None:
        """Takes a trade in."""
        if trade.tick != self._last_tick:
            self.tick_direction = "PlusTick" if trade.tick > self._last_tick else "MinusTick"
        elif not self.tick_direction.startswith("Zero"):
            self.tick_direction = "Zero" + self.tick_direction
        self._last_tick = trade.tick
        self._waiting.append(self._text(trade))

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        """The trades since the last push, if any."""
        if self._waiting:
            raw = f'{{"topic":"{self._topic}","data":[{",".join(self._waiting)}]}}'
            self._waiting.clear()
            yield MarketFrame(at_ns, self._topic, raw.encode())

    def _text(self, trade: Print) -> str:
        instrument = self._instrument
        at_ms = trade.at_ns // 1_000_000
        price, size, side = instrument.price(trade.tick), instrument.size(trade.lots), _NAMES[trade.sign]
        timestamp = utc_text(trade.at_ns)[:-1] + ".000Z"
        trade_id = uuid.UUID(int=self._random_bits(128), version=5)
        if instrument.is_linear:
            return (
                f'{{"symbol":"{instrument.symbol}","tick_direction":"{self.tick_direction}","price":"{price}",'
                f'"size":{size},"timestamp":"{timestamp}","trade_time_ms":"{at_ms}","side":"{side}",'
                f'"trade_id":"{trade_id}"}}'
            )
        number = price.rstrip("0").removesuffix(".")
        return (
            f'{{"trade_time_ms":{at_ms},"timestamp":"{timestamp}","symbol":"{instrument.symbol}",'
            f'"side":"{side}","size":{size},"price":{number},"tick_direction":"{self.tick_direction}",'
            f'"trade_id":"{trade_id}","cross_seq":{trade.sequence}}}'
        )
