"""Candles built from a symbol's trades."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from depthwire.bybit.topics import CANDLE_INTERVALS
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.public_trades import PublicTrade

_DAY_S = 86_400
_MONDAY_S = 4 * _DAY_S  # the epoch was a Thursday


def candle_span(interval: str, at_s: int) -> tuple[int, int]:
    """Return start and end of the candle that contains ``at_s``, in s since the epoch. Weeks start on Monday (UTC)."""
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
    """The state of a candle at the time ``at_ns``. ``start_s`` and ``end_s`` are seconds; prices are ticks."""

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
    """Whether the candle has ended and this state is final."""


class Candles:
    """The current candles of one symbol, one per interval. A candle opens at the previous close."""

    def __init__(self, instrument: Instrument, at_ns: int) -> None:
        self._instrument = instrument
        tick = instrument.opening_tick
        self._running = {
            interval: Candle(interval, *candle_span(interval, at_ns // 10**9), tick, tick, tick, tick)
            for interval in CANDLE_INTERVALS
        }
        self._ended: list[Candle] = []
        self._changed: dict[str, None] = {}

    def add(self, trade: PublicTrade) -> None:
        """Add a trade to all candles."""
        self._start_due_candles(trade.at_ns)
        turnover_e8 = self._instrument.turnover_e8(trade.tick, trade.lots)
        for candle in self._running.values():
            candle.close = trade.tick
            candle.high, candle.low = max(candle.high, trade.tick), min(candle.low, trade.tick)
            candle.lots += trade.lots
            candle.turnover_e8 += turnover_e8
            candle.sequence = trade.sequence
        self._changed = dict.fromkeys(self._running)

    def take_changes(self, at_ns: int) -> Iterator[Candle]:
        """Return the candles that changed since the last call: first the ended ones, then those with new trades."""
        self._start_due_candles(at_ns)
        ended, self._ended = self._ended, []
        changed, self._changed = self._changed, {}
        yield from ended
        for interval in changed:
            yield self.current(interval, at_ns)

    def current(self, interval: str, at_ns: int) -> Candle:
        """Return the current candle of an interval."""
        return replace(self._running[interval], at_ns=at_ns)

    def _start_due_candles(self, at_ns: int) -> None:
        for interval, candle in self._running.items():
            if at_ns >= candle.end_s * 10**9:
                self._ended.append(replace(candle, at_ns=candle.end_s * 10**9 - 1000, confirm=True))
                self._changed.pop(interval, None)
                tick, span = candle.close, candle_span(interval, at_ns // 10**9)
                self._running[interval] = Candle(interval, *span, tick, tick, tick, tick)
