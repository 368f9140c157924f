"""Clients against the embedded venue, over real sockets: the main job, its interruptions, and its refusals."""

import asyncio
import gc
import json
import logging
import math
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from picows import WSMsgType, ws_create_server

import depthwire
from depthwire import errors
from depthwire.channel import LiveBook
from depthwire.client import Client
from depthwire.settings import Settings
from depthwire.values import BookState
from depthwire.venue import SyntheticMarket, TapeMarket, Venue
from plain_client import run, until
from reference import frames, play
from wire import delta, encode, snapshot

QUICK = Settings(timeout_s=2.0, backoff_first_s=0.01, backoff_cap_s=0.05)
TAPES = ["inverse-2021-04-17.frames", "linear-2021-04-17.frames"]
BTC = "orderBookL2_25.BTCUSD"


@asynccontextmanager
async def simulated(settings: Settings = QUICK, **options: Any) -> AsyncIterator[tuple[Venue, Client]]:
    async with (
        Venue(SyntheticMarket(seed=1), **options) as venue,
        depthwire.connect(venue.inverse_url, settings=settings) as client,
    ):
        yield venue, client


def collected(client: Client) -> list[errors.DepthwireError]:
    found: list[errors.DepthwireError] = []
    client.on_error(found.append)
    return found


async def ends(stream: AsyncIterator[Any]) -> bool:
    """Read what waits; true once the iteration has ended, which `run` bounds."""
    async for _ in stream:
        pass
    return True


# the main job


def oracle_by_sequence(tape: Path) -> dict[tuple[str, int], tuple[Any, Any]]:
    books = play(frames(tape))
    return {(topic, book.cross_seq): (book.bids(), book.asks()) for topic, book in books}


@pytest.mark.parametrize("drops", [0, 3])
@pytest.mark.parametrize("name", TAPES)
def test_the_clients_books_equal_the_tapes_after_each_frame(tapes: Path, name: str, drops: int) -> None:
    expected = oracle_by_sequence(tapes / name)
    symbols = sorted({topic.rpartition(".")[2] for topic, _ in expected})

    async def main() -> None:
        async with Venue(TapeMarket(tapes / name), speed=math.inf) as venue:  # noqa: SIM117
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
        assert states == [(BookState.STALE, True)], "it is told of once"

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


# interruptions


def test_a_lost_connection_makes_books_stale_at_once_and_live_again() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (venue, client):
            book = await client.book("BTCUSD")
            states: list[BookState] = []
            book.on_state(lambda changed: states.append(changed.state))
            venue.drop_connections()
            await until(lambda: not client.status().connected)
            assert book.state is BookState.STALE
            assert "connection lost" in str(book.stale_reason)
            with pytest.raises(errors.BookNotLive, match="connection lost"):
                _ = book.mid
            await until(lambda: book.state is BookState.LIVE)
            assert states == [BookState.STALE, BookState.LIVE]
            status = client.status()
            assert (status.connects, status.losses) == (2, 1)

    run(main)


def test_trades_carry_a_gap_where_the_connection_was_lost() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (venue, client):
            stream = await client.trades("BTCUSD")
            await anext(stream)
            venue.drop_connections()
            with pytest.raises(errors.StreamGap) as gap:
                while True:
                    await anext(stream)
            assert gap.value.topic == "trade.BTCUSD"
            assert gap.value.since_ns > 1_600_000_000_000_000_000
            assert (await anext(stream)).symbol == "BTCUSD"

    run(main)


def test_a_missing_pong_means_a_dead_connection() -> None:
    settings = Settings(timeout_s=2, ping_interval_s=0.05, pong_timeout_s=1, backoff_first_s=0.01, backoff_cap_s=0.05)

    async def main() -> None:
        async with simulated(settings) as (venue, client):
            book = await client.book("BTCUSD")
            await asyncio.sleep(0.3)
            assert client.status().losses == 0, "pongs came"
            venue.mute_pongs = True
            await until(lambda: client.status().losses >= 1)
            assert "no pong within 1 s" in client.status().last_loss
            venue.mute_pongs = False
            await until(lambda: book.state is BookState.LIVE)

    run(main)


def test_a_venue_that_is_gone_is_tried_again_until_it_is_back() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1)) as venue:
            port = int(venue.inverse_url.rpartition(":")[2].partition("/")[0])
            connection = depthwire.connect(venue.inverse_url, settings=QUICK)
            client = await connection.__aenter__()
            found = collected(client)
            book = await client.book("BTCUSD")
        await until(lambda: sum(isinstance(error, errors.ConnectError) for error in found) >= 3)
        assert book.state is BookState.STALE
        async with Venue(SyntheticMarket(seed=2), port=port):
            await until(lambda: book.state is BookState.LIVE)
            await connection.__aexit__(None, None, None)

    run(main)


@pytest.mark.parametrize(
    ("raw", "binary", "error", "stays_live"),
    [
        (encode(delta(delete=[("Buy", 5_000)], seq=2**60)), False, errors.UnknownLevel, False),
        (b'{"topic":"orderBookL2_25.BTCUSD","type":"del', False, errors.MalformedFrame, False),
        (b"\x00\x01\x02", True, errors.MalformedFrame, True),
        (b"hello", False, errors.MalformedFrame, True),
        (encode({"topic": "trade.XRPUSD", "data": []}), False, errors.UnknownTopic, True),
        (encode({"success": False, "ret_msg": "why not"}), False, errors.MalformedFrame, True),
    ],
)
def test_a_bad_frame_costs_its_own_book_and_that_recovers(
    raw: bytes, binary: bool, error: type[errors.DepthwireError], stays_live: bool
) -> None:
    async def main() -> None:
        async with simulated(speed=20) as (venue, client):
            found = collected(client)
            book, other = await asyncio.gather(client.book("BTCUSD"), client.book("ETHUSD"))
            states: list[tuple[str, BookState]] = []
            for each in (book, other):
                each.on_state(lambda changed: states.append((changed.symbol, changed.state)))
            venue.send_raw(BTC, raw, binary=binary)
            await until(lambda: bool(found))
            assert [type(one) for one in found] == [error]
            at = book.version, other.version
            await until(lambda: book.version > at[0] + 3 and other.version > at[1] + 3)
            expected = [] if stays_live else [("BTCUSD", BookState.STALE), ("BTCUSD", BookState.LIVE)]
            assert states == expected
            health = client.health()[BTC]
            assert (health.state, health.resyncs) == (BookState.LIVE, 0 if stays_live else 1)
            assert client.status().losses == 0

    run(main)


def test_a_bad_first_snapshot_is_fetched_again() -> None:
    async def main() -> None:
        async with (
            scripted([[encode(snapshot())[:-9]], [encode(snapshot())]]) as url,
            depthwire.connect(url, settings=QUICK) as client,
        ):
            found = collected(client)
            book = await client.book("BTCUSD")
            assert book.state is BookState.LIVE
            assert [type(error) for error in found] == [errors.MalformedFrame]

    run(main)


def test_a_message_in_fragments_is_one_message() -> None:
    raw = encode(snapshot())

    async def main() -> None:
        async with (
            scripted([[(raw[:50], raw[50:300], raw[300:])]]) as url,
            depthwire.connect(url, settings=QUICK) as client,
        ):
            assert len(await client.book("BTCUSD")) == 6

    run(main)


def test_a_message_of_100_mb_ends_the_connection_and_no_more() -> None:
    huge = b'{"topic":"orderBookL2_25.BTCUSD","x":"' + b"x" * 100_000_000 + b'"}'

    async def main() -> None:
        async with (
            scripted([[encode(snapshot()), huge], [encode(snapshot(seq=5))]]) as url,
            depthwire.connect(url, settings=QUICK) as client,
        ):
            found = collected(client)
            book = await client.book("BTCUSD")
            await until(lambda: client.status().connects == 2 and book.state is BookState.LIVE and book.cross_seq == 5)
            (error,) = found
            assert isinstance(error, errors.ConnectionLost)
            assert "1009" in str(error)
            assert "16777216" in str(error)

    run(main)


def test_a_callback_that_raises_stops_nobody_else() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            found = collected(client)
            book = await client.book("BTCUSD")
            calls: list[int] = []

            def fail(book: LiveBook) -> None:
                raise RuntimeError("my own fault")

            remove = book.on_change(fail)
            book.on_change(lambda changed: calls.append(changed.version))
            await until(lambda: len(calls) > 3)
            remove()
            assert book.state is BookState.LIVE
            assert isinstance(found[0], errors.CallbackError)
            assert "my own fault" in str(found[0])
            assert isinstance(found[0].__cause__, RuntimeError)
            told = len(found)
            await until(lambda: len(calls) > 10)
            assert len(found) == told

    run(main)


def test_errors_that_nobody_asked_for_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with simulated(speed=20) as (venue, client):
            await client.book("BTCUSD")
            venue.send_raw(BTC, b"hello")
            await until(lambda: "MalformedFrame" in caplog.text)

    with caplog.at_level(logging.WARNING, logger="depthwire"):
        run(main)


# refusals


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
            with pytest.raises(errors.TopicError, match="is no symbol; one looks like"):
                await client.book(symbol)
            with pytest.raises(errors.TopicError):
                await client.trades(symbol)

    run(main)


@pytest.mark.parametrize("depth", [0, 1, 50, "25"])
def test_a_depth_that_does_not_exist_is_refused(depth: Any) -> None:
    async def main() -> None:
        async with simulated() as (_, client):
            with pytest.raises(errors.TopicError, match="25 and 200"):
                await client.book("BTCUSD", depth)

    run(main)


def test_no_answer_in_time_is_an_error() -> None:
    async def main() -> None:
        async with simulated(Settings(timeout_s=0.5)) as (venue, client):
            venue.mute_answers = True
            for wanted in (client.book("BTCUSD"), client.trades("BTCUSD")):
                with pytest.raises(errors.SubscriptionTimeout, match=r"within 0.5 s"):
                    await wanted
            venue.mute_answers = False
            assert (await client.book("BTCUSD")).state is BookState.LIVE
            venue.mute_answers = True
            with pytest.raises(TimeoutError, match=r"did not answer within 0.5 s"):
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


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", "no WebSocket URL"),
        ("stream.bybit.com/realtime", "no WebSocket URL"),
        ("https://stream.bybit.com/realtime", "no WebSocket URL"),
        ("ws://", "no WebSocket URL"),
        ("ws://host:99999/realtime", "no WebSocket URL"),
        ("wss://stream.bybit.com/", "/realtime_public"),
        ("wss://stream.bybit.com/v9/moon", "/realtime_public"),
    ],
)
def test_a_url_that_names_no_endpoint_is_refused(url: str, hint: str) -> None:
    async def main() -> None:
        with pytest.raises(errors.InvalidUrl, match=hint):
            async with depthwire.connect(url):
                pass

    run(main)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refused(url: str, match: str, **options: Any) -> None:
    async def main() -> None:
        with pytest.raises(errors.ConnectError, match=match) as error:
            async with depthwire.connect(url, settings=Settings(timeout_s=0.5), **options):
                pass
        assert isinstance(error.value, ConnectionError)
        assert "secret" not in str(error.value)

    run(main)


def test_a_refused_port_is_a_connect_error() -> None:
    refused(f"ws://127.0.0.1:{free_port()}/realtime?api_key=secret", r"127\.0\.0\.1.*realtime: .*Connect")


def test_an_unknown_host_is_a_connect_error() -> None:
    refused("ws://no-such-host.invalid/realtime", r"no-such-host\.invalid")


def test_tls_to_a_plain_port_is_a_connect_error() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket()) as venue:
            with pytest.raises(errors.ConnectError, match=r"no connection within 1 s|does the port speak TLS"):
                async with depthwire.connect(venue.inverse_url.replace("ws:", "wss:"), settings=Settings(timeout_s=1)):
                    pass

    run(main)


def test_a_path_that_the_server_does_not_serve_is_a_connect_error() -> None:
    async def main() -> None:
        server = await ws_create_server(lambda request: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(errors.ConnectError, match="404"):
            async with depthwire.connect(f"ws://127.0.0.1:{port}/realtime", settings=QUICK):
                pass
        server.close()

    run(main)


def test_a_server_that_never_answers_the_handshake_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(f"ws://127.0.0.1:{silent.getsockname()[1]}/realtime", r"no connection within 0\.5 s")


def test_tls_is_verified(certificate: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))

    async def main() -> None:
        async with Venue(SyntheticMarket(), ssl=serving, speed=20) as venue:
            url = venue.inverse_url.replace("127.0.0.1", "localhost")
            assert url.startswith("wss://")
            with pytest.raises(TypeError, match=r"must be an ssl\.SSLContext"):
                async with depthwire.connect(url, settings=QUICK, ssl_context=False):  # type: ignore[arg-type]
                    pass
            with pytest.raises(errors.ConnectError, match="certificate"):
                async with depthwire.connect(url, settings=QUICK):
                    pass
            async with depthwire.connect(url, settings=QUICK, ssl_context=trusting) as client:
                assert (await client.book("BTCUSD")).state is BookState.LIVE

    run(main)


@pytest.mark.parametrize("name", ["timeout_s", "ping_interval_s", "backoff_first_s", "max_message_size"])
def test_settings_that_make_no_sense_are_refused(name: str) -> None:
    for value in (0, -1, math.nan):
        with pytest.raises(ValueError, match=name):
            Settings(**{name: value})


def test_secrets_in_a_url_are_not_shown() -> None:
    async def main() -> None:
        async with (
            Venue(SyntheticMarket()) as venue,
            depthwire.connect(f"{venue.inverse_url}?api_key=hush&signature=hush", settings=QUICK) as client,
        ):
            await client.book("BTCUSD")
            assert "hush" not in f"{client!r} {client.url} {client.status()}"

    run(main)


# cancelling and closing


def test_a_cancel_at_any_await_leaves_nothing_behind() -> None:
    """The same conversation is cancelled after 0, 1, 2 … steps of the loop, until it is never cancelled in time."""

    async def conversation(url: str) -> None:
        async with depthwire.connect(url, settings=QUICK) as client:
            book = await client.book("BTCUSD")
            trades = await client.trades("BTCUSD")
            async for _ in book.changes():
                break
            await anext(trades)
            await client.unsubscribe(book.topic)

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1), speed=10) as venue:
            await conversation(venue.inverse_url)
            before = asyncio.all_tasks()
            steps, finished = 0, False
            while not finished:
                task = asyncio.create_task(conversation(venue.inverse_url))
                for _ in range(steps):
                    await asyncio.sleep(0)
                finished = task.done()
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                await until(lambda: asyncio.all_tasks() <= before)
                steps = steps + 1 if steps < 60 else steps * 2
            assert steps > 20
            await until(lambda: venue.connections == 0)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(main)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_closing_twice_and_using_a_closed_client() -> None:
    async def main() -> None:
        async with simulated() as (_, client):
            book = await client.book("BTCUSD")
            trades = await client.trades("BTCUSD")
            waiting = asyncio.create_task(client.book("ETHUSD"))
            await asyncio.sleep(0)
            await client.close()
            await client.close()
            with pytest.raises(errors.ClientClosed):
                await client.book("BTCUSD")
            with pytest.raises(errors.DepthwireError):
                await waiting
            assert book.state is BookState.STALE
            assert await ends(trades)
            assert "not connected" in repr(client)

    run(main)


def test_several_clients_and_several_loops() -> None:
    async def main() -> None:
        async with (
            Venue(SyntheticMarket(seed=1)) as venue,
            depthwire.connect(venue.inverse_url) as one,
            depthwire.connect(venue.inverse_url) as two,
        ):
            books = await asyncio.gather(one.book("BTCUSD"), two.book("BTCUSD"))
            assert books[0] is not books[1]

    run(main)
    run(main)
    depthwire.run(main())


# the topic grammar


def test_a_pattern_brings_every_topic_of_its_kind_to_one_reader() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            found = collected(client)
            stream = await client.subscribe("trade.*")
            read = [await anext(stream) for _ in range(40)]
            assert {event.topic for event in read} == {"trade.BTCUSD", "trade.ETHUSD"}
            assert all(event.topic == f"trade.{event.data.symbol}" for event in read)
            assert found == []
            await client.unsubscribe("trade")
            assert await ends(stream)

    run(main)


def test_several_topics_share_a_stream() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (venue, client):
            stream = await client.subscribe("orderBookL2_25.BTCUSD|ETHUSD", "trade.BTCUSD")
            seen = set()
            while len(seen) < 3:
                event = await anext(stream)
                seen.add(event.topic)
                if event.topic.startswith("orderBook"):
                    assert isinstance(event.data, LiveBook)
                    assert event.data.topic == event.topic
            assert seen == {BTC, "orderBookL2_25.ETHUSD", "trade.BTCUSD"}
            assert (await client.book("BTCUSD")).topic == BTC, "a book that the stream reads already"
            await client.unsubscribe("trade.BTCUSD", BTC)
            await until(lambda: venue.connections == 1)
            await client.unsubscribe("orderBookL2_25.ETHUSD")
            assert await ends(stream)

    run(main)


def test_what_a_pattern_and_a_name_both_cover_comes_once() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            stream = await client.subscribe("trade.BTCUSD", "trade.*", "trade.BTCUSD")
            seen = [event for event in [await anext(stream) for _ in range(40)] if event.topic == "trade.BTCUSD"]
            assert len(seen) > 1
            assert len({event.data.trade_id for event in seen}) == len(seen)

    run(main)


def test_a_closed_stream_of_topics_hears_no_more_and_others_do() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            topics = "trade.*", BTC, "instrument_info.100ms.BTCUSD"
            closed, other = await client.subscribe(*topics), await client.subscribe(*topics)
            heard: list[str] = []
            closed.on_event(lambda event: heard.append(event.topic))
            await until(lambda: {"trade.BTCUSD", *topics[1:]} <= set(heard))
            closed.close()
            told, topics_after = len(heard), set[str]()
            other.on_event(lambda event: topics_after.add(event.topic))
            await until(lambda: {"trade.BTCUSD", *topics[1:]} <= topics_after)
            assert len(heard) == told
            assert await ends(closed)

    run(main)


def test_a_name_outlives_the_pattern_that_covered_it() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            every = await client.subscribe("trade.*")
            one = await client.trades("BTCUSD")
            await anext(every)
            await client.unsubscribe("trade.*")
            while one.waiting:
                await anext(one)
            assert [(await anext(one)).symbol for _ in range(10)] == ["BTCUSD"] * 10

    run(main)


def test_the_same_set_is_asked_for_once_after_a_reconnect() -> None:
    requests: list[dict[str, Any]] = []

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect(url, settings=QUICK) as client:
            await client.subscribe("trade.BTCUSD|XRPUSD", "liquidation")
            await client.subscribe("trade.XRPUSD", "trade.BTCUSD", "insurance.BTC")
            first = sorted(topic for request in requests for topic in request["args"])
            assert first == ["insurance.BTC", "liquidation.*", "trade.BTCUSD", "trade.XRPUSD"]
            requests.clear()
            client._public.connection.drop("a test")
            await until(lambda: bool(requests))
            (again,) = requests
            assert sorted(again["args"]) == first

    run(main)


def test_many_topics_go_in_batches() -> None:
    requests: list[dict[str, Any]] = []
    names = "|".join(f"S{number}USD" for number in range(250))

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect(url, settings=QUICK) as client:
            await client.subscribe(f"trade.{names}")
            assert [len(request["args"]) for request in requests] == [100, 100, 50]

    run(main)


def test_ten_thousand_topics_that_are_none_are_refused_and_the_rest_goes_on() -> None:
    async def main() -> None:
        async with simulated(Settings(timeout_s=60.0, ping_interval_s=60.0)) as (_, client):
            book = await client.book("BTCUSD")
            with pytest.raises(errors.SubscriptionRejected, match=r"trade\.X0USD.*unknown topic"):
                await client.subscribe(*(f"trade.X{number}USD" for number in range(10_000)))
            version = book.version
            await until(lambda: book.version > version)
            assert client.status().losses == 0

    run(main)


@pytest.mark.parametrize("topics", [(), ("moon.BTCUSD",), ("trade.BTCUSD", "trade.btcusd"), ("order.BTCUSD",)])
def test_a_malformed_topic_is_refused_before_anything_is_sent(topics: tuple[str, ...]) -> None:
    requests: list[dict[str, Any]] = []

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect(url, settings=QUICK) as client:
            with pytest.raises(errors.TopicError):
                await client.subscribe(*topics)
            assert requests == []

    run(main)


# a server that sends what the test wrote


@asynccontextmanager
async def scripted(rounds: list[list[Any]], requests: list[Any] | None = None) -> AsyncIterator[str]:
    """Answers and keeps every request; each subscribe is followed by the next round's messages, a tuple in fragments."""
    from picows import WSFrame, WSListener, WSTransport

    left = list(rounds)

    class Script(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type != WSMsgType.TEXT:
                transport.disconnect()
                return
            text = frame.get_payload_as_bytes()
            transport.send(WSMsgType.TEXT, b'{"success":true,"ret_msg":"","conn_id":"1","request":' + text + b"}")
            if requests is not None:
                requests.append(json.loads(text))
            if b'"subscribe"' not in text or not left:
                return
            for message in left.pop(0):
                parts = message if isinstance(message, tuple) else (message,)
                for number, part in enumerate(parts):
                    kind = WSMsgType.CONTINUATION if number else WSMsgType.TEXT
                    transport.send(kind, part, fin=number == len(parts) - 1)

    server = await ws_create_server(lambda request: Script(), "127.0.0.1", 0, max_frame_size=1 << 20)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/realtime"
    finally:
        server.close()
