"""The candles of a symbol's trades."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from depthwire.bybit.topics import CANDLE_INTERVALS
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.public_trades import PublicTrade

_DAY_S = 86_400
_MONDAY_S = 4 * _DAY_S  # the epoch was a Thursday


def candle_span(interval: str, at_s: int) -> tuple[int, int]:
    """Start and end, in seconds since the epoch, of the candle that holds a moment; all in UTC, weeks from Monday."""
    if interval == "M":
        moment = datetime.fromtimestamp(at_s, UTC)
        first = datetime(moment.year, moment.month, 1, tzinfo=UTC)
        following = datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=UTC)
        return int(first.timestamp()), int(following.timestamp())
    offset_s = _MONDAY_S if interval == "W" else 0
    length_s = {"D": _DAY_S, "W": 7 * _DAY_S}.get(interval) or int(interval) * 60
    start_s = (at_s - offset_s) // length_s * length_s + offset_s
    return start_s, start_s + length_s


@dataclass(slots=True)
class Candle:
    """A candle at a moment. Times in s but ``at_ns``, that of the moment; prices in ticks."""

    interval: str
    start_s: int
    end_s: int
    open: int
    close: int
    high: int
    low: int
    lots: int = 0
    turnover_e8: int = 0
    sequence: int = 0
    at_ns: int = 0
    confirm: bool = False
    """Whether it is over, and this its last state."""


class Candles:
    """The running candles of all intervals of one symbol. A candle opens at the close of the one before."""

    def __init__(self, instrument: Instrument, at_ns: int) -> None:
        self._instrument = instrument
        tick = instrument.opening_tick
        self._running = {
            interval: Candle(interval, *candle_span(interval, at_ns // 10**9), tick, tick, tick, tick)
            for interval in CANDLE_INTERVALS
        }
        self._ended: list[Candle] = []
        self._news: dict[str, None] = {}

    def add(self, trade: PublicTrade) -> None:
        """Takes a trade in."""
        self._roll(trade.at_ns)
        turnover_e8 = self._instrument.turnover_e8(trade.tick, trade.lots)
        for candle in self._running.values():
            candle.close = trade.tick
            candle.high, candle.low = max(candle.high, trade.tick), min(candle.low, trade.tick)
            candle.lots += trade.lots
            candle.turnover_e8 += turnover_e8
            candle.sequence = trade.sequence
        self._news = dict.fromkeys(self._running)

    def take(self, at_ns: int) -> Iterator[Candle]:
        """What is new since the last call: candles that ended, then those with trades."""
        self._roll(at_ns)
        ended, self._ended = self._ended, []
        news, self._news = self._news, {}
        yield from ended
        for interval in news:
            yield self.now(interval, at_ns)

    def now(self, interval: str, at_ns: int) -> Candle:
        """The running candle of an interval."""
        return replace(self._running[interval], at_ns=at_ns)

    def _roll(self, at_ns: int) -> None:
        for interval, candle in self._running.items():
            if at_ns >= candle.end_s * 10**9:
                self._ended.append(replace(candle, at_ns=candle.end_s * 10**9 - 1000, confirm=True))
                self._news.pop(interval, None)
                tick, span = candle.close, candle_span(interval, at_ns // 10**9)
                self._running[interval] = Candle(interval, *span, tick, tick, tick, tick)
