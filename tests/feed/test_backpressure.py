"""Readers that are slower than the venue: the socket is drained all the same, and memory stays flat."""

import asyncio
import gc
import sys
import time
from copy import copy
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.settings import Settings
from tests.support.plain_client import run, until
from tests.support.v5_server import book, ticker, v5_server

QUICK = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05)
CAPACITY, BATCH, BATCHES, TRADES = 100, 200, 12, 5


def trades(number: int) -> dict[str, Any]:
    data = [
        {"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "0.004", "p": "100", "i": f"{number}-{at}", "BT": False, "seq": 9}
        for at in range(TRADES)
    ]
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": data}


def test_a_reader_that_stands_still_costs_neither_the_socket_nor_memory() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            stream = await client.trades("BTCUSDT", capacity=CAPACITY)
            blocks = []
            for batch in range(BATCHES):
                before = client.health()["publicTrade.BTCUSDT"].frames
                for number in range(BATCH):
                    server.push(trades(batch * BATCH + number))
                await until(lambda: client.health()["publicTrade.BTCUSDT"].frames == before + BATCH)  # noqa: B023
                assert stream.waiting <= CAPACITY
                gc.collect()
                blocks.append(sys.getallocatedblocks())
            assert blocks[-1] - blocks[1] < BATCH, "less than one object a frame of one batch was kept of ten batches"
            read = [await anext(stream) for _ in range(CAPACITY)]
            assert [trade.trade_id for trade in read[:: CAPACITY - 1]] == [
                "0-0",
                f"{CAPACITY // TRADES - 1}-{TRADES - 1}",
            ]
            with pytest.raises(errors.ReaderOverflow, match=f"{CAPACITY} were already waiting") as overflow:
                await anext(stream)
            assert overflow.value.lost == BATCH * BATCHES * TRADES - CAPACITY
            server.push(trades(-1))
            assert (await anext(stream)).trade_id == "-1-0"

    run(main, bound_s=60)


def test_a_slow_reader_of_a_book_gets_the_newest_state() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            live = await client.book("BTCUSDT")
            reader = live.changes()
            assert (await anext(reader)).update_id == 1
            for u in range(2, 1_002):
                server.push(book("BTCUSDT", u=u, kind="delta", b=[["100.50", str(u)]]))
            await until(lambda: live.update_id == 1_001)
            assert (await anext(reader)).update_id == 1_001
            waiting = asyncio.ensure_future(anext(reader))
            await asyncio.sleep(0)
            assert not waiting.done(), "one change, however many frames it was"
            waiting.cancel()

    run(main)


SLOW = Settings(timeout_s=5.0, slow_callback_s=0.05)
LONG_S = 0.1  # longer than the bound and a tick of the kernel's clock


def slow(found: list[errors.DepthwireError], topic: str) -> list[errors.SlowCallback]:
    """Those that a test's own callback caused; a busy machine may hold up others, too."""
    told = [error for error in found if isinstance(error, errors.SlowCallback)]
    return [error for error in told if error.topic == topic and error.took_s >= LONG_S]


def test_a_slow_callback_of_a_book_is_told_of_and_stops_nobody() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=SLOW) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            live = await client.book("BTCUSDT")
            seen: list[int] = []
            live.on_change(lambda book: time.sleep(LONG_S) if book.update_id == 3 else None)
            live.on_change(lambda book: seen.append(book.update_id))
            for u in (2, 3, 4):
                server.push(book("BTCUSDT", u=u, kind="delta"))
            await until(lambda: seen == [2, 3, 4])
            (error,) = slow(found, "orderbook.50.BTCUSDT")
            assert error.bound_s == 0.05
            assert "The socket is not read" in str(error)
            assert str(copy(error)) == str(error)

    run(main)


def test_a_slow_callback_of_events_and_of_an_instrument_is_told_of_too() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=SLOW) as client:
            server.snapshots = lambda topic: ticker("BTCUSDT", lastPrice="1") if topic.startswith("tickers") else None
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            (await client.trades("BTCUSDT")).on_event(lambda trade: time.sleep(LONG_S / TRADES))
            (await client.instrument("BTCUSDT")).on_change(lambda info, changed: time.sleep(LONG_S))
            server.push(trades(1))
            server.push(ticker("BTCUSDT", "delta", lastPrice="2"))
            await until(lambda: bool(slow(found, "publicTrade.BTCUSDT") and slow(found, "tickers.BTCUSDT")))

    run(main)


def test_without_a_bound_nothing_is_measured() -> None:
    async def main() -> None:
        settings = Settings(timeout_s=5.0, slow_callback_s=None)
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            live = await client.book("BTCUSDT")
            live.on_change(lambda book: time.sleep(0.3))
            server.push(book("BTCUSDT", u=2, kind="delta"))
            await until(lambda: live.update_id == 2)
            assert found == []

    run(main)
