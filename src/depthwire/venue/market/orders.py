"""An account's order: what was asked, and what became of it. Refusals of what cannot be asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from depthwire.errors import DepthwireError, shortened
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.matching import BUY, SELL, Order, TimeInForce

SIDES = {"Buy": BUY, "Sell": SELL}
_NAMES = {sign: name for name, sign in SIDES.items()}

Number = Decimal | str | int | float
Fields = dict[str, Any]
"""A JSON object."""


class OrderRejected(DepthwireError, ValueError):
    """The venue does not take the order, or cannot cancel it; the text says why, as the exchange would."""


@dataclass(eq=False, slots=True, kw_only=True)
class AccountOrder(Order):
    """An order of an account, active or conditional, as the venue knows it.

    Prices are ticks and quantities lots inside; the properties give them as exact decimals. ``status`` and the other
    texts are the wire's words. Belongs to the venue: read it, never write.
    """

    order_id: str
    order_link_id: str
    instrument: Instrument
    order_type: str
    lots: int
    time_in_force: TimeInForce
    created_ns: int
    updated_ns: int
    reduce_only: bool = False
    close_on_trigger: bool = False
    trigger_tick: int = 0
    trigger_sign: int = 0
    """1: triggered by a price at or above the trigger price; -1: at or below."""
    take_profit_tick: int = 0
    stop_loss_tick: int = 0
    create_type: str = "CreateByUser"
    stop_order_type: str = ""
    cancel_type: str = ""
    status: str = "Created"
    position_index: int = 0
    cum_exec_value: Decimal = field(default=Decimal(0))
    cum_exec_fee: Decimal = field(default=Decimal(0))
    cum_lots: int = 0
    last_exec_tick: int = 0

    @property
    def symbol(self) -> str:
        """What is traded."""
        return self.instrument.symbol

    @property
    def side(self) -> str:
        """``Buy`` or ``Sell``."""
        return _NAMES[self.sign]

    @property
    def price(self) -> Decimal:
        """The limit; of a market order the worst price that it takes, 0 before it is triggered."""
        return self.instrument.price_of(self.tick)

    @property
    def qty(self) -> Decimal:
        """What was ordered."""
        return self.instrument.qty_of(self.lots)

    @property
    def leaves_qty(self) -> Decimal:
        """What may still be filled; 0 once the order is closed."""
        return self.instrument.qty_of(self.leaves)

    @property
    def cum_exec_qty(self) -> Decimal:
        """What was filled."""
        return self.instrument.qty_of(self.cum_lots)

    @property
    def last_exec_price(self) -> Decimal:
        """The price of the last fill, 0 before it."""
        return self.instrument.price_of(self.last_exec_tick)

    @property
    def trigger_price(self) -> Decimal:
        """Of a conditional order; else 0."""
        return self.instrument.price_of(self.trigger_tick)

    @property
    def take_profit(self) -> Decimal:
        """The price at which the position that it opens is closed with a profit; 0: none."""
        return self.instrument.price_of(self.take_profit_tick)

    @property
    def stop_loss(self) -> Decimal:
        """The same with a loss."""
        return self.instrument.price_of(self.stop_loss_tick)

    @property
    def only_closes(self) -> bool:
        """Whether it may reduce a position and never open one."""
        return self.reduce_only or self.close_on_trigger

    @property
    def is_open(self) -> bool:
        """Whether it may still trade, or be triggered."""
        return self.status in ("Created", "New", "PartiallyFilled", "Untriggered")


class Execution(NamedTuple):
    """One fill of one order."""

    exec_id: str
    order: AccountOrder
    exec_type: str
    tick: int
    lots: int
    fee: Decimal
    leaves: int
    is_maker: bool
    at_ns: int
    sequence: int
    """The book's number of the trade."""
    closed_lots: int
    """How much of a position it closed, with what profit."""
    pnl: Decimal


def ticks_in(instrument: Instrument, name: str, price: Number | None) -> int:
    """A price as ticks, 0 for none. Raises OrderRejected."""
    return 0 if price is None else _whole(name, price, instrument.tick_of)


def lots_in(instrument: Instrument, qty: Number) -> int:
    """A quantity as lots. Raises OrderRejected."""
    return _whole("qty", qty, instrument.lots_of)


def decimal_of(number: Number) -> Decimal:
    """A finite number, exact; ValueError where it is none."""
    try:
        exact = Decimal(str(number))
    except InvalidOperation:
        exact = Decimal("nan")
    if not exact.is_finite():
        raise ValueError("expected a number")
    return exact


def shown(value: object) -> str:
    """Whatever was given, for a message: short, and an integer that is too long to be written all the same."""
    try:
        return shortened(repr(value))
    except ValueError:
        return f"of type {type(value).__name__}, too long to be shown"


def checked_text(name: str, value: object) -> str:
    """A parameter that must be a text. Raises OrderRejected."""
    if not isinstance(value, str):
        raise OrderRejected(f"params error: {name} invalid: {shown(value)}: expected a text")
    return value


def _whole(name: str, number: Number, steps_of: Callable[[Decimal], int]) -> int:
    try:
        return steps_of(decimal_of(number))
    except ValueError as error:
        raise OrderRejected(f"params error: {name} is invalid: {shown(number)}: {error}") from None


def names(order: AccountOrder, id_name: str) -> Fields:
    """What every private topic says first of an order."""
    return {
        id_name: order.order_id,
        "order_link_id": order.order_link_id,
        "symbol": order.symbol,
        "side": order.side,
        "order_type": order.order_type,
    }
