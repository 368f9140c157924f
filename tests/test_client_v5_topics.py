"""The v5 client on the embedded venue: every public topic, the account's views, losses and refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

import depthwire
from caught_up import caught_up
from depthwire import errors
from depthwire.client import Client
from depthwire.settings import Settings
from depthwire.streams import TopicEvents
from depthwire.values import BookState
from depthwire.venue import Category, Dialect, PublicTopic, SyntheticMarket, Venue
from depthwire.venue.wire_book import WirePairs
from plain_client import run, until

QUICK = Settings(timeout_s=20.0, backoff_first_s=0.01, backoff_cap_s=0.05)
KEY, SECRET = "demo-key", "hush-hush-demo-secret"
SYMBOLS = {"linear": "BTCUSDT", "inverse": "BTCUSD", "spot": "BTCUSDT"}
BOUND_S = 300.0


@asynccontextmanager
async def connected(
    category: str = "linear", seed: int = 5, speed: float | None = None, **options: Any
) -> AsyncIterator[tuple[Venue, Client]]:
    async with Venue(SyntheticMarket(seed=seed), speed=speed) as venue:
        venue.account(KEY, secret=SECRET)
        options = {"api_key": KEY, "api_secret": SECRET, "settings": QUICK, **options}
        async with depthwire.connect(venue.v5_url(category), **options) as client:
            yield venue, client


def pairs(book: Any) -> tuple[dict[Decimal, float], dict[Decimal, float]]:
    """The levels of a client's book, by exact price."""
    scale = Decimal(1).scaleb(-(book.price_decimals or 0))
    bids, asks = (
        {int(price_id) * scale: float(size) for price_id, size in zip(*side, strict=True)}
        for side in (book.bids, book.asks)
    )
    return bids, asks


def exact(levels: dict[str, str]) -> dict[Decimal, float]:
    return {Decimal(price): float(size) for price, size in levels.items()}


@pytest.mark.parametrize("category", SYMBOLS)
def test_every_public_topic_of_a_category_comes_and_its_books_are_the_venues(category: str) -> None:
    symbol = SYMBOLS[category]
    depths = (1, 50, 200, 1000)

    async def main() -> None:
        async with connected(category) as (venue, client):
            venue.advance(0.1)
            books = {depth: await client.book(symbol, depth) for depth in depths}
            instrument = await client.instrument(symbol)
            events = await client.subscribe(f"publicTrade.{symbol}", f"kline.1.{symbol}", f"kline.D.{symbol}")
            seen: dict[str, int] = {}
            reading = asyncio.create_task(counted(events, seen))
            for _ in range(40):
                venue.advance(0.25)
                await caught_up(client)
                for depth, book in books.items():
                    topic = PublicTopic(Dialect.V5, Category(category), book.topic)
                    truth = venue.books[topic]
                    assert isinstance(truth, WirePairs)
                    assert book.state is BookState.LIVE
                    assert (book.update_id, book.cross_seq) == (truth.u, truth.seq)
                    assert pairs(book) == (exact(truth.bids), exact(truth.asks))
                    assert len(book.bids[0]) == len(book.asks[0]) == depth
            await until(lambda: len(seen) == 3)
            reading.cancel()
            assert {health.resyncs for health in client.health().values()} == {0}
            assert instrument.version > 5
            merged = venue._states[PublicTopic(Dialect.V5, Category(category), instrument.topic)].snapshot()
            wire = json.loads(merged)["data"]
            for name, key in (
                ("last_price", "lastPrice"),
                ("volume_24h", "volume24h"),
                ("turnover_24h", "turnover24h"),
            ):
                assert getattr(instrument, name) == Decimal(wire[key])

    run(main, bound_s=BOUND_S)


async def counted(events: TopicEvents, seen: dict[str, int]) -> None:
    async for topic, _ in events:
        seen[topic] = seen.get(topic, 0) + 1


@pytest.mark.parametrize(("symbol", "qty", "index"), [("BTCUSD", 100, 0), ("BTCUSDT", "0.1", 1)])
def test_the_views_follow_orders_fills_and_cancels(symbol: str, qty: Any, index: int) -> None:
    async def main() -> None:
        async with connected() as (venue, client):
            account = venue.account(KEY)
            venue.advance(0.1)
            orders, executions = await client.orders(), await client.executions()
            positions, wallet = await client.positions(), await client.wallet()
            quick = await client.subscribe("execution.fast", "execution.fast.linear", "order.inverse")

            resting = account.submit(symbol, "Buy", qty, 50_000)
            event = await anext(orders)
            assert (event.order_id, event.order_status) == (resting.order_id, "New")
            assert set(orders.view) == {resting.order_id}
            account.cancel(resting.order_id)
            assert (await anext(orders)).order_status == "Cancelled"
            assert not orders.view

            taken = account.submit(symbol, "Buy", qty, order_type="Market")
            fill = await anext(executions)
            assert (fill.symbol, fill.side, fill.is_maker, fill.order_id) == (symbol, "Buy", False, taken.order_id)
            await until(lambda: (symbol, index) in positions.view)
            await caught_up(client)
            assert positions.view[symbol, index].size == Decimal(str(qty))
            assert orders.view.keys() == set()
            coin = "BTC" if symbol == "BTCUSD" else "USDT"
            assert wallet.view[coin].wallet_balance == account.wallet[coin].wallet

            stop = account.submit(symbol, "Sell", qty, order_type="Market", trigger_price=1000, reduce_only=True)
            await until(lambda: stop.order_id in orders.view)
            assert orders.view[stop.order_id].order_status == "Untriggered"
            account.cancel(stop.order_id)
            await until(lambda: not orders.view)
            topic, first = await anext(quick)
            assert topic == ("order.inverse" if symbol == "BTCUSD" else "execution.fast")
            assert first.order_id == (resting if symbol == "BTCUSD" else taken).order_id

    run(main, bound_s=BOUND_S)


def test_a_lost_connection_leaves_a_gap_on_the_account_and_none_on_books() -> None:
    async def main() -> None:
        async with connected(speed=10) as (venue, client):
            book, orders = await client.book("BTCUSDT"), await client.orders()
            venue.drop_connections()
            with pytest.raises(errors.StreamGap):
                await anext(orders)
            assert orders.view.gap is not None
            await until(lambda: book.state is BookState.LIVE)
            orders.view.reconcile([])
            placed = venue.account(KEY).submit("BTCUSDT", "Buy", "0.1", 50_000)
            assert (await anext(orders)).order_id == placed.order_id

    run(main, bound_s=BOUND_S)


@pytest.mark.parametrize(("key", "secret"), [("nobody", SECRET), (KEY, "another-secret")])
def test_a_wrong_key_or_secret_is_an_auth_error(key: str, secret: str) -> None:
    async def main() -> None:
        async with connected(api_key=key, api_secret=secret) as (venue, client):
            with pytest.raises(errors.AuthError, match="Params Error") as told:
                await client.orders()
            assert secret not in str(told.value)
            venue.advance(0.1)
            assert (await client.book("BTCUSDT")).state is BookState.LIVE, "public topics go on"

    run(main, bound_s=BOUND_S)


def test_a_clock_that_is_off_is_named_with_its_offset() -> None:
    """On v5 the refusal has one text for every reason: the handshake's Date tells of the clock."""

    async def main() -> None:
        async with connected() as (venue, client):
            venue.clock.offset_s = 3600.0
            with pytest.raises(errors.AuthError, match=r"Params Error.*clock.*-(3599|3600|3601) s off"):
                await client.orders()

    run(main, bound_s=BOUND_S)


def test_a_request_in_vain_leaves_the_others() -> None:
    async def main() -> None:
        async with connected("spot") as (venue, client):
            venue.advance(0.1)
            symbols = [*(f"NO{number}USDT" for number in range(25)), "BTCUSDT"]
            found = await asyncio.gather(*map(client.book, symbols), return_exceptions=True)
            assert {type(each) for each in found[:-1]} == {errors.SubscriptionRejected}
            assert "handler not found" in str(found[0])
            assert getattr(found[-1], "state", None) is BookState.LIVE
            with pytest.raises(errors.TopicError, match="not subscribed"):
                await client.unsubscribe("publicTrade.BTCUSDT")

    run(main, bound_s=BOUND_S)


def test_a_thousand_symbols_are_held_over_several_connections() -> None:
    """The venue counts each connection's 21,000 characters; the client spreads its topics by the same limit."""
    symbols = [f"COIN{number:04}USDT" for number in range(1, 1001)]

    async def main() -> None:
        async with (
            Venue(SyntheticMarket(seed=5, more=len(symbols)), speed=None) as venue,
            depthwire.connect(venue.v5_url("linear"), settings=Settings(timeout_s=BOUND_S)) as client,
        ):
            venue.advance(0.02)
            books = await asyncio.gather(*map(client.book, symbols))
            for _ in range(10):
                venue.advance(0.1)
                await caught_up(client)
            assert venue.connections == client.status().connects == 2
            for book in books:
                truth = venue.books[PublicTopic(Dialect.V5, Category.LINEAR, book.topic)]
                assert isinstance(truth, WirePairs)
                assert (book.state, book.update_id) == (BookState.LIVE, truth.u)
                assert pairs(book) == (exact(truth.bids), exact(truth.asks))
            assert max(book.version for book in books) > 1
            assert {health.resyncs for health in client.health().values()} == {0}

    run(main, bound_s=BOUND_S)
