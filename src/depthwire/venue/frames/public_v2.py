"""The public topics of a symbol on v2. Inverse frames have numbers where linear frames have text.

Sources: the exchange's inverse and linear WebSocket documentation, and recorded frames of 2021.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from depthwire.bybit.topics import CANDLE_INTERVALS
from depthwire.bybit.v2.grammar import CANDLE_KINDS
from depthwire.venue.frames.public_topics import FieldsPublisher, MakePublisher, event_publisher
from depthwire.venue.market.book_publisher import BookPublisher, LevelChange
from depthwire.venue.market.candles import Candle
from depthwire.venue.market.instruments import Instrument, plain, utc_text
from depthwire.venue.market.liquidations import Liquidation
from depthwire.venue.market.market import PublicTopic
from depthwire.venue.market.matching import BUY
from depthwire.venue.market.public_trades import NumberedTrade
from depthwire.venue.market.stats import FUNDING_RATE_E6, HOUR_NS, change_e6, funding_hour
from depthwire.venue.market.symbol_data import SymbolData
from depthwire.venue.market.topic_publisher import EventPublisher, TopicPublisher

BOOK_KINDS = ("orderBookL2_25", "orderBook_200.100ms")
INFO_KIND = "instrument_info.100ms"
TRADE_KIND = "trade"
_ALWAYS_SENT = ("id", "symbol", "cross_seq", "created_at", "updated_at")


def kinds_of(instrument: Instrument) -> dict[str, MakePublisher]:
    """Return the kinds of topics that an instrument has, each with a function that creates its publisher."""
    candle = CANDLE_KINDS[instrument.category]
    return {
        "orderBookL2_25": partial(_book, 20, 25),
        "orderBook_200.100ms": partial(_book, 100, 200),
        TRADE_KIND: _trade_publisher,
        INFO_KIND: InstrumentInfoPublisher,
        "liquidation": partial(event_publisher, 20, "liquidation", _liquidations),
        **{
            f"{candle}.{interval}": partial(event_publisher, 1000, f"candle.{interval}", _candles)
            for interval in CANDLE_INTERVALS
        },
    }


def _book(interval_ms: int, depth: int, topic: PublicTopic, symbol: SymbolData) -> TopicPublisher:
    return BookPublisher(topic, interval_ms, depth, symbol.matcher, V2BookEncoder(topic, symbol.instrument))


def _trade_publisher(topic: PublicTopic, symbol: SymbolData) -> TopicPublisher:
    def initial(at_ns: int) -> Sequence[NumberedTrade]:
        """Return the last trade on linear, which repeats it for a new subscriber."""
        last = symbol.trades.last
        return [last] if last and symbol.instrument.is_linear else []

    return EventPublisher(topic, 100, "trade", partial(_trades, topic, symbol.instrument), initial)


class V2BookEncoder:
    """Encodes book frames: a level is an object; a delta has lists of levels to delete, update and insert."""

    def __init__(self, topic: PublicTopic, instrument: Instrument) -> None:
        self._topic = topic
        self._instrument = instrument

    def snapshot(self, levels: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        """See `BookEncoder.snapshot`."""
        bids = [level for level in levels if level.sign == BUY]
        data = f"[{','.join(map(self._level, [*reversed(bids), *levels[len(bids) :]]))}]"
        if self._instrument.is_linear:
            data = f'{{"order_book":{data}}}'
        return self._frame("snapshot", data, sequence, at_ns)

    def delta(self, changes: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        """See `BookEncoder.delta`."""
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
        size = f',"size":{instrument.size(level.lots)}' if level.lots else ""
        return (
            f'{{"price":"{instrument.price(level.tick)}","symbol":"{instrument.symbol}","id":{price_id},'
            f'"side":"{"Buy" if level.sign == BUY else "Sell"}"{size}}}'
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
    items = ",".join(_candle(instrument, candle) for candle in candles)
    yield f'{{"topic":"{topic}","data":[{items}],"timestamp_e6":{at_ns // 1000}}}'


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


class InstrumentInfoPublisher(FieldsPublisher):
    """Publishes ``instrument_info``: all fields, then the changes. The funding rate is constant."""

    def __init__(self, topic: PublicTopic, symbol: SymbolData) -> None:
        super().__init__(topic, 100, symbol)

    def _update(self, fields: dict[str, Any], changed: set[str]) -> tuple[str, Any] | None:
        if changed.issubset(_ALWAYS_SENT):
            return None
        data: Any = {"update": [{name: fields[name] for name in fields if name in changed or name in _ALWAYS_SENT}]}
        if not self._symbol.instrument.is_linear:
            data = {"delete": [], **data, "insert": []}
        return "delta", data

    def _encode(self, kind: str, data: Any, at_ns: int) -> str:
        quoted = self._symbol.instrument.quoted
        return (
            f'{{"topic":"{self.topic}","type":"{kind}","data":{msgspec.json.encode(data).decode()},'
            f'"cross_seq":{quoted(self._symbol.matcher.sequence)},"timestamp_e6":{quoted(at_ns // 1000)}}}'
        )

    def _fields(self, at_ns: int) -> dict[str, Any]:
        symbol = self._symbol
        instrument, stats = symbol.instrument, symbol.stats
        tick_e4 = instrument.tick_e4
        bid, ask = symbol.top
        interest = symbol.interest
        price = partial(_price, instrument)
        numbers = {
            **price("last_price", stats.last * tick_e4),
            **price("bid1_price", bid * tick_e4),
            **price("ask1_price", ask * tick_e4),
            "last_tick_direction": symbol.trades.tick_direction,
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
