"""Fields of the v2 private topics that inverse and linear share."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from depthwire.venue.market.instruments import plain, utc_text
from depthwire.venue.market.orders import AccountOrder, Execution, Fields


def identity_fields(order: AccountOrder, id_name: str) -> Fields:
    """Return the fields that come first in an active order."""
    return {
        id_name: order.order_id,
        "order_link_id": order.order_link_id,
        "symbol": order.symbol,
        "side": order.side,
        "order_type": order.order_type,
    }


def stop_identity_fields(order: AccountOrder, id_name: str, user_id: int | str) -> Fields:
    """Return the fields that come first in a conditional order, which also names the user."""
    return {
        id_name: order.order_id,
        "order_link_id": order.order_link_id,
        "user_id": user_id,
        "symbol": order.symbol,
        "side": order.side,
        "order_type": order.order_type,
    }


def execution_fields(fill: Execution, amount: Callable[[Decimal], Any], decimals: int) -> Fields:
    """Return a fill. ``amount`` encodes prices and fees; the time, in seconds, gets ``decimals`` decimals."""
    order, instrument = fill.order, fill.order.instrument
    return {
        "symbol": order.symbol,
        "side": order.side,
        "order_id": order.order_id,
        "exec_id": fill.exec_id,
        "order_link_id": order.order_link_id,
        "price": amount(instrument.price_of(fill.tick)),
        "order_qty": json_number(order.qty),
        "exec_type": fill.exec_type,
        "exec_qty": json_number(instrument.qty_of(fill.lots)),
        "exec_fee": amount(fill.fee),
        "leaves_qty": json_number(instrument.qty_of(fill.leaves)),
        "is_maker": fill.is_maker,
        "trade_time": utc_text(fill.at_ns, decimals),
    }


def json_number(number: Decimal) -> msgspec.Raw:
    """Return an exact JSON number."""
    return msgspec.Raw(plain(number).encode())
