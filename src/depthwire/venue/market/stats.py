"""Statistics of a symbol: last, mark and index price, and price changes and volumes over an hour and a day."""

from collections import deque
from dataclasses import dataclass

from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.public_trades import PublicTrade

_HOUR_MIN = 60
_DAY_MIN = 24 * _HOUR_MIN
_MINUTE_NS = 60 * 10**9
_INDEX_INERTIA = 50  # number of steps in which the index price follows the mark price
FUNDING_RATE_E6 = 100
"""The funding rate x 10^6. It is constant, and no funding is paid."""
FUNDING_H = 8
HOUR_NS = 60 * _MINUTE_NS


@dataclass(slots=True)
class _Minute:
    """The trades of one minute; prices are ticks."""

    open: int
    high: int
    low: int
    lots: int = 0
    turnover_e8: int = 0


class Stats:
    """The statistics of one symbol. Prices are ticks, but mark and index prices are x 10^4.

    Before the opening, the price counts as constant at the opening price.
    """

    def __init__(self, instrument: Instrument, at_ns: int) -> None:
        self._instrument = instrument
        self._step_e4: int = 10 ** (4 - instrument.decimals)
        tick = instrument.opening_tick
        self._minute = at_ns // _MINUTE_NS
        self._minutes = deque([_Minute(tick, tick, tick)], maxlen=_DAY_MIN)
        self.high = self.low = self.last = tick
        """High and low of the last day, and the price of the last trade."""
        self.day_lots = self.day_turnover_e8 = 0
        self.lots, self.turnover_e8 = instrument.opening_volume, instrument.opening_turnover_e8
        self.mark_e4 = self._index_e4 = instrument.opening_e4

    def add(self, trade: PublicTrade) -> None:
        """Add a trade."""
        self._start_due_minutes(trade.at_ns)
        minute, tick = self._minutes[-1], trade.tick
        turnover_e8 = self._instrument.turnover_e8(tick, trade.lots)
        minute.high, minute.low = max(minute.high, tick), min(minute.low, tick)
        minute.lots += trade.lots
        minute.turnover_e8 += turnover_e8
        self.high, self.low, self.last = max(self.high, tick), min(self.low, tick), tick
        self.day_lots += trade.lots
        self.day_turnover_e8 += turnover_e8
        self.lots += trade.lots
        self.turnover_e8 += turnover_e8

    def follow(self, at_ns: int, bid: int, ask: int) -> None:
        """Set the mark price to the middle of bid and ask, and move the index price one step towards it."""
        self._start_due_minutes(at_ns)
        self.mark_e4 = (bid + ask) * self._instrument.tick_e4 // 2 // self._step_e4 * self._step_e4
        self._index_e4 += (self.mark_e4 - self._index_e4) // _INDEX_INERTIA

    def _start_due_minutes(self, at_ns: int) -> None:
        """Start new minutes, and drop those older than a day. O(minutes per day), once a minute."""
        while self._minute < at_ns // _MINUTE_NS:
            self._minute += 1
            if len(self._minutes) == _DAY_MIN:
                self.day_lots -= self._minutes[0].lots
                self.day_turnover_e8 -= self._minutes[0].turnover_e8
            self._minutes.append(_Minute(self.last, self.last, self.last))
            self.high = max(minute.high for minute in self._minutes)
            self.low = min(minute.low for minute in self._minutes)

    @property
    def index_e4(self) -> int:
        """The index price x 10^4, rounded down to the symbol's decimals."""
        return self._index_e4 // self._step_e4 * self._step_e4

    @property
    def day_ago(self) -> int:
        """The price 24 hours ago."""
        return self._minutes[0].open

    @property
    def hour_ago(self) -> int:
        """The price one hour ago."""
        return self._minutes[max(0, len(self._minutes) - _HOUR_MIN)].open


def change_e6(now: int, before: int) -> int:
    """Return a relative change x 10^6."""
    return (now - before) * 10**6 // before


def funding_hour(at_ns: int) -> int:
    """Return the time of the next funding, in hours since the epoch."""
    return (at_ns // HOUR_NS // FUNDING_H + 1) * FUNDING_H
