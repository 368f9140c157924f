"""Processes that are killed or stopped: no book of a dead venue is LIVE, and a killed recorder's tape can be read.

``DEPTHWIRE_KILLS`` is how many times each is killed; from 100 on, a venue is also stopped for 30 s (``make kills``).
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.cli import main
from depthwire.client import Client
from depthwire.feed.live_book import LiveBook
from depthwire.settings import Settings
from depthwire.tape import TapeReader
from depthwire.venue import Category, Dialect, PublicTopic, V5WireBook
from depthwire.venue.frames.topic_states import new_state
from tests.support.cli_process import BOUND_S, NEEDS_SIGNALS, started, synthetic, tape_lines, urls, venue, write_tape
from tests.support.plain_client import PlainClient, run, until

KILLS = int(os.environ.get("DEPTHWIRE_KILLS", "3"))
IN_FULL = KILLS >= 100
QUICK = Settings(backoff_first_s=0.005, backoff_cap_s=0.02, timeout_s=5.0)
WATCHFUL = Settings(backoff_first_s=0.005, backoff_cap_s=0.02, timeout_s=5.0, ping_interval_s=0.2, pong_timeout_s=0.5)
TOPICS = {
    "v2": {
        PublicTopic(Dialect.V2, Category.INVERSE, "orderBookL2_25.BTCUSD"),
        PublicTopic(Dialect.V2, Category.INVERSE, "orderBookL2_25.ETHUSD"),
    },
    "v5": {PublicTopic(Dialect.V5, Category.LINEAR, "orderbook.50.BTCUSDT")},
}
COMPARED = 3  # books of each topic, at one sequence each
pytestmark = NEEDS_SIGNALS

Key = tuple[int, int]
Sides = tuple[dict[float, float], ...]


class Process:
    """A venue that is killed and started again on the same port."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._port = "0"
        self.process: subprocess.Popen[str]

    async def __aenter__(self) -> "Process":
        await self.begin()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def begin(self) -> None:
        """Start it, and wait until it listens."""
        self.process = self._stack.enter_context(started("venue", "--port", self._port, "--speed", "5", stderr=None))
        self.served = await asyncio.to_thread(urls, self.process, 5)
        self._port = str(urlsplit(self.served["BTCUSD"]).port)

    async def witness(self, dialect: str) -> PlainClient:
        """A client that knows nothing of depthwire; a venue that has just begun may be too busy for the first try."""
        while True:
            try:
                return await PlainClient.connect(self.url(dialect))
            except (ConnectionError, TimeoutError):
                assert self.process.poll() is None, "the venue ended by itself"
                await asyncio.sleep(0.1)

    def url(self, dialect: str) -> str:
        return self.served["BTCUSD"] if dialect == "v2" else f"ws://127.0.0.1:{self._port}/v5/public/linear"


class Books:
    """What a client of each dialect holds, held against what another client reads of the same venue."""

    def __init__(self, clients: dict[str, Client], books: list[LiveBook]) -> None:
        self.clients = clients
        self.books = books
        self._held: dict[str, dict[Key, Sides]] = {book.topic: {} for book in books}
        for book in books:
            book.on_change(self._keep)

    def _keep(self, book: LiveBook) -> None:
        held = self._held[book.topic]
        held[book.cross_seq, book.update_id] = tuple(
            {float(book.price(price_id)): size for price_id, size in side}
            for side in (book.snapshot().bids, book.snapshot().asks)
        )
        if len(held) > 500:
            del held[next(iter(held))]

    @property
    def states(self) -> set[BookState]:
        return {book.state for book in self.books}

    async def gone(self) -> None:
        """Wait until it is known of every connection and book that the venue is away."""
        await until(lambda: not any(client.status().connected for client in self.clients.values()))
        assert self.states == {BookState.STALE}
        for book in self.books:
            with pytest.raises(errors.BookNotLive):
                _ = book.mid
            assert "connection lost: " in str(book.stale_reason)

    async def live(self) -> None:
        await until(lambda: self.states == {BookState.LIVE})

    async def equal_the_venues(self, process: Process) -> None:
        """Wait for books of each topic at equal sequences, and compare them."""
        for dialect, topics in TOPICS.items():
            witness = await process.witness(dialect)
            witness.send({"op": "subscribe", "args": [topic.name for topic in topics], "req_id": "1"})
            theirs = {topic.name: new_state(topic) for topic in topics}
            compared = dict.fromkeys(theirs, 0)
            while min(compared.values()) < COMPARED:
                raw = await witness.receive()
                name = next((name for name in theirs if f'"topic":"{name}"'.encode() in raw[:128]), None)
                if name is None:
                    continue
                book = theirs[name]
                assert book is not None
                assert book.apply(raw)
                key, sides = shown(book)
                await until(lambda: next(reversed(self._held[name]), (0, 0)) >= key)  # noqa: B023
                if key in self._held[name]:
                    assert self._held[name][key] == sides
                    compared[name] += 1
            witness.transport.disconnect(graceful=False)
            await witness.transport.wait_disconnected()
            PlainClient.connected.remove(witness)


def shown(book: Any) -> tuple[Key, Sides]:
    """Sequence and levels of the venue's own kind of book."""
    if isinstance(book, V5WireBook):
        sides = tuple({float(price): float(size) for price, size in side.items()} for side in (book.bids, book.asks))
        return (book.seq, book.u), sides
    by_side: dict[str, dict[float, float]] = {"Buy": {}, "Sell": {}}
    for level in book.levels.values():
        by_side[level["side"]][float(level["price"])] = float(level["size"])
    return (int(book.cross_seq), 0), tuple(by_side.values())


@asynccontextmanager
async def watched(process: Process, settings: Settings) -> AsyncIterator[Books]:
    async with (
        depthwire.connect(process.url("v2"), settings=settings) as v2,
        depthwire.connect(process.url("v5"), settings=settings) as v5,
    ):
        for client in (v2, v5):
            client.on_error(lambda error: None)
        books = [await v2.book("BTCUSD"), await v2.book("ETHUSD"), await v5.book("BTCUSDT")]
        yield Books({"v2": v2, "v5": v5}, books)


def test_a_venue_that_is_killed_at_any_moment() -> None:
    """Kill it after some frames, or while the clients connect, subscribe and wait for their snapshots."""
    chance = random.Random(13)

    async def main() -> None:
        async with Process() as process, watched(process, QUICK) as held:
            states: dict[str, list[BookState]] = {book.topic: [] for book in held.books}
            for book in held.books:
                book.on_state(lambda book: states[book.topic].append(book.state))
            for number in range(KILLS):
                if number % 3 == 1:
                    await asyncio.sleep(chance.uniform(0.0, 0.1))
                else:
                    await held.live()
                    await held.equal_the_venues(process)
                    versions = held.books[0].version + chance.randrange(40)
                    await until(lambda versions=versions: held.books[0].version >= versions)
                process.process.kill()
                process.process.wait(BOUND_S)
                await held.gone()
                await process.begin()
            await held.live()
            await held.equal_the_venues(process)
            for told in states.values():
                assert told == [BookState.STALE, BookState.LIVE] * (len(told) // 2)
                assert len(told) // 2 >= KILLS - KILLS // 3

    run(main, bound_s=60 + 10 * KILLS)


@pytest.mark.parametrize(
    ("settings", "stopped_s"),
    [
        (WATCHFUL, 0.0),
        pytest.param(Settings(), 30.0, marks=pytest.mark.skipif(not IN_FULL, reason="takes 30 s: DEPTHWIRE_KILLS=100")),
    ],
)
def test_a_venue_that_is_stopped_is_noticed(settings: Settings, stopped_s: float) -> None:
    """Its sockets stay open and the kernel answers for them; nothing but silence tells."""

    async def main() -> None:
        async with Process() as process, watched(process, settings) as held:
            await held.equal_the_venues(process)
            reasons: list[str | None] = []
            for book in held.books:
                book.on_state(lambda book: reasons.append(book.stale_reason))
            process.process.send_signal(signal.SIGSTOP)
            if stopped_s:
                await asyncio.sleep(stopped_s)
            else:
                await until(lambda: len(reasons) == len(held.books))
            await held.gone()
            assert len(reasons) == len(held.books)
            assert {reason for reason in reasons if "no pong within" in str(reason)} == set(reasons)
            process.process.send_signal(signal.SIGCONT)
            await held.live()
            await held.equal_the_venues(process)

    run(main, bound_s=60 + 4 * stopped_s)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tape(tmp_path_factory.mktemp("original") / "a.frames", synthetic(2000, "orderBookL2_25.BTCUSD"))


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_the_tape_of_a_killed_recorder_is_read_up_to_its_torn_line(
    suffix: str, original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if suffix:
        pytest.importorskip("zstandard")
    chance = random.Random(17)
    sent = tape_lines(original)
    for number in range(max(2, KILLS // 5)):
        out = tmp_path / f"{number}.frames{suffix}"
        killed_recording(original, out, chance)
        assert are_the_first(read(out), sent)
        # A machine that loses its power tears a tape anywhere.
        whole = out.read_bytes()
        for _ in range(3):
            cut = chance.randrange(len(whole) // 2, len(whole))
            out.write_bytes(whole[:cut])
            assert are_the_first(read(out), sent)
            if not suffix:
                lines = whole[:cut].split(b"\n")
                assert len(read(out)) - sum(b'"topic"' in line for line in lines[:-1]) in (0, lines[-1].endswith(b"}"))
        assert main(["replay", "--json", str(out)]) == 0
        (book,) = json.loads(capsys.readouterr().out)["books"].values()
        assert (book["state"], book["applied"]) == ("LIVE", len(read(out)))


def killed_recording(original: Path, out: Path, chance: random.Random) -> None:
    """Record, and kill the recorder while its tape grows."""
    with (
        venue("--tape", str(original), "--speed", "40") as served,
        started("record", "BTCUSD", "--no-trades", "--url", served["BTCUSD"], "--out", str(out)) as process,
    ):
        assert process.stderr is not None
        assert "recording to" in process.stderr.readline()
        size = chance.randrange(1, 50_000)
        while not (out.exists() and out.stat().st_size >= size):
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
        process.wait(BOUND_S)


def read(tape: Path) -> list[bytes]:
    """Its frames that are data; none of its lines was unusable but the torn one."""
    with TapeReader(tape) as reader:
        frames = [frame.raw for frame in reader]
        assert reader.skipped == 0
    return [raw for raw in frames if b'"topic"' in raw]


def are_the_first(read: list[bytes], sent: list[bytes]) -> bool:
    """Whether the frames read are those that were sent first, and some."""
    return len(read) > 0 and read == sent[: len(read)]
