"""Who holds what: the wallets and positions of everybody, the orders and keys of accounts."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol

from depthwire.venue.market.contracts import TAKER_FEE, rounded
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.market import Category
from depthwire.venue.market.matching import BUY, SELL
from depthwire.venue.market.orders import (
    AccountOrder,
    Execution,
    Number,
    OrderRejected,
    checked_text,
    decimal_of,
    shown,
)
from depthwire.venue.market.positions import Position


class Holder:
    """A wallet for each coin, and positions. The background traders and the insurance fund are no more than that."""

    def __init__(self) -> None:
        self.balances: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._positions: dict[tuple[str, int], Position] = {}

    def position(self, instrument: Instrument, index: int = 0) -> Position:
        """The position in a symbol, empty at first."""
        position = self._positions.get((instrument.symbol, index))
        if position is None:
            position = self._positions[instrument.symbol, index] = Position(instrument, index)
        return position

    def all_positions(self) -> list[Position]:
        """Every position, empty ones included."""
        return list(self._positions.values())


class Balance(NamedTuple):
    """One coin of a wallet: all of it, and what is not kept as margin."""

    wallet: Decimal
    available: Decimal


@dataclass(slots=True)
class Changes:
    """What an account's private topics have yet to tell."""

    orders: dict[AccountOrder, None] = field(default_factory=dict)
    stop_orders: dict[AccountOrder, None] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    """Symbols whose positions may have changed."""
    coins: dict[str, None] = field(default_factory=dict)


class OrderGateway(Protocol):
    """Where an account's orders for one symbol go."""

    @property
    def instrument(self) -> Instrument:
        """The symbol."""

    @property
    def mark_price(self) -> Decimal:
        """By which positions are valued."""

    def submit(
        self,
        account: "Account",
        side: str,
        qty: Number,
        price: Number | None,
        order_type: str,
        *,
        time_in_force: str | None,
        reduce_only: bool,
        close_on_trigger: bool,
        trigger_price: Number | None,
        take_profit: Number | None,
        stop_loss: Number | None,
        order_link_id: str,
    ) -> AccountOrder:
        """Takes an order in, or raises OrderRejected."""

    def cancel(self, account: "Account", order: AccountOrder) -> None:
        """Cancels an order that is open."""


Deposit = Callable[["Account", str, Decimal], None]
_TOO_MUCH = 10**15


def checked_deposit(coin: str, amount: Number) -> Decimal:
    """An amount to be put in, exact; ValueError where it is not above zero, in steps of 1e-8, and below 10^15."""
    checked_text("coin", coin)
    try:
        exact = decimal_of(amount)
    except ValueError:
        exact = Decimal(0)
    if not 0 < exact < _TOO_MUCH or exact != rounded(exact):
        raise ValueError(
            f"{shown(amount)} {coin} is no deposit: expected an amount above 0 in steps of 1e-8, below 10^15"
        )
    return exact


class Account(Holder):
    """One customer, with an API key and its secret.

    One-way positions in inverse symbols; in linear ones hedge mode: a Buy and a Sell side, of which an order opens its
    own, and with ``reduce_only`` closes the other.
    """

    def __init__(
        self, key: str, secret: str, user_id: int, gateways: Mapping[str, OrderGateway], deposit: Deposit
    ) -> None:
        super().__init__()
        self.key = key
        self.secret = secret
        self.user_id = user_id
        self.open_orders: dict[str, AccountOrder] = {}
        self.untriggered: dict[str, AccountOrder] = {}
        self.changes = Changes()
        self.told: dict[str, Balance] = {}
        """What the wallet topic last said of a coin."""
        self._gateways = gateways
        self._deposit = deposit

    def __repr__(self) -> str:
        return f"<Account {self.key}>"

    # what a customer does

    def submit(
        self,
        symbol: str,
        side: str,
        qty: Number,
        price: Number | None = None,
        order_type: str = "Limit",
        *,
        time_in_force: str | None = None,
        reduce_only: bool = False,
        close_on_trigger: bool = False,
        trigger_price: Number | None = None,
        take_profit: Number | None = None,
        stop_loss: Number | None = None,
        order_link_id: str = "",
    ) -> AccountOrder:
        """Sends an order and returns it as it is after matching; it goes on changing as the market does.

        ``side`` is Buy or Sell; ``qty`` is in USD contracts on inverse, in the base coin on linear. ``order_type`` is
        Limit (with a ``price``) or Market (without: it takes prices up to 3 % from the last). ``time_in_force`` is
        GoodTillCancel (a limit order's default), PostOnly, FillOrKill or ImmediateOrCancel (a market order's).
        With ``trigger_price`` it is conditional, and waits until the last price gets there. ``take_profit`` and
        ``stop_loss`` then guard the position that it opens.

        Raises OrderRejected, and nothing has changed: a parameter that cannot be, too little available balance, a
        reduce-only order without a position, a symbol that is not traded here.
        """
        return self._gateway(symbol).submit(
            self,
            side,
            qty,
            price,
            order_type,
            time_in_force=time_in_force,
            reduce_only=reduce_only,
            close_on_trigger=close_on_trigger,
            trigger_price=trigger_price,
            take_profit=take_profit,
            stop_loss=stop_loss,
            order_link_id=order_link_id,
        )

    def deposit(self, coin: str, amount: Number) -> None:
        """Puts money into the wallet; ValueError where it is none (see `checked_deposit`)."""
        self._deposit(self, coin, checked_deposit(coin, amount))

    def cancel(self, order_id: str) -> AccountOrder:
        """Cancels an open order, active or conditional, and returns it. Raises OrderRejected where there is none."""
        checked_text("order_id", order_id)
        order = self.open_orders.get(order_id) or self.untriggered.get(order_id)
        if order is None:
            raise OrderRejected(f"order not exists or too late to cancel: {shown(order_id)}")
        self._gateway(order.symbol).cancel(self, order)
        return order

    def set_leverage(self, symbol: str, leverage: Number) -> None:
        """Sets the leverage, 1 to 100, of all positions in a symbol; 10 at first.

        Raises OrderRejected where orders or positions are open in it.
        """
        instrument = self._gateway(symbol).instrument
        try:
            chosen = decimal_of(leverage)
        except ValueError:
            chosen = Decimal(0)
        if not 1 <= chosen <= 100:
            raise OrderRejected(f"params error: leverage is invalid: {shown(leverage)}: expected 1 to 100")
        positions = self.positions_in(instrument)
        if self.orders_in(symbol) or any(position.lots for position in positions):
            raise OrderRejected(f"leverage not modified: {symbol} has open orders or a position")
        for position in positions:
            position.leverage = chosen

    def _gateway(self, symbol: str) -> OrderGateway:
        if checked_text("symbol", symbol) not in self._gateways:
            raise OrderRejected(
                f"params error: symbol invalid: {shown(symbol)}: traded are {', '.join(self._gateways)}"
            )
        return self._gateways[symbol]

    # what a customer sees

    @property
    def orders(self) -> dict[str, AccountOrder]:
        """The active orders that are open, by id, earliest first. A copy."""
        return dict(self.open_orders)

    @property
    def stop_orders(self) -> dict[str, AccountOrder]:
        """The conditional orders that are not yet triggered, take profits and stop losses included. A copy."""
        return dict(self.untriggered)

    @property
    def positions(self) -> dict[tuple[str, str], Position]:
        """The open positions by symbol and side."""
        return {(position.symbol, position.side): position for position in self.all_positions() if position.lots}

    @property
    def wallet(self) -> dict[str, Balance]:
        """The balances by coin."""
        return {coin: self.balance(coin) for coin in self.balances}

    def balance(self, coin: str) -> Balance:
        """One coin's balance. O(orders + positions)."""
        margins = sum(
            (
                position.margin
                for position in self.all_positions()
                if position.lots and position.instrument.coin == coin
            ),
            Decimal(0),
        )
        symbols = {
            order.symbol: order.instrument for order in self.open_orders.values() if order.instrument.coin == coin
        }
        margins += sum((self.order_margin(instrument) for instrument in symbols.values()), Decimal(0))
        return Balance(self.balances[coin], self.balances[coin] - margins)

    def mark_price(self, symbol: str) -> Decimal:
        """The price by which positions in a symbol are valued."""
        return self._gateway(symbol).mark_price

    def usd_price(self, coin: str) -> Decimal:
        """What a coin is worth, by the inverse symbol that is settled in it; 1 where there is none."""
        for gateway in self._gateways.values():
            if gateway.instrument.coin == coin and gateway.instrument.category is Category.INVERSE:
                return gateway.mark_price
        return Decimal(1)

    # positions and margins

    def position_for(self, instrument: Instrument, sign: int, only_closes: bool) -> Position:
        """The position that an order's fills go to."""
        if not instrument.is_linear:
            return self.position(instrument)
        return self.position(instrument, 1 if (sign == BUY) != only_closes else 2)

    def positions_in(self, instrument: Instrument) -> list[Position]:
        """All positions that a symbol may have, empty ones included."""
        return [self.position(instrument, index) for index in ((1, 2) if instrument.is_linear else (0,))]

    def orders_in(self, symbol: str) -> list[AccountOrder]:
        """The open orders in a symbol, active and conditional."""
        return [
            order
            for orders in (self.open_orders, self.untriggered)
            for order in orders.values()
            if order.symbol == symbol
        ]

    def order_margin(
        self, instrument: Instrument, sign: int = 0, lots: int = 0, value: Decimal = Decimal(0)
    ) -> Decimal:
        """What the open orders in a symbol hold back, and one more if given: the initial margin and two taker fees of
        what they may open. Orders against a one-way position only count beyond its size.
        """
        return sum(
            (self.side_margin(instrument, side, lots, value if side == sign else None) for side in (BUY, SELL)),
            Decimal(0),
        )

    def side_margin(
        self, instrument: Instrument, sign: int, more: int = 0, more_value: Decimal | None = None
    ) -> Decimal:
        """The same for the orders of one side; ``more`` lots count where they have a value."""
        orders = [
            order
            for order in self.open_orders.values()
            if order.instrument is instrument and order.sign == sign and not order.only_closes
        ]
        contract = instrument.contract
        lots = sum(order.leaves for order in orders)
        value = sum((contract.value(order.leaves_qty, order.price) for order in orders), Decimal(0))
        if more_value is not None:
            lots, value = lots + more, value + more_value
        position = self.position_for(instrument, sign, only_closes=False)
        opening = lots - (position.lots if position.sign == -sign else 0)
        if opening <= 0:
            return Decimal(0)
        value = value * opening / lots
        return contract.initial_margin(value, position.leverage) + contract.fee(value, 2 * TAKER_FEE)
