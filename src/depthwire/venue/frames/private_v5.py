"""The v5 private topics: values are text, absent values are empty, and all topics share one envelope.

Sources: the examples in the exchange's v5 documentation, and frames that its users published. Each topic exists for all
categories (``order``) and for a single one (``order.linear``).
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec

from depthwire.venue.market.accounts import Account, Changes
from depthwire.venue.market.clearing import account_of
from depthwire.venue.market.contracts import MAINTENANCE_RATE, MAKER_FEE, TAKER_FEE, rounded
from depthwire.venue.market.instruments import Instrument, plain
from depthwire.venue.market.orders import AccountOrder, Execution, Fields
from depthwire.venue.market.positions import Position

_ZERO = Decimal(0)
_TIMES_IN_FORCE = {
    "GoodTillCancel": "GTC",
    "ImmediateOrCancel": "IOC",
    "FillOrKill": "FOK",
    "PostOnly": "PostOnly",
}
_REJECT_REASONS = {"Cancelled": "EC_PerCancelRequest", "Deactivated": "EC_PerCancelRequest", "Rejected": "EC_Others"}
_UNKNOWN = "UNKNOWN"

Items = Callable[[], list[Fields]]


def changed_topics(account: Account, changes: Changes, at_ns: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield each topic that has changes, with a function that encodes its frame.

    The change of a conditional order precedes the change of the active order that it became, which has the same id.
    """

    def frame(topic: str, name: str, items: Items) -> tuple[str, Callable[[], bytes]]:
        head: Fields = {} if topic.startswith("execution.fast") else {"id": f"{account.user_id}_{name}_{at_ns}"}
        head |= {"topic": topic, "creationTime": at_ns // 1_000_000}
        return topic, lambda: msgspec.json.encode({**head, "data": items()})

    for symbol, instrument in changes.instruments.items():
        for kind, items in _changed_kinds(account, changes, instrument):
            yield frame(kind, symbol, items)
            yield frame(f"{kind}.{instrument.category}", symbol, items)
    if changes.coins:
        yield frame("wallet", "wallet", lambda: [wallet_item(account, list(changes.coins))])


def _changed_kinds(account: Account, changes: Changes, instrument: Instrument) -> Iterator[tuple[str, Items]]:
    """Yield each kind of topic that has changes in a symbol, with a function that returns its items."""
    orders = [order for order in (*changes.stop_orders, *changes.orders) if order.instrument is instrument]
    if orders:
        yield "order", lambda: [order_item(order) for order in orders]
    if fills := [fill for fill in changes.executions if fill.order.instrument is instrument]:
        yield "execution", lambda: [execution_item(fill) for fill in fills]
        yield "execution.fast", lambda: [fast_execution_item(fill) for fill in fills]
    yield "position", lambda: [position_item(account, held) for held in account.positions_in(instrument)]


def order_item(order: AccountOrder) -> Fields:
    """Return an order, active or conditional."""
    instrument = order.instrument
    conditional = bool(order.trigger_tick)
    is_market = order.order_type == "Market"
    average = _ZERO
    if order.cum_lots:
        average = instrument.contract.entry_price(order.cum_exec_qty, order.cum_exec_value)
    leaves = order.leaves_qty
    return {
        "category": instrument.category,
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderLinkId": order.order_link_id,
        "blockTradeId": "",
        "side": order.side,
        "positionIdx": order.position_index,
        "orderStatus": order.status,
        "cancelType": order.cancel_type or _UNKNOWN,
        "rejectReason": _REJECT_REASONS.get(order.status, "EC_NoError"),
        "timeInForce": _TIMES_IN_FORCE[order.time_in_force],
        "isLeverage": "",
        "price": plain(order.price),
        "qty": plain(order.qty),
        "avgPrice": _price_or_empty(average),
        "leavesQty": plain(leaves),
        "leavesValue": plain(instrument.contract.value(leaves, order.price)) if leaves and order.tick else "0",
        "cumExecQty": plain(order.cum_exec_qty),
        "cumExecValue": plain(order.cum_exec_value),
        "cumExecFee": plain(order.cum_exec_fee),
        "closedPnl": "0",
        "orderType": order.order_type,
        "stopOrderType": order.stop_order_type,
        "orderIv": "",
        "triggerPrice": _price_or_empty(order.trigger_price),
        "takeProfit": _price_or_empty(order.take_profit),
        "stopLoss": _price_or_empty(order.stop_loss),
        "tpslMode": "Full" if order.take_profit or order.stop_loss else "",
        "tpTriggerBy": "LastPrice" if order.take_profit else "",
        "slTriggerBy": "LastPrice" if order.stop_loss else "",
        "tpLimitPrice": "",
        "slLimitPrice": "",
        "triggerDirection": {1: 1, -1: 2}.get(order.trigger_sign, 0),
        "triggerBy": "LastPrice" if conditional else "",
        "lastPriceOnCreated": "",
        "reduceOnly": order.reduce_only,
        "closeOnTrigger": order.close_on_trigger,
        "placeType": "",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "createdTime": str(order.created_ns // 1_000_000),
        "updatedTime": str(order.updated_ns // 1_000_000),
        "createType": order.create_type,
        "feeCurrency": instrument.coin,
        "cumFeeDetail": {instrument.coin: plain(order.cum_exec_fee)},
        "marketUnit": "",
        "slippageToleranceType": _UNKNOWN if is_market else "",
        "slippageTolerance": "",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
    }


def execution_item(fill: Execution) -> Fields:
    """Return a fill."""
    order, instrument = fill.order, fill.order.instrument
    price, qty = instrument.price_of(fill.tick), instrument.qty_of(fill.lots)
    return {
        "category": instrument.category,
        "symbol": order.symbol,
        "closedSize": plain(instrument.qty_of(fill.closed_lots)),
        "execFee": plain(fill.fee),
        "execId": fill.exec_id,
        "execPrice": plain(price),
        "execQty": plain(qty),
        "execType": fill.exec_type,
        "execValue": plain(instrument.contract.value(qty, price)),
        "feeRate": plain(MAKER_FEE if fill.is_maker else TAKER_FEE),
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "markPrice": plain(account_of(order).mark_price(order.symbol)),
        "indexPrice": "",
        "underlyingPrice": "",
        "leavesQty": plain(instrument.qty_of(fill.leaves)),
        "orderId": order.order_id,
        "orderLinkId": order.order_link_id,
        "orderPrice": plain(order.price),
        "orderQty": plain(order.qty),
        "orderType": order.order_type,
        "stopOrderType": order.stop_order_type or _UNKNOWN,
        "side": order.side,
        "execTime": str(fill.at_ns // 1_000_000),
        "isLeverage": "0",
        "isMaker": fill.is_maker,
        "seq": fill.sequence,
        "marketUnit": "",
        "execPnl": plain(fill.pnl),
        "createType": order.create_type,
        "extraFees": [],
        "feeCurrency": instrument.coin,
    }


def fast_execution_item(fill: Execution) -> Fields:
    """Return a fill in the short form of ``execution.fast``."""
    order, instrument = fill.order, fill.order.instrument
    return {
        "category": instrument.category,
        "symbol": order.symbol,
        "execId": fill.exec_id,
        "execPrice": plain(instrument.price_of(fill.tick)),
        "execQty": plain(instrument.qty_of(fill.lots)),
        "orderId": order.order_id,
        "isMaker": fill.is_maker,
        "orderLinkId": order.order_link_id,
        "side": order.side,
        "execTime": str(fill.at_ns // 1_000_000),
        "seq": fill.sequence,
    }


def position_item(account: Account, position: Position) -> Fields:
    """Return a position. Its side is empty if the position is empty."""
    instrument = position.instrument
    mark = account.mark_price(position.symbol)
    unrealised = position.pnl_at(mark)
    margin = plain(position.margin)
    maintenance = plain(rounded(position.value * MAINTENANCE_RATE) + position.closing_fee)
    take_profit, stop_loss = position.tp_sl_price("TakeProfit"), position.tp_sl_price("StopLoss")
    return {
        "positionIdx": position.index,
        "tradeMode": 1,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": position.symbol,
        "side": position.side if position.lots else "",
        "size": plain(position.size),
        "entryPrice": plain(rounded(position.entry_price)),
        "leverage": plain(position.leverage),
        "breakEvenPrice": plain(rounded(position.entry_price)) if position.lots else "",
        "positionValue": plain(position.value),
        "positionBalance": margin,
        "markPrice": plain(mark),
        "positionIM": margin,
        "positionIMByMp": margin,
        "positionMM": maintenance,
        "positionMMByMp": maintenance,
        "takeProfit": plain(take_profit),
        "stopLoss": plain(stop_loss),
        "trailingStop": "0",
        "unrealisedPnl": plain(unrealised),
        "curRealisedPnl": plain(position.realised_pnl),
        "cumRealisedPnl": plain(position.cum_realised_pnl),
        "sessionAvgPrice": "0",
        "createdTime": str(position.created_ns // 1_000_000),
        "updatedTime": str(position.updated_ns // 1_000_000),
        "tpslMode": "Full",
        "liqPrice": plain(position.liq_price) if position.lots else "",
        "bustPrice": plain(position.bust_price) if position.lots else "",
        "category": instrument.category,
        "positionStatus": "Normal",
        "adlRankIndicator": 0,
        "autoAddMargin": 0,
        "leverageSysUpdatedTime": "",
        "mmrSysUpdatedTime": "",
        "seq": position.sequence,
        "isReduceOnly": False,
    }


def wallet_item(account: Account, coins: list[str]) -> Fields:
    """Return the account's totals in USD and the given coins. Margins are isolated, so each coin has its own."""
    usd_prices = {coin: account.usd_price(coin) for coin in account.balances}
    unrealised = {
        coin: sum(
            (
                position.pnl_at(account.mark_price(position.symbol))
                for position in account.all_positions()
                if position.lots and position.instrument.coin == coin
            ),
            _ZERO,
        )
        for coin in usd_prices
    }
    balances = account.wallet

    def total(of: Callable[[str], Decimal]) -> str:
        return plain(rounded(sum((of(coin) * usd_prices[coin] for coin in usd_prices), _ZERO)))

    def item(coin: str) -> Fields:
        wallet, available = balances[coin]
        positions = [position for position in account.all_positions() if position.instrument.coin == coin]
        held = [position for position in positions if position.lots]
        margin = sum((position.margin for position in held), _ZERO)
        maintenance = sum((position.value * MAINTENANCE_RATE for position in held), _ZERO)
        return {
            "coin": coin,
            "equity": plain(wallet + unrealised[coin]),
            "usdValue": plain(rounded((wallet + unrealised[coin]) * usd_prices[coin])),
            "walletBalance": plain(wallet),
            "availableToWithdraw": plain(available),
            "availableToBorrow": "",
            "borrowAmount": "0",
            "accruedInterest": "0",
            "totalOrderIM": plain(wallet - available - margin),
            "totalPositionIM": plain(margin),
            "totalPositionMM": plain(rounded(maintenance)),
            "unrealisedPnl": plain(unrealised[coin]),
            "cumRealisedPnl": plain(sum((position.cum_realised_pnl for position in positions), _ZERO)),
            "bonus": "0",
            "collateralSwitch": True,
            "marginCollateral": True,
            "locked": "0",
            "spotHedgingQty": "0",
            "spotBorrow": "0",
        }

    return {
        "accountIMRate": "0",
        "accountIMRateByMp": "0",
        "accountMMRate": "0",
        "accountMMRateByMp": "0",
        "totalEquity": total(lambda coin: balances[coin].wallet + unrealised[coin]),
        "totalWalletBalance": total(lambda coin: balances[coin].wallet),
        "totalMarginBalance": total(lambda coin: balances[coin].wallet + unrealised[coin]),
        "totalAvailableBalance": total(lambda coin: balances[coin].available),
        "totalPerpUPL": total(lambda coin: unrealised[coin]),
        "totalInitialMargin": total(lambda coin: balances[coin].wallet - balances[coin].available),
        "totalInitialMarginByMp": total(lambda coin: balances[coin].wallet - balances[coin].available),
        "totalMaintenanceMargin": "0",
        "totalMaintenanceMarginByMp": "0",
        "coin": [item(coin) for coin in coins],
        "accountLTV": "0",
        "accountType": "UNIFIED",
    }


def _price_or_empty(price: Decimal) -> str:
    """Return a price as text; empty for 0."""
    return plain(rounded(price)) if price else ""
