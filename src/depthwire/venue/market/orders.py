"""Orders of accounts: requests, order state, fills, and the parsing of parameters."""

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
    """The venue rejected an order, a cancellation or a change of leverage. The text gives the exchange's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """The parameters of a new order as an account gives them; see `Account.submit`."""

    side: str
    qty: Number
    price: Number | None
    order_type: str
    time_in_force: str | None
    reduce_only: bool
    close_on_trigger: bool
    trigger_price: Number | None
    take_profit: Number | None
    stop_loss: Number | None
    order_link_id: str


@dataclass(eq=False, slots=True, kw_only=True)
class AccountOrder(Order):
    """An account's order, active or conditional. It belongs to the venue: read it, but do not change it.

    Internally prices are ticks and quantities are lots; the properties return exact decimals. ``status`` and the other
    texts have the values of the exchange's protocol.
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
    """1: a price at or above the trigger price triggers the order; -1: at or below."""
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
        """The symbol of the instrument."""
        return self.instrument.symbol

    @property
    def side(self) -> str:
        """``Buy`` or ``Sell``."""
        return _NAMES[self.sign]

    @property
    def price(self) -> Decimal:
        """The limit price; for a market order, the worst price that it accepts, 0 before it is triggered."""
        return self.instrument.price_of(self.tick)

    @property
    def qty(self) -> Decimal:
        """The ordered quantity."""
        return self.instrument.qty_of(self.lots)

    @property
    def leaves_qty(self) -> Decimal:
        """The quantity that may still be filled; 0 when the order is closed."""
        return self.instrument.qty_of(self.leaves)

    @property
    def cum_exec_qty(self) -> Decimal:
        """The filled quantity."""
        return self.instrument.qty_of(self.cum_lots)

    @property
    def last_exec_price(self) -> Decimal:
        """The price of the last fill; 0 before the first."""
        return self.instrument.price_of(self.last_exec_tick)

    @property
    def trigger_price(self) -> Decimal:
        """The trigger price of a conditional order, else 0."""
        return self.instrument.price_of(self.trigger_tick)

    @property
    def take_profit(self) -> Decimal:
        """The price at which the opened position is closed with a profit; 0 for none."""
        return self.instrument.price_of(self.take_profit_tick)

    @property
    def stop_loss(self) -> Decimal:
        """The price at which the opened position is closed with a loss; 0 for none."""
        return self.instrument.price_of(self.stop_loss_tick)

    @property
    def only_closes(self) -> bool:
        """Whether the order may only reduce a position."""
        return self.reduce_only or self.close_on_trigger

    @property
    def is_open(self) -> bool:
        """Whether the order may still trade or be triggered."""
        return self.status in ("Created", "New", "PartiallyFilled", "Untriggered")


class Execution(NamedTuple):
    """A fill of an order."""

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
    """The book's sequence number of the trade."""
    closed_lots: int
    """Lots of the position that the fill closed."""
    pnl: Decimal
    """Profit or loss of the closed lots, without fees."""


def ticks_in(instrument: Instrument, name: str, price: Number | None) -> int:
    """Convert a price to ticks; None to 0. Raises OrderRejected."""
    return 0 if price is None else _whole(name, price, instrument.tick_of)


def lots_in(instrument: Instrument, qty: Number) -> int:
    """Convert a quantity to lots. Raises OrderRejected."""
    return _whole("qty", qty, instrument.lots_of)


def decimal_of(number: Number) -> Decimal:
    """Convert a number exactly. Raises ValueError if it is not a finite number."""
    try:
        exact = Decimal(str(number))
    except InvalidOperation:
        exact = Decimal("nan")
    if not exact.is_finite():
        raise ValueError("expected a number")
    return exact


def shown(value: object) -> str:
    """Return a short representation of any value for an error message, even of an integer too long to convert."""
    try:
        return shortened(repr(value))
    except ValueError:
        return f"<{type(value).__name__}, too long to display>"


def checked_text(name: str, value: object) -> str:
    """Return a parameter that must be a string. Raises OrderRejected."""
    if not isinstance(value, str):
        raise OrderRejected(f"params error: {name} invalid: {shown(value)}: expected a string")
    return value


def _whole(name: str, number: Number, steps_of: Callable[[Decimal], int]) -> int:
    try:
        return steps_of(decimal_of(number))
    except ValueError as error:
        raise OrderRejected(f"params error: {name} is invalid: {shown(number)}: {error}") from None
