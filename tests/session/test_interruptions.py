"""What interrupts a client over real sockets: lost connections, bad frames, callbacks that raise."""

import asyncio
import logging

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.feed.live_book import LiveBook
from depthwire.settings import Settings
from depthwire.venue import SyntheticMarket, Venue
from tests.support.plain_client import run, until
from tests.support.sim_client import BTC, QUICK, collected, scripted, simulated
from tests.support.wire import delta, encode, snapshot


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
    ("raw", "error", "stays_live"),
    [
        (encode(delta(delete=[("Buy", 5_000)], seq=2**60)), errors.UnknownLevel, False),
        (b'{"topic":"orderBookL2_25.BTCUSD","type":"del', errors.MalformedFrame, False),
        (encode({"topic": "trade.XRPUSD", "data": []}), errors.UnexpectedTopic, True),
        (encode({"success": False, "ret_msg": "why not"}), errors.MalformedFrame, True),
    ],
)
def test_a_bad_frame_costs_its_own_book_and_that_recovers(
    raw: bytes, error: type[errors.DepthwireError], stays_live: bool
) -> None:
    async def main() -> None:
        async with simulated(speed=20) as (venue, client):
            found = collected(client)
            book, other = await asyncio.gather(client.book("BTCUSD"), client.book("ETHUSD"))
            states: list[tuple[str, BookState]] = []
            for each in (book, other):
                each.on_state(lambda changed: states.append((changed.symbol, changed.state)))
            venue.send_raw(BTC, raw)
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
            scripted([[encode(snapshot()), huge], [encode(snapshot(seq=105))]]) as url,
            depthwire.connect(url, settings=QUICK) as client,
        ):
            found = collected(client)
            book = await client.book("BTCUSD")
            await until(
                lambda: client.status().connects == 2 and book.state is BookState.LIVE and book.cross_seq == 105
            )
            assert [type(error) for error in found] == [errors.MalformedFrame, errors.ConnectionLost]
            assert "1009" in str(found[1])
            assert all("16777216" in str(error) for error in found)

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
            await until(lambda: "DamagedFrame" in caplog.text)

    with caplog.at_level(logging.WARNING, logger="depthwire"):
        run(main)
