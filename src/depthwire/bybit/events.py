"""The events that v2 and v5 have in common: base classes of their Structs, for annotations and ``isinstance``.

A base class shows type checkers the fields that both Structs have. It has none at run time, because each Struct
declares its own fields, with their names on the wire. Narrow an event with ``isinstance`` to read one dialect's fields.
"""

from decimal import Decimal
from typing import TYPE_CHECKING

from depthwire.bybit.fields import Record

if TYPE_CHECKING:
    from depthwire.bybit.v5.private import CoinBalance


class Trade(Record, frozen=True, kw_only=True, gc=False):
    """One trade. ``side`` is the taker's."""

    if TYPE_CHECKING:
        symbol: str
        side: str
        price: Decimal
        size: Decimal
        trade_id: str
        tick_direction: str
        trade_time_ms: int | None
        cross_seq: int | None
        is_block_trade: bool | None


class Order(Record, frozen=True, kw_only=True, gc=False):
    """The current state of an order."""

    if TYPE_CHECKING:
        symbol: str
        order_id: str
        order_link_id: str
        side: str
        order_type: str
        order_status: str
        time_in_force: str
        qty: Decimal
        price: Decimal | None
        leaves_qty: Decimal | None
        cum_exec_qty: Decimal | None
        cum_exec_value: Decimal | None
        cum_exec_fee: Decimal | None
        create_type: str | None
        cancel_type: str | None
        take_profit: Decimal | None
        tp_trigger_by: str | None
        stop_loss: Decimal | None
        sl_trigger_by: str | None
        reduce_only: bool | None
        close_on_trigger: bool | None
        position_idx: int | None

        @property
        def changed_ns(self) -> int | None:
            """The time of the order's last change, in ns since the epoch."""


class Execution(Record, frozen=True, kw_only=True, gc=False):
    """A fill of one of the account's orders; on v5 also funding, delivery and so on, depending on ``exec_type``."""

    if TYPE_CHECKING:
        symbol: str
        side: str
        order_id: str
        order_link_id: str
        exec_id: str
        exec_type: str
        exec_qty: Decimal
        exec_fee: Decimal | None
        order_qty: Decimal | None
        leaves_qty: Decimal | None
        is_maker: bool | None


class Position(Record, frozen=True, kw_only=True, gc=False):
    """The current state of a position. A flat position has ``size`` 0."""

    if TYPE_CHECKING:
        symbol: str
        side: str
        size: Decimal
        entry_price: Decimal | None
        position_idx: int | None
        position_status: str | None
        position_value: Decimal | None
        liq_price: Decimal | None
        bust_price: Decimal | None
        leverage: Decimal | None
        take_profit: Decimal | None
        stop_loss: Decimal | None
        trailing_stop: Decimal | None
        cum_realised_pnl: Decimal | None
        auto_add_margin: int | None
        adl_rank_indicator: int | None
        risk_id: int | None


class Balance(Record, frozen=True, kw_only=True, gc=False):
    """The balance of one coin."""

    if TYPE_CHECKING:
        coin: str
        wallet_balance: Decimal | None


class Wallet(Record, frozen=True, kw_only=True, gc=False):
    """Changed balances: on v2 of one coin, on v5 of the account, with a list of coins."""

    if TYPE_CHECKING:
        coin: str | list[CoinBalance]
