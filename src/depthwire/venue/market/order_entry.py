"""Order entry: build an order from a request, and reject requests that are invalid for every account."""

from collections.abc import Sequence

from depthwire.venue.market.accounts import Account
from depthwire.venue.market.clearing import Clearing
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.matching import TimeInForce
from depthwire.venue.market.orders import (
    SIDES,
    AccountOrder,
    OrderRejected,
    OrderRequest,
    checked_text,
    lots_in,
    shown,
    ticks_in,
)

_MAX_OPEN_ORDERS = 500
_MAX_LINK_ID_LENGTH = 36
_MARKET_ORDER_TIMES = (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)


def new_order(request: OrderRequest, account: Account, instrument: Instrument, clearing: Clearing) -> AccountOrder:
    """Build an order. Raises OrderRejected if a parameter is invalid."""
    if checked_text("side", request.side) not in SIDES:
        raise OrderRejected(f"params error: side invalid: {shown(request.side)}: expected Buy or Sell")
    checked_text("order_type", request.order_type)
    is_market = request.order_type == "Market"
    if request.order_type not in ("Limit", "Market") or is_market != (request.price is None):
        raise OrderRejected(
            f"params error: order_type {shown(request.order_type)} with price {shown(request.price)}: "
            "expected Limit with a price, or Market without one"
        )
    order = AccountOrder(
        SIDES[request.side],
        ticks_in(instrument, "price", request.price),
        lots := lots_in(instrument, request.qty),
        account,
        order_id=clearing.new_id(),
        order_link_id=checked_text("order_link_id", request.order_link_id),
        instrument=instrument,
        order_type=request.order_type,
        lots=lots,
        time_in_force=_time_in_force(request.time_in_force, is_market=is_market),
        created_ns=clearing.now_ns,
        updated_ns=clearing.now_ns,
        reduce_only=request.reduce_only,
        close_on_trigger=request.close_on_trigger,
        trigger_tick=ticks_in(instrument, "trigger_price", request.trigger_price),
        take_profit_tick=ticks_in(instrument, "take_profit", request.take_profit),
        stop_loss_tick=ticks_in(instrument, "stop_loss", request.stop_loss),
    )
    order.position_index = account.position_for(instrument, order.sign, order.only_closes).index
    return order


def check_order(order: AccountOrder, last_tick: int, open_orders: Sequence[AccountOrder]) -> None:
    """Raise OrderRejected if an order breaks a limit or has an impossible trigger, take profit or stop loss.

    ``open_orders`` are the account's open orders in the symbol.
    """
    if len(open_orders) >= _MAX_OPEN_ORDERS:
        raise OrderRejected(f"too many open orders: at most {_MAX_OPEN_ORDERS} in {order.symbol}")
    if len(order.order_link_id) > _MAX_LINK_ID_LENGTH:
        raise OrderRejected(f"params error: order_link_id is longer than {_MAX_LINK_ID_LENGTH} characters")
    if order.order_link_id and any(other.order_link_id == order.order_link_id for other in open_orders):
        raise OrderRejected(f"duplicate order_link_id: {order.order_link_id!r}")
    if order.trigger_tick == last_tick:
        raise OrderRejected(f"trigger_price invalid: equal to the last price: {order.trigger_price}")
    reference = order.trigger_tick or order.tick or last_tick
    for name, tick, sign in (
        ("take_profit", order.take_profit_tick, order.sign),
        ("stop_loss", order.stop_loss_tick, -order.sign),
    ):
        if tick and sign * (tick - reference) <= 0:
            raise OrderRejected(
                f"params error: {name} of a {order.side} order must be {'above' if sign > 0 else 'below'} "
                f"{order.instrument.price_of(reference)}: {order.instrument.price_of(tick)}"
            )


def _time_in_force(name: str | None, *, is_market: bool) -> TimeInForce:
    if name is None:
        return TimeInForce.IMMEDIATE_OR_CANCEL if is_market else TimeInForce.GOOD_TILL_CANCEL
    allowed = [member for member in TimeInForce if not is_market or member in _MARKET_ORDER_TIMES]
    if checked_text("time_in_force", name) not in allowed:
        raise OrderRejected(f"params error: time_in_force invalid: {shown(name)}: expected one of {', '.join(allowed)}")
    return TimeInForce(name)
