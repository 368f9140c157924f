"""What the linear dialect's private topics say: amounts, prices and quantities as numbers, versions as text.

Source of the shapes: recorded frames and the exchange's linear WebSocket document.
"""

from decimal import Decimal

import msgspec

from depthwire.venue.market.accounts import Account
from depthwire.venue.market.contracts import rounded
from depthwire.venue.market.instruments import Instrument, plain, utc_text
from depthwire.venue.market.orders import SIDES, AccountOrder, Execution, Fields, names
from depthwire.venue.market.positions import Position

HEADS: dict[str, Fields] = {"position": {"action": "update"}, "order": {"action": ""}}
"""What stands beside a topic's data."""


def order(order: AccountOrder) -> Fields:
    """An active order."""
    return {
        **names(order, "order_id"),
        "price": _number(order.price),
        "qty": _number(order.qty),
        "leaves_qty": _number(order.leaves_qty),
        "last_exec_price": _number(order.last_exec_price),
        "cum_exec_qty": _number(order.cum_exec_qty),
        "cum_exec_value": _number(order.cum_exec_value),
        "cum_exec_fee": _number(order.cum_exec_fee),
        "time_in_force": order.time_in_force,
        "create_type": order.create_type,
        "cancel_type": order.cancel_type or "UNKNOWN",
        "order_status": order.status,
        "take_profit": _number(order.take_profit),
        "stop_loss": _number(order.stop_loss),
        "trailing_stop": 0,
        "create_time": utc_text(order.created_ns, 9),
        "update_time": utc_text(order.updated_ns, 9),
        "reduce_only": order.reduce_only,
        "close_on_trigger": order.close_on_trigger,
        "position_idx": str(order.position_index),
    }


def stop_order(account: Account, order: AccountOrder) -> Fields:
    """A conditional order."""
    head = names(order, "stop_order_id")
    return {
        "stop_order_id": head.pop("stop_order_id"),
        "order_link_id": head.pop("order_link_id"),
        "user_id": str(account.user_id),
        **head,
        "price": _number(order.price),
        "qty": _number(order.qty),
        "time_in_force": order.time_in_force,
        "create_type": order.create_type,
        "cancel_type": order.cancel_type or "UNKNOWN",
        "order_status": order.status,
        "stop_order_type": order.stop_order_type,
        "tp_trigger_by": "UNKNOWN",
        "trigger_by": "LastPrice",
        "trigger_price": _number(order.trigger_price),
        "create_time": utc_text(order.created_ns, 9),
        "update_time": utc_text(order.updated_ns, 9),
        "reduce_only": order.reduce_only,
        "close_on_trigger": order.close_on_trigger,
        "position_idx": str(order.position_index),
    }


def execution(fill: Execution) -> Fields:
    """A fill."""
    instrument = fill.order.instrument
    return {
        "symbol": fill.order.symbol,
        "side": fill.order.side,
        "order_id": fill.order.order_id,
        "exec_id": fill.exec_id,
        "order_link_id": fill.order.order_link_id,
        "price": _number(instrument.price_of(fill.tick)),
        "order_qty": _number(fill.order.qty),
        "exec_type": fill.exec_type,
        "exec_qty": _number(instrument.qty_of(fill.lots)),
        "exec_fee": _number(fill.fee),
        "leaves_qty": _number(instrument.qty_of(fill.leaves)),
        "is_maker": fill.is_maker,
        "trade_time": utc_text(fill.at_ns, 9),
    }


def positions(account: Account, instrument: Instrument) -> list[Fields]:
    """The positions in a symbol."""
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
        "size": _number(position.size),
        "side": side,
        "position_value": _number(position.value),
        "entry_price": _number(rounded(position.entry_price)),
        "liq_price": _number(position.liq_price),
        "bust_price": _number(position.bust_price),
        "leverage": _number(position.leverage),
        "order_margin": _number(account.side_margin(position.instrument, SIDES[side])),
        "position_margin": _number(position.margin),
        "occ_closing_fee": _number(position.closing_fee),
        "take_profit": _number(take_profit),
        "tp_trigger_by": "LastPrice" if take_profit else "UNKNOWN",
        "stop_loss": _number(stop_loss),
        "sl_trigger_by": "LastPrice" if stop_loss else "UNKNOWN",
        "trailing_stop": 0,
        "realised_pnl": _number(position.realised_pnl),
        "auto_add_margin": "0",
        "cum_realised_pnl": _number(position.cum_realised_pnl),
        "position_status": "Normal",
        "position_id": "0",
        "position_seq": str(position.sequence),
        "adl_rank_indicator": "0",
        "free_qty": _number(position.size - closing),
        "tp_sl_mode": "Full" if take_profit or stop_loss else "UNKNOWN",
        "risk_id": "1",
        "isolated": True,
        "mode": "BothSide",
        "position_idx": str(position.index),
    }


def wallet(account: Account, coin: str) -> Fields:
    """A coin."""
    wallet, available = account.balance(coin)
    return {"wallet_balance": _number(wallet), "available_balance": _number(available)}


def _number(number: Decimal) -> msgspec.Raw:
    """A JSON number, with all its digits."""
    return msgspec.Raw(plain(number).encode())
