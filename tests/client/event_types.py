"""What a type checker knows about a client's events; ``ci/lint`` checks it, nothing runs it."""

from decimal import Decimal
from typing import assert_type

from msgspec.structs import asdict

import depthwire
from depthwire import blocking
from depthwire.bybit import events
from depthwire.bybit.v2 import private
from depthwire.bybit.v5 import accounts as v5_accounts
from depthwire.bybit.v5 import private as v5_private
from depthwire.bybit.v5 import public as v5_public


async def shared_fields(client: depthwire.Client) -> None:
    trade = await anext(await client.trades("BTCUSDT"))
    assert_type(trade.price, Decimal)
    assert_type(trade.trade_time_ms, int | None)
    asdict(trade.read())
    print(trade.iv)  # type: ignore[attr-defined]  # v5 only

    orders = await client.orders()
    order = await anext(orders)
    assert_type(order.order_status, str)
    assert_type(order.price, Decimal | None)
    assert_type(order.changed_ns, int | None)
    assert_type(orders.view[order.order_id], events.Order)
    print(order.trigger_price)  # type: ignore[attr-defined]  # v5 only

    positions = await client.positions()
    assert_type(positions.view.of("BTCUSDT")[0].entry_price, Decimal | None)
    assert_type(next(iter(positions.view)), tuple[str, str | int])

    wallet = await client.wallet()
    assert_type((await anext(wallet)).coin, str | list[v5_private.CoinBalance])
    assert_type(wallet.view["USDT"].wallet_balance, Decimal | None)

    execution = await anext(await client.executions())
    assert_type(execution.exec_qty, Decimal)
    assert_type(execution.is_maker, bool | None)


async def fields_of_one_dialect(client: depthwire.Client) -> None:
    trade = await anext(await client.trades("BTCUSDT"))
    if isinstance(trade, depthwire.Trade):
        assert_type(trade.timestamp, str)
    elif isinstance(trade, v5_public.Trade):
        assert_type(trade.iv, Decimal | None)

    orders = await client.orders()
    match await anext(orders):
        case v5_private.Order() as order:
            assert_type(order.trigger_price, Decimal | None)
        case private.Order() as old:
            assert_type(old.price, Decimal)
    assert isinstance(orders.view, v5_accounts.OpenOrders)
    assert_type(orders.view["id"], v5_private.Order)

    positions = await client.positions()
    assert isinstance(positions.view, v5_accounts.Positions)
    assert_type(positions.view["BTCUSDT", 0], v5_private.Position)

    wallet = await client.wallet()
    assert isinstance(wallet.view, v5_accounts.Balances)
    assert_type(wallet.view.account, v5_private.Wallet | None)
    assert_type(wallet.view["USDT"], v5_private.CoinBalance)


def the_blocking_client(client: blocking.BlockingClient) -> None:
    orders, positions, wallet = client.orders(), client.positions(), client.wallet()
    assert_type(next(orders), events.Order)
    assert_type(orders.view(), dict[str, events.Order])
    assert_type(positions.view(), dict[tuple[str, str | int], events.Position])
    assert_type(wallet.view()["USDT"].wallet_balance, Decimal | None)
    assert_type(next(client.trades("BTCUSDT")).size, Decimal)
    assert_type(next(client.executions()).exec_qty, Decimal)
