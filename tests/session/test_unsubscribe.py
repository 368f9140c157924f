"""Ending topics takes few requests; topics of a call that failed or was cancelled are ended."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.dialect import Limits
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from tests.support.plain_client import cancel_at_each_await, run, until
from tests.support.sim_client import QUICK, collected, scripted, simulated
from tests.support.v5_server import V5Server, v5_server
from tests.support.wire import encode, snapshot

NAMES = [f"trade.S{number}USD" for number in range(100)]
SPOT = [f"publicTrade.S{number}USDT" for number in range(100)]


def unsubscribed(server: V5Server) -> list[list[str]]:
    return [
        request["args"]
        for connection in server.connections
        for request in connection.requests
        if request["op"] == "unsubscribe"
    ]


def test_a_book_that_is_unsubscribed_promises_no_snapshot() -> None:
    async def main() -> None:
        async with depthwire.connect("sim://v5/linear", settings=QUICK) as client:
            book = await client.book("BTCUSDT")
            await client.unsubscribe(book.topic)
            with pytest.raises(errors.BookNotLive, match="unsubscribed; the feed has ended, no frames will come"):
                _ = book.best_bid

    run(main)


def test_a_hundred_topics_end_with_one_request() -> None:
    requests: list[dict[str, Any]] = []

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect(url, settings=QUICK) as client:
            await client.subscribe(*NAMES, "liquidation.*")
            requests.clear()
            await client.unsubscribe(*NAMES[:99], "liquidation", NAMES[0])
            assert requests == [{"op": "unsubscribe", "args": [*NAMES[:99], "liquidation.*"]}]
            assert list(client.health()) == [NAMES[99]]
            await client.unsubscribe()

    run(main)


def test_more_than_a_request_may_carry_go_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v5.SPOT, "limits", Limits(args_per_request=10, args_length=1000))  # two connections

    async def main() -> None:
        async with (
            v5_server("spot", args_length=1000, most_args=10) as server,
            depthwire.connect(server.url, settings=QUICK) as client,
        ):
            await client.subscribe(*SPOT)
            count = len(server.open)
            assert count > 1
            await client.unsubscribe(*SPOT)
            ended = unsubscribed(server)
            assert max(map(len, ended)) == 10
            assert len(ended) <= len(SPOT) / 10 + count
            assert sorted(topic for args in ended for topic in args) == sorted(SPOT)
            assert [each.topics for each in server.open] == [[]] * count

    run(main)


def test_two_lines_end_a_hundred_topics_with_one_request_each() -> None:
    requests: list[dict[str, Any]] = []

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect([url, url], settings=QUICK) as client:
            await client.subscribe(*NAMES)
            await until(lambda: sum(request["op"] == "subscribe" for request in requests) == 2)
            await client.unsubscribe(*NAMES)
            ended = [request["args"] for request in requests if request["op"] == "unsubscribe"]
            assert [len(args) for args in ended] == [100, 100]
            assert client.health() == {}

    run(main)


@pytest.mark.parametrize("lines", [1, 2])
def test_a_topic_that_is_not_subscribed_ends_none(lines: int) -> None:
    requests: list[dict[str, Any]] = []

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect([url] * lines, settings=QUICK) as client:
            await client.subscribe(*NAMES[:3])
            requests.clear()
            with pytest.raises(errors.TopicError, match=r"trade\.S3USD' is not subscribed"):
                await client.unsubscribe(*NAMES[:4])
            assert [request for request in requests if request["op"] == "unsubscribe"] == []
            assert len(client.health()) == 3

    run(main)


# what is refused


def test_one_error_names_every_refused_topic_and_its_reason() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            server.refused = {f"publicTrade.{name}": f"error:bad {name}" for name in ("X1", "X2", "X3")}
            good = [f"publicTrade.S{number}" for number in range(20)]
            with pytest.raises(errors.SubscriptionRejected) as refused:
                await client.subscribe(*good[:7], "publicTrade.X2", *good[7:], "publicTrade.X1", "publicTrade.X3")
            assert refused.value.reasons == server.refused
            assert set(refused.value.topics) == set(server.refused)
            assert (refused.value.topic, refused.value.reason) in server.refused.items()
            for topic, reason in server.refused.items():
                assert f"{topic}: {reason}" in str(refused.value)
            assert server.open[0].topics == []
            assert client.health() == {}

    run(main)


@pytest.mark.parametrize("lines", [1, 2])
def test_topics_that_two_failed_calls_asked_for_are_ended(lines: int) -> None:
    async def main() -> None:
        async with simulated() as (venue, client), depthwire.connect([client.url] * lines, settings=QUICK) as other:
            bad = ("trade.NOPE1USD", "trade.NOPE2USD")
            outcomes = await asyncio.gather(
                *(other.subscribe("trade.BTCUSD", *bad) for _ in range(2)), return_exceptions=True
            )
            assert [type(outcome) for outcome in outcomes] == [errors.SubscriptionRejected] * 2
            assert {outcome.topics for outcome in outcomes if isinstance(outcome, errors.SubscriptionRejected)} == {bad}
            assert other.health() == {}
            await until(lambda: all(not connection.topics for connection in venue._open))

    run(main)


def test_a_failed_call_does_not_end_what_another_call_reads() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            found = collected(client)
            trades = await client.trades("BTCUSD")
            for _ in range(2):
                with pytest.raises(errors.SubscriptionRejected):
                    await client.subscribe("trade.BTCUSD", "trade.NOPEUSD")
            assert (await anext(trades)).symbol == "BTCUSD"
            assert found == []

    run(main)


# what is cancelled

Served = Callable[[], AbstractAsyncContextManager[Any]]


@pytest.mark.parametrize("lines", [1, 2])
def test_a_subscribe_that_is_cancelled_at_any_await_leaves_no_topic(lines: int) -> None:
    topics = ("trade.BTCUSD", "orderBookL2_25.BTCUSD", "liquidation")

    async def main() -> None:
        async with simulated() as (venue, client), depthwire.connect([client.url] * lines, settings=QUICK) as other:

            async def conversation() -> None:
                await other.subscribe(*topics)
                await other.unsubscribe(*topics)

            await cancel_at_each_await(conversation)
            assert other.health() == {}
            await until(lambda: all(not connection.topics for connection in venue._open))
            await other.subscribe(*topics)

    run(main)


def test_a_cancelled_book_is_ended() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            server.snapshots = lambda topic: None
            asking = asyncio.create_task(client.book("BTCUSDT"))
            await until(lambda: server.open[0].topics == ["orderbook.50.BTCUSDT"])
            asking.cancel()
            await until(lambda: server.open[0].topics == [])
            assert client.health() == {}

    run(main)


def test_a_cancelled_subscribe_on_a_connection_that_opens_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v5.LINEAR, "limits", Limits(args_length=30))  # one book a connection

    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            await client.book("AAAA")
            asking = asyncio.create_task(client.subscribe("orderbook.50.BBBB"))
            await asyncio.sleep(0)
            asking.cancel()
            await until(lambda: len(server.open) == 2 and client._sessions[1].connection.connected)
            await client._sessions[1].connection.ask("ping", ())
            assert server.open[1].topics == []
            assert (await client.book("CCCC")).topic == "orderbook.50.CCCC"
            assert len(server.open) == 2

    run(main)


def test_a_topic_that_was_not_asked_for_yet_ends_without_a_request() -> None:
    requests: list[dict[str, Any]] = []

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect(url, settings=QUICK) as client:
            session = client._public
            session.add(v2.INVERSE.parse("trade.BTCUSD"))
            await session.unsubscribe(v2.INVERSE.parse("trade.BTCUSD"))
            await client.subscribe("trade.ETHUSD")
            assert requests == [{"op": "subscribe", "args": ["trade.ETHUSD"]}]

    run(main)


# topics that others share


def trade(number: int) -> bytes:
    item = {"symbol": "BTCUSD", "side": "Buy", "price": "5.5", "size": 1, "tick_direction": "PlusTick"}
    return encode({"topic": "trade.BTCUSD", "data": [{**item, "trade_id": f"{number}"}]})


async def read(stream: Any, count: int) -> list[str]:
    """The next trades' numbers, and the names of errors."""
    found: list[str] = []
    while len(found) < count:
        try:
            found.append((await anext(stream)).trade_id)
        except errors.DepthwireError as error:
            found.append(type(error).__name__)
    return found


@pytest.mark.parametrize(("read_topic", "ended"), [("trade.BTCUSD", "trade.*"), ("trade.*", "trade.BTCUSD")])
def test_events_that_end_with_an_overlapping_topic_are_a_gap(read_topic: str, ended: str) -> None:
    async def main() -> None:
        async with scripted([[trade(1)], [], [trade(3)]]) as url, depthwire.connect(url, settings=QUICK) as client:
            stream = await client.subscribe(read_topic)
            assert (await anext(stream)).data.trade_id == "1"
            await client.subscribe(ended)
            await client.unsubscribe(ended)
            with pytest.raises(errors.StreamGap, match="ended it together") as gap:
                await anext(stream)
            assert gap.value.since_ns < gap.value.until_ns
            assert (await anext(stream)).data.trade_id == "3"
            assert client.status().losses == 0

    run(main)


def test_a_renewed_subscription_that_is_refused_is_repeated_before_the_gap() -> None:
    refusals = ["error:busy"] * 3
    is_over = False

    def answer(request: dict[str, Any]) -> str:
        return refusals.pop() if is_over and request["op"] == "subscribe" and refusals else ""

    async def main() -> None:
        nonlocal is_over
        async with (
            scripted([[trade(1)], [], [trade(3)]], answer=answer) as url,
            depthwire.connect(url, settings=QUICK) as client,
        ):
            found = collected(client)
            stream = await client.trades("BTCUSD")
            await client.subscribe("trade.*")
            is_over = True
            await client.unsubscribe("trade.*")
            assert await read(stream, 4) == ["1", "SubscriptionRejected", "StreamGap", "3"]
            assert [type(error) for error in found] == [errors.SubscriptionRejected] * 3

    run(main)


@pytest.mark.parametrize("refusal", ["error:busy", None])
def test_a_book_that_ends_with_its_pattern_is_stale_until_it_is_served(refusal: str | None) -> None:
    settings = replace(QUICK, timeout_s=0.3)
    is_over = False

    def answer(request: dict[str, Any]) -> str | None:
        return refusal if is_over and request["op"] == "subscribe" else ""

    async def main() -> None:
        nonlocal is_over
        rounds = [[encode(snapshot())], [], [encode(snapshot(seq=200))]]
        async with scripted(rounds, answer=answer) as url, depthwire.connect(url, settings=settings) as client:
            found = collected(client)
            book = await client.book("BTCUSD")
            await client.subscribe("orderBookL2_25.*")
            is_over = True
            await client.unsubscribe("orderBookL2_25.*")
            assert book.state is BookState.STALE
            await until(lambda: bool(found))
            assert book.state is BookState.STALE
            is_over = False
            await until(lambda: book.state is BookState.LIVE)
            assert book.cross_seq == 200

    run(main)


def test_each_book_that_ends_with_its_pattern_is_refetched_once() -> None:
    requests: list[dict[str, Any]] = []
    symbols = ("BTCUSD", "ETHUSD")
    both = [encode(snapshot(symbol)) for symbol in symbols]
    later = [encode(snapshot(symbol, seq=200)) for symbol in symbols]

    async def main() -> None:
        async with scripted([both, [], later], requests) as url, depthwire.connect(url, settings=QUICK) as client:
            books = await asyncio.gather(*map(client.book, symbols))
            await client.subscribe("orderBookL2_25.*")
            await client.unsubscribe("orderBookL2_25.*")
            await until(lambda: all(book.state is BookState.LIVE for book in books))
            topics = [book.topic for book in books]
            assert [request["op"] for request in requests[2:]] == ["unsubscribe", "unsubscribe", "subscribe"]
            assert [request["args"] for request in requests[3:]] == [topics, topics]

    run(main)


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_an_unsubscription_without_an_answer_interrupts_the_topics_that_share_its_frames(is_cancelled: bool) -> None:
    settings = replace(QUICK, timeout_s=0.3)
    requests: list[dict[str, Any]] = []

    def answer(request: dict[str, Any]) -> str | None:
        return None if request["op"] == "unsubscribe" else ""

    async def main() -> None:
        async with (
            scripted([[trade(1)], [], [trade(3)]], requests, answer) as url,
            depthwire.connect(url, settings=settings) as client,
        ):
            stream = await client.trades("BTCUSD")
            await client.subscribe("trade.*")
            ending = asyncio.create_task(client.unsubscribe("trade.*"))
            await until(lambda: requests[-1]["op"] == "unsubscribe")
            if is_cancelled:
                ending.cancel()
            with pytest.raises((asyncio.CancelledError, errors.SubscriptionTimeout)):
                await ending
            assert await read(stream, 3) == ["1", "StreamGap", "3"]
            assert client.status().losses == 0

    run(main)
