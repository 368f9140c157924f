"""Wallets, positions, orders and API keys of the venue's customers."""

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
    OrderRequest,
    checked_text,
    decimal_of,
    shown,
)
from depthwire.venue.market.positions import Position


class Holder:
    """Balances by coin, and positions. The background traders and the insurance fund need nothing else."""

    def __init__(self) -> None:
        self.balances: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._positions: dict[tuple[str, int], Position] = {}

    def position(self, instrument: Instrument, index: int = 0) -> Position:
        """Return the position in a symbol; a new one is empty."""
        position = self._positions.get((instrument.symbol, index))
        if position is None:
            position = self._positions[instrument.symbol, index] = Position(instrument, index)
        return position

    def all_positions(self) -> list[Position]:
        """Return every position, including empty ones."""
        return list(self._positions.values())


class Balance(NamedTuple):
    """The balance of one coin: the total, and the part that is not reserved as margin."""

    wallet: Decimal
    available: Decimal


@dataclass(slots=True)
class Changes:
    """Changes of an account that its private topics have not published yet."""

    orders: dict[AccountOrder, None] = field(default_factory=dict)
    stop_orders: dict[AccountOrder, None] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    """Symbols whose positions may have changed."""
    coins: dict[str, None] = field(default_factory=dict)


class OrderGateway(Protocol):
    """Accepts an account's orders in one symbol."""

    @property
    def instrument(self) -> Instrument:
        """The instrument that it trades."""

    @property
    def mark_price(self) -> Decimal:
        """The price that values positions."""

    def submit(self, account: "Account", request: OrderRequest) -> AccountOrder:
        """Accept an order, or raise OrderRejected."""

    def cancel(self, account: "Account", order: AccountOrder) -> None:
        """Cancel an open order."""


Deposit = Callable[["Account", str, Decimal], None]
_TOO_MUCH = 10**15


def checked_deposit(coin: str, amount: Number) -> Decimal:
    """Return a deposit as an exact amount.

    Raises ValueError unless it is above zero, below 10^15, and a multiple of 1e-8.
    """
    checked_text("coin", coin)
    try:
        exact = decimal_of(amount)
    except ValueError:
        exact = Decimal(0)
    if not 0 < exact < _TOO_MUCH or exact != rounded(exact):
        raise ValueError(
            f"invalid deposit: {shown(amount)} {coin}: expected an amount above 0, below 10^15, in steps of 1e-8"
        )
    return exact


class Account(Holder):
    """A customer with an API key and its secret.

    Inverse symbols have one-way positions. Linear symbols are in hedge mode: they have a Buy and a Sell position. An
    order opens the position of its side, or with ``reduce_only`` closes the other one.
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
        self.published_balances: dict[str, Balance] = {}
        """The balances that the wallet topic published last, by coin."""
        self._gateways = gateways
        self._deposit = deposit

    def __repr__(self) -> str:
        return f"<Account {self.key}>"

    # requests

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
        """Submit an order and return it after matching. The market keeps updating the returned object.

        ``side`` is Buy or Sell. ``qty`` is in USD contracts on inverse and in the base coin on linear. ``order_type``
        is Limit, with a ``price``, or Market, without one: it accepts prices up to 3 % from the last price.
        ``time_in_force`` is GoodTillCancel (default of limit orders), PostOnly, FillOrKill or ImmediateOrCancel
        (default of market orders). With ``trigger_price`` the order is conditional: it waits until the last price
        reaches it. ``take_profit`` and ``stop_loss`` close the position that the order opens.

        Raises OrderRejected, and changes nothing, if a parameter is invalid, the available balance is too small, a
        reduce-only order has no position to reduce, or the venue does not trade the symbol.
        """
        request = OrderRequest(
            side=side,
            qty=qty,
            price=price,
            order_type=order_type,
            time_in_force=time_in_force,
            reduce_only=reduce_only,
            close_on_trigger=close_on_trigger,
            trigger_price=trigger_price,
            take_profit=take_profit,
            stop_loss=stop_loss,
            order_link_id=order_link_id,
        )
        return self._gateway(symbol).submit(self, request)

    def deposit(self, coin: str, amount: Number) -> None:
        """Deposit an amount of a coin. Raises ValueError if it is invalid; see `checked_deposit`."""
        self._deposit(self, coin, checked_deposit(coin, amount))

    def cancel(self, order_id: str) -> AccountOrder:
        """Cancel an open order, active or conditional, and return it. Raises OrderRejected if it is not open."""
        checked_text("order_id", order_id)
        order = self.open_orders.get(order_id) or self.untriggered.get(order_id)
        if order is None:
            raise OrderRejected(f"order not exists or too late to cancel: {shown(order_id)}")
        self._gateway(order.symbol).cancel(self, order)
        return order

    def set_leverage(self, symbol: str, leverage: Number) -> None:
        """Set the leverage of all positions in a symbol, 1 to 100; the default is 10.

        Raises OrderRejected if the symbol has open orders or positions.
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
                f"params error: symbol invalid: {shown(symbol)}: expected one of {', '.join(self._gateways)}"
            )
        return self._gateways[symbol]

    # state

    @property
    def orders(self) -> dict[str, AccountOrder]:
        """A copy of the open active orders by id, oldest first."""
        return dict(self.open_orders)

    @property
    def stop_orders(self) -> dict[str, AccountOrder]:
        """A copy of the untriggered conditional orders by id, including take-profit and stop-loss orders."""
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
        """Return the balance of a coin. O(orders + positions)."""
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
        """Return the price that values positions in a symbol."""
        return self._gateway(symbol).mark_price

    def usd_price(self, coin: str) -> Decimal:
        """Return a coin's price in USD from the inverse symbol that it settles; 1 if there is none."""
        for gateway in self._gateways.values():
            if gateway.instrument.coin == coin and gateway.instrument.category is Category.INVERSE:
                return gateway.mark_price
        return Decimal(1)

    # positions and margins

    def position_for(self, instrument: Instrument, sign: int, only_closes: bool) -> Position:
        """Return the position that an order's fills change."""
        if not instrument.is_linear:
            return self.position(instrument)
        return self.position(instrument, 1 if (sign == BUY) != only_closes else 2)

    def positions_in(self, instrument: Instrument) -> list[Position]:
        """Return all positions of a symbol, including empty ones."""
        return [self.position(instrument, index) for index in ((1, 2) if instrument.is_linear else (0,))]

    def orders_in(self, symbol: str) -> list[AccountOrder]:
        """Return the open orders in a symbol, active and conditional."""
        return [
            order
            for orders in (self.open_orders, self.untriggered)
            for order in orders.values()
            if order.symbol == symbol
        ]

    def order_margin(
        self, instrument: Instrument, sign: int = 0, lots: int = 0, value: Decimal = Decimal(0)
    ) -> Decimal:
        """Return the margin that the open orders in a symbol reserve, plus one more order if given.

        It is the initial margin and two taker fees of the positions that the orders may open. Orders against a one-way
        position count only as far as they exceed it.
        """
        return sum(
            (self.side_margin(instrument, side, lots, value if side == sign else None) for side in (BUY, SELL)),
            Decimal(0),
        )

    def side_margin(
        self, instrument: Instrument, sign: int, more: int = 0, more_value: Decimal | None = None
    ) -> Decimal:
        """Return the reserved margin of one side; if ``more_value`` is given, also that of an order of ``more``
        lots."""
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
