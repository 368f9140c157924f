"""Events as a few named values for people. Text lines and tables show the same values."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import singledispatch

import msgspec

from depthwire.bybit import events
from depthwire.bybit.v2.messages import Trade
from depthwire.bybit.v2.private import Execution, Order, Position, StopOrder, Wallet
from depthwire.bybit.v2.public import Insurance, Kline, Liquidation
from depthwire.bybit.v5 import private as v5_private
from depthwire.bybit.v5 import public as v5_public
from depthwire.cli.output import plain

Cell = Decimal | str | None
Cells = dict[str, Cell]


@singledispatch
def cells(event: msgspec.Struct) -> Cells:
    """Return an event's values by column heading."""
    raise TypeError(f"cannot display {type(event).__name__}: it has no cells")


@cells.register
def _(trade: events.Trade) -> Cells:
    time = "" if trade.trade_time_ms is None else utc_text(trade.trade_time_ms)
    if isinstance(trade, Trade):
        time = time or trade.timestamp
    return {"time": time, "symbol": trade.symbol, "side": trade.side, "price": trade.price, "size": trade.size}


@cells.register
def _(kline: Kline | v5_public.Kline) -> Cells:
    return {
        "start": utc_text(kline.start_ms)[:16] + "Z",
        "open": kline.open,
        "high": kline.high,
        "low": kline.low,
        "close": kline.close,
        "volume": kline.volume,
        "confirmed": "yes" if kline.confirm else "no",
    }


@cells.register
def _(liquidation: Liquidation) -> Cells:
    return {
        "time": utc_text(liquidation.time),
        "symbol": liquidation.symbol,
        "side": liquidation.side,
        "price": liquidation.price,
        "qty": liquidation.qty,
    }


@cells.register
def _(insurance: Insurance) -> Cells:
    return {"time": insurance.timestamp, "coin": insurance.currency, "balance": insurance.balance}


@cells.register
def _(execution: Execution) -> Cells:
    return {
        "time": execution.trade_time,
        "symbol": execution.symbol,
        "side": execution.side,
        "price": execution.price,
        "qty": execution.exec_qty,
        "fee": execution.exec_fee,
        "as": "maker" if execution.is_maker else "taker",
        "order": execution.order_link_id or execution.order_id,
    }


@cells.register
def _(order: Order) -> Cells:
    return {
        "order": order.order_link_id or order.order_id,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.order_type,
        "price": order.price,
        "qty": order.qty,
        "filled": order.cum_exec_qty,
        "status": order.order_status,
    }


@cells.register
def _(order: StopOrder) -> Cells:
    return {
        "order": order.order_link_id or order.order_id,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.order_type,
        "trigger": order.trigger_price,
        "price": order.price,
        "qty": order.qty,
        "filled": order.cum_exec_qty,
        "status": order.order_status,
    }


@cells.register
def _(position: Position) -> Cells:
    return {
        "symbol": position.symbol,
        "side": position.side,
        "size": position.size,
        "entry": position.entry_price,
        "liquidation": position.liq_price,
        "leverage": position.leverage,
        "margin": position.position_margin,
        "realised": position.realised_pnl,
    }


@cells.register
def _(wallet: Wallet) -> Cells:
    return {"coin": wallet.coin, "balance": wallet.wallet_balance, "available": wallet.available_balance}


# v5 events that differ from v2's


@cells.register
def _(liquidation: v5_public.Liquidation) -> Cells:
    return {
        "time": utc_text(liquidation.time_ms),
        "symbol": liquidation.symbol,
        "side": liquidation.side,
        "price": liquidation.price,
        "qty": liquidation.qty,
    }


@cells.register
def _(insurance: v5_public.Insurance) -> Cells:
    time = utc_text(insurance.update_time_ms)
    return {"time": time, "coin": insurance.coin, "balance": insurance.balance, "symbols": insurance.symbols}


@cells.register
def _(execution: v5_private.Execution | v5_private.FastExecution) -> Cells:
    return {
        "time": utc_text(execution.exec_time_ms),
        "symbol": execution.symbol,
        "side": execution.side,
        "price": execution.exec_price,
        "qty": execution.exec_qty,
        "fee": execution.exec_fee if isinstance(execution, v5_private.Execution) else None,
        "as": "maker" if execution.is_maker else "taker",
        "order": execution.order_link_id or execution.order_id,
    }


@cells.register
def _(order: v5_private.Order) -> Cells:
    return {
        "order": order.order_link_id or order.order_id,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.order_type,
        "trigger": order.trigger_price,
        "price": order.price,
        "qty": order.qty,
        "filled": order.cum_exec_qty,
        "status": order.order_status,
    }


@cells.register
def _(position: v5_private.Position) -> Cells:
    return {
        "symbol": position.symbol,
        "side": position.side,
        "size": position.size,
        "entry": position.entry_price,
        "liquidation": position.liq_price,
        "leverage": position.leverage,
        "margin": position.position_im,
        "unrealised": position.unrealised_pnl,
        "realised": position.cur_realised_pnl,
    }


@cells.register
def _(wallet: v5_private.Wallet) -> Cells:
    coins = ", ".join(f"{coin.coin} {cell_text(coin.wallet_balance)}" for coin in wallet.coin)
    return {"account": wallet.account_type, "equity": wallet.total_equity, "balance": coins}


@cells.register
def _(balance: v5_private.CoinBalance) -> Cells:
    return {
        "coin": balance.coin,
        "balance": balance.wallet_balance,
        "equity": balance.equity,
        "unrealised": balance.unrealised_pnl,
        "value in USD": balance.usd_value,
    }


@cells.register
def _(greeks: v5_private.Greeks) -> Cells:
    return {
        "coin": greeks.base_coin,
        "delta": greeks.total_delta,
        "gamma": greeks.total_gamma,
        "vega": greeks.total_vega,
        "theta": greeks.total_theta,
    }


def utc_text(at_ms: int) -> str:
    """Format ms since the epoch: ``2021-04-17T00:16:26.123Z``, or the number itself if it is out of range."""
    try:
        moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return str(at_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"


def cell_text(cell: Cell) -> str:
    """Return one value as printable text without line breaks."""
    text = plain(cell) if isinstance(cell, Decimal) else cell or "-"
    return "".join(character if character.isprintable() else "?" for character in text)
