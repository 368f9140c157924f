"""What the instrument_info topic tells of a symbol: a snapshot, then the fields that changed."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from depthwire.venue.instruments import Instrument, price_text, utc_text
from depthwire.venue.market import MarketFrame
from depthwire.venue.trade_tape import Print

_HOUR_MIN = 60
_DAY_MIN = 24 * _HOUR_MIN
_MINUTE_NS = 60 * 10**9
_FUNDING_H = 8
_FUNDING_RATE_E6 = 100
_CENT_E4 = 100
_INDEX_INERTIA = 50  # pushes over which the index price follows the mark price
_ALWAYS = ("id", "symbol", "cross_seq", "created_at", "updated_at")


@dataclass(slots=True)
class _Minute:
    """The trades of a minute; prices in ticks."""

    open: int
    high: int
    low: int
    lots: int = 0
    turnover_e8: int = 0


class InstrumentInfo:
    """Prices, volumes and their changes over an hour and a day, from the trades and the top of the book.

    The market is taken to have stood at its opening price before it opened. There is no funding: the rate is constant
    and nothing is paid.
    """

    def __init__(self, instrument: Instrument, at_ns: int) -> None:
        self._instrument = instrument
        self._topic = f"instrument_info.100ms.{instrument.symbol}"
        tick = instrument.opening_tick
        self._minute = at_ns // _MINUTE_NS
        self._minutes = deque([_Minute(tick, tick, tick)], maxlen=_DAY_MIN)
        self._high = self._low = self._last = tick
        self._day_lots = self._day_turnover_e8 = 0
        self._lots, self._turnover_e8 = instrument.opening_volume, instrument.opening_turnover_e8
        self._index_e4 = instrument.opening_e4
        self._told: dict[str, Any] = {}

    def add(self, trade: Print) -> None:
        """Takes a trade in."""
        self._roll(trade.at_ns)
        minute, tick = self._minutes[-1], trade.tick
        turnover_e8 = self._instrument.turnover_e8(tick, trade.lots)
        minute.high, minute.low = max(minute.high, tick), min(minute.low, tick)
        minute.lots += trade.lots
        minute.turnover_e8 += turnover_e8
        self._high, self._low, self._last = max(self._high, tick), min(self._low, tick), tick
        self._day_lots += trade.lots
        self._day_turnover_e8 += turnover_e8
        self._lots += trade.lots
        self._turnover_e8 += turnover_e8

    def _roll(self, at_ns: int) -> None:
        """Begins new minutes, and lets those a day old fall out. O(minutes in a day) once a minute."""
        while self._minute < at_ns // _MINUTE_NS:
            self._minute += 1
            if len(self._minutes) == _DAY_MIN:
                self._day_lots -= self._minutes[0].lots
                self._day_turnover_e8 -= self._minutes[0].turnover_e8
            self._minutes.append(_Minute(self._last, self._last, self._last))
            self._high = max(minute.high for minute in self._minutes)
            self._low = min(minute.low for minute in self._minutes)

    def push(
        self, at_ns: int, sequence: int, bid: int, ask: int, direction: str, open_lots: int
    ) -> Iterator[MarketFrame]:
        """A snapshot at first, then what changed since the last push, if anything did."""
        self._roll(at_ns)
        quoted = self._instrument.quoted
        fields = self._fields(at_ns, sequence, bid, ask, direction, open_lots)
        data: dict[str, Any] = fields
        if self._told:
            changed = {name for name, value in fields.items() if self._told[name] != value}
            if changed.issubset(_ALWAYS):
                return
            update = {name: value for name, value in fields.items() if name in changed or name in _ALWAYS}
            data = {"update": [update]}
            if not self._instrument.is_linear:
                data = {"delete": [], **data, "insert": []}
        kind = "delta" if self._told else "snapshot"
        self._told = fields
        raw = (
            f'{{"topic":"{self._topic}","type":"{kind}","data":{msgspec.json.encode(data).decode()},'
            f'"cross_seq":{quoted(sequence)},"timestamp_e6":{quoted(at_ns // 1000)}}}'
        )
        yield MarketFrame(at_ns, self._topic, raw.encode())

    def _fields(self, at_ns: int, sequence: int, bid: int, ask: int, direction: str, open_lots: int) -> dict[str, Any]:
        instrument = self._instrument
        tick_e4 = instrument.tick_e4
        hour_ago = self._minutes[max(0, len(self._minutes) - _HOUR_MIN)].open
        mark_e4 = (bid + ask) * tick_e4 // 2 // _CENT_E4 * _CENT_E4
        self._index_e4 += (mark_e4 - self._index_e4) // _INDEX_INERTIA
        interest = instrument.opening_interest + open_lots
        hours = at_ns // (60 * _MINUTE_NS)
        funding_hour = (hours // _FUNDING_H + 1) * _FUNDING_H
        numbers = {
            **self._price("last_price", self._last * tick_e4),
            **self._price("bid1_price", bid * tick_e4),
            **self._price("ask1_price", ask * tick_e4),
            "last_tick_direction": direction,
            **self._price("prev_price_24h", self._minutes[0].open * tick_e4),
            "price_24h_pcnt_e6": _change_e6(self._last, self._minutes[0].open),
            **self._price("high_price_24h", self._high * tick_e4),
            **self._price("low_price_24h", self._low * tick_e4),
            **self._price("prev_price_1h", hour_ago * tick_e4),
            "price_1h_pcnt_e6": _change_e6(self._last, hour_ago),
            **self._price("mark_price", mark_e4),
            **self._price("index_price", self._index_e4 // _CENT_E4 * _CENT_E4),
            **self._volume("open_interest", interest),
            "open_value_e8": instrument.turnover_e8(self._last, interest),
            "total_turnover_e8": self._turnover_e8,
            "turnover_24h_e8": self._day_turnover_e8,
            **self._volume("total_volume", self._lots),
            **self._volume("volume_24h", self._day_lots),
            "funding_rate_e6": _FUNDING_RATE_E6,
            "predicted_funding_rate_e6": _FUNDING_RATE_E6,
            "cross_seq": sequence,
        }
        if instrument.is_linear:
            del numbers["open_value_e8"]
            numbers = {name: str(value) for name, value in numbers.items()}
        second = ".000Z" if instrument.is_linear else "Z"
        countdown = funding_hour - hours
        return {
            "id": instrument.number,
            "symbol": instrument.symbol,
            **numbers,
            "created_at": instrument.created_at,
            "updated_at": utc_text(at_ns)[:-1] + second,
            "next_funding_time": utc_text(funding_hour * 60 * _MINUTE_NS),
            **({"count_down_hour": str(countdown)} if instrument.is_linear else {"countdown_hour": countdown}),
        }

    def _price(self, name: str, price_e4: int) -> dict[str, Any]:
        return {f"{name}_e4": price_e4, name: price_text(price_e4)}

    def _volume(self, name: str, lots: int) -> dict[str, Any]:
        if not self._instrument.is_linear:
            return {name: lots}
        return {f"{name}_e8": lots * 10**8 // self._instrument.lots_a_unit}


def _change_e6(now: int, before: int) -> int:
    return (now - before) * 10**6 // before
