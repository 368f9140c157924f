"""Accounts over real sockets: sign-in both ways, its refusals, and a strategy whose books of account must balance."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.client import Client
from depthwire.feed.streams import EventStream
from depthwire.settings import Settings
from depthwire.venue import DemoTrader, SyntheticMarket, Venue
from tests.support.caught_up import caught_up
from tests.support.plain_client import run, until

QUICK = Settings(timeout_s=3.0, backoff_first_s=0.01, backoff_cap_s=0.05)
KEY, SECRET = "demo-key", "hush-hush-demo-secret"


def url_of(venue: Venue, dialect: str) -> str:
    return venue.inverse_url if dialect == "inverse" else venue.linear_url


@asynccontextmanager
async def signed_in(
    dialect: str = "inverse", speed: float | None = 10, **options: Any
) -> AsyncIterator[tuple[Venue, Client]]:
    async with Venue(SyntheticMarket(seed=5), speed=speed) as venue:
        venue.account(KEY, secret=SECRET)
        options = {"api_key": KEY, "api_secret": SECRET, "settings": QUICK, **options}
        async with depthwire.connect(url_of(venue, dialect), **options) as client:
            yield venue, client


async def drain(stream: EventStream[Any], into: list[Any]) -> None:
    async for event in stream:
        into.append(event)  # noqa: PERF401 - seen while it grows


# a strategy


@pytest.mark.parametrize(("dialect", "symbols"), [("inverse", ("BTCUSD", "ETHUSD")), ("linear", ("BTCUSDT",))])
def test_a_market_makers_account_equals_the_venues_ledger(dialect: str, symbols: tuple[str, ...]) -> None:
    """10,000 frames of the venue with a market maker on the account: orders, positions, money and fills all agree."""

    async def main() -> None:
        async with signed_in(dialect, speed=None) as (venue, client):
            account = venue.account(KEY)
            DemoTrader(venue.exchange, account, seed=5, symbols=symbols)
            orders, stops = await client.orders(100_000), await client.stop_orders(100_000)
            positions, wallet = await client.positions(100_000), await client.wallet(100_000)
            executions = await client.executions(100_000)
            await client.subscribe(
                *(f"{kind}.{symbol}" for kind in ("orderBookL2_25", "trade") for symbol in symbols), capacity=100_000
            )
            fills: list[depthwire.Execution] = []
            reader = asyncio.create_task(drain(executions, fills))
            while client._public.feed.frames < 10_000:
                venue.advance(5.0)
                await asyncio.sleep(0)
            await caught_up(client)
            await until(lambda: not executions._queue)

            assert set(orders.view) == set(account.orders)
            for order_id, order in account.orders.items():
                seen = orders.view[order_id]
                assert (seen.symbol, seen.side, seen.price, seen.qty) == (
                    order.symbol,
                    order.side,
                    order.price,
                    order.qty,
                )
                assert seen.order_status == order.status
                assert seen.leaves_qty == order.qty - seen.cum_exec_qty
            assert set(stops.view) == set(account.stop_orders)
            held = {key: view for key, view in positions.view.items() if view.size}
            assert {key: view.size for key, view in held.items()} == {
                key: position.size for key, position in account.positions.items()
            }
            for key, position in account.positions.items():
                assert abs(held[key].entry_price - position.entry_price) <= position.entry_price * Decimal("1e-8")
            for coin in ("BTC", "ETH") if dialect == "inverse" else ("USDT",):
                assert wallet.view[coin].wallet_balance == account.wallet[coin].wallet

            assert len(fills) > 50
            assert len({fill.exec_id for fill in fills}) == len(fills), "each execution once"
            final = {event.order_id: event for event in orders._queue if not isinstance(event, Exception)}
            filled: dict[str, Decimal] = {}
            for fill in fills:
                filled[fill.order_id] = filled.get(fill.order_id, Decimal(0)) + fill.exec_qty
            executed = {order_id: order.cum_exec_qty for order_id, order in final.items() if order.cum_exec_qty}
            assert filled == executed, "what the executions sum to is what the orders say was filled"
            reader.cancel()

            for coin in ("BTC", "ETH", "USDT"):
                assert venue.exchange.clearing.imbalance(coin) == 0, "balances, fees and profits sum to what was put in"

    run(main, bound_s=300)


@pytest.mark.parametrize("dialect", ["inverse", "linear"])
def test_orders_live_and_die_in_the_view(dialect: str) -> None:
    symbol, qty = ("BTCUSD", 100) if dialect == "inverse" else ("BTCUSDT", "0.1")

    async def main() -> None:
        async with signed_in(dialect) as (venue, client):
            orders, positions = await client.orders(), await client.positions()
            stops, executions = await client.stop_orders(), await client.executions()
            account = venue.account(KEY)
            venue.exchange.engines[symbol]
            book = await client.book(symbol)
            assert book.best_bid is not None
            resting = account.submit(symbol, "Buy", qty, Decimal(str(book.best_bid)) - 100)
            event = await anext(orders)
            assert (event.order_id, event.order_status) == (resting.order_id, "New")
            assert set(orders.view) == {resting.order_id}
            account.cancel(resting.order_id)
            assert (await anext(orders)).order_status == "Cancelled"
            assert not orders.view

            account.submit(symbol, "Buy", qty, order_type="Market")
            fill = await anext(executions)
            assert (fill.symbol, fill.side, fill.is_maker) == (symbol, "Buy", False)
            await until(lambda: (symbol, "Buy") in positions.view)
            assert positions.view[symbol, "Buy"].size == Decimal(str(qty))

            stop = account.submit(symbol, "Sell", qty, order_type="Market", trigger_price=1000, reduce_only=True)
            assert (await anext(stops)).order_id == stop.order_id
            assert set(stops.view) == {stop.order_id}
            account.cancel(stop.order_id)
            await until(lambda: not stops.view)

    run(main)


# signing in


@pytest.mark.parametrize("dialect", ["inverse", "linear"])
@pytest.mark.parametrize("way", ["op", "url"])
def test_either_way_of_signing_in_opens_private_topics(way: Any, dialect: str) -> None:
    async def main() -> None:
        async with signed_in(dialect, auth_way=way) as (venue, client):
            orders = await client.orders()
            venue.account(KEY).submit("BTCUSD" if dialect == "inverse" else "BTCUSDT", "Buy", 1, 20_000)
            assert (await anext(orders)).order_status == "New"

    run(main)


def test_keys_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHWIRE_API_KEY", KEY)
    monkeypatch.setenv("DEPTHWIRE_API_SECRET", SECRET)

    async def main() -> None:
        async with signed_in(api_key=None, api_secret=None) as (venue, client):
            assert (await client.orders()).view == {}
            venue.drop_connections()
            await until(lambda: client.status().losses == 1 and client.status().connected)
            venue.account(KEY).submit("BTCUSD", "Buy", 1, 20_000)
            orders = await client.orders()
            venue.account(KEY).submit("BTCUSD", "Buy", 1, 20_000)
            assert (await anext(orders)).order_status == "New"

    run(main)


def test_keys_in_the_environment_are_not_used_before_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHWIRE_API_KEY", "of-somewhere-else")
    monkeypatch.setenv("DEPTHWIRE_API_SECRET", "of-somewhere-else")

    async def main() -> None:
        async with depthwire.connect("sim://") as client:
            assert (await client.book("BTCUSD")).bbo is not None
            for _ in range(2):
                with pytest.raises(errors.AuthError, match="refused the sign-in"):
                    await client.orders()
            await client.trades("BTCUSD")

    run(main)


def test_the_secret_may_be_fetched() -> None:
    fetched: list[int] = []

    def fetch() -> str:
        fetched.append(1)
        return SECRET

    async def main() -> None:
        async with signed_in(api_secret=fetch) as (venue, client):
            await client.orders()
            venue.drop_connections()
            await until(lambda: len(fetched) == 2)

    run(main)


@pytest.mark.parametrize("dialect", ["inverse", "linear"])
def test_without_a_key_private_topics_are_refused_before_they_are_sent(dialect: str) -> None:
    async def main() -> None:
        async with signed_in(dialect, api_key=None, api_secret=None) as (_, client):
            for wanted in (client.orders, client.positions, client.wallet, client.executions, client.stop_orders):
                with pytest.raises(errors.AuthError, match="DEPTHWIRE_API_KEY"):
                    await wanted()
            with pytest.raises(errors.AuthError):
                await client.subscribe("order")

    run(main)


@pytest.mark.parametrize(("key", "secret"), [("nobody", SECRET), (KEY, "wrong")])
def test_a_wrong_key_or_secret_is_an_auth_error(key: str, secret: str) -> None:
    async def main() -> None:
        with pytest.raises(errors.AuthError, match="refused the sign-in") as error:
            async with signed_in(api_key=key, api_secret=secret):
                pass
        assert not hidden_in(str(error.value), key, secret)
        with pytest.raises(errors.AuthError, match="refused the sign-in"):
            async with signed_in("linear", api_key=key, api_secret=secret) as (_, client):
                await client.orders()

    run(main)


def hidden_in(text: str, *secrets: str) -> bool:
    return any(secret in text for secret in secrets)


# after a lost connection


@pytest.mark.parametrize("dialect", ["inverse", "linear"])
def test_after_a_reconnect_private_readers_meet_a_gap(dialect: str) -> None:
    symbol = "BTCUSD" if dialect == "inverse" else "BTCUSDT"

    async def main() -> None:
        async with signed_in(dialect) as (venue, client):
            orders = await client.orders()
            account = venue.account(KEY)
            account.submit(symbol, "Buy", 1, 20_000)
            first = await anext(orders)
            venue.drop_connections()
            with pytest.raises(errors.StreamGap) as gap:
                await anext(orders)
            assert gap.value.since_ns < gap.value.until_ns
            assert orders.view.gap is gap.value
            account.cancel(first.order_id)
            assert (await anext(orders)).order_status == "Cancelled"
            orders.view.reconcile()
            assert orders.view.gap is None

    run(main)


@pytest.mark.parametrize("dialect", ["inverse", "linear"])
def test_a_reader_that_comes_after_the_loss_waits_for_the_resubscription_and_meets_no_gap(dialect: str) -> None:
    symbol = "BTCUSD" if dialect == "inverse" else "BTCUSDT"

    async def main() -> None:
        async with signed_in(dialect, auth_way="url") as (venue, client):
            early, connection = await client.orders(), client._sessions[-1].connection
            venue.mute_answers = True
            venue.drop_connections()
            await until(lambda: connection.status.losses == 1)
            waiting = asyncio.create_task(client.orders())
            await until(lambda: connection.connected)
            done, _ = await asyncio.wait([waiting], timeout=0.05)
            assert not done, "the venue has not confirmed the topic"
            venue.mute_answers = False
            venue.drop_connections()  # what it did not hear is asked again
            late = await waiting
            venue.account(KEY).submit(symbol, "Buy", 1, 20_000)
            assert (await anext(late)).order_status == "New"
            with pytest.raises(errors.StreamGap) as gap:
                await anext(early)
            assert late.view.gap is gap.value, "the view that they share began before the loss"
            assert (await anext(early)).order_status == "New"

    run(main)


def test_a_reader_that_comes_to_a_resubscription_in_vain_is_told_and_the_others_go_on() -> None:
    settings = Settings(timeout_s=1.0, backoff_first_s=0.01, backoff_cap_s=0.05)

    async def main() -> None:
        async with signed_in(auth_way="url", settings=settings) as (venue, client):
            early = await client.orders()
            venue.mute_answers = True
            venue.drop_connections()
            await until(lambda: client.status().losses == 1)
            with pytest.raises(errors.SubscriptionTimeout, match="order"):
                await client.orders()
            venue.mute_answers = False
            with pytest.raises(errors.StreamGap):
                await anext(early)
            late = await client.orders()
            venue.account(KEY).submit("BTCUSD", "Buy", 1, 20_000)
            assert (await anext(late)).order_status == (await anext(early)).order_status == "New"

    run(main)


def test_secrets_are_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    async def main() -> None:
        for way in ("op", "url"):
            async with signed_in(auth_way=way) as (venue, client):
                client.on_error(lambda error: told.append(repr(error)))
                orders = await client.orders()
                told.append(f"{client!r} {client.status()} {orders!r} {vars(client)}")
                venue.drop_connections()
                await until(lambda: client.status().connects == 2)
            with pytest.raises(errors.AuthError) as error:
                async with signed_in(auth_way=way, api_secret=SECRET + "-wrong") as (_, client):
                    client.on_error(lambda error: told.append(repr(error)))
                    await client.orders()
                    raise errors.AuthError("on the URL a refusal shows with the first private topic at the latest")
            told.append(repr(error.value))

    with caplog.at_level(1, logger="depthwire"):
        run(main)
    text = "\n".join([*told, caplog.text])
    assert len(told) >= 4
    assert SECRET not in text
    assert "signature=" not in text
