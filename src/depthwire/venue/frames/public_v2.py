"""How the v2 dialect tells the public topics of a symbol: inverse in numbers, linear in texts.

Source of the shapes: the exchange's inverse and linear WebSocket documents, and recorded frames of 2021.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from depthwire.bybit.topics import CANDLE_INTERVALS
from depthwire.bybit.v2.grammar import CANDLE_KINDS
from depthwire.venue.market.book_publisher import BookPublisher, LevelChange
from depthwire.venue.market.candles import Candle
from depthwire.venue.market.instruments import Instrument, plain, utc_text
from depthwire.venue.market.liquidations import Liquidation
from depthwire.venue.market.market import MarketFrame, PublicTopic
from depthwire.venue.market.matching import BUY
from depthwire.venue.market.public_trades import NumberedTrade
from depthwire.venue.market.stats import FUNDING_RATE_E6, HOUR_NS, change_e6, funding_hour
from depthwire.venue.market.symbol_data import SymbolData
from depthwire.venue.market.topic_publisher import EventPublisher, TopicPublisher

BOOK_KINDS = ("orderBookL2_25", "orderBook_200.100ms")
INFO_KIND = "instrument_info.100ms"
TRADE_KIND = "trade"
_ALWAYS = ("id", "symbol", "cross_seq", "created_at", "updated_at")

Make = Callable[[PublicTopic, SymbolData], TopicPublisher]
Texts = Callable[[PublicTopic, Instrument, Sequence[Any], int], Iterator[str]]


def kinds_of(instrument: Instrument) -> dict[str, Make]:
    """What there is of a symbol: the kinds of topic, and what makes their views."""
    candle = CANDLE_KINDS[instrument.category]
    return {
        "orderBookL2_25": partial(_book, 20, 25),
        "orderBook_200.100ms": partial(_book, 100, 200),
        TRADE_KIND: _trade_view,
        INFO_KIND: InstrumentInfoPublisher,
        "liquidation": partial(_events, 20, "liquidation", _liquidations),
        **{
            f"{candle}.{interval}": partial(_events, 1000, f"candle.{interval}", _candles)
            for interval in CANDLE_INTERVALS
        },
    }


def _book(interval_ms: int, depth: int, topic: PublicTopic, symbol: SymbolData) -> TopicPublisher:
    return BookPublisher(topic, interval_ms, depth, symbol.matcher, _Levels(topic, symbol.instrument))


def _events(interval_ms: int, source: str, texts: Texts, topic: PublicTopic, symbol: SymbolData) -> TopicPublisher:
    return EventPublisher(topic, interval_ms, source, partial(texts, topic, symbol.instrument))


def _trade_view(topic: PublicTopic, symbol: SymbolData) -> TopicPublisher:
    def standing(at_ns: int) -> Sequence[NumberedTrade]:
        """Linear tells a subscriber the last trade once more."""
        last = symbol.tape.last
        return [last] if last and symbol.instrument.is_linear else []

    return EventPublisher(topic, 100, "trade", partial(_trades, topic, symbol.instrument), standing)


class _Levels:
    """Book frames: a level is an object; a delta has lists of what to delete, update and insert."""

    def __init__(self, topic: PublicTopic, instrument: Instrument) -> None:
        self._topic = topic
        self._instrument = instrument

    def snapshot(self, levels: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        bids = [level for level in levels if level.sign == BUY]
        data = f"[{','.join(map(self._level, [*reversed(bids), *levels[len(bids) :]]))}]"
        if self._instrument.is_linear:
            data = f'{{"order_book":{data}}}'
        return self._frame("snapshot", data, sequence, at_ns)

    def delta(self, changes: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        delete = ",".join(self._level(change) for change in changes if not change.lots)
        update = ",".join(self._level(change) for change in changes if change.lots and change.before)
        insert = ",".join(self._level(change) for change in changes if not change.before)
        data = f'"delete":[{delete}],"update":[{update}],"insert":[{insert}]'
        if not self._instrument.is_linear:
            data += ',"transactTimeE6":0'
        return self._frame("delta", f"{{{data}}}", sequence, at_ns)

    def _level(self, level: LevelChange) -> str:
        instrument = self._instrument
        price_id = instrument.quoted(level.tick * instrument.tick_e4)
        stands = f',"size":{instrument.size(level.lots)}' if level.lots else ""
        return (
            f'{{"price":"{instrument.price(level.tick)}","symbol":"{instrument.symbol}","id":{price_id},'
            f'"side":"{"Buy" if level.sign == BUY else "Sell"}"{stands}}}'
        )

    def _frame(self, kind: str, data: str, sequence: int, at_ns: int) -> str:
        quoted = self._instrument.quoted
        return (
            f'{{"topic":"{self._topic}","type":"{kind}","data":{data},'
            f'"cross_seq":{quoted(sequence)},"timestamp_e6":{quoted(at_ns // 1000)}}}'
        )


def _trades(topic: PublicTopic, instrument: Instrument, trades: Sequence[NumberedTrade], at_ns: int) -> Iterator[str]:
    yield f'{{"topic":"{topic}","data":[{",".join(_trade(instrument, trade) for trade in trades)}]}}'


def _trade(instrument: Instrument, numbered: NumberedTrade) -> str:
    trade = numbered.trade
    at_ms = trade.at_ns // 1_000_000
    price, size = instrument.price(trade.tick), instrument.size(trade.lots)
    timestamp = utc_text(trade.at_ns)[:-1] + ".000Z"
    if instrument.is_linear:
        return (
            f'{{"symbol":"{instrument.symbol}","tick_direction":"{numbered.tick_direction}","price":"{price}",'
            f'"size":{size},"timestamp":"{timestamp}","trade_time_ms":"{at_ms}","side":"{trade.side}",'
            f'"trade_id":"{numbered.uuid}"}}'
        )
    return (
        f'{{"trade_time_ms":{at_ms},"timestamp":"{timestamp}","symbol":"{instrument.symbol}",'
        f'"side":"{trade.side}","size":{size},"price":{instrument.price_number(trade.tick)},'
        f'"tick_direction":"{numbered.tick_direction}","trade_id":"{numbered.uuid}","cross_seq":{trade.sequence}}}'
    )


def _liquidations(
    topic: PublicTopic, instrument: Instrument, liquidations: Sequence[Liquidation], at_ns: int
) -> Iterator[str]:
    for side, tick, lots, when_ns in liquidations:
        yield (
            f'{{"topic":"{topic}","data":{{"symbol":"{instrument.symbol}","side":"{side}",'
            f'"price":"{instrument.price(tick)}","qty":"{instrument.size(lots)}","time":{when_ns // 1_000_000}}}}}'
        )


def _candles(topic: PublicTopic, instrument: Instrument, candles: Sequence[Candle], at_ns: int) -> Iterator[str]:
    told = ",".join(_candle(instrument, candle) for candle in candles)
    yield f'{{"topic":"{topic}","data":[{told}],"timestamp_e6":{at_ns // 1000}}}'


def _candle(instrument: Instrument, candle: Candle) -> str:
    number = instrument.price_number
    turnover, volume = plain(instrument.turnover(candle.turnover_e8)), instrument.size(candle.lots)
    span = f'"start":{candle.start_s},"end":{candle.end_s}'
    prices = (
        f'"open":{number(candle.open)},"close":{number(candle.close)},'
        f'"high":{number(candle.high)},"low":{number(candle.low)}'
    )
    sequence, stamp, confirmed = candle.sequence, candle.at_ns // 1000, str(candle.confirm).lower()
    if instrument.is_linear:
        return (
            f'{{{span},"period":"{candle.interval}",{prices},"volume":"{volume}","turnover":"{turnover}",'
            f'"confirm":{confirmed},"cross_seq":{sequence},"timestamp":{stamp}}}'
        )
    return (
        f'{{{span},{prices},"volume":{volume},"turnover":{turnover},"timestamp":{stamp},'
        f'"confirm":{confirmed},"cross_seq":{sequence}}}'
    )


class InstrumentInfoPublisher(TopicPublisher):
    """``instrument_info``: all fields, then those that changed. There is no funding: the rate is constant."""

    def __init__(self, topic: PublicTopic, symbol: SymbolData) -> None:
        super().__init__(topic, 100)
        self._data = symbol
        self._told: dict[str, Any] = {}

    def begin(self, at_ns: int) -> Iterator[MarketFrame]:
        """All fields."""
        self._told = self._fields(at_ns)
        yield self._frame("snapshot", self._told, at_ns)

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        """What changed since the last push, if anything did."""
        fields = self._fields(at_ns)
        changed = {name for name, value in fields.items() if self._told[name] != value}
        self._told = fields
        if changed.issubset(_ALWAYS):
            return
        data: Any = {"update": [{name: fields[name] for name in fields if name in changed or name in _ALWAYS}]}
        if not self._data.instrument.is_linear:
            data = {"delete": [], **data, "insert": []}
        yield self._frame("delta", data, at_ns)

    def _frame(self, kind: str, data: Any, at_ns: int) -> MarketFrame:
        quoted = self._data.instrument.quoted
        return self.frame(
            at_ns,
            f'{{"topic":"{self.topic}","type":"{kind}","data":{msgspec.json.encode(data).decode()},'
            f'"cross_seq":{quoted(self._data.matcher.sequence)},"timestamp_e6":{quoted(at_ns // 1000)}}}',
        )

    def _fields(self, at_ns: int) -> dict[str, Any]:
        symbol = self._data
        instrument, stats = symbol.instrument, symbol.stats
        tick_e4 = instrument.tick_e4
        bid, ask = symbol.top
        interest = symbol.interest
        price = partial(_price, instrument)
        numbers = {
            **price("last_price", stats.last * tick_e4),
            **price("bid1_price", bid * tick_e4),
            **price("ask1_price", ask * tick_e4),
            "last_tick_direction": symbol.tape.tick_direction,
            **price("prev_price_24h", stats.day_ago * tick_e4),
            "price_24h_pcnt_e6": change_e6(stats.last, stats.day_ago),
            **price("high_price_24h", stats.high * tick_e4),
            **price("low_price_24h", stats.low * tick_e4),
            **price("prev_price_1h", stats.hour_ago * tick_e4),
            "price_1h_pcnt_e6": change_e6(stats.last, stats.hour_ago),
            **price("mark_price", stats.mark_e4),
            **price("index_price", stats.index_e4),
            **_volume(instrument, "open_interest", interest),
            "open_value_e8": instrument.turnover_e8(stats.last, interest),
            "total_turnover_e8": stats.turnover_e8,
            "turnover_24h_e8": stats.day_turnover_e8,
            **_volume(instrument, "total_volume", stats.lots),
            **_volume(instrument, "volume_24h", stats.day_lots),
            "funding_rate_e6": FUNDING_RATE_E6,
            "predicted_funding_rate_e6": FUNDING_RATE_E6,
            "cross_seq": symbol.matcher.sequence,
        }
        if instrument.is_linear:
            del numbers["open_value_e8"]
            numbers = {name: str(value) for name, value in numbers.items()}
        second = ".000Z" if instrument.is_linear else "Z"
        funding = funding_hour(at_ns)
        countdown = funding - at_ns // HOUR_NS
        return {
            "id": instrument.number,
            "symbol": instrument.symbol,
            **numbers,
            "created_at": instrument.created_at,
            "updated_at": utc_text(at_ns)[:-1] + second,
            "next_funding_time": utc_text(funding * HOUR_NS),
            **({"count_down_hour": str(countdown)} if instrument.is_linear else {"countdown_hour": countdown}),
        }


def _price(instrument: Instrument, name: str, price_e4: int) -> dict[str, Any]:
    return {f"{name}_e4": price_e4, name: instrument.price_text(price_e4)}


def _volume(instrument: Instrument, name: str, lots: int) -> dict[str, Any]:
    if not instrument.is_linear:
        return {name: lots}
    return {f"{name}_e8": lots * 10**8 // instrument.lots_a_unit}
