"""The private topics of v2 inverse: amounts and prices are text, quantities are integers.

Sources: the exchange's inverse WebSocket documentation and recorded frames.
"""

from depthwire.venue.frames.private_v2_fields import execution_fields, identity_fields, stop_identity_fields
from depthwire.venue.market.accounts import Account
from depthwire.venue.market.contracts import rounded
from depthwire.venue.market.instruments import Instrument, plain, utc_text
from depthwire.venue.market.orders import AccountOrder, Execution, Fields

HEADS: dict[str, Fields] = {"position": {"action": "update"}}
"""Fields of a frame besides topic and data, by topic."""


def order(order: AccountOrder) -> Fields:
    """Return an active order."""
    return {
        **identity_fields(order, "order_id"),
        "price": plain(order.price),
        "qty": order.lots,
        "time_in_force": order.time_in_force,
        "create_type": order.create_type,
        "cancel_type": order.cancel_type,
        "order_status": order.status,
        "leaves_qty": order.leaves,
        "cum_exec_qty": order.cum_lots,
        "cum_exec_value": plain(order.cum_exec_value),
        "cum_exec_fee": plain(order.cum_exec_fee),
        "timestamp": utc_text(order.updated_ns, 3),
        "take_profit": plain(order.take_profit),
        "tp_trigger_by": "LastPrice" if order.take_profit else "",
        "stop_loss": plain(order.stop_loss),
        "sl_trigger_by": "LastPrice" if order.stop_loss else "",
        "trailing_stop": "0",
        "trailing_active": "0",
        "last_exec_price": plain(order.last_exec_price),
        "reduce_only": order.reduce_only,
        "close_on_trigger": order.close_on_trigger,
    }


def stop_order(account: Account, order: AccountOrder) -> Fields:
    """Return a conditional order."""
    return {
        **stop_identity_fields(order, "order_id", account.user_id),
        "price": plain(order.price),
        "qty": order.lots,
        "time_in_force": order.time_in_force,
        "create_type": order.create_type,
        "cancel_type": order.cancel_type,
        "order_status": order.status,
        "stop_order_type": order.stop_order_type,
        "trigger_by": "LastPrice",
        "trigger_price": plain(order.trigger_price),
        "close_on_trigger": order.close_on_trigger,
        "timestamp": utc_text(order.updated_ns, 3),
    }


def execution(fill: Execution) -> Fields:
    """Return a fill."""
    return execution_fields(fill, plain, decimals=3)


def positions(account: Account, instrument: Instrument) -> list[Fields]:
    """Return the positions in a symbol."""
    (position,) = account.positions_in(instrument)
    balance = account.balance(instrument.coin)
    return [
        {
            "user_id": account.user_id,
            "symbol": instrument.symbol,
            "size": position.lots,
            "side": position.side,
            "position_value": plain(position.value),
            "entry_price": plain(rounded(position.entry_price)),
            "liq_price": plain(position.liq_price),
            "bust_price": plain(position.bust_price),
            "leverage": plain(position.leverage),
            "order_margin": plain(account.order_margin(instrument)),
            "position_margin": plain(position.margin),
            "available_balance": plain(balance.available),
            "take_profit": plain(position.tp_sl_price("TakeProfit")),
            "tp_trigger_by": "LastPrice" if position.tp_sl_price("TakeProfit") else "",
            "stop_loss": plain(position.tp_sl_price("StopLoss")),
            "sl_trigger_by": "LastPrice" if position.tp_sl_price("StopLoss") else "",
            "realised_pnl": plain(position.realised_pnl),
            "trailing_stop": "0",
            "trailing_active": "0",
            "wallet_balance": plain(balance.wallet),
            "risk_id": 1,
            "occ_closing_fee": plain(position.closing_fee),
            "occ_funding_fee": "0",
            "auto_add_margin": 0,
            "cum_realised_pnl": plain(position.cum_realised_pnl),
            "position_status": "Normal",
            "position_seq": position.sequence,
            "Isolated": True,
            "mode": 0,
            "position_idx": position.index,
        }
    ]


def wallet(account: Account, coin: str) -> Fields:
    """Return the balance of a coin."""
    wallet, available = account.balance(coin)
    return {
        "user_id": account.user_id,
        "coin": coin,
        "available_balance": plain(available),
        "wallet_balance": plain(wallet),
    }
