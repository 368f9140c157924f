"""One clock for venue and clients, which a step moves on: what happens depends on a seed, and on no machine.

The clock of `SteppedLoop` stands still while anything can be done at all, and then jumps to the next timer. Sockets are
real; what one end writes on loopback the other one can read at once.
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
"""What reads a clock that is not the event loop's."""
DROP_EVERY: Final = 60
"""Checkpoints, after which all connections end at once: no second line makes up for that."""
OPENING_NS: Final = 1_618_677_786_000_000_000


class SteppedSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]  # a platform's own class
    """Waits for sockets alone, never for time; `skipped_s` is the time that passed in jumps."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `selectors.BaseSelector.select`."""
        # Without any timer, only another thread or process can bring anything: that is waited for.
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.skipped_s += timeout
        return ready


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop by a clock of its own, which begins at 0."""

    def __init__(self) -> None:
        self._stepped = SteppedSelector()
        super().__init__(self._stepped)

    def time(self) -> float:
        """Seconds since it began, by its own clock."""
        return self._stepped.skipped_s

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> list[Any]:
        """In this thread, not in another one whose time is real; addresses are numbers here."""
        return socket.getaddrinfo(*arguments, **options)


def run(main: Callable[[], Coroutine[Any, Any, Result]], seed: int) -> Result:
    """Runs a coroutine by a stepped clock, with chance from a seed wherever depthwire asks for it."""
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
    )  # which would hide what is never fetched
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
    """The figures of a run; equal plans give equal ones."""
    return run(soak.run, soak.plan.seed)
