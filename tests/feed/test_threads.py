"""Feeds in several threads at once: none sees anything of another's frames."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.feed.book_channel import BookChannel
from tests.support import wire
from tests.support.offline import Offline

THREADS = 4
ROUNDS = 500
LEVELS = 20


@pytest.fixture
def threads_often_take_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def v2_frames(base: int) -> tuple[Any, Any]:
    """A snapshot, and a delta that changes it much and ends crossed."""
    bids = [(base - 5_000 * n, n + 1) for n in range(LEVELS)]
    asks = [(base + 5_000 * (n + 1), n + 1) for n in range(LEVELS)]
    update = [("Buy", price_id, base) for price_id, _ in bids[1:]]
    insert = [("Buy", asks[1][0], 1)]
    return wire.snapshot(bids=bids, asks=asks), wire.delta(delete=[("Buy", base)], update=update, insert=insert)


def v5_frames(base: int) -> tuple[Any, Any]:
    bids = [[f"{base - n}.0", str(n + 1)] for n in range(LEVELS)]
    asks = [[f"{base + 1 + n}.0", str(n + 1)] for n in range(LEVELS)]
    crossing = [[f"{base}.0", "0"], *([price, str(base)] for price, _ in bids[1:]), [f"{base + 2}.0", "1"]]
    sides = {1: (bids, asks), 2: (crossing, [])}
    snapshot, delta = (
        {
            "topic": "orderbook.50.BTCUSDT",
            "type": "snapshot" if u == 1 else "delta",
            "ts": u,
            "data": {"s": "BTCUSDT", "b": sides[u][0], "a": sides[u][1], "u": u, "seq": u},
            "cts": u,
        }
        for u in sides
    )
    return snapshot, delta


@pytest.mark.usefixtures("threads_often_take_turns")
@pytest.mark.parametrize("lane", ["scanner", "msgspec"])
@pytest.mark.parametrize(("dialect", "frames"), [(v2.INVERSE, v2_frames), (v5.LINEAR, v5_frames)], ids=["v2", "v5"])
def test_a_refused_frame_is_taken_back_whole_whatever_other_threads_apply(
    dialect: Dialect, frames: Any, lane: str
) -> None:
    def run(number: int) -> None:
        messages = frames(500_000 * (number + 1))
        snapshot, delta = map(wire.encode, messages)
        offline = Offline()
        channel = dialect.channel(messages[0]["topic"], scanner=lane == "scanner")
        assert isinstance(channel, BookChannel)
        channel.attach(offline.errors.append)
        offline.feed.channels.add(channel)
        offline.send(snapshot)
        expected = channel.book.snapshot()
        for _ in range(ROUNDS):
            offline.send(delta)
            assert [type(error) for error in offline.errors] == [errors.CrossedBook]
            assert channel.book.state is BookState.STALE
            channel.book._check()
            stale = channel.book.snapshot(allow_stale=True)
            assert (list(stale.bids), list(stale.asks)) == (list(expected.bids), list(expected.asks))
            offline.errors.clear()
            channel.asked()
            offline.send(snapshot)
            assert (channel.book.state, offline.errors) == (BookState.LIVE, [])

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(run, number) for number in range(THREADS)]:
            done.result()
