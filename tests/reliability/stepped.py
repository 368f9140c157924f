"""One stepped clock for venue and clients, so that a run depends only on its seed and not on the machine.

The clock of `SteppedLoop` stops while any callback can run, and then jumps to the next timer. Sockets are real; data
written to loopback can be read at the other end at once.
"""

import asyncio
import random
import selectors
import socket
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, ClassVar, Final, TypeVar
from unittest.mock import patch

from depthwire.feed.damage import DamageCount
from depthwire.session.sign_in import SignInPolicy
from depthwire.settings import Backoff
from depthwire.venue import SyntheticMarket
from tests.reliability.clients import FEW, SETTINGS
from tests.reliability.shard import RATES, STEP_S, Shard

Result = TypeVar("Result")

OFTENER: Final = 5.0
RARE: Final = 0.002
TIMED: Final[tuple[Any, ...]] = (Backoff, DamageCount, SignInPolicy)
"""Functions that read another clock than the event loop's."""
DROP_EVERY: Final = 60
"""Checkpoints after which all connections end at once, so that no second line can help."""
OPENING_NS: Final = 1_618_677_786_000_000_000


class SteppedSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]  # a platform's own class
    """A selector that waits for sockets only, never for time; `skipped_s` is the time that passed in jumps."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector.select`."""
        # Without a timer only another thread or process can make progress, so wait for it.
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.skipped_s += timeout
        return ready


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop with a stepped clock, which begins at 0."""

    def __init__(self) -> None:
        self._stepped = SteppedSelector()
        super().__init__(self._stepped)

    def time(self) -> float:
        """Return seconds since the start by the stepped clock."""
        return self._stepped.skipped_s

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> list[Any]:
        """Resolve in this thread, because another one has real time; addresses are numbers here."""
        return socket.getaddrinfo(*arguments, **options)


def run(main: Callable[[], Coroutine[Any, Any, Result]], seed: int) -> Result:
    """Run a coroutine with a stepped clock, and with depthwire's random numbers from a seed."""
    before = random.getstate()
    random.seed(seed)
    try:
        with asyncio.Runner(loop_factory=SteppedLoop) as runner:
            loop = runner.get_loop()
            with ExitStack() as stack:
                for timed in TIMED:
                    stack.enter_context(patch.dict(timed.__init__.__kwdefaults__, clock_s=loop.time))
                return runner.run(main())
    finally:
        random.setstate(before)


class SteppedShard(Shard):
    """A soak in which the market, the clients' timers and the venue's faults share one clock."""

    markets = FEW
    rates: ClassVar = {kind: rate * OFTENER if rate < RARE else rate for kind, rate in RATES.items()}
    settings = replace(
        SETTINGS, book_silence_s=None, instrument_silence_s=None
    )  # which would hide books that are never refetched
    capacity = 8
    recovery_s = 20.0

    def market(self) -> SyntheticMarket:
        """See `Shard.market`."""
        return SyntheticMarket(self.plan.seed, more=1, start_ns=OPENING_NS)

    def between_checkpoints(self) -> None:
        """See `Shard.between_checkpoints`."""
        super().between_checkpoints()
        if self.checkpoints % DROP_EVERY == 0:
            self.venue.drop_connections()

    async def go_on(self) -> None:
        """See `Shard.go_on`."""
        self.venue.advance(STEP_S)
        await asyncio.sleep(STEP_S)


def soaked(soak: SteppedShard) -> dict[str, Any]:
    """Return the figures of a run; equal plans give equal figures."""
    return run(soak.run, soak.plan.seed)
