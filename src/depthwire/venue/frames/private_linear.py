"""The private topics of v2 linear: amounts, prices and quantities are numbers, versions are text.

Sources: recorded frames and the exchange's linear WebSocket documentation.
"""

from decimal import Decimal

from depthwire.venue.frames.private_v2_fields import (
    execution_fields,
    identity_fields,
    json_number,
    stop_identity_fields,
)
from depthwire.venue.market.accounts import Account
from depthwire.venue.market.contracts import rounded
from depthwire.venue.market.instruments import Instrument, utc_text
from depthwire.venue.market.orders import SIDES, AccountOrder, Execution, Fields
from depthwire.venue.market.positions import Position

HEADS: dict[str, Fields] = {"position": {"action": "update"}, "order": {"action": ""}}
"""Fields of a frame besides topic and data, by topic."""


def order(order: AccountOrder) -> Fields:
    """Return an active order."""
    return {
        **identity_fields(order, "order_id"),
        "price": json_number(order.price),
        "qty": json_number(order.qty),
        "leaves_qty": json_number(order.leaves_qty),
        "last_exec_price": json_number(order.last_exec_price),
        "cum_exec_qty": json_number(order.cum_exec_qty),
        "cum_exec_value": json_number(order.cum_exec_value),
        "cum_exec_fee": json_number(order.cum_exec_fee),
        "time_in_force": order.time_in_force,
        "create_type": order.create_type,
        "cancel_type": order.cancel_type or "UNKNOWN",
        "order_status": order.status,
        "take_profit": json_number(order.take_profit),
        "stop_loss": json_number(order.stop_loss),
        "trailing_stop": 0,
        "create_time": utc_text(order.created_ns, 9),
        "update_time": utc_text(order.updated_ns, 9),
        "reduce_only": order.reduce_only,
        "close_on_trigger": order.close_on_trigger,
        "position_idx": str(order.position_index),
    }


def stop_order(account: Account, order: AccountOrder) -> Fields:
    """Return a conditional order."""
    return {
        **stop_identity_fields(order, "stop_order_id", str(account.user_id)),
        "price": json_number(order.price),
        "qty": json_number(order.qty),
        "time_in_force": order.time_in_force,
        "create_type": order.create_type,
        "cancel_type": order.cancel_type or "UNKNOWN",
        "order_status": order.status,
        "stop_order_type": order.stop_order_type,
        "tp_trigger_by": "UNKNOWN",
        "trigger_by": "LastPrice",
        "trigger_price": json_number(order.trigger_price),
        "create_time": utc_text(order.created_ns, 9),
        "update_time": utc_text(order.updated_ns, 9),
        "reduce_only": order.reduce_only,
        "close_on_trigger": order.close_on_trigger,
        "position_idx": str(order.position_index),
    }


def execution(fill: Execution) -> Fields:
    """Return a fill."""
    return execution_fields(fill, json_number, decimals=9)


def positions(account: Account, instrument: Instrument) -> list[Fields]:
    """Return the positions in a symbol."""
    return [
        _position(account, position, side)
        for position, side in zip(account.positions_in(instrument), ("Buy", "Sell"), strict=True)
    ]


def _position(account: Account, position: Position, side: str) -> Fields:
    take_profit, stop_loss = position.tp_sl_price("TakeProfit"), position.tp_sl_price("StopLoss")
    closing = sum(
        (
            order.leaves_qty
            for order in account.open_orders.values()
            if order.only_closes and order.instrument is position.instrument and order.position_index == position.index
        ),
        Decimal(0),
    )
    return {
        "user_id": str(account.user_id),
        "symbol": position.symbol,
        "size": json_number(position.size),
        "side": side,
        "position_value": json_number(position.value),
        "entry_price": json_number(rounded(position.entry_price)),
        "liq_price": json_number(position.liq_price),
        "bust_price": json_number(position.bust_price),
        "leverage": json_number(position.leverage),
        "order_margin": json_number(account.side_margin(position.instrument, SIDES[side])),
        "position_margin": json_number(position.margin),
        "occ_closing_fee": json_number(position.closing_fee),
        "take_profit": json_number(take_profit),
        "tp_trigger_by": "LastPrice" if take_profit else "UNKNOWN",
        "stop_loss": json_number(stop_loss),
        "sl_trigger_by": "LastPrice" if stop_loss else "UNKNOWN",
        "trailing_stop": 0,
        "realised_pnl": json_number(position.realised_pnl),
        "auto_add_margin": "0",
        "cum_realised_pnl": json_number(position.cum_realised_pnl),
        "position_status": "Normal",
        "position_id": "0",
        "position_seq": str(position.sequence),
        "adl_rank_indicator": "0",
        "free_qty": json_number(position.size - closing),
        "tp_sl_mode": "Full" if take_profit or stop_loss else "UNKNOWN",
        "risk_id": "1",
        "isolated": True,
        "mode": "BothSide",
        "position_idx": str(position.index),
    }


def wallet(account: Account, coin: str) -> Fields:
    """Return the balance of a coin."""
    wallet, available = account.balance(coin)
    return {"wallet_balance": json_number(wallet), "available_balance": json_number(available)}
