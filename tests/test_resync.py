"""Topics that are fetched anew, each alone, over real sockets: what repeats, and what is silent though it lives."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.bybit import v5
from depthwire.client import Client
from depthwire.health import TopicRecord
from depthwire.settings import Settings
from depthwire.values import BookState
from plain_client import run, until
from v5_server import V5Server, book, ticker, v5_server
from wire import encode

PATIENT = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05)
BTC = "orderbook.50.BTCUSDT"
ETH = "orderbook.50.ETHUSDT"


def resyncs_of(client: Client) -> Any:
    return client._public.resyncs


async def later(client: Client, seconds: float) -> None:
    """Let the watch look as if so much time had gone by."""
    await resyncs_of(client).fetch_silent(asyncio.get_running_loop().time() + seconds)


def subscribes(server: V5Server, topic: str) -> int:
    (connection,) = server.open
    return sum(request["op"] == "subscribe" and topic in request["args"] for request in connection.requests)


def test_a_silent_book_is_told_stale_and_fetched_anew_alone() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=PATIENT) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            silent, other = await asyncio.gather(client.book("BTCUSDT"), client.book("ETHUSDT"))
            states: list[tuple[str, BookState, str | None]] = []
            for each in (silent, other):
                each.on_state(lambda state: states.append((state.symbol, state.state, state.stale_reason)))
            await later(client, 0)
            await later(client, 59)
            assert found == []
            server.push(book("ETHUSDT", u=2, kind="delta"))
            await until(lambda: other.version == 2)
            await later(client, 61)
            (error,) = found
            assert isinstance(error, errors.TopicSilent)
            assert (error.topic, round(error.silent_s)) == (BTC, 61)
            assert "BTCUSDT: silent for 61 s" in str(error)
            await until(lambda: silent.state is BookState.LIVE)
            assert states == [("BTCUSDT", BookState.STALE, str(error)), ("BTCUSDT", BookState.LIVE, None)]
            health = client.health()
            assert [(each.silences, each.resyncs, each.gaps) for each in health.values()] == [(1, 1, 0), (0, 0, 0)]
            assert (subscribes(server, BTC), subscribes(server, ETH)) == (2, 1)
            assert client.status().losses == 0

    run(main)


def test_the_watch_runs_by_itself() -> None:
    quick = Settings(timeout_s=5.0, book_silence_s=0.05, instrument_silence_s=None)

    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=quick) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            btc = await client.book("BTCUSDT")
            await until(lambda: len(found) >= 3)
            assert {type(error) for error in found} == {errors.TopicSilent}
            await until(lambda: btc.state is BookState.LIVE)
            assert client.health()[BTC].resyncs >= 3

    run(main)


@pytest.mark.parametrize("book_silence_s", [60.0, None])
def test_a_resync_whose_snapshot_is_lost_is_repeated(book_silence_s: float | None) -> None:
    """Frames come, but none that a STALE book can use."""

    async def main() -> None:
        settings = replace(PATIENT, timeout_s=0.2, book_silence_s=book_silence_s)
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            btc = await client.book("BTCUSDT")
            lost = iter((None, None))
            snapshots, server.snapshots = server.snapshots, lambda topic: next(lost, snapshots(topic))
            for _ in range(3):
                server.push(book("BTCUSDT", u=9, kind="delta"))
            await until(lambda: client.health()[BTC].resyncs == 3 and btc.state is BookState.LIVE)
            health = client.health()[BTC]
            assert (health.resyncs, health.silences, health.dropped) == (3, 2, 2)
            assert [type(error) for error in found] == [errors.OutOfSequence, errors.TopicSilent, errors.TopicSilent]

    run(main)


def test_a_first_snapshot_that_is_lost_is_asked_for_again_without_a_bound_of_silence() -> None:
    """Nobody waits for it in ``book()``: a stream of the topic does."""

    async def main() -> None:
        settings = replace(PATIENT, book_silence_s=None, instrument_silence_s=None)
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            client.on_error(lambda error: None)
            lost = iter((None,))
            snapshots, server.snapshots = server.snapshots, lambda topic: next(lost, snapshots(topic))
            stream = await client.subscribe(BTC)
            await later(client, 0)
            watching = asyncio.create_task(later(client, 6))  # above timeout_s
            assert (await anext(stream)).data.state is BookState.LIVE
            await watching
            assert subscribes(server, BTC) == 2

    run(main)


def test_an_instrument_has_its_own_bound_and_events_have_none() -> None:
    settings = Settings(timeout_s=5.0, book_silence_s=None, instrument_silence_s=10.0)

    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            server.snapshots = lambda topic: (
                ticker("BTCUSDT", lastPrice="1") if topic.startswith("tickers") else book("BTCUSDT")
            )
            await asyncio.gather(client.instrument("BTCUSDT"), client.book("BTCUSDT"), client.trades("BTCUSDT"))
            await later(client, 0)
            await later(client, 9)
            assert found == []
            await later(client, 1e6)
            assert [getattr(error, "topic", "") for error in found] == ["tickers.BTCUSDT"]

    run(main)


def test_a_lost_connection_is_no_silence() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=PATIENT) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            btc = await client.book("BTCUSDT")
            await later(client, 0)
            assert server.connections[0].transport is not None
            server.connections[0].transport.disconnect(graceful=False)
            await until(lambda: btc.state is BookState.STALE)
            await later(client, 1e6)
            await until(lambda: btc.state is BookState.LIVE)
            assert [type(error) for error in found] == [errors.ConnectionLost]

    run(main)


def test_many_silent_topics_are_fetched_one_after_the_other() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=PATIENT) as client:
            client.on_error(lambda error: None)
            await asyncio.gather(*(client.book(f"{letter}USDT") for letter in "ABCDEFGHIJ"))
            most = 0

            def count(error: object) -> None:
                nonlocal most
                most = max(most, sum(record.task is not None for record in resyncs_of(client).records.values()))

            client.on_error(count)
            await later(client, 0)
            await later(client, 61)
            assert most <= 1
            assert [health.resyncs for health in client.health().values()] == [1] * 10

    run(main)


def test_a_resync_that_fails_again_is_backed_off_and_never_two_at_once() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=PATIENT) as client:
            client.on_error(lambda error: None)
            btc = await client.book("BTCUSDT")
            good, server.snapshots = server.snapshots, lambda topic: book("BTCUSDT", b=[["200", "1"]])  # crossed
            for u in range(20):
                server.push(book("BTCUSDT", u=50 + u, kind="delta"))
            await until(lambda: client.health()[BTC].resyncs >= 4)
            (connection,) = server.open
            ops = [request["op"] for request in connection.requests if request.get("args") == [BTC]]
            assert ops == (["subscribe", "unsubscribe"] * len(ops))[: len(ops)]
            assert resyncs_of(client).records[BTC].backoff.attempts >= 4
            server.snapshots = good
            await until(lambda: btc.state is BookState.LIVE)
            assert client.health()[BTC].gaps >= 4

    run(main)


# the bound of silence, without a socket


def record_of(topic: str = BTC) -> tuple[TopicRecord, Any]:
    from depthwire.feed import Feed

    class Nobody:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    channel = v5.LINEAR.channel(topic)
    assert channel is not None
    feed = Feed(Nobody())
    feed.channels.add(channel)
    record = TopicRecord(channel, Settings())
    record.listen(0.0)
    return record, lambda message: feed.receive(encode(message), 1)


def test_the_bound_doubles_until_the_topic_speaks() -> None:
    record, receive = record_of()
    receive(book("BTCUSDT"))
    assert record.silent_s(0.0) is None
    told, u = [], 1
    for second in range(1, 4_000):
        if record.silent_s(float(second)) is not None:
            told.append(second)
            receive(book("BTCUSDT", u=(u := u + 1)))  # the snapshot of its resync
    waits = [later - earlier for earlier, later in pairwise(told)]
    assert told[0] == 60
    assert waits == pytest.approx([121, 241, 481, 961, 961, 961], abs=2)
    for _ in range(2):
        receive(book("BTCUSDT", u=(u := u + 1), kind="delta"))
    assert record.silent_s(5_000.0) is None
    assert record.silent_s(5_060.0) == 60.0


def test_a_snapshot_that_does_not_come_is_due_as_an_answer_is() -> None:
    record, _ = record_of()
    assert record.silent_s(9.9) is None
    assert record.silent_s(10.0) == 10.0


def test_health_of_a_topic_of_events_has_no_state() -> None:
    record, receive = record_of("publicTrade.BTCUSDT")
    health = record.health()
    assert (health.state, health.age_ns, health.frames, health.lanes) == (None, None, 0, {})
    receive({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": []})
    health = record.health()
    assert (health.state, health.frames) == (None, 1)
    assert health.age_ns is not None
    assert health.age_ns >= 0
    assert record.silent_s(1e9) is None


@pytest.mark.parametrize("name", ["book_silence_s", "instrument_silence_s"])
def test_none_switches_the_watch_off_and_zero_is_refused(name: str) -> None:
    assert getattr(Settings(**{name: None}), name) is None
    with pytest.raises(ValueError, match=name):
        Settings(**{name: 0})
