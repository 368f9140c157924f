"""What a symbol's trades and the top of its book come to: prices, volumes and their changes over an hour and a day."""

from collections import deque
from dataclasses import dataclass

from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.public_trades import PublicTrade

_HOUR_MIN = 60
_DAY_MIN = 24 * _HOUR_MIN
_MINUTE_NS = 60 * 10**9
_INDEX_INERTIA = 50  # steps over which the index price follows the mark price
FUNDING_RATE_E6 = 100
"""The rate is constant, and nothing is paid."""
FUNDING_H = 8
HOUR_NS = 60 * _MINUTE_NS


@dataclass(slots=True)
class _Minute:
    """The trades of a minute; prices in ticks."""

    open: int
    high: int
    low: int
    lots: int = 0
    turnover_e8: int = 0


class Stats:
    """The figures of one symbol; prices in ticks, those that no order has x 10^4.

    The market is taken to have stood at its opening price before it opened.
    """

    def __init__(self, instrument: Instrument, at_ns: int) -> None:
        self._instrument = instrument
        self._step_e4: int = 10 ** (4 - instrument.decimals)
        tick = instrument.opening_tick
        self._minute = at_ns // _MINUTE_NS
        self._minutes = deque([_Minute(tick, tick, tick)], maxlen=_DAY_MIN)
        self.high = self.low = self.last = tick
        """Of the last day; of the last trade."""
        self.day_lots = self.day_turnover_e8 = 0
        self.lots, self.turnover_e8 = instrument.opening_volume, instrument.opening_turnover_e8
        self.mark_e4 = self._index_e4 = instrument.opening_e4

    def add(self, trade: PublicTrade) -> None:
        """Takes a trade in."""
        self._roll(trade.at_ns)
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
        """Lets mark and index price follow the top of the book, one step."""
        self._roll(at_ns)
        self.mark_e4 = (bid + ask) * self._instrument.tick_e4 // 2 // self._step_e4 * self._step_e4
        self._index_e4 += (self.mark_e4 - self._index_e4) // _INDEX_INERTIA

    def _roll(self, at_ns: int) -> None:
        """Begins new minutes, and lets those a day old fall out. O(minutes in a day) once a minute."""
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
        """The index price, x 10^4, with as many decimals as other prices."""
        return self._index_e4 // self._step_e4 * self._step_e4

    @property
    def day_ago(self) -> int:
        """The price a day ago."""
        return self._minutes[0].open

    @property
    def hour_ago(self) -> int:
        """The price an hour ago."""
        return self._minutes[max(0, len(self._minutes) - _HOUR_MIN)].open


def change_e6(now: int, before: int) -> int:
    """A relative change, x 10^6."""
    return (now - before) * 10**6 // before


def funding_hour(at_ns: int) -> int:
    """The hour of the next funding, hours since the epoch."""
    return (at_ns // HOUR_NS // FUNDING_H + 1) * FUNDING_H
