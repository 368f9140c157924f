"""One client with a thousand books of v5 at the embedded venue: ``python bench/thousand_symbols.py [SECONDS]``.

The venue is a separate process, which plays its market as fast as this one reads. Prints as JSON: the connections
that the topics needed, how long it took until every book was LIVE, memory per book (its snapshot, channel and share of
the sockets included), and processor time per frame from the socket to the current book, of this process alone.
"""

import asyncio
import gc
import json
import math
import subprocess
import sys
import time
from typing import Any

import depthwire
from depthwire.book.types import BookState
from depthwire.settings import Settings
from depthwire.venue import SyntheticMarket, Venue
from memory import private_bytes

SYMBOLS = 1_000
SECONDS = 5.0
TIMEOUT_S = 120.0


async def serve() -> None:
    """Run the venue until its standard input ends."""
    async with Venue(SyntheticMarket(seed=1, more=SYMBOLS), speed=math.inf) as venue:
        print(venue.v5_url("linear"), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def hold(url: str, seconds: float) -> dict[str, Any]:
    """Measure a client's books for some seconds."""
    async with depthwire.connect(url, settings=Settings(timeout_s=TIMEOUT_S)) as client:
        await client.book("BTCUSDT")  # after growth that happens once
        gc.collect()
        before, began_s = private_bytes(), time.perf_counter()
        symbols = [f"COIN{number:04}USDT" for number in range(1, SYMBOLS + 1)]
        books = await asyncio.gather(*(client.book(symbol, 50) for symbol in symbols))
        live_s = time.perf_counter() - began_s
        gc.collect()
        kib_per_book = (private_bytes() - before) / 1024 / SYMBOLS
        frames, used_ns, began_s = client.status().frames, time.process_time_ns(), time.perf_counter()
        await asyncio.sleep(seconds)
        used_ns, elapsed_s = time.process_time_ns() - used_ns, time.perf_counter() - began_s
        status = client.status()
        frames = status.frames - frames
        return {
            "symbols": SYMBOLS,
            "live": sum(book.state is BookState.LIVE for book in books),
            "resyncs": sum(topic.resyncs for topic in client.health().values()),
            "connections": status.connects,
            "until_live_s": round(live_s, 2),
            "kib_per_book": round(kib_per_book, 2),
            "frames": frames,
            "frames_per_s": round(frames / elapsed_s),
            "us_per_frame": round(used_ns / 1000 / max(frames, 1), 2),
        }


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """Measure with a separate venue."""
    command = [sys.executable, __file__, "venue"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            return asyncio.run(hold(process.stdout.readline().strip(), seconds))
        finally:
            process.kill()


if __name__ == "__main__":
    if sys.argv[1:] == ["venue"]:
        asyncio.run(serve())
    else:
        print(json.dumps(measure(*map(float, sys.argv[1:])), indent=1))
