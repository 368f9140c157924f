"""The v5 client on the embedded venue: every public topic, the account's views, losses and refusals."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.client import Client
from depthwire.feed.streams import TopicEvents
from depthwire.settings import Settings
from depthwire.venue import Category, Dialect, PublicTopic, SyntheticMarket, Venue
from tests.support.caught_up import caught_up
from tests.support.plain_client import run, until

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


@pytest.mark.parametrize("category", SYMBOLS)
def test_trades_candles_and_merged_tickers_of_every_category_are_the_venues(category: str) -> None:
    symbol = SYMBOLS[category]

    async def main() -> None:
        async with connected(category) as (venue, client):
            venue.advance(0.1)
            instrument = await client.instrument(symbol)
            topics = [f"{kind}.{symbol}" for kind in ("publicTrade", "kline.1", "kline.D")]
            events = await client.subscribe(*topics)
            seen: set[str] = set()
            reading = asyncio.create_task(names(events, seen))
            topic = PublicTopic(Dialect.V5, Category(category), instrument.topic)
            for _ in range(40):
                venue.advance(0.25)
                await caught_up(client)
                wire = json.loads(venue._states[topic].snapshot())["data"]
                for name, key in (("last_price", "lastPrice"), ("volume_24h", "volume24h"), ("bid1_size", "bid1Size")):
                    if key in wire:
                        assert getattr(instrument, name) == Decimal(wire[key])
            assert instrument.version > 5
            await until(lambda: seen == set(topics))
            reading.cancel()

    run(main, bound_s=BOUND_S)


async def names(events: TopicEvents, seen: set[str]) -> None:
    async for topic, _ in events:
        seen.add(topic)


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


def test_a_clock_that_is_off_is_named_with_its_offset_and_corrected(caplog: pytest.LogCaptureFixture) -> None:
    """On v5 every refusal has the same text; the handshake's Date shows whether the clock is the reason."""

    async def main() -> None:
        async with connected() as (venue, client):
            venue.clock.offset_s = 3600.0
            orders = await client.orders()
            assert re.search(r"Params Error.*clock.*-(3599|3600|3601) s off.*once more", caplog.text)
            placed = venue.account(KEY).submit("BTCUSDT", "Buy", "0.1", 50_000)
            assert (await anext(orders)).order_id == placed.order_id

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
