"""What a client or its venue refuses once they are connected."""

import asyncio
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.settings import Settings
from tests.support.plain_client import run
from tests.support.sim_client import BTC, collected, ends, scripted, simulated


def test_a_refused_subscription_names_topic_and_reason() -> None:
    async def main() -> None:
        async with simulated() as (_, client):
            for _ in range(2):
                with pytest.raises(
                    errors.SubscriptionRejected, match=r"orderBookL2_25.NOPEUSD.*unknown topic"
                ) as refused:
                    await client.book("NOPEUSD")
                assert refused.value.topic == "orderBookL2_25.NOPEUSD"
                assert "unknown topic" in refused.value.reason
            with pytest.raises(errors.SubscriptionRejected):
                await client.trades("NOPEUSD")
            assert client.health() == {}
            assert (await client.book("BTCUSD")).state is BookState.LIVE

    run(main)


def test_one_refused_topic_ends_the_others_of_its_call_and_nobody_elses() -> None:
    async def main() -> None:
        async with simulated() as (venue, client):
            book = await client.book("BTCUSD")
            wanted = ("trade.BTCUSD", BTC, "instrument_info.100ms.BTCUSD", "klineV2.1.BTCUSD")
            for _ in range(2):
                with pytest.raises(errors.SubscriptionRejected, match=r"trade\.NOPEUSD"):
                    await client.subscribe(*wanted, "trade.NOPEUSD")
                assert set(client.health()) == {BTC}
            (connection,) = venue._open
            assert set(connection.topics) == {BTC}
            assert book.state is BookState.LIVE
            stream = await client.subscribe(*wanted)
            assert set(connection.topics) == set(wanted)
            assert not stream.closed

    run(main)


def test_a_topic_that_another_task_asked_for_meanwhile_is_not_ended() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            found = collected(client)
            refused, trades = await asyncio.gather(
                client.subscribe("trade.BTCUSD", "trade.NOPEUSD"), client.trades("BTCUSD"), return_exceptions=True
            )
            assert isinstance(refused, errors.SubscriptionRejected)
            assert not isinstance(trades, BaseException)
            assert (await anext(trades)).symbol == "BTCUSD"
            assert found == []

    run(main)


@pytest.mark.parametrize("symbol", ["btcusd", "", "BTC USD", "BTCUSD.X", "*", "BTCUSD|ETHUSD", 7, None, "X" * 500])
def test_what_is_no_symbol_is_refused_before_it_is_sent(symbol: Any) -> None:
    async def main() -> None:
        async with simulated() as (_, client):
            with pytest.raises(errors.TopicError, match=r"invalid symbol .*; expected one like"):
                await client.book(symbol)
            with pytest.raises(errors.TopicError):
                await client.trades(symbol)

    run(main)


@pytest.mark.parametrize("depth", [0, 1, 50, "25"])
def test_a_depth_that_does_not_exist_is_refused(depth: Any) -> None:
    async def main() -> None:
        async with simulated() as (_, client):
            with pytest.raises(errors.TopicError, match="expected one of 25, 200"):
                await client.book("BTCUSD", depth)

    run(main)


def test_no_answer_in_time_is_an_error() -> None:
    async def main() -> None:
        async with simulated(Settings(timeout_s=1.0)) as (venue, client):
            venue.mute_answers = True
            for wanted in (client.book("BTCUSD"), client.trades("BTCUSD")):
                with pytest.raises(errors.SubscriptionTimeout, match=r"within 1 s"):
                    await wanted
            venue.mute_answers = False
            assert (await client.book("BTCUSD")).state is BookState.LIVE
            venue.mute_answers = True
            with pytest.raises(TimeoutError, match=r"did not answer within 1 s"):
                await client.unsubscribe(BTC)

    run(main)


def test_no_snapshot_in_time_is_an_error() -> None:
    async def main() -> None:
        async with scripted([[]]) as url, depthwire.connect(url, settings=Settings(timeout_s=0.2)) as client:
            with pytest.raises(errors.SubscriptionTimeout, match=r"no usable snapshot within 0\.2 s; it is EMPTY"):
                await client.book("BTCUSD")

    run(main)


def test_unsubscribing_ends_the_readers_and_can_be_undone() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            found = collected(client)
            book = await client.book("BTCUSD")
            trades = await client.trades("BTCUSD")
            await client.unsubscribe(book.topic)
            await client.unsubscribe("trade.BTCUSD")
            assert book.state is BookState.STALE
            assert book.stale_reason == "unsubscribed"
            assert await ends(trades)
            with pytest.raises(errors.TopicError, match="not subscribed"):
                await client.unsubscribe(book.topic)
            again = await client.book("BTCUSD")
            assert again is not book
            assert again.state is BookState.LIVE
            assert found == []

    run(main)
