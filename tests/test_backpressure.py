"""Readers that are slower than the venue: the socket is drained all the same, and memory stays flat."""

import asyncio
import gc
import sys
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.settings import Settings
from plain_client import run, until
from v5_server import book, v5_server

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
            with pytest.raises(errors.ReaderOverflow, match=f"{CAPACITY} were waiting") as overflow:
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
