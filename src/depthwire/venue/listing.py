"""One symbol on the venue: its desk, and the public topics that tell of it."""

from collections.abc import Iterator

from depthwire.bybit.grammar import CANDLE_INTERVALS
from depthwire.venue.book_view import BookView
from depthwire.venue.candles import Candles, candle_topic
from depthwire.venue.desk import Desk
from depthwire.venue.instrument_info import InstrumentInfo
from depthwire.venue.instruments import Instrument
from depthwire.venue.market import MarketFrame
from depthwire.venue.matching import BUY, SELL
from depthwire.venue.trade_tape import TradeTape

_STEPS_A_PUSH = 5  # 100 ms
_STEPS_A_SECOND = 50


class Listing:
    """Turns what happens at a desk into frames, each topic at its own pace."""

    def __init__(self, desk: Desk, at_ns: int) -> None:
        self.desk = desk
        instrument, matcher = desk.instrument, desk.matcher
        self._l2_25 = BookView(f"orderBookL2_25.{instrument.symbol}", 25, instrument, matcher)
        self._book_200 = BookView(f"orderBook_200.100ms.{instrument.symbol}", 200, instrument, matcher)
        self._tape = TradeTape(instrument, desk.crowd.random_bits)
        self._info = InstrumentInfo(instrument, at_ns)
        self._candles = Candles(instrument, at_ns)

    def open(self, at_ns: int) -> Iterator[MarketFrame]:
        """What the first subscriber needs: snapshots."""
        yield self._l2_25.snapshot(at_ns)
        yield self._book_200.snapshot(at_ns)
        yield from self._push_info(at_ns)

    def tell(self, at_ns: int, step: int) -> Iterator[MarketFrame]:
        """What is due after a step of 20 ms."""
        self._take_trades()
        yield from self._l2_25.delta(at_ns)
        yield from self._tell_liquidations(at_ns)
        if step % _STEPS_A_PUSH == 0:
            yield from self._book_200.delta(at_ns)
            yield from self._tape.push(at_ns)
            yield from self._push_info(at_ns)
        if step % _STEPS_A_SECOND == 0:
            yield from self._candles.push(at_ns)

    def _take_trades(self) -> None:
        trades, self.desk.trades = self.desk.trades, []
        for trade in trades:
            self._tape.add(trade)
            self._info.add(trade)
            self._candles.add(trade)

    def _push_info(self, at_ns: int) -> Iterator[MarketFrame]:
        matcher = self.desk.matcher
        bid, ask = matcher.best(BUY), matcher.best(SELL)
        assert bid is not None
        assert ask is not None
        direction = self._tape.tick_direction
        yield from self._info.push(at_ns, matcher.sequence, bid, ask, direction, self.desk.open_interest)

    def _tell_liquidations(self, at_ns: int) -> Iterator[MarketFrame]:
        instrument = self.desk.instrument
        liquidations, self.desk.liquidations = self.desk.liquidations, []
        topic = f"liquidation.{instrument.symbol}"
        for side, tick, lots, when_ns in liquidations:
            raw = (
                f'{{"topic":"{topic}","data":{{"symbol":"{instrument.symbol}","side":"{side}",'
                f'"price":"{instrument.price(tick)}","qty":"{instrument.size(lots)}","time":{when_ns // 1_000_000}}}}}'
            )
            yield MarketFrame(at_ns, topic, raw.encode())


def topics_of(instrument: Instrument) -> Iterator[str]:
    """Every public topic that tells of an instrument."""
    for kind in ("orderBookL2_25", "orderBook_200.100ms", "trade", "instrument_info.100ms", "liquidation"):
        yield f"{kind}.{instrument.symbol}"
    for interval in CANDLE_INTERVALS:
        yield candle_topic(instrument, interval)
    if not instrument.is_linear:
        yield f"insurance.{instrument.coin}"
