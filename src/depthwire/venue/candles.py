"""What the kline topics (inverse: ``klineV2``, linear: ``candle``) tell of a symbol's trades."""

from collections.abc import Iterator
from datetime import UTC, datetime

from depthwire.bybit.grammar import CANDLE_INTERVALS
from depthwire.venue.instruments import Instrument
from depthwire.venue.market import MarketFrame
from depthwire.venue.trade_tape import Print

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


def candle_topic(instrument: Instrument, interval: str) -> str:
    """The topic of an instrument's candles."""
    return f"{'candle' if instrument.is_linear else 'klineV2'}.{interval}.{instrument.symbol}"


class Candles:
    """The running candles of all intervals of one symbol, pushed each second while there are trades.

    A candle's last tick says ``confirm: true``; the next one opens at its close.
    """

    def __init__(self, instrument: Instrument, at_ns: int) -> None:
        self._candles = [_Candle(interval, instrument, at_ns) for interval in CANDLE_INTERVALS]

    def add(self, trade: Print) -> None:
        """Takes a trade in."""
        for candle in self._candles:
            candle.add(trade)

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        """What each candle has to tell."""
        for candle in self._candles:
            yield from candle.push(at_ns)


class _Candle:
    def __init__(self, interval: str, instrument: Instrument, at_ns: int) -> None:
        self._topic = candle_topic(instrument, interval)
        self._interval = interval
        self._instrument = instrument
        self._confirmed: list[str] = []
        self._sequence = 0
        self._begin(instrument.opening_tick, at_ns)

    def _begin(self, tick: int, at_ns: int) -> None:
        self._start_s, self._end_s = candle_span(self._interval, at_ns // 10**9)
        self._open = self._close = self._high = self._low = tick
        self._lots = self._turnover_e8 = 0
        self._is_news = False

    def add(self, trade: Print) -> None:
        self._roll(trade.at_ns)
        self._close = trade.tick
        self._high, self._low = max(self._high, trade.tick), min(self._low, trade.tick)
        self._lots += trade.lots
        self._turnover_e8 += self._instrument.turnover_e8(trade.tick, trade.lots)
        self._sequence = trade.sequence
        self._is_news = True

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        self._roll(at_ns)
        told, self._confirmed = self._confirmed, []
        if self._is_news:
            told.append(self._text(at_ns, confirm=False))
            self._is_news = False
        if told:
            raw = f'{{"topic":"{self._topic}","data":[{",".join(told)}],"timestamp_e6":{at_ns // 1000}}}'
            yield MarketFrame(at_ns, self._topic, raw.encode())

    def _roll(self, at_ns: int) -> None:
        if at_ns >= self._end_s * 10**9:
            self._confirmed.append(self._text(self._end_s * 10**9 - 1000, confirm=True))
            self._begin(self._close, at_ns)

    def _text(self, at_ns: int, *, confirm: bool) -> str:
        number = self._number
        whole, rest = divmod(self._turnover_e8, 10**8)
        turnover = f"{whole}.{rest:08d}".rstrip("0").rstrip(".")
        volume = self._instrument.size(self._lots)
        span = f'"start":{self._start_s},"end":{self._end_s}'
        prices = (
            f'"open":{number(self._open)},"close":{number(self._close)},'
            f'"high":{number(self._high)},"low":{number(self._low)}'
        )
        sequence, stamp, confirmed = self._sequence, at_ns // 1000, str(confirm).lower()
        if self._instrument.is_linear:
            return (
                f'{{{span},"period":"{self._interval}",{prices},"volume":"{volume}","turnover":"{turnover}",'
                f'"confirm":{confirmed},"cross_seq":{sequence},"timestamp":{stamp}}}'
            )
        return (
            f'{{{span},{prices},"volume":{volume},"turnover":{turnover},"timestamp":{stamp},'
            f'"confirm":{confirmed},"cross_seq":{sequence}}}'
        )

    def _number(self, tick: int) -> str:
        return self._instrument.price(tick).rstrip("0").removesuffix(".")
