"""The private topics of the v5 dialect: order, execution, execution.fast, position, wallet, greeks.

A field has the name that it has on v2 if it means the same. Times end in their unit. Prices, sizes and amounts are
Decimals with the digits of the wire. A field that the wire omits, or sends as "", is None, or "" for text. Enumerations
(sides, statuses, types, reasons) are str, because the exchange adds members without notice.

The shapes come from the exchange's v5 documentation.
"""

from decimal import Decimal

from depthwire.bybit import events
from depthwire.bybit.fields import LARGEST_EXPONENT, Record, odd_amount
from depthwire.bybit.v5.fields import V5Message, wire_name

NS_PER_MS = 1_000_000


class Order(events.Order, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """The current state of an order. The ``order_status`` of a conditional order is Untriggered until its trigger.

    ``leaves_qty`` is the open quantity, None if the order cannot be filled further. ``position_idx`` is 0 for one
    position a symbol, 1 for the Buy side of two and 2 for the Sell side. ``order_iv`` and other volatilities are
    ratios.
    """

    category: str
    symbol: str
    order_id: str
    side: str
    order_type: str
    order_status: str
    qty: Decimal
    price: Decimal | None = None
    broker_order_price: Decimal | None = None
    order_link_id: str = ""
    parent_order_link_id: str = ""
    block_trade_id: str = ""
    is_leverage: str = ""
    position_idx: int | None = None
    create_type: str = ""
    cancel_type: str = ""
    reject_reason: str = ""
    time_in_force: str = ""
    avg_price: Decimal | None = None
    leaves_qty: Decimal | None = None
    leaves_value: Decimal | None = None
    cum_exec_qty: Decimal | None = None
    cum_exec_value: Decimal | None = None
    cum_exec_fee: Decimal | None = None
    cum_fee_detail: dict[str, Decimal] | None = None
    closed_pnl: Decimal | None = None
    fee_currency: str = ""
    order_iv: Decimal | None = None
    market_unit: str = ""
    slippage_tolerance_type: str = ""
    slippage_tolerance: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_direction: int | None = None
    trigger_by: str = ""
    last_price_on_created: Decimal | None = None
    stop_order_type: str = ""
    oco_trigger_by: str = ""
    tpsl_mode: str = ""
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tp_limit_price: Decimal | None = None
    sl_limit_price: Decimal | None = None
    tp_trigger_by: str = ""
    sl_trigger_by: str = ""
    reduce_only: bool | None = None
    close_on_trigger: bool | None = None
    place_type: str = ""
    smp_type: str = ""
    smp_group: int | None = None
    smp_order_id: str = ""
    rpi_taker_access: bool | None = None
    rpi_matched_qty: Decimal | None = None
    created_time_ms: int | None = None
    updated_time_ms: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for fee in (self.cum_fee_detail or {}).values():
            if not (fee.is_finite() and abs(fee.adjusted()) <= LARGEST_EXPONENT):
                raise odd_amount("cum_fee_detail", fee)

    @property
    def changed_ns(self) -> int | None:
        """The time of the order's last change, in ns since the epoch."""
        return None if self.updated_time_ms is None else self.updated_time_ms * NS_PER_MS


class Fee(Record, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """A fee or tax on top of an execution's own fee."""

    fee_coin: str
    fee_type: str = ""
    sub_fee_type: str = ""
    fee_rate: Decimal | None = None
    fee: Decimal | None = None


class Execution(events.Execution, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """A fill of one of the account's orders, or funding, delivery and so on, depending on ``exec_type``.

    A negative ``exec_fee`` is a rebate; ``leaves_qty`` is the open quantity. The fills of one match share ``seq``.
    """

    category: str
    symbol: str
    exec_id: str
    exec_type: str
    exec_price: Decimal
    exec_qty: Decimal
    exec_time_ms: int
    side: str = ""
    order_id: str = ""
    exec_value: Decimal | None = None
    exec_fee: Decimal | None = None
    exec_pnl: Decimal | None = None
    fee_rate: Decimal | None = None
    fee_currency: str = ""
    extra_fees: list[Fee] | None = None
    order_link_id: str = ""
    order_price: Decimal | None = None
    order_qty: Decimal | None = None
    order_type: str = ""
    stop_order_type: str = ""
    create_type: str = ""
    leaves_qty: Decimal | None = None
    closed_size: Decimal | None = None
    is_maker: bool | None = None
    is_leverage: str = ""
    market_unit: str = ""
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    underlying_price: Decimal | None = None
    trade_iv: Decimal | None = None
    mark_iv: Decimal | None = None
    block_trade_id: str = ""
    seq: int | None = None


class FastExecution(Record, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """A fill on ``execution.fast``, which is faster than ``execution`` and has fewer fields."""

    category: str
    symbol: str
    side: str
    order_id: str
    exec_id: str
    exec_price: Decimal
    exec_qty: Decimal
    exec_time_ms: int
    is_maker: bool | None = None
    order_link_id: str = ""
    seq: int | None = None


class Position(events.Position, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """The current state of a position. ``side`` is Buy, Sell, or "" for a flat position, whose ``size`` is 0.

    ``position_idx`` is 0 for one position a symbol, 1 for the Buy side of two and 2 for the Sell side. ``trade_mode``
    is 0 for cross and 1 for isolated margin. ``position_im`` and ``position_mm`` are the initial and the maintenance
    margin, ``…_by_mp`` the same by the mark price.
    """

    NEEDED = frozenset({"side"})

    category: str
    symbol: str
    size: Decimal
    side: str = ""
    position_idx: int = 0
    position_status: str = ""
    trade_mode: int | None = None
    risk_id: int | None = None
    risk_limit_value: Decimal | None = None
    entry_price: Decimal | None = None
    break_even_price: Decimal | None = None
    session_avg_price: Decimal | None = None
    mark_price: Decimal | None = None
    liq_price: Decimal | None = None
    bust_price: Decimal | None = None
    leverage: Decimal | None = None
    position_value: Decimal | None = None
    position_balance: Decimal | None = None
    position_im: Decimal | None = None
    position_im_by_mp: Decimal | None = None
    position_mm: Decimal | None = None
    position_mm_by_mp: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    trailing_stop: Decimal | None = None
    tpsl_mode: str = ""
    unrealised_pnl: Decimal | None = None
    cur_realised_pnl: Decimal | None = None
    cum_realised_pnl: Decimal | None = None
    delta: Decimal | None = None
    gamma: Decimal | None = None
    vega: Decimal | None = None
    theta: Decimal | None = None
    auto_add_margin: int | None = None
    adl_rank_indicator: int | None = None
    is_reduce_only: bool | None = None
    mmr_sys_updated_time_ms: int | None = None
    leverage_sys_updated_time_ms: int | None = None
    created_time_ms: int | None = None
    updated_time_ms: int | None = None
    open_time_ms: int | None = None
    seq: int | None = None


class CoinBalance(events.Balance, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """One coin of a wallet. ``usd_value`` is in USD, all other amounts are in the coin."""

    coin: str
    wallet_balance: Decimal | None = None
    equity: Decimal | None = None
    usd_value: Decimal | None = None
    available_to_withdraw: Decimal | None = None
    available_to_borrow: Decimal | None = None
    borrow_amount: Decimal | None = None
    spot_borrow: Decimal | None = None
    accrued_interest: Decimal | None = None
    locked: Decimal | None = None
    bonus: Decimal | None = None
    total_order_im: Decimal | None = None
    total_position_im: Decimal | None = None
    total_position_mm: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    cum_realised_pnl: Decimal | None = None
    spot_hedging_qty: Decimal | None = None
    collateral_switch: bool | None = None
    margin_collateral: bool | None = None
    col_res: str = ""
    free: Decimal | None = None


class Wallet(events.Wallet, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """The account's balances: the totals in USD, rates as ratios, and the coins that changed."""

    account_type: str
    coin: list[CoinBalance]
    account_ltv: Decimal | None = None
    account_im_rate: Decimal | None = None
    account_im_rate_by_mp: Decimal | None = None
    account_mm_rate: Decimal | None = None
    account_mm_rate_by_mp: Decimal | None = None
    total_equity: Decimal | None = None
    total_wallet_balance: Decimal | None = None
    total_margin_balance: Decimal | None = None
    total_available_balance: Decimal | None = None
    total_perp_upl: Decimal | None = None
    total_initial_margin: Decimal | None = None
    total_initial_margin_by_mp: Decimal | None = None
    total_maintenance_margin: Decimal | None = None
    total_maintenance_margin_by_mp: Decimal | None = None


class Greeks(Record, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """The greeks of all options of one base coin, summed."""

    base_coin: str
    total_delta: Decimal | None = None
    total_gamma: Decimal | None = None
    total_vega: Decimal | None = None
    total_theta: Decimal | None = None


class PrivateMessage(V5Message, gc=False, rename=wire_name):
    """The envelope of the private topics; ``creation_time_ms`` since the epoch."""

    creation_time_ms: int | None = None
    id: str = ""


class OrderMessage(PrivateMessage, kw_only=True, gc=False):
    """``order``: the orders that changed."""

    data: list[Order]


class ExecutionMessage(PrivateMessage, kw_only=True, gc=False):
    """``execution``: the fills since the previous frame."""

    data: list[Execution]


class FastExecutionMessage(PrivateMessage, kw_only=True, gc=False):
    """``execution.fast``: the fills since the previous frame."""

    data: list[FastExecution]


class PositionMessage(PrivateMessage, kw_only=True, gc=False):
    """``position``: the positions that changed, or for which an order was filled."""

    data: list[Position]


class WalletMessage(PrivateMessage, kw_only=True, gc=False):
    """``wallet``: the balances that changed."""

    data: list[Wallet]


class GreeksMessage(PrivateMessage, kw_only=True, gc=False):
    """``greeks``: by base coin."""

    data: list[Greeks]
