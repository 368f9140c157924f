"""A small seeded market maker, so that private topics have something to tell."""

import random
from contextlib import suppress
from decimal import Decimal

from depthwire.venue.market.accounts import Account
from depthwire.venue.market.exchange import Exchange
from depthwire.venue.market.matching import TimeInForce
from depthwire.venue.market.orders import SIDES, OrderRejected
from depthwire.venue.market.trading_engine import TradingEngine

_INTERVAL_MS = 100
_QUOTES = 4  # a side
_STOPS = 2
_REACH_TICKS = 6  # how far behind the best price it quotes
_LOTS = (200, 4000)  # of an order; on linear, thousandths of them
_LINEAR_SHARE = 0.02
_MOST_QUOTES_HELD = 6  # positions of more orders than that are reduced
_STALE, _TAKE, _STOP, _DROP_STOP = 0.05, 0.02, 0.02, 0.01  # how often, per turn and symbol


class DemoTrader:
    """Quotes both sides of some symbols on one account; now and then it takes, sets a stop, or guards a position.

    It acts each 100 ms of the market's time, from now on; equal seeds in equal markets act equally.
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
        """One turn at each symbol."""
        for engine in self._engines:
            with suppress(OrderRejected):  # out of money for the moment, or the market moved away
                self._act(engine)

    def _act(self, engine: TradingEngine) -> None:
        account, rng, symbol = self.account, self._random, engine.instrument.symbol
        quotes = [order for order in account.open_orders.values() if order.symbol == symbol]
        side = rng.choice(list(SIDES))
        if quotes and (len(quotes) > 2 * _QUOTES or rng.random() < _STALE):
            account.cancel(rng.choice(quotes).order_id)
        elif sum(order.side == side for order in quotes) < _QUOTES:
            self._quote(engine, side)
        stops = [order for order in account.untriggered.values() if order.symbol == symbol]
        if stops and rng.random() < _DROP_STOP:
            account.cancel(stops[0].order_id)
        elif len(stops) < _STOPS and rng.random() < _STOP:
            self._stop(engine, side)
        if rng.random() < _TAKE:
            account.submit(symbol, side, self._size(engine), order_type="Market")
        self._reduce(engine)

    def _quote(self, engine: TradingEngine, side: str) -> None:
        price = engine.best(side) - SIDES[side] * self._random.randint(0, _REACH_TICKS) * engine.instrument.tick_size
        bracket = {}
        if self._random.random() < _STALE:
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
        """A conditional market order on a price that moves on."""
        away = SIDES[side] * self._random.randint(5, 60) * engine.instrument.tick_size
        self.account.submit(
            engine.instrument.symbol,
            side,
            self._size(engine),
            order_type="Market",
            trigger_price=engine.last_price + away,
        )

    def _reduce(self, engine: TradingEngine) -> None:
        """Closes half of a position that has grown too large."""
        instrument = engine.instrument
        most = _MOST_QUOTES_HELD * _LOTS[1] * (_LINEAR_SHARE if instrument.is_linear else 1)
        for position in self.account.positions_in(instrument):
            if position.lots > most:
                side = "Sell" if position.sign > 0 else "Buy"
                half = instrument.qty_of(position.lots // 2)
                self.account.submit(instrument.symbol, side, half, order_type="Market", reduce_only=True)

    def _size(self, engine: TradingEngine) -> Decimal:
        lots = self._random.randint(*_LOTS)
        return engine.instrument.qty_of(max(1, int(lots * _LINEAR_SHARE)) if engine.instrument.is_linear else lots)
