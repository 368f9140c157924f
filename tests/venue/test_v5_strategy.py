"""A strategy on v5 streams: the client's view of its account equals the venue's ledger, to the last digit."""

import asyncio
from collections import defaultdict
from decimal import Decimal as D
from typing import Any

import pytest

import depthwire
from depthwire.book.types import BookState
from depthwire.feed.streams import EventStream
from depthwire.settings import Settings
from depthwire.venue import DemoTrader, SyntheticMarket, V5WireBook, Venue
from tests.support.caught_up import caught_up
from tests.support.plain_client import run, until

KEY, SECRET = "demo-key", "hush-hush-demo-secret"
COINS = ("BTC", "ETH", "USDT")


async def drain(stream: EventStream[Any], into: list[Any]) -> None:
    async for event in stream:
        into.append(event)  # noqa: PERF401  # seen while it grows


@pytest.mark.parametrize(("category", "symbols"), [("inverse", ("BTCUSD", "ETHUSD")), ("linear", ("BTCUSDT",))])
def test_a_market_makers_account_equals_the_venues_ledger(category: str, symbols: tuple[str, ...]) -> None:
    """After 10,000 frames with a market maker on the account, orders, positions, balances and fills agree."""

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=None) as venue:
            account = venue.account(KEY, secret=SECRET)
            settings = Settings(timeout_s=10.0)
            url = venue.v5_url(category)
            async with depthwire.connect(url, api_key=KEY, api_secret=SECRET, settings=settings) as client:
                DemoTrader(venue.exchange, account, seed=5, symbols=symbols)
                orders, positions = await client.orders(100_000), await client.positions(100_000)
                wallet, executions = await client.wallet(100_000), await client.executions(100_000)
                kinds = ("orderbook.1", "orderbook.50", "orderbook.200", "publicTrade")
                await client.subscribe(*(f"{kind}.{symbol}" for kind in kinds for symbol in symbols), capacity=100_000)
                fills: list[Any] = []
                reader = asyncio.create_task(drain(executions, fills))
                while client._public.feed.frames < 10_000:
                    venue.advance(5.0)
                    await asyncio.sleep(0)
                await caught_up(client)
                await until(lambda: not executions._queue)
                reader.cancel()

                open_orders = account.orders | account.stop_orders
                assert set(orders.view) == set(open_orders)
                for order_id, order in open_orders.items():
                    seen = orders.view[order_id]
                    assert (seen.symbol, seen.side, seen.price, seen.qty, seen.leaves_qty, seen.order_status) == (
                        order.symbol,
                        order.side,
                        order.price,
                        order.qty,
                        order.leaves_qty,
                        order.status,
                    )
                held = {key: seen for key, seen in positions.view.items() if seen.size}
                mine = {(position.symbol, position.index): position for position in account.positions.values()}
                assert held.keys() == mine.keys()
                for key, position in mine.items():
                    seen = held[key]
                    assert (seen.side, seen.size, seen.position_value, seen.cum_realised_pnl) == (
                        position.side,
                        position.size,
                        position.value,
                        position.cum_realised_pnl,
                    )
                for coin, seen in wallet.view.items():
                    assert (seen.wallet_balance, seen.available_to_withdraw) == account.wallet[coin]
                assert set(wallet.view) == ({"BTC", "ETH"} if category == "inverse" else {"USDT"})

                assert len(fills) > 50
                assert len({fill.exec_id for fill in fills}) == len(fills), "each execution once"
                filled: defaultdict[str, D] = defaultdict(D)
                for fill in fills:
                    filled[fill.order_id] += fill.exec_qty
                final = {event.order_id: event for event in orders._queue if not isinstance(event, Exception)}
                executed = {order_id: order.cum_exec_qty for order_id, order in final.items() if order.cum_exec_qty}
                assert filled == executed, "what the executions sum to is what the orders say was filled"
                for coin in COINS:
                    assert venue.exchange.clearing.imbalance(coin) == 0

    run(main, bound_s=120)


def venue_levels(book: V5WireBook) -> tuple[list[tuple[D, float]], list[tuple[D, float]]]:
    bids, asks = ([(D(price), float(size)) for price, size in side.items()] for side in (book.bids, book.asks))
    return sorted(bids, reverse=True), sorted(asks)


@pytest.mark.parametrize("category", ["linear", "inverse", "spot"])
def test_a_client_s_books_of_every_depth_are_the_venue_s(category: str) -> None:
    symbol = "BTCUSD" if category == "inverse" else "BTCUSDT"

    async def main() -> None:
        async with (
            Venue(SyntheticMarket(seed=6), speed=None) as venue,
            depthwire.connect(venue.v5_url(category)) as client,
        ):
            asked = [asyncio.ensure_future(client.book(symbol, depth=depth)) for depth in (1, 50, 200, 1000)]
            await until(lambda: sum(len(connection.topics) for connection in venue._open) == 4)
            venue.advance(0.02)
            books = await asyncio.gather(*asked)
            served = {topic.name: book for topic, book in venue.books.items() if book.is_live}
            assert len(served) == 4
            for _ in range(20):
                venue.advance(1.0)
                await until(lambda: all(book.update_id == served[book.topic].u for book in books))
                for book in books:
                    assert book.state is BookState.LIVE
                    theirs = served[book.topic]
                    assert isinstance(theirs, V5WireBook)
                    shown = book.snapshot()
                    mine = tuple(
                        [(book.price(price_id), size) for price_id, size in side] for side in (shown.bids, shown.asks)
                    )
                    assert mine == venue_levels(theirs)
                    assert book.cross_seq == theirs.seq

    run(main, bound_s=60)


def test_one_client_holds_a_thousand_books() -> None:
    names = [f"COIN{number:04d}USDT" for number in range(1, 1001)]

    async def main() -> None:
        async with (
            Venue(SyntheticMarket(seed=7, more=1000), speed=None) as venue,
            depthwire.connect(venue.v5_url("linear"), settings=Settings(timeout_s=60.0)) as client,
        ):
            asked = asyncio.gather(*(client.book(name) for name in names))
            await until(lambda: sum(len(connection.topics) for connection in venue._open) == 1000)
            venue.advance(0.02)
            books = await asked
            assert venue.connections > 1
            venue.advance(0.5)
            served = {topic.name: book for topic, book in venue.books.items() if book.is_live}
            await until(lambda: all(book.update_id == served[book.topic].u for book in books))
            for book in books[::97]:
                theirs = served[book.topic]
                assert isinstance(theirs, V5WireBook)
                bids, asks = venue_levels(theirs)
                shown = book.snapshot()
                assert [size for _, size in shown.bids] == [size for _, size in bids]
                assert [size for _, size in shown.asks] == [size for _, size in asks]
                assert len(bids) == 50

    run(main, bound_s=120)
