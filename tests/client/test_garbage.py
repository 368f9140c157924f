"""Garbage collection: frames give it nothing to do, and what is set up may be taken out of its reach."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

import depthwire
from depthwire.endpoints import V5_LINEAR_MAINNET, endpoint_of
from depthwire.feed.book_channel import BookChannel
from depthwire.runtime.busy_poll import busy_polling
from tests.support.offline import Offline
from tests.support.reference import frames

ROUNDS = 50


@contextmanager
def collections() -> Iterator[list[int]]:
    """The generations of the collections that begin inside the block."""
    begun: list[int] = []

    def tell(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            begun.append(info["generation"])

    gc.collect()
    gc.callbacks.append(tell)
    try:
        yield begun
    finally:
        gc.callbacks.remove(tell)


@pytest.mark.parametrize("scanner", [True, False])
@pytest.mark.parametrize(
    ("name", "topic", "url"),
    [
        ("inverse-2021-04-17.frames", "orderBookL2_25.BTCUSD", "wss://stream.bybit.com/realtime"),
        ("v5-linear-2026-08-09.frames", "orderbook.200.BTCUSDT", V5_LINEAR_MAINNET),
    ],
)
def test_books_call_for_no_collection(tapes: Path, name: str, topic: str, url: str, scanner: bool) -> None:
    """Neither lane makes container objects that outlive their frame, with a subscriber in Python."""
    raws = [raw for raw in frames(tapes / name) if topic.encode() in raw]
    channel = endpoint_of(url).dialect.channel(topic, scanner=scanner)
    assert isinstance(channel, BookChannel)
    offline = Offline()
    offline.feed.channels.add(channel)
    seen = 0

    def look(book: depthwire.LiveBook) -> None:
        nonlocal seen
        seen += book.bbo is not None

    channel.book.on_change(look)
    with collections() as begun:
        for _ in range(ROUNDS):
            channel.start_over()
            for raw in raws:
                offline.send(raw)
    assert begun == []
    assert seen > 700


def test_trades_call_for_no_collection(tapes: Path) -> None:
    raws = [raw for raw in frames(tapes / "inverse-2021-04-17.frames") if b'"trade.BTCUSD"' in raw]
    offline = Offline("trade.BTCUSD")
    trades: list[depthwire.Trade] = []
    offline.stream("trade.BTCUSD").on_event(trades.append)
    with collections() as begun:
        for _ in range(ROUNDS):
            for raw in raws:
                offline.send(raw)
    if not gc.is_tracked(Decimal("1.5")):  # from Python 3.13 on it is
        assert begun == []
    assert len(trades) > 700
    assert not any(map(gc.is_tracked, trades))


def test_turns_call_for_no_collection() -> None:
    async def main() -> list[int]:
        with busy_polling(), collections() as begun:
            await asyncio.sleep(0.05)
        return begun

    assert depthwire.run(main()) == []


@pytest.fixture
def thawed() -> Iterator[None]:
    """Whatever the suite had frozen is, afterwards, again."""
    try:
        yield
    finally:
        gc.unfreeze()
        gc.freeze()


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("thawed")
def test_freezing_collects_once_and_takes_the_rest_out_of_reach() -> None:
    garbage, kept = weakref.ref(Cycle()), Cycle()
    already = gc.get_freeze_count()
    frozen = depthwire.freeze_gc()
    assert frozen == gc.get_freeze_count() > already
    assert garbage() is None
    assert not any(each is kept for each in gc.get_objects())
    gc.unfreeze()
    assert any(each is kept for each in gc.get_objects())


@pytest.mark.usefixtures("thawed")
def test_what_is_made_afterwards_is_collected_as_ever() -> None:
    depthwire.freeze_gc()
    later = weakref.ref(Cycle())
    gc.collect()
    assert later() is None
