"""One venue with fault injection and its clients, in one process and on one event loop."""

import asyncio
import ctypes
import gc
import logging
import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import depthwire
from depthwire.book.types import BookState
from depthwire.errors import DepthwireError
from depthwire.settings import Settings
from depthwire.venue import DemoTrader, Fault, Faults, SyntheticMarket
from tests.reliability.clients import CAPACITY, COINS, KEY, MARKETS, SECRET, SETTINGS, Subscribed, WatchedClient
from tests.reliability.truth import WatchedVenue

STEP_S: Final = 0.02
STEPS_A_CHECK: Final = 200
SETTLED_S: Final = 3.0
"""Until a line that fell silent at the very end is found to be so."""
PAGE_SIZE: Final = os.sysconf("SC_PAGE_SIZE")
TENTHS: Final = 10

RATES: Final[dict[Fault, float]] = {
    Fault.DROP: 1e-3,
    Fault.DUPLICATE: 5e-4,
    Fault.REORDER: 5e-4,
    Fault.DELAY: 1e-4,
    Fault.CORRUPT: 5e-4,
    Fault.TRUNCATE: 5e-4,
    Fault.SPLIT_TCP: 3e-4,
    Fault.SPLIT_FRAMES: 5e-4,
    Fault.WRONG_TYPE: 3e-4,
    Fault.STALE: 5e-4,
    Fault.TRICKLE: 1e-4,
    Fault.SILENT: 7e-5,
    Fault.CLOSE_MID_FRAME: 1e-4,
    Fault.CLOSE_24H: 1e-4,
    Fault.CLOSE_MID_SNAPSHOT: 0.003,
    Fault.CLOSE_MID_AUTH: 0.4,
    Fault.REFUSE: 0.15,
    Fault.REDIRECT: 0.15,
}
"""Of each frame, snapshot, sign-in or handshake: as many as clients that reconnect all the time can still bear."""


@dataclass(frozen=True)
class Plan:
    """How much a shard does: ``one_line`` and ``two_lines`` count clients at each endpoint, ``each_fault`` is the least
    number of faults of each kind, ``minutes`` bound the run. It begins after ``warm_up`` frames, whose books, events
    and faults count, too.
    """

    frames: int
    checkpoints: int
    seed: int
    minutes: float
    each_fault: int
    warm_up: int = 0
    one_line: int = 4
    two_lines: int = 2


class Failures(logging.Handler):
    """Keep errors that have no other receiver: exceptions of callbacks of the socket or of the market."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        self.texts.append(f"{record.name}: {self.format(record)}")


class Shard:
    """Lets clients receive ``plan.frames`` and holds them against the truth ``plan.checkpoints`` times on the way."""

    markets: Sequence[Subscribed] = MARKETS
    rates: Mapping[Fault, float] = RATES
    settings: Settings = SETTINGS
    capacity: int = CAPACITY
    recovery_s: float = 120.0

    def __init__(self, plan: Plan, tell: Callable[[dict[str, Any]], object] = lambda progress: None) -> None:
        self.plan = plan
        self.venue = WatchedVenue(self.market(), speed=None, faults=Faults(seed=plan.seed))
        self.clients: list[WatchedClient] = []
        self.errors: Counter[str] = Counter()
        self.checkpoints = 0
        self.failures = Failures()
        self._tell = tell
        self._asked: dict[Fault, int] = {}
        self._first_frame = self._received = 0
        self._memory: list[int] = []
        self._start_s = self._start_cpu_s = 0.0

    def market(self) -> SyntheticMarket:
        """Return the market of the venue."""
        return SyntheticMarket(self.plan.seed, more=len(COINS))

    async def go_on(self) -> None:
        """Advance the market by one step, and let clients receive its frames."""
        self.venue.advance(STEP_S)
        for _ in range(2):  # data is read in the next iteration of the loop, and answered in the one after
            await asyncio.sleep(0)

    async def run(self) -> dict[str, Any]:
        """Run the shard; return the figures. Raises TimeoutError if a healthy client does not recover."""
        async with self.venue, AsyncExitStack() as stack:
            log = logging.getLogger("depthwire")  # including the venue and the sockets
            log.addHandler(self.failures)
            stack.callback(log.removeHandler, self.failures)
            account = self.venue.account(KEY, secret=SECRET)
            symbols = ("BTCUSD", "ETHUSD", "BTCUSDT")
            DemoTrader(self.venue.exchange, account, seed=self.plan.seed, symbols=symbols)
            self.venue.advance(STEP_S)
            async with self._market_going_on():
                await self.connect(stack)
                await self._recovered()
            for reader in self._readers():
                reader.counts.clear()
            self.venue.faults.set(",".join(f"{kind}={rate}" for kind, rate in self.rates.items()))
            await self._warm_up()
            self._start_s, self._start_cpu_s = time.monotonic(), time.process_time()
            self._first_frame = self._frames
            await self._suffer()
            self.venue.faults.set("")
            self._received = self._frames - self._first_frame
            seconds, cpu_s = time.monotonic() - self._start_s, time.process_time() - self._start_cpu_s
            async with self._market_going_on():
                await self._recovered()
                await asyncio.sleep(SETTLED_S)
            self._compare(is_end=True)
            return self.figures() | {"seconds": round(seconds, 1), "cpu_seconds": round(cpu_s, 1)}

    async def connect(self, stack: AsyncExitStack) -> None:
        """Connect all clients."""
        for market in self.markets:
            for number in range(self.plan.one_line + self.plan.two_lines):
                lines = "ab" if number >= self.plan.one_line else "a"
                names = tuple(f"{market.dialect}-{market.category}-{number}{line}" for line in lines)
                self.clients.append(WatchedClient(market, names, self._note, self.settings, self.capacity))
                await self.clients[-1].begin(stack, self.venue)

    def _note(self, error: DepthwireError) -> None:
        self.errors[type(error).__name__] += 1

    @property
    def _frames(self) -> int:
        return sum(client.frames for client in self.clients)

    async def _warm_up(self) -> None:
        """Receive the first frames, while tables fill whose growth should not be measured."""
        begun, every = self._frames, max(1, self.plan.frames // self.plan.checkpoints)
        for due in range(begun + every, begun + self.plan.warm_up + 1, every):
            await self._go_on(due)
            self._compare()

    async def _go_on(self, due: int, deadline_s: float = math.inf) -> None:
        """Run the market at full speed until this number of frames has arrived."""
        while self._frames < due and time.monotonic() < deadline_s:
            await self.go_on()

    async def _suffer(self) -> None:
        """Run from checkpoint to checkpoint."""
        plan, deadline_s = self.plan, self._start_s + 60 * self.plan.minutes
        while self.checkpoints < plan.checkpoints and time.monotonic() < deadline_s:
            await self._go_on(self._first_frame + plan.frames * (self.checkpoints + 1) // plan.checkpoints, deadline_s)
            self._check()
            self.between_checkpoints()
            if self.checkpoints % max(1, plan.checkpoints // TENTHS) == 0:
                gc.collect()
                give_back()
                self._memory.append(resident_bytes())

    def _compare(self, *, is_end: bool = False) -> None:
        for client in self.clients:
            client.check(self.venue, is_end=is_end)

    def _check(self) -> None:
        self._compare()
        self.checkpoints += 1
        self._tell(self._progress())

    def between_checkpoints(self) -> None:
        """Inject faults that were too rare, so that each kind happens at least as often as required."""
        counts = self.venue.faults.counts
        for kind in Fault:
            due = self.plan.each_fault * self.checkpoints / self.plan.checkpoints
            if counts[kind] < due and counts[kind] > self._asked.get(kind, -1):
                self._asked[kind] = counts[kind]
                self.venue.faults.once(kind)

    @asynccontextmanager
    async def _market_going_on(self) -> AsyncIterator[None]:
        async def go_on() -> None:
            for step in count(1):
                await self.go_on()
                await asyncio.sleep(0.001)
                if step % STEPS_A_CHECK == 0:
                    self._compare()

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _recovered(self) -> None:
        """Wait until every book is LIVE and has changed, and every stream has had an event, since the call."""
        events = {reader: reader.came for client in self.clients for reader in client.events}
        versions = {reader: reader.book.version for client in self.clients for reader in client.books}
        async with asyncio.timeout(self.recovery_s):
            while True:
                if all(reader.came > came for reader, came in events.items()) and all(
                    reader.book.state is BookState.LIVE and reader.book.version > version
                    for reader, version in versions.items()
                ):
                    return
                await asyncio.sleep(0.01)

    # results

    def _progress(self) -> dict[str, Any]:
        seconds = time.monotonic() - self._start_s
        return {
            "frames": self._frames - self._first_frame,
            "checkpoints": self.checkpoints,
            "defects": self.defects(),
            "seconds": seconds,
            "memory": resident_bytes(),
        }

    def defects(self) -> list[str]:
        return [*self.failures.texts, *(text for reader in self._readers() for text in reader.defects)]

    def _readers(self) -> list[Any]:
        return [reader for client in self.clients for book in client.books for reader in (book, *book.lines)] + [
            reader for client in self.clients for reader in client.events
        ]

    def figures(self) -> dict[str, Any]:
        """Return the figures of the run."""
        books: dict[str, Counter[str]] = {}
        events: dict[str, Counter[str]] = {}
        kept: dict[str, Counter[str]] = {}
        causes: dict[str, Counter[str]] = {}
        event_causes: dict[str, Counter[str]] = {}
        for client in self.clients:
            name = f"{client.market.dialect}, {('one line', 'two lines')[len(client.lines) - 1]}"
            for book in client.books:
                books.setdefault(name, Counter()).update(book.counts)
                for line in book.lines:
                    kept.setdefault(name, Counter()).update(line.counts)
                    causes.setdefault(name, Counter()).update(line.causes)
            for reader in client.events:
                kind = "trades" if reader.topic.name.lower().rpartition("trade")[1] else "orders and executions"
                events.setdefault(f"{name}, {kind}", Counter()).update(reader.counts)
                event_causes.setdefault(name, Counter()).update(reader.causes)
        status = [client.client.status() for client in self.clients]
        return {
            "seed": self.plan.seed,
            "frames": self._received,
            "warm_up": self.plan.warm_up,
            "checkpoints": self.checkpoints,
            "topics": sum(market.topics for market in self.markets),
            "clients": len(self.clients),
            "connections": sum(len(each.connections) for each in status),
            "connects": sum(each.connects for each in status),
            "books": books,
            "line_books": kept,
            "causes": causes,
            "event_causes": event_causes,
            "events": events,
            "faults": {str(kind): count for kind, count in self.venue.faults.counts.items()},
            "traceless": {f"{kind} {topic}": count for (kind, topic), count in sorted(self.venue.traceless.items())},
            "seen": {f"{kind} {topic}": count for (kind, topic), count in sorted(self.venue.seen.items())},
            "errors": self.errors,
            "memory": self._memory,
            "defects": self.defects(),
        }


def give_back() -> None:
    """Make the C library return free memory, so that its reserves are not counted as used."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_SIZE


def run(plan: Plan, tell: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Run one shard to its end."""
    return depthwire.run(Shard(plan, tell).run())
