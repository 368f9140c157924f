"""Topics that are refetched, each alone, over real sockets: what repeats, and what is silent though it lives."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.v5 import dialect as v5
from depthwire.client import Client
from depthwire.session.health import TopicTracker
from depthwire.settings import Settings
from tests.support.plain_client import run, until
from tests.support.v5_server import V5Server, book, ticker, v5_server
from tests.support.wire import encode

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
    """No caller waits for it in ``book()``: a stream of the topic does."""

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
                most = max(most, sum(record.task is not None for record in resyncs_of(client).trackers.values()))

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
            assert resyncs_of(client).trackers[BTC].backoff.attempts >= 4
            server.snapshots = good
            await until(lambda: btc.state is BookState.LIVE)
            assert client.health()[BTC].gaps >= 4

    run(main)


# what the venue refuses

BUSY = "error:system busy"
GONE = "error:handler not found,topic:orderbook.50.BTCUSDT"


def drop(server: V5Server) -> None:
    for connection in server.open:
        assert connection.transport is not None
        connection.transport.disconnect(graceful=False)


class Refusing(dict[str, str]):
    """Refuses each topic so many times."""

    def __init__(self, times: int, **reasons: str) -> None:
        super().__init__(reasons)
        self.left = times

    def __contains__(self, topic: object) -> bool:
        found = super().__contains__(topic) and self.left > 0
        self.left -= found
        return found


def test_repeated_requests_are_paced() -> None:
    backoff = Settings().request_backoff(begins_at_once=True, jitter=lambda: 0.0)
    assert [backoff.next_s() for _ in range(10)] == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    jittered = Settings().request_backoff(begins_at_once=True, jitter=lambda: 1.0)
    assert [jittered.next_s() for _ in range(4)] == [0.0, 0.125, 0.25, 0.5]


@pytest.mark.parametrize("times", [1, 3])
def test_a_resync_that_is_refused_is_repeated(times: int) -> None:
    async def main() -> None:
        settings = replace(PATIENT, book_silence_s=None, instrument_silence_s=None)
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            btc, eth = await asyncio.gather(client.book("BTCUSDT"), client.book("ETHUSDT"))
            server.refused = Refusing(times, **{BTC: BUSY})
            server.push(book("BTCUSDT", u=9, kind="delta"))
            await until(lambda: len(found) == times + 1 and btc.state is BookState.LIVE)
            assert [str(error) for error in found[1:]] == [f"{BTC}: the venue refused the request: {BUSY}"] * times
            assert client.health()[BTC].resyncs == times + 1
            assert (eth.version, client.status().losses) == (1, 0)

    run(main)


def test_a_late_copy_does_not_pass_for_the_answer_to_a_refused_resync() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=PATIENT) as client:
            client.on_error(lambda error: None)
            btc = await client.book("BTCUSDT")

            class RefusingWithCopy(Refusing):
                def __contains__(self, topic: object) -> bool:
                    is_refused = super().__contains__(topic)
                    if is_refused:
                        server.open[0].send(book("BTCUSDT"))
                    return is_refused

            server.refused = RefusingWithCopy(1, **{BTC: BUSY})
            server.push(book("BTCUSDT", u=9, kind="delta"))
            await until(lambda: client.health()[BTC].resyncs == 2 and btc.state is BookState.LIVE)
            assert BTC in server.open[0].topics

    run(main)


def test_a_resubscription_that_is_refused_is_repeated() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=PATIENT) as client:
            client.on_error(lambda error: None)
            trades = "publicTrade.BTCUSDT"
            btc, stream = await asyncio.gather(client.book("BTCUSDT"), client.trades("BTCUSDT"))
            server.refused = Refusing(5, **{BTC: BUSY, trades: BUSY})
            drop(server)
            await until(lambda: client.status().connects == 2 and btc.state is BookState.LIVE)
            with pytest.raises(errors.SubscriptionRejected, match="busy"):
                await anext(stream)
            with pytest.raises(errors.StreamGap):
                await anext(stream)
            assert {BTC, trades} == set(server.open[0].topics)
            assert server.refused.left <= 0

    run(main)


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_topic_that_the_venue_knows_no_more_ends_with_an_error(is_lost: bool) -> None:
    """By a resync, or by the resubscription after a reconnect."""

    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=PATIENT) as client:
            client.on_error(lambda error: None)
            btc, eth = await asyncio.gather(client.book("BTCUSDT"), client.book("ETHUSDT"))
            events = await client.subscribe(BTC)
            changes = asyncio.create_task(read_changes(btc))
            await asyncio.sleep(0)
            server.refused = {BTC: GONE}
            if is_lost:
                drop(server)
            else:
                server.push(book("BTCUSDT", u=9, kind="delta"))
            with pytest.raises(errors.SubscriptionRejected, match="handler not found"):
                await changes
            with pytest.raises(errors.SubscriptionRejected, match="handler not found"):
                async for _ in events:
                    pass
            assert [event async for event in events] == []
            assert (btc.state, btc.finished) == (BookState.STALE, True)
            assert isinstance(btc.failure, errors.SubscriptionRejected)
            await until(lambda: eth.state is BookState.LIVE)
            assert client.health().keys() == {eth.topic}
            asked = sum(BTC in request.get("args", ()) for request in server.open[0].requests)
            await resyncs_of(client).fetch_silent(asyncio.get_running_loop().time() + 1e6)
            assert sum(BTC in request.get("args", ()) for request in server.open[0].requests) == asked
            server.refused = {}
            again = await client.book("BTCUSDT")
            assert again is not btc
            assert again.state is BookState.LIVE

    run(main)


async def read_changes(state: Any) -> None:
    async for _ in state.changes():
        pass


def test_a_stream_of_a_topic_that_is_gone_ends_with_an_error() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=PATIENT) as client:
            client.on_error(lambda error: None)
            trades = await client.trades("BTCUSDT")
            server.refused = {"publicTrade.BTCUSDT": "error:handler not found,topic:publicTrade.BTCUSDT"}
            drop(server)
            met: list[Exception] = []
            while not met or not isinstance(met[-1], StopAsyncIteration):
                try:
                    await anext(trades)
                except (errors.DepthwireError, StopAsyncIteration) as error:
                    met.append(error)
            assert [type(error) for error in met] == [errors.SubscriptionRejected, StopAsyncIteration]

    run(main)


def test_a_topic_that_both_lines_know_no_more_ends_for_its_readers() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect([server.url] * 2, settings=PATIENT) as client:
            client.on_error(lambda error: None)
            btc, trades = await asyncio.gather(client.book("BTCUSDT"), client.trades("BTCUSDT"))
            await until(lambda: len(server.held(BTC)) == 2)
            server.refused = {name: f"error:handler not found,topic:{name}" for name in (BTC, "publicTrade.BTCUSDT")}
            drop(server)
            with pytest.raises(errors.SubscriptionRejected):
                await read_changes(btc)
            rejected = False
            with suppress(StopAsyncIteration):
                while True:
                    try:
                        await anext(trades)
                    except errors.StreamGap:
                        pass
                    except errors.SubscriptionRejected:
                        rejected = True
            assert rejected

    run(main)


def test_a_topic_that_is_gone_does_not_keep_an_old_connection_for_ever() -> None:
    async def main() -> None:
        settings = replace(PATIENT, max_connection_age_s=0.2)
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            client.on_error(lambda error: None)
            btc, eth = await asyncio.gather(client.book("BTCUSDT"), client.book("ETHUSDT"))
            server.refused = {BTC: GONE}
            connects = client.status().connects
            await until(lambda: client.status().connects > connects + 1)
            assert isinstance(btc.failure, errors.SubscriptionRejected)
            assert eth.state is BookState.LIVE

    run(main)


# what a reader asks for


def live_lines(client: Client, topic: str) -> int:
    """On how many lines a state is LIVE."""
    channels = [session.channels.get(topic) for session in client._sessions]
    return sum(channel is not None and not channel.needs_snapshot for channel in channels)


@pytest.mark.parametrize("lines", [1, 2])
@pytest.mark.parametrize("kind", ["book", "instrument"])
def test_a_state_that_its_reader_marks_stale_is_refetched(kind: str, lines: int) -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect([server.url] * lines, settings=PATIENT) as client:
            client.on_error(lambda error: None)
            server.snapshots = lambda topic: (
                ticker("BTCUSDT", lastPrice="1") if topic.startswith("tickers") else book("BTCUSDT")
            )
            state: Any = await (client.book("BTCUSDT") if kind == "book" else client.instrument("BTCUSDT"))
            await until(lambda: live_lines(client, state.topic) == lines)
            states: list[tuple[BookState, str | None]] = []
            state.on_state(lambda each: states.append((each.state, each.stale_reason)))
            state.mark_stale("my own sum differs")
            assert states == [(BookState.STALE, "my own sum differs")]
            await until(lambda: state.state is BookState.LIVE)
            await until(lambda: client.health()[state.topic].resyncs == lines)
            assert len(states) == 2

    run(main)


def test_a_book_that_is_marked_stale_from_another_thread_is_refetched() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=PATIENT) as client:
            btc = await client.book("BTCUSDT")
            await asyncio.to_thread(btc.mark_stale, "another thread says so")
            await until(lambda: client.health()[BTC].resyncs == 1 and btc.state is BookState.LIVE)

    run(main)


@pytest.mark.parametrize("lines", [1, 2])
def test_a_book_that_gave_up_leaves_nothing_behind(lines: int) -> None:
    async def main() -> None:
        settings = replace(PATIENT, timeout_s=0.3)
        async with v5_server() as server, depthwire.connect([server.url] * lines, settings=settings) as client:
            client.on_error(lambda error: None)
            server.snapshots = lambda topic: book("BTCUSDT", b=[["200", "1"]])  # crossed
            with pytest.raises(errors.SubscriptionTimeout, match="no usable snapshot"):
                await client.book("BTCUSDT")
            await until(lambda: not server.held(BTC))
            assert client.health() == {}
            assert all(not session.resyncs.trackers for session in client._sessions)
            counts = [len(connection.requests) for connection in server.open]
            for session in client._sessions:
                await session.resyncs.fetch_silent(asyncio.get_running_loop().time() + 1e6)
            assert [len(connection.requests) for connection in server.open] == counts

    run(main)


def test_a_book_that_gave_up_stays_for_whoever_has_it() -> None:
    async def main() -> None:
        settings = replace(PATIENT, timeout_s=0.3)
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            client.on_error(lambda error: None)
            btc = await client.book("BTCUSDT")
            good, server.snapshots = server.snapshots, lambda topic: None
            btc.mark_stale("a test")
            with pytest.raises(errors.SubscriptionTimeout):
                await client.book("BTCUSDT")
            assert not btc.finished
            server.snapshots = good
            await until(lambda: btc.state is BookState.LIVE)

    run(main)


# the bound of silence, without a socket


def record_of(topic: str = BTC) -> tuple[TopicTracker, Any]:
    from depthwire.feed.listener import Feed

    class Nobody:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    channel = v5.LINEAR.channel(topic)
    assert channel is not None
    feed = Feed(Nobody())
    feed.channels.add(channel)
    record = TopicTracker(channel, Settings())
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


@pytest.mark.parametrize("topic", [BTC, "tickers.BTCUSDT"])
def test_late_copies_alone_are_silence(topic: str) -> None:
    """A venue that went on in the past is asked again, though its frames are left out."""
    record, receive = record_of(topic)

    def frame(number: int) -> Any:
        if topic == BTC:
            return book("BTCUSDT", u=number)
        return ticker("BTCUSDT") | {"cs": number, "ts": number}

    receive(frame(10_000))
    assert record.silent_s(0.0) is None
    told = []
    for second in range(1, 70):
        receive(frame(second))
        if (silent_s := record.silent_s(float(second))) is not None:
            told.append(silent_s)
    assert told == [60.0]
    assert record.health().outdated == 69


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
