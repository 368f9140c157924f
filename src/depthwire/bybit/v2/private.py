"""The private topics: position, execution, order, stop_order, wallet.

Both dialects share each Struct: inverse writes most amounts as strings, linear as numbers. A field that a dialect or an
older frame does not send is None. Enumerations (sides, statuses, types, reasons) are str, because the exchange adds
members without notice. Sizes are USD contracts on inverse and base coins on linear; values, margins, fees and
PnL are in the base coin on inverse and in USDT on linear.

The shapes come from the exchange's inverse and linear WebSocket documentation, and frames recorded in 2021 and 2022.
"""

from decimal import Decimal
from typing import ClassVar

from depthwire.bybit import events
from depthwire.bybit.fields import Nanoseconds, Record
from depthwire.bybit.v2.fields import V2Message


class Position(events.Position, frozen=True, kw_only=True, gc=False):
    """The current state of a position. ``side`` is Buy or Sell, or the text "None" on inverse; ``size`` 0 is flat.

    ``is_isolated`` is the margin mode, from any of the wire's three spellings (``Isolated`` on inverse,
    ``isolated`` on linear). ``position_seq`` counts the position's versions. ``auto_add_margin`` is 0 or 1. ``mode`` is
    an int on inverse, a name on linear. ``position_idx`` is 0 for one position a symbol, 1 for the Buy side of two and
    2 for the Sell side.
    """

    NEEDED = frozenset({"position_idx"})
    DERIVED: ClassVar = {"is_isolated": ("Isolated", "isolated")}

    symbol: str
    side: str
    size: Decimal
    entry_price: Decimal
    user_id: int | None = None
    position_id: int | None = None
    position_idx: int | None = None
    position_seq: int | None = None
    position_status: str | None = None
    position_value: Decimal | None = None
    mode: int | str | None = None
    is_isolated: bool | None = None
    isolated: bool | None = None
    Isolated: bool | None = None
    liq_price: Decimal | None = None
    bust_price: Decimal | None = None
    leverage: Decimal | None = None
    order_margin: Decimal | None = None
    position_margin: Decimal | None = None
    available_balance: Decimal | None = None
    wallet_balance: Decimal | None = None
    take_profit: Decimal | None = None
    tp_trigger_by: str | None = None
    stop_loss: Decimal | None = None
    sl_trigger_by: str | None = None
    trailing_stop: Decimal | None = None
    trailing_active: Decimal | None = None
    tp_sl_mode: str | None = None
    tp_order_num: int | None = None
    sl_order_num: int | None = None
    tp_free_size_x: Decimal | None = None
    sl_free_size_x: Decimal | None = None
    free_qty: Decimal | None = None
    realised_pnl: Decimal | None = None
    cum_realised_pnl: Decimal | None = None
    occ_closing_fee: Decimal | None = None
    occ_funding_fee: Decimal | None = None
    auto_add_margin: int | None = None
    adl_rank_indicator: int | None = None
    risk_id: int | None = None


class Execution(events.Execution, frozen=True, kw_only=True, gc=False):
    """A fill of one of the account's orders.

    A negative ``exec_fee`` is a rebate. ``leaves_qty`` is the open quantity.
    """

    symbol: str
    side: str
    order_id: str
    exec_id: str
    exec_type: str
    price: Decimal
    order_qty: Decimal
    exec_qty: Decimal
    exec_fee: Decimal
    leaves_qty: Decimal
    is_maker: bool
    trade_time: str
    order_link_id: str = ""

    trade_time_ns = Nanoseconds("trade_time")


class TimedOrder(Record, frozen=True, kw_only=True, gc=False):
    """The times of an order."""

    timestamp_ns = Nanoseconds("timestamp")
    create_time_ns = Nanoseconds("create_time")
    update_time_ns = Nanoseconds("update_time")

    @property
    def changed_ns(self) -> int | None:
        """The time of the order's last change, in ns since the epoch: ``update_time``, or else ``timestamp``."""
        return self.update_time_ns or self.timestamp_ns


class Order(TimedOrder, events.Order, frozen=True, kw_only=True, gc=False):
    """The current state of an order. The ``price`` of a market order is the limit that the exchange set.

    Inverse sends ``timestamp``; linear ``create_time`` and ``update_time``. See :attr:`changed_ns`.
    """

    order_id: str
    symbol: str
    side: str
    order_type: str
    price: Decimal
    qty: Decimal
    time_in_force: str
    order_status: str
    leaves_qty: Decimal
    cum_exec_qty: Decimal
    cum_exec_value: Decimal
    cum_exec_fee: Decimal
    order_link_id: str = ""
    create_type: str | None = None
    cancel_type: str | None = None
    last_exec_price: Decimal | None = None
    take_profit: Decimal | None = None
    tp_trigger_by: str | None = None
    stop_loss: Decimal | None = None
    sl_trigger_by: str | None = None
    trailing_stop: Decimal | None = None
    trailing_active: Decimal | None = None
    reduce_only: bool | None = None
    close_on_trigger: bool | None = None
    position_idx: int | None = None
    user_id: int | None = None
    timestamp: str | None = None
    create_time: str | None = None
    update_time: str | None = None


class StopOrder(TimedOrder, frozen=True, kw_only=True, gc=False):
    """The current state of a conditional order, with its fills if the wire has them.

    Linear calls its id ``stop_order_id``; ``order_id`` is the id on both dialects. Linear sends ``create_time`` and
    ``update_time`` instead of inverse's ``timestamp``.
    """

    DERIVED: ClassVar = {"order_id": ("stop_order_id",)}
    DERIVED_REQUIRED = frozenset({"order_id"})

    symbol: str
    side: str
    order_type: str
    price: Decimal
    qty: Decimal
    order_status: str
    trigger_price: Decimal
    leaves_qty: Decimal | None = None
    cum_exec_qty: Decimal | None = None
    cum_exec_value: Decimal | None = None
    cum_exec_fee: Decimal | None = None
    last_exec_price: Decimal | None = None
    order_id: str = ""
    stop_order_id: str | None = None
    order_link_id: str = ""
    user_id: int | None = None
    time_in_force: str | None = None
    create_type: str | None = None
    cancel_type: str | None = None
    stop_order_type: str | None = None
    trigger_by: str | None = None
    tp_trigger_by: str | None = None
    sl_trigger_by: str | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    reduce_only: bool | None = None
    close_on_trigger: bool | None = None
    position_idx: int | None = None
    timestamp: str | None = None
    create_time: str | None = None
    update_time: str | None = None


class Wallet(events.Wallet, events.Balance, frozen=True, kw_only=True, gc=False):
    """A coin's balances. ``coin`` is "" in frames without it: in all frames of linear, and in older ones of inverse."""

    NEEDED = frozenset({"coin"})

    wallet_balance: Decimal
    available_balance: Decimal
    coin: str = ""
    user_id: int | None = None


class PositionMessage(V2Message, gc=False):
    """``position``: the positions that changed; linear sends both sides of a symbol."""

    data: list[Position]
    action: str | None = None


class ExecutionMessage(V2Message, gc=False):
    """``execution``: the fills since the previous frame, without funding."""

    data: list[Execution]


class OrderMessage(V2Message, gc=False):
    """``order``: the orders that changed."""

    data: list[Order]
    action: str | None = None


class StopOrderMessage(V2Message, gc=False):
    """``stop_order``: the conditional orders that changed."""

    data: list[StopOrder]


class WalletMessage(V2Message, gc=False):
    """``wallet``: the balances that changed."""

    data: list[Wallet]
