"""Clients against the embedded venue, over real sockets: live books, instruments and events."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.client import Client
from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import TopicEvent
from depthwire.settings import Settings
from depthwire.venue import SyntheticMarket, TapeMarket, Venue
from tests.support.plain_client import BOUND_S, run, until
from tests.support.reference import frames, play
from tests.support.sim_client import BTC, QUICK, collected, simulated

TAPES = ["inverse-2021-04-17.frames", "linear-2021-04-17.frames"]


def oracle_by_sequence(tape: Path) -> dict[tuple[str, int], tuple[Any, Any]]:
    books = play(frames(tape))
    return {(topic, book.cross_seq): (book.bids(), book.asks()) for topic, book in books}


@pytest.mark.parametrize("drops", [0, 3])
@pytest.mark.parametrize("name", TAPES)
def test_the_clients_books_equal_the_tapes_after_each_frame(tapes: Path, name: str, drops: int) -> None:
    expected = oracle_by_sequence(tapes / name)
    symbols = sorted({topic.rpartition(".")[2] for topic, _ in expected})

    async def main() -> None:
        async with Venue(TapeMarket(tapes / name), speed=30) as venue:  # noqa: SIM117
            async with depthwire.connect(venue.url_for(symbols[0]), settings=QUICK) as client:
                found = collected(client)
                seen: set[tuple[str, int]] = set()

                def check(book: LiveBook) -> None:
                    shown = book.snapshot()
                    assert (list(shown.bids), list(shown.asks)) == expected[book.topic, book.cross_seq]
                    seen.add((book.topic, book.cross_seq))
                    if len(seen) in drop_at:
                        drop_at.discard(len(seen))
                        venue.drop_connections()

                drop_at = {150 * (number + 1) for number in range(drops)}
                books = await asyncio.gather(*(subscribed(client, symbol, check) for symbol in symbols))
                await venue.finished.wait()
                served = {topic.name: int(book.cross_seq) for topic, book in venue.books.items()}
                await until(
                    lambda: all(book.state is BookState.LIVE and book.cross_seq == served[book.topic] for book in books)
                )
                assert len(seen) > (450 if drops else 0.9 * len(expected))  # the tape goes on without a connection
                assert client.status().connects == 1 + drops
                assert [type(error) for error in found] == [errors.ConnectionLost] * drops

    run(main)


async def subscribed(client: Client, symbol: str, callback: Callable[[LiveBook], object]) -> LiveBook:
    book = await client.book(symbol)
    callback(book)
    book.on_change(callback)
    return book


def test_both_depths_of_one_symbol_agree() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            narrow, wide = await asyncio.gather(client.book("BTCUSD", 25), client.book("BTCUSD", 200))
            assert narrow is not wide
            assert (len(narrow), len(wide)) == (50, 400)
            await until(lambda: narrow.version > 20 and wide.version > 5)

    run(main)


def test_changes_conflate_and_end_with_the_client() -> None:
    async def main() -> None:
        async with simulated(speed=10) as (_, client):
            book = await client.book("BTCUSD")
            versions = []
            async for same in book.changes():
                assert same is book
                versions.append(book.version)
                if len(versions) == 5:
                    break
                await until(lambda: book.version > versions[-1] + 2)
            assert all(new > old + 2 for old, new in pairwise(versions)), (
                "what came while the reader slept is one change"
            )
            states: list[tuple[BookState, bool]] = []
            book.on_state(lambda changed: states.append((changed.state, changed.finished)))
            reader = asyncio.create_task(drain(book))
            await asyncio.sleep(0)
        await reader
        assert book.state is BookState.STALE
        assert book.finished
        assert states == [(BookState.STALE, True)], "it is reported once"

    async def drain(book: LiveBook) -> None:
        async for _ in book.changes():
            pass

    run(main)


def test_asking_twice_gives_one_book_and_one_subscription() -> None:
    async def main() -> None:
        async with simulated() as (_, client):
            first, second = await asyncio.gather(client.book("BTCUSD"), client.book("BTCUSD"))
            assert first is second is await client.book("BTCUSD")
            assert list(client.health()) == [BTC]

    run(main)


def test_trades_reach_every_reader_in_order() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            one, two = await asyncio.gather(client.trades("BTCUSD"), client.trades("BTCUSD"))
            called: list[depthwire.Trade] = []
            two.on_event(called.append)
            read = [await anext(one) for _ in range(20)]
            assert [await anext(two) for _ in range(20)] == read
            await until(lambda: len(called) >= 30)
            assert called[: called.index(read[-1]) + 1] == read[read.index(called[0]) :]
            assert {trade.symbol for trade in read} == {"BTCUSD"}
            sequences = [trade.cross_seq or 0 for trade in read]
            assert sequences == sorted(sequences)

    run(main)


def test_a_slow_reader_of_trades_meets_what_it_lost() -> None:
    async def main() -> None:
        async with simulated(speed=10) as (_, client):
            stream = await client.trades("BTCUSD", capacity=5)
            every: list[depthwire.Trade] = []
            stream.on_event(every.append)
            await until(lambda: len(every) >= 30)
            read = [await anext(stream) for _ in range(5)]
            assert read == every[:5]
            with pytest.raises(errors.ReaderOverflow, match="capacity") as overflow:
                await anext(stream)
            after = await anext(stream)
            assert after == every[5 + overflow.value.lost]

    run(main)


def test_a_linear_venue_speaks_linear() -> None:
    async def main() -> None:
        async with (
            Venue(SyntheticMarket(seed=1), speed=20) as venue,
            depthwire.connect(venue.linear_url, settings=QUICK) as client,
        ):
            book = await client.book("BTCUSDT")
            trades = await client.trades("BTCUSDT")
            trade = await anext(trades)
            assert trade.cross_seq is None
            assert book.best_bid is not None
            assert book.best_ask is not None
            assert book.best_bid < book.best_ask

    run(main)


@pytest.mark.parametrize("dialect", ["inverse", "linear"])
def test_an_instrument_is_a_merged_live_state(dialect: str) -> None:
    symbol = "BTCUSD" if dialect == "inverse" else "BTCUSDT"

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1), speed=10) as venue:  # noqa: SIM117
            async with depthwire.connect(venue.url_for(symbol), settings=QUICK) as client:
                instrument = await client.instrument(symbol)
                assert instrument is await client.instrument(symbol)
                assert instrument.state is BookState.LIVE
                first = instrument.snapshot()
                named: list[frozenset[str]] = []
                instrument.on_change(lambda state, changed: named.append(frozenset(changed)))
                await until(lambda: len(named) > 20)
                now = instrument.snapshot()
                assert now.symbol == first.symbol == symbol
                assert now.last_price > 0
                fields = {name for changed in named for name in changed}
                wire_names = zip(now.__struct_fields__, now.__struct_encode_fields__, strict=True)
                differing = {wire for name, wire in wire_names if getattr(now, name) != getattr(first, name)}
                assert differing, "the market moved"
                assert differing <= fields, "each change was named"
                venue.drop_connections()
                await until(lambda: instrument.state is BookState.STALE)
                with pytest.raises(errors.BookNotLive):
                    _ = instrument.last_price
                await until(lambda: instrument.state is BookState.LIVE)

    run(main)


def test_candles_know_their_last_tick() -> None:
    async def main() -> None:
        async with simulated(speed=60) as (_, client):
            stream = await client.subscribe("klineV2.1.BTCUSD")
            seen = [(await anext(stream)).data]
            while not seen[-1].confirm:  # at most a minute of the market's time
                seen.append((await anext(stream)).data)
            seen.append((await anext(stream)).data)
            ended = [candle for candle in seen if candle.confirm]
            for candle in ended:
                assert candle.end - candle.start == 60
                assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high
            starts = [candle.start for candle in seen]
            assert starts == sorted(starts)

    run(main, bound_s=120)


def test_sim_urls_need_no_venue_of_ones_own() -> None:
    async def main() -> None:
        async with depthwire.connect("sim://") as client:
            assert (await client.book("BTCUSD")).state is BookState.LIVE
        async with depthwire.connect("sim://linear") as client:
            assert (await client.book("BTCUSDT")).state is BookState.LIVE
        with pytest.raises(errors.InvalidUrl, match="sim://linear"):
            async with depthwire.connect("sim://moon"):
                pass

    run(main)


def test_a_ping_is_answered_or_an_error() -> None:
    async def main() -> None:
        async with simulated(Settings(timeout_s=0.2)) as (venue, client):
            assert 0 < await client.ping() < BOUND_S
            venue.mute_pongs = True
            with pytest.raises(TimeoutError, match=r"no pong within 0\.2 s"):
                await client.ping()
            venue.mute_pongs = False
            assert await client.ping() > 0

    run(main)


def test_a_callback_given_to_subscribe_gets_every_event() -> None:
    async def main() -> None:
        async with simulated(speed=50) as (_, client):
            called: list[TopicEvent] = []
            stream = await client.subscribe(BTC, "trade.*", on_event=called.append)
            async for event in stream:
                assert called[0] is event, "the first one, which may come before subscribe() returns, is among them"
                break
            with pytest.raises(TypeError, match="must be callable"):
                await client.subscribe("trade.BTCUSD", on_event=5)  # type: ignore[arg-type]

    run(main)
