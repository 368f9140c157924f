"""A small seeded market maker that gives the private topics events."""

import random
from contextlib import suppress
from decimal import Decimal

from depthwire.venue.market.accounts import Account
from depthwire.venue.market.exchange import Exchange
from depthwire.venue.market.matching import TimeInForce
from depthwire.venue.market.orders import SIDES, OrderRejected
from depthwire.venue.market.trading_engine import TradingEngine

_INTERVAL_MS = 100
_QUOTES = 4  # per side
_STOPS = 2
_QUOTE_RANGE_TICKS = 6  # maximum distance of a quote from the best price
_LOTS = (200, 4000)  # range of order sizes
_LINEAR_SHARE = 0.02  # factor for order sizes on linear symbols
_MAX_POSITION_ORDERS = 6  # a position larger than this many of the largest orders is reduced
_CANCEL, _TAKE, _STOP, _CANCEL_STOP = 0.05, 0.02, 0.02, 0.01  # probabilities per turn and symbol
_BRACKET = 0.05  # probability that a quote has take profit and stop loss


class DemoTrader:
    """Quotes both sides of some symbols on one account, and sometimes takes or places a stop.

    It acts every 100 ms of market time from its creation on. Equal seeds act equally in equal markets.
    """

    def __init__(
        self,
        exchange: Exchange,
        account: Account,
        *,
        seed: int = 0,
        symbols: tuple[str, ...] = ("BTCUSD", "ETHUSD", "BTCUSDT"),
    ) -> None:
        self.account = account
        self._random = random.Random(f"{seed}:demo")  # noqa: S311  # a trader to be repeated, not a secret
        self._engines = [exchange.engines[symbol] for symbol in symbols]
        exchange.every(_INTERVAL_MS, self.act)

    def act(self) -> None:
        """Take one turn in each symbol."""
        for engine in self._engines:
            with suppress(OrderRejected):  # the balance is too low at the moment, or the market has moved
                self._act(engine)

    def _act(self, engine: TradingEngine) -> None:
        account, rng, symbol = self.account, self._random, engine.instrument.symbol
        quotes = [order for order in account.open_orders.values() if order.symbol == symbol]
        side = rng.choice(list(SIDES))
        if quotes and (len(quotes) > 2 * _QUOTES or rng.random() < _CANCEL):
            account.cancel(rng.choice(quotes).order_id)
        elif sum(order.side == side for order in quotes) < _QUOTES:
            self._quote(engine, side)
        stops = [order for order in account.untriggered.values() if order.symbol == symbol]
        if stops and rng.random() < _CANCEL_STOP:
            account.cancel(stops[0].order_id)
        elif len(stops) < _STOPS and rng.random() < _STOP:
            self._stop(engine, side)
        if rng.random() < _TAKE:
            account.submit(symbol, side, self._size(engine), order_type="Market")
        self._reduce(engine)

    def _quote(self, engine: TradingEngine, side: str) -> None:
        price = (
            engine.best(side) - SIDES[side] * self._random.randint(0, _QUOTE_RANGE_TICKS) * engine.instrument.tick_size
        )
        bracket = {}
        if self._random.random() < _BRACKET:
            away = SIDES[side] * 40 * engine.instrument.tick_size
            bracket = {"take_profit": price + away, "stop_loss": price - away}
        self.account.submit(
            engine.instrument.symbol,
            side,
            self._size(engine),
            price,
            time_in_force=TimeInForce.POST_ONLY,
            take_profit=bracket.get("take_profit"),
            stop_loss=bracket.get("stop_loss"),
        )

    def _stop(self, engine: TradingEngine, side: str) -> None:
        """Place a conditional market order that a price move in its direction triggers."""
        away = SIDES[side] * self._random.randint(5, 60) * engine.instrument.tick_size
        self.account.submit(
            engine.instrument.symbol,
            side,
            self._size(engine),
            order_type="Market",
            trigger_price=engine.last_price + away,
        )

    def _reduce(self, engine: TradingEngine) -> None:
        """Close half of each position that has become too large."""
        instrument = engine.instrument
        limit = _MAX_POSITION_ORDERS * _LOTS[1] * (_LINEAR_SHARE if instrument.is_linear else 1)
        for position in self.account.positions_in(instrument):
            if position.lots > limit:
                side = "Sell" if position.sign > 0 else "Buy"
                half = instrument.qty_of(position.lots // 2)
                self.account.submit(instrument.symbol, side, half, order_type="Market", reduce_only=True)

    def _size(self, engine: TradingEngine) -> Decimal:
        lots = self._random.randint(*_LOTS)
        return engine.instrument.qty_of(max(1, int(lots * _LINEAR_SHARE)) if engine.instrument.is_linear else lots)
