"""The public data of one symbol: book, statistics, candles, and new events."""

from collections.abc import Iterator

from depthwire.venue.market.candles import Candles
from depthwire.venue.market.matching import BUY, SELL
from depthwire.venue.market.public_trades import TradeNumbering
from depthwire.venue.market.stats import Stats
from depthwire.venue.market.trading_engine import TradingEngine

_STATS_MS, _CANDLES_MS = 100, 1000


class SymbolData:
    """One symbol's public data. It is updated whether or not its topics are published."""

    def __init__(self, engine: TradingEngine, at_ns: int) -> None:
        self._engine = engine
        self.instrument, self.matcher = engine.instrument, engine.matcher
        self.trades = TradeNumbering(engine.instrument, engine.background_traders.random_bits)
        self.stats = Stats(engine.instrument, at_ns)
        self.candles = Candles(engine.instrument, at_ns)
        self.stats.follow(at_ns, *self.top)

    def take_events(self, at_ns: int, at_ms: int) -> Iterator[tuple[str, object]]:
        """Return the events since the last call, each with its kind: trades, liquidations and, every second, candles.

        ``at_ms`` is the time since the opening.
        """
        engine = self._engine
        if engine.trades:
            trades, engine.trades = engine.trades, []
            for trade in trades:
                self.stats.add(trade)
                self.candles.add(trade)
                yield "trade", self.trades.add(trade)
        if engine.liquidations:
            liquidations, engine.liquidations = engine.liquidations, []
            for liquidation in liquidations:
                yield "liquidation", liquidation
        if at_ms % _STATS_MS == 0:
            self.stats.follow(at_ns, *self.top)
        if at_ms % _CANDLES_MS == 0:
            for candle in self.candles.take_changes(at_ns):
                yield f"candle.{candle.interval}", candle

    @property
    def top(self) -> tuple[int, int]:
        """The ticks of the best bid and the best ask."""
        bid, ask = self.matcher.best(BUY), self.matcher.best(SELL)
        assert bid is not None, "the background traders keep both sides deep"
        assert ask is not None
        return bid, ask

    @property
    def interest(self) -> int:
        """The open interest in lots. O(accounts)."""
        return self.instrument.opening_interest + self._engine.open_interest
