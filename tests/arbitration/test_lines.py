"""Two lines to one venue: what happens to one of them its readers do not notice, and what it cannot prove the other does."""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.arbitration.lines import Lines
from depthwire.book.types import BookState
from depthwire.feed.state_channel import StateChannel
from depthwire.feed.streams import EventStream
from depthwire.venue import DemoTrader, Fault, SyntheticMarket, Venue
from depthwire.venue.server.faults import Moment
from tests.support.plain_client import run, until
from tests.support.two_lines import TwoLines, two_lines
from tests.support.watched_venue import CALM, KEY, SECRET, WatchedVenue

WATCHFUL = replace(CALM, timeout_s=1.0, ping_interval_s=0.2, pong_timeout_s=0.3)
DIALECTS = pytest.mark.parametrize("dialect", ["v2", "v5"])
FRAME_KINDS = [kind for kind in Fault if kind.moment is Moment.FRAME]
LOSING = {Fault.DROP, Fault.TRUNCATE, Fault.REORDER}
ALTERING = {Fault.CORRUPT, Fault.WRONG_TYPE}
"""They may make another valid frame: then neither line is known to be right."""


@DIALECTS
@pytest.mark.parametrize("kind", [kind for kind in FRAME_KINDS if kind not in ALTERING])
def test_a_fault_on_one_line_goes_unnoticed(kind: Fault, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The faults come within milliseconds, on either line; each must be judged separately.
    monkeypatch.setattr("depthwire.arbitration.events.LATEST_NS", 0)

    async def main() -> None:
        async with two_lines(dialect, WATCHFUL if kind is Fault.SILENT else CALM) as lines:
            faults = lines.venue.faults
            topics = lines.topics[:1] if kind is Fault.STALE else lines.topics
            for topic in topics * 3:
                count = faults.counts[kind]
                faults.once(kind, topic)
                await lines.steps(lambda count=count: faults.counts[kind] > count)
                await lines.healed()
            lines.check(in_order=kind not in LOSING)

    run(main)


@DIALECTS
@pytest.mark.parametrize("kind", sorted(ALTERING))
def test_where_the_lines_differ_neither_is_believed(kind: Fault, dialect: str) -> None:
    """A frame that can be read as another one may be seen until its copy comes, and no longer."""

    async def main() -> None:
        async with two_lines(dialect) as lines:
            faults, book = lines.venue.faults, lines.books[0]
            for _ in range(12):
                count = faults.counts[kind]
                faults.once(kind, book.book.topic)
                await lines.steps(lambda count=count: faults.counts[kind] > count)
                before = len(book.wrong)
                await lines.step()
                assert len(book.wrong) == before
                await lines.healed()
            await lines.steps(lambda: book.book.state is BookState.LIVE and book.is_right(book.book))
            assert len(book.wrong) <= 12
            assert sum(line.gaps for line in lines.client.lines) >= len(book.wrong)

    run(main)


@DIALECTS
@pytest.mark.parametrize("kind", [kind for kind in Fault if kind.moment is not Moment.FRAME])
def test_a_line_that_cannot_come_back_at_once_is_not_missed(kind: Fault, dialect: str) -> None:
    async def main() -> None:
        async with two_lines(dialect) as lines:
            faults = lines.venue.faults
            for count in (1, 2):
                faults.once(kind)
                drop_a_line(lines)
                await lines.steps(lambda count=count: faults.counts[kind] == count)
                await lines.healed()
            lines.check()

    run(main)


def drop_a_line(lines: TwoLines, number: int = 0) -> None:
    """Ends the connections of one line, without a close frame."""
    served = lines.client._served
    assert isinstance(served, Lines)
    for session in served._lines[number].sessions:
        session.connection.drop("a test")


@DIALECTS
def test_every_frame_that_one_line_loses_is_found_by_the_other(dialect: str) -> None:
    """On v2 a lost change of sizes alone proves nothing on its own line."""

    async def main() -> None:
        async with two_lines(dialect) as lines:
            faults, topic = lines.venue.faults, lines.books[0].book.topic
            for _ in range(25):
                count = faults.counts[Fault.DROP]
                faults.once("drop", topic)
                await lines.steps(lambda count=count: faults.counts[Fault.DROP] > count)
                await lines.healed()
            lines.check()
            status = lines.client.lines
            assert sum(line.losses for line in status) >= 25
            # On v2 what was lost may be overwritten by the very next frame.
            found = sum(line.gaps for line in status)
            assert found == lines.client.health()[topic].resyncs
            assert 10 < found <= 25 if dialect == "v2" else found == 25
            disagreements = [error for error in lines.errors if isinstance(error, errors.LinesDisagree)]
            assert (len(disagreements) > 0) == (dialect == "v2")

    run(main)


@DIALECTS
def test_both_lines_lost_are_a_gap_and_stale_and_one_that_is_back_is_enough(dialect: str) -> None:
    async def main() -> None:
        async with two_lines(dialect) as lines:
            drop_a_line(lines, 0)
            drop_a_line(lines, 1)
            await until(lambda: all(watch.book.state is BookState.STALE for watch in lines.books))
            with pytest.raises(errors.BookNotLive, match="connection lost"):
                _ = lines.books[0].book.mid
            lines.venue.faults.once("refuse")
            await lines.healed()
            for watch in lines.books:
                assert [state for state, _ in watch.states] == [BookState.STALE, BookState.LIVE]
                assert watch.wrong == []
            for name, events in lines.events.items():
                (gap,) = events.errors
                assert isinstance(gap, errors.StreamGap)
                assert 0 < gap.since_ns < gap.until_ns
                true = lines.true_events(name)
                assert events.keys == [key for key in true if key in events.keys]
            health = lines.client.health()[lines.books[0].book.topic]
            assert health.state is BookState.LIVE
            assert health.stale_ns > 0

    run(main)


@DIALECTS
def test_lines_that_follow_others_of_their_own_go_unnoticed(dialect: str) -> None:
    async def main() -> None:
        async with two_lines(dialect, replace(CALM, max_connection_age_s=0.3)) as lines:
            before = lines.client.status().connects
            await lines.steps(lambda: lines.client.status().connects >= before + 6)
            await lines.healed()
            lines.check()

    run(main)


# connecting


def refused() -> str:
    """A URL on which no server listens."""
    return "ws://127.0.0.1:1/realtime"


def test_one_line_is_enough_to_begin_and_the_other_goes_on_trying() -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            venue = await stack.enter_async_context(Venue(SyntheticMarket(5)))
            probe = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
            port = probe.sockets[0].getsockname()[1]
            probe.close()
            await probe.wait_closed()
            urls = [f"ws://127.0.0.1:{port}/realtime", venue.inverse_url]
            found: list[errors.DepthwireError] = []
            client = await stack.enter_async_context(depthwire.connect(urls, settings=CALM))
            client.on_error(found.append)
            book = await client.book("BTCUSD")
            stream = await client.trades("BTCUSD")
            assert book.state is BookState.LIVE
            await until(lambda: any(isinstance(error, errors.ConnectError) for error in found))
            assert [line.connected for line in client.lines] == [False, True]
            assert not client.status().connected
            second = await stack.enter_async_context(Venue(SyntheticMarket(5), port=port))
            await until(lambda: client.status().connected)
            await until(lambda: all(session.subscriptions for session in client._sessions))
            assert [line.url for line in client.lines] == urls
            assert stream.waiting >= 0
            del second

    run(main)


@pytest.mark.parametrize(
    ("urls", "error", "said"),
    [
        ([refused(), refused()], errors.ConnectError, "127.0.0.1:1"),
        (
            ["sim://", "sim://v5/linear"],
            errors.InvalidUrl,
            "inverse and v5-linear; the lines of one client must speak one",
        ),
        ([refused(), "ws://127.0.0.1:1/v5/public/linear"], errors.InvalidUrl, "inverse and v5-linear"),
        (["sim://"] * 3, errors.InvalidUrl, "3 URLs"),
        ([], errors.InvalidUrl, "0 URLs"),
        (["sim://", "nowhere"], errors.InvalidUrl, "'nowhere' is not a WebSocket URL"),
        (["sim://", 7], errors.InvalidUrl, "'7' is not a WebSocket URL"),
    ],
)
def test_what_cannot_be_two_lines_is_said(urls: Any, error: type[Exception], said: str) -> None:
    async def main() -> None:
        with pytest.raises(error, match=said):
            async with depthwire.connect(urls, settings=CALM):
                pass

    run(main)


def test_one_url_in_a_list_is_one_line() -> None:
    async def main() -> None:
        async with depthwire.connect(["sim://"]) as client:
            assert client.lines == ()
            await client.book("BTCUSD")

    run(main)


@pytest.mark.parametrize("url", ["sim://", "sim://v5/spot"])
def test_the_embedded_venue_twice_is_one_venue(url: str) -> None:
    async def main() -> None:
        async with depthwire.connect([url, url]) as client:
            await until(lambda: client.status().connected)
            symbol = "BTCUSD" if url == "sim://" else "BTCUSDT"
            book = await client.book(symbol)
            await until(lambda: book.version > 10)
            assert len({line.url for line in client.lines}) == 1
            assert all(line.wins + sum(line.lags_us.values()) > 5 for line in client.lines)

    run(main)


async def read_all(stream: EventStream[Any]) -> None:
    while True:
        with suppress(errors.StreamGap):
            async for _ in stream:
                pass
            return


def test_closing_and_cancelling_leave_no_task() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(5)) as venue, depthwire.connect(venue.inverse_url) as other:
            await other.book("ETHUSD")  # so that the market has begun
            before = asyncio.all_tasks()
            async with depthwire.connect([venue.inverse_url] * 2) as client:
                book = await client.book("BTCUSD")
                waiting = asyncio.create_task(read_all(await client.subscribe("insurance.BTC")))
                await asyncio.sleep(0)
            assert book.finished
            assert book.stale_reason == "the client was closed"
            await waiting
            connecting = asyncio.create_task(depthwire.connect([refused(), venue.inverse_url]).__aenter__())
            await asyncio.sleep(0)
            connecting.cancel()
            await asyncio.wait((connecting,))
            await until(lambda: asyncio.all_tasks() <= before)

    run(main)


def test_topics_come_and_go_on_both_lines() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(5)) as venue, depthwire.connect([venue.inverse_url] * 2) as client:
            await until(lambda: client.status().connected)
            with pytest.raises(errors.SubscriptionRejected, match="NOSUCH"):
                await client.book("NOSUCH")
            with pytest.raises(errors.TopicError, match="not subscribed"):
                await client.unsubscribe("trade.BTCUSD")
            book = await client.book("BTCUSD")
            assert await client.book("BTCUSD") is book
            await client.unsubscribe(book.topic)
            assert (book.finished, book.stale_reason, client.health()) == (True, "unsubscribed", {})
            again = await client.book("BTCUSD")
            assert again is not book
            assert again.state is BookState.LIVE

            events = await client.subscribe("trade.*", "orderBookL2_25.ETHUSD")
            topics = {(await anext(events)).topic for _ in range(60)}
            assert {"trade.BTCUSD", "orderBookL2_25.ETHUSD"} <= topics
            with pytest.raises(errors.SubscriptionRejected, match="NOSUCH"):
                await client.subscribe("trade.BTCUSD", "liquidation.BTCUSD", "trade.NOSUCH")
            assert {topic.text for session in client._sessions for topic in session.subscriptions} == {
                "orderBookL2_25.BTCUSD",
                "orderBookL2_25.ETHUSD",
                "trade.*",
            }
            await client.unsubscribe("trade.*")
            await client.unsubscribe("orderBookL2_25.ETHUSD")
            await read_all(events)

    run(main)


def test_an_instrument_is_that_of_the_line_that_is_ahead() -> None:
    async def main() -> None:
        async with (
            WatchedVenue(SyntheticMarket(5)) as venue,
            depthwire.connect([venue.inverse_url] * 2, settings=CALM) as client,
        ):
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            await until(lambda: client.status().connected)
            instrument = await client.instrument("BTCUSD")
            states: list[BookState] = []
            instrument.on_state(lambda _: states.append(instrument.state))
            topic = instrument.topic
            lines = client._served
            assert isinstance(lines, Lines)
            own = [line.public.channels.get(topic) for line in lines._lines]
            for _ in range(4):
                count = venue.faults.counts[Fault.DROP]
                venue.faults.once("drop", topic)
                await until(lambda count=count: venue.faults.counts[Fault.DROP] > count)
                version = instrument.version
                await until(lambda version=version: instrument.version > version + 3)
            await until(
                lambda: {each.state.state for each in own if isinstance(each, StateChannel)} == {BookState.LIVE}
            )
            assert states == []
            snapshot = instrument.snapshot()
            assert snapshot in [each.state.snapshot() for each in own if isinstance(each, StateChannel)]
            assert client.health()[topic].frames == instrument.version

    run(main)


def test_a_line_that_is_refused_private_topics_is_told_of_and_the_other_serves() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(5), speed=None) as venue, Venue(SyntheticMarket(5), speed=None) as other:
            trader = DemoTrader(venue.exchange, venue.account(KEY, secret=SECRET), seed=5, symbols=("BTCUSDT",))
            urls = [other.v5_url("linear"), venue.v5_url("linear")]
            async with depthwire.connect(urls, api_key=KEY, api_secret=SECRET, settings=CALM) as client:
                found: list[errors.DepthwireError] = []
                client.on_error(found.append)
                orders = await client.orders()
                for _ in range(50):
                    venue.advance(0.1)
                order = await anext(orders)
                assert order.symbol == "BTCUSDT"
                await until(lambda: any(isinstance(error, errors.AuthError) for error in found))
            async with depthwire.connect(urls[:1] * 2, api_key=KEY, api_secret=SECRET, settings=CALM) as client:
                with pytest.raises(errors.AuthError):
                    await client.orders()
            del trader

    run(main)


def test_threads_have_two_lines_too() -> None:
    with depthwire.blocking.connect(["sim://", "sim://"]) as client:
        book = client.book("BTCUSD")
        assert next(iter(book.changes())).state is BookState.LIVE
        assert len(client.lines) == 2
