"""The public topics of a symbol on v5. Numbers are text; the order of keys depends on the category.

Sources: frames recorded in 2025 and 2026, and the exchange's v5 documentation. Linear and inverse prices and sizes have
fixed decimals; those of spot and options have no trailing zeros.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from depthwire.bybit.topics import CANDLE_INTERVALS
from depthwire.venue.frames.public_topics import FieldsPublisher, MakePublisher, event_publisher
from depthwire.venue.market.book_publisher import BookPublisher, LevelChange
from depthwire.venue.market.candles import Candle
from depthwire.venue.market.instruments import Instrument, plain
from depthwire.venue.market.liquidations import Liquidation
from depthwire.venue.market.market import Category, MarketFrame, PublicTopic
from depthwire.venue.market.matching import BUY, SELL
from depthwire.venue.market.public_trades import NumberedTrade
from depthwire.venue.market.stats import FUNDING_H, FUNDING_RATE_E6, HOUR_NS, change_e6, funding_hour
from depthwire.venue.market.symbol_data import SymbolData
from depthwire.venue.market.topic_publisher import EventPublisher, TopicPublisher

BOOK_INTERVALS_MS = {1: 10, 50: 20, 200: 100, 1000: 200}
"""The depths of the book topics, with their push intervals in ms."""
UNDERLYING, VOLATILITY = "60622.5", "0.5"
"""The constant underlying price and volatility in option frames."""
OPTION_INTERVALS_MS = {25: 20, 100: 100}
"""The depths of the book topics of options, with their push intervals in ms."""
BOOK_KINDS = tuple(f"orderbook.{depth}" for depth in (*BOOK_INTERVALS_MS, *OPTION_INTERVALS_MS))
TICKER_KIND = "tickers"
PUBLIC_KINDS = ("orderbook", "publicTrade", TICKER_KIND, "kline", "allLiquidation")
_REPEAT_NS = 3 * 10**9  # an unchanged top of the book is sent again after this time
_WITHOUT_TRAILING_ZEROS = (Category.SPOT, Category.OPTION)


def kinds_of(instrument: Instrument) -> dict[str, MakePublisher]:
    """Return the kinds of topics that an instrument has, each with a function that creates its publisher."""
    if instrument.category is Category.OPTION:
        return {
            **{f"orderbook.{depth}": partial(_book, depth) for depth in OPTION_INTERVALS_MS},
            "publicTrade": partial(event_publisher, 20, "trade", _option_trades),
            TICKER_KIND: TickerPublisher,
        }
    kinds: dict[str, MakePublisher] = {
        "orderbook.1": TopOfBookPublisher,
        **{f"orderbook.{depth}": partial(_book, depth) for depth in BOOK_INTERVALS_MS if depth > 1},
        "publicTrade": partial(event_publisher, 20, "trade", _trades),
        TICKER_KIND: TickerPublisher,
        **{f"kline.{interval}": partial(_kline, interval) for interval in CANDLE_INTERVALS},
    }
    if instrument.category is not Category.SPOT:
        kinds["allLiquidation"] = partial(event_publisher, 500, "liquidation", _liquidations)
    return kinds


def filter_of(kind: str, instrument: Instrument) -> str:
    """Return the filter of a topic: the symbol, or the base coin for trades of options."""
    by_coin = instrument.category is Category.OPTION and kind == "publicTrade"
    return instrument.symbol.partition("-")[0] if by_coin else instrument.symbol


def _book(depth: int, topic: PublicTopic, symbol: SymbolData) -> TopicPublisher:
    if topic.category is Category.OPTION:
        return BookPublisher(topic, OPTION_INTERVALS_MS[depth], depth, symbol.matcher, OptionBookEncoder(topic, symbol))
    return BookPublisher(topic, BOOK_INTERVALS_MS[depth], depth, symbol.matcher, V5BookEncoder(topic, symbol))


def _kline(interval: str, topic: PublicTopic, symbol: SymbolData) -> TopicPublisher:
    def initial(at_ns: int) -> Sequence[Candle]:
        return [symbol.candles.current(interval, at_ns)]

    return EventPublisher(topic, 1000, f"candle.{interval}", partial(_candles, topic, symbol.instrument), initial)


def _head(topic: PublicTopic, kind: str, at_ns: int) -> str:
    """Return the beginning of most frames."""
    at_ms = at_ns // 1_000_000
    if topic.category is Category.SPOT:
        return f'{{"topic":"{topic}","ts":{at_ms},"type":"{kind}"'
    return f'{{"topic":"{topic}","type":"{kind}","ts":{at_ms}'


def _price(instrument: Instrument, tick: int) -> str:
    return instrument.price_number(tick) if instrument.category in _WITHOUT_TRAILING_ZEROS else instrument.price(tick)


def _size(instrument: Instrument, lots: int) -> str:
    return (
        plain(instrument.qty_of(lots))
        if instrument.category in _WITHOUT_TRAILING_ZEROS
        else instrument.fixed_size(lots)
    )


# books


class V5BookEncoder:
    """Encodes book frames: levels are ``[price, size]`` pairs; a size of 0 deletes the level.

    ``u`` counts the frames of the topic, independent of its subscribers.
    """

    def __init__(self, topic: PublicTopic, symbol: SymbolData) -> None:
        self._topic = topic
        self._instrument = symbol.instrument
        self._u = symbol.matcher.sequence // 100

    def snapshot(self, levels: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        """See `BookEncoder.snapshot`."""
        self._u += 1
        return self._frame("snapshot", levels, sequence, at_ns)

    def repeat(self, levels: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        """Return the last snapshot again, with the same ``u``."""
        return self._frame("snapshot", levels, sequence, at_ns)

    def delta(self, changes: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        """See `BookEncoder.delta`."""
        self._u += 1
        return self._frame("delta", changes, sequence, at_ns)

    def _frame(self, kind: str, levels: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        data = self._data(levels, sequence)
        return f'{_head(self._topic, kind, at_ns)},"data":{data},"cts":{at_ns // 1_000_000}}}'

    def _data(self, levels: Sequence[LevelChange], sequence: int) -> str:
        bids = ",".join(self._pair(level) for level in levels if level.sign == BUY)
        asks = ",".join(self._pair(level) for level in levels if level.sign == SELL)
        return f'{{"s":"{self._instrument.symbol}","b":[{bids}],"a":[{asks}],"u":{self._u},"seq":{sequence}}}'

    def _pair(self, level: LevelChange) -> str:
        size = _size(self._instrument, level.lots) if level.lots else "0"
        return f'["{_price(self._instrument, level.tick)}","{size}"]'


class OptionBookEncoder(V5BookEncoder):
    """Encodes book frames of options, which begin with an id and end with the type."""

    def _frame(self, kind: str, levels: Sequence[LevelChange], sequence: int, at_ns: int) -> str:
        return _option_frame(self._topic, kind, self._data(levels, sequence), sequence, at_ns)


class TopOfBookPublisher(BookPublisher):
    """Publishes the best level per side in snapshots only. Repeats the last one if nothing changes for 3 s."""

    def __init__(self, topic: PublicTopic, symbol: SymbolData) -> None:
        self._top_encoder = V5BookEncoder(topic, symbol)
        super().__init__(topic, BOOK_INTERVALS_MS[1], 1, symbol.matcher, self._top_encoder)
        self._sent_ns = 0

    def start(self, at_ns: int) -> Iterator[MarketFrame]:
        """Return the top of the book."""
        self._sent_ns = at_ns
        yield from super().start(at_ns)

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        """Return the top of the book if it changed, or was not sent for 3 s."""
        changed = bool(self._changes())
        if changed or at_ns - self._sent_ns >= _REPEAT_NS:
            self._sent_ns = at_ns
            encode = self._top_encoder.snapshot if changed else self._top_encoder.repeat
            yield self.frame(at_ns, encode(self._levels(), self._matcher.sequence, at_ns))


# events


def _trades(topic: PublicTopic, instrument: Instrument, trades: Sequence[NumberedTrade], at_ns: int) -> Iterator[str]:
    items = ",".join(_trade(instrument, trade) for trade in trades)
    yield f'{_head(topic, "snapshot", at_ns)},"data":[{items}]}}'


def _trade(instrument: Instrument, numbered: NumberedTrade) -> str:
    trade = numbered.trade
    at_ms, symbol = trade.at_ns // 1_000_000, instrument.symbol
    price, size = _price(instrument, trade.tick), _size(instrument, trade.lots)
    if instrument.category is Category.SPOT:
        return (
            f'{{"i":"{numbered.number}","T":{at_ms},"p":"{price}","v":"{size}","S":"{trade.side}",'
            f'"seq":{trade.sequence},"s":"{symbol}","BT":false,"RPI":false}}'
        )
    return (
        f'{{"T":{at_ms},"s":"{symbol}","S":"{trade.side}","v":"{size}","p":"{price}",'
        f'"L":"{numbered.tick_direction}","i":"{numbered.uuid}","BT":false,"RPI":false,"seq":{trade.sequence}}}'
    )


def _option_frame(topic: PublicTopic, kind: str, data: str, sequence: int, at_ns: int) -> str:
    at_ms = at_ns // 1_000_000
    return f'{{"id":"{topic}-{sequence}-{at_ms}","topic":"{topic}","ts":{at_ms},"data":{data},"type":"{kind}"}}'


def _option_trades(
    topic: PublicTopic, instrument: Instrument, trades: Sequence[NumberedTrade], at_ns: int
) -> Iterator[str]:
    items = ",".join(_option_trade(instrument, trade) for trade in trades)
    yield _option_frame(topic, "snapshot", f"[{items}]", trades[-1].trade.sequence, at_ns)


def _option_trade(instrument: Instrument, numbered: NumberedTrade) -> str:
    trade = numbered.trade
    price = _price(instrument, trade.tick)
    return (
        f'{{"p":"{price}","v":"{_size(instrument, trade.lots)}","i":"{numbered.uuid}","T":{trade.at_ns // 1_000_000},'
        f'"BT":false,"RPI":false,"S":"{trade.side}","s":"{instrument.symbol}","L":"{numbered.tick_direction}",'
        f'"mP":"{price}","iP":"{UNDERLYING}","mIv":"{VOLATILITY}","iv":"{VOLATILITY}","seq":{trade.sequence}}}'
    )


def _liquidations(
    topic: PublicTopic, instrument: Instrument, liquidations: Sequence[Liquidation], at_ns: int
) -> Iterator[str]:
    items = ",".join(
        f'{{"T":{when_ns // 1_000_000},"s":"{instrument.symbol}","S":"{side}","v":"{_size(instrument, lots)}",'
        f'"p":"{_price(instrument, tick)}"}}'
        for side, tick, lots, when_ns in liquidations
    )
    yield f'{_head(topic, "snapshot", at_ns)},"data":[{items}]}}'


def _candles(topic: PublicTopic, instrument: Instrument, candles: Sequence[Candle], at_ns: int) -> Iterator[str]:
    items = ",".join(_candle(instrument, candle) for candle in candles)
    at_ms = at_ns // 1_000_000
    if topic.category is Category.SPOT:
        yield f'{{"type":"snapshot","topic":"{topic}","data":[{items}],"ts":{at_ms}}}'
    else:
        yield f'{{"topic":"{topic}","data":[{items}],"ts":{at_ms},"type":"snapshot"}}'


def _candle(instrument: Instrument, candle: Candle) -> str:
    number = instrument.price_number
    return (
        f'{{"start":{candle.start_s * 1000},"end":{candle.end_s * 1000 - 1},"interval":"{candle.interval}",'
        f'"open":"{number(candle.open)}","close":"{number(candle.close)}","high":"{number(candle.high)}",'
        f'"low":"{number(candle.low)}","volume":"{plain(instrument.qty_of(candle.lots))}",'
        f'"turnover":"{plain(instrument.turnover(candle.turnover_e8))}","confirm":{str(candle.confirm).lower()},'
        f'"timestamp":{candle.at_ns // 1_000_000}}}'
    )


# tickers


class TickerPublisher(FieldsPublisher):
    """Publishes ``tickers``: all fields, then the changes. Spot and options send all fields on every change."""

    def __init__(self, topic: PublicTopic, symbol: SymbolData) -> None:
        super().__init__(topic, 1000 if topic.category is Category.SPOT else 100, symbol)

    def _update(self, fields: dict[str, Any], changed: set[str]) -> tuple[str, Any] | None:
        if not changed:
            return None
        if self.topic.category in _WITHOUT_TRAILING_ZEROS:
            return "snapshot", fields
        for quote in ({"bid1Price", "bid1Size"}, {"ask1Price", "ask1Size"}):
            if changed & quote:
                changed |= quote  # price and size are always sent together
        return "delta", {name: value for name, value in fields.items() if name == "symbol" or name in changed}

    def _encode(self, kind: str, data: Any, at_ns: int) -> str:
        topic, sequence, at_ms = self.topic, self._symbol.matcher.sequence, at_ns // 1_000_000
        text = msgspec.json.encode(data).decode()
        if topic.category is Category.OPTION:
            return _option_frame(topic, kind, text, sequence, at_ns)
        if topic.category is Category.SPOT:
            return f'{{"topic":"{topic}","ts":{at_ms},"type":"{kind}","cs":{sequence},"data":{text}}}'
        return f'{{"topic":"{topic}","type":"{kind}","data":{text},"cs":{sequence},"ts":{at_ms}}}'

    def _fields(self, at_ns: int) -> dict[str, Any]:
        symbol = self._symbol
        instrument, stats = symbol.instrument, symbol.stats
        change = plain(instrument.turnover(change_e6(stats.last, stats.day_ago) * 100))
        turnover, volume = instrument.turnover(stats.day_turnover_e8), instrument.qty_of(stats.day_lots)
        price = partial(_price, instrument)
        if instrument.category is Category.SPOT:
            return {
                "symbol": instrument.symbol,
                "lastPrice": price(stats.last),
                "highPrice24h": price(stats.high),
                "lowPrice24h": price(stats.low),
                "prevPrice24h": price(stats.day_ago),
                "volume24h": plain(volume),
                "turnover24h": plain(turnover),
                "price24hPcnt": change,
                "usdIndexPrice": instrument.price_text(stats.index_e4),
            }
        bid, ask = symbol.top
        interest = symbol.interest
        if instrument.category is Category.OPTION:
            return {
                "symbol": instrument.symbol,
                "bidPrice": price(bid),
                "bidSize": _size(instrument, symbol.matcher.lots_at(BUY, bid)),
                "bidIv": VOLATILITY,
                "askPrice": price(ask),
                "askSize": _size(instrument, symbol.matcher.lots_at(SELL, ask)),
                "askIv": VOLATILITY,
                "lastPrice": price(stats.last),
                "highPrice24h": price(stats.high),
                "lowPrice24h": price(stats.low),
                "markPrice": instrument.price_text(stats.mark_e4),
                "indexPrice": UNDERLYING,
                "markPriceIv": VOLATILITY,
                "underlyingPrice": UNDERLYING,
                "openInterest": plain(instrument.qty_of(interest)),
                "turnover24h": plain(turnover),
                "volume24h": plain(volume),
                "totalVolume": plain(volume),
                "totalTurnover": plain(turnover),
                "delta": "0.5",
                "gamma": "0.00001",
                "vega": "80",
                "theta": "-20",
                "predictedDeliveryPrice": "0",
                "change24h": change,
            }
        value = instrument.contract.value(instrument.qty_of(interest), instrument.price_of(stats.last))
        return {
            "symbol": instrument.symbol,
            "tickDirection": symbol.trades.tick_direction,
            "price24hPcnt": change,
            "lastPrice": price(stats.last),
            "prevPrice24h": price(stats.day_ago),
            "highPrice24h": price(stats.high),
            "lowPrice24h": price(stats.low),
            "prevPrice1h": price(stats.hour_ago),
            "markPrice": instrument.price_text(stats.mark_e4),
            "indexPrice": instrument.price_text(stats.index_e4),
            "openInterest": plain(instrument.qty_of(interest)),
            "openInterestValue": f"{value:.2f}",
            "turnover24h": f"{turnover:.4f}",
            "volume24h": f"{volume:.4f}",
            "fundingIntervalHour": str(FUNDING_H),
            "fundingCap": "0.005",
            "nextFundingTime": str(funding_hour(at_ns) * HOUR_NS // 1_000_000),
            "fundingRate": plain(instrument.turnover(FUNDING_RATE_E6 * 100)),
            "bid1Price": price(bid),
            "bid1Size": _size(instrument, symbol.matcher.lots_at(BUY, bid)),
            "ask1Price": price(ask),
            "ask1Size": _size(instrument, symbol.matcher.lots_at(SELL, ask)),
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }
