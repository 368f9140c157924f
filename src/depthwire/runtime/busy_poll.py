"""Busy polling: an event loop that never sleeps, optionally pinned to one CPU.

A loop that sleeps must be woken by the kernel when a frame arrives, which takes longer than all that depthwire does
with the frame. A loop that always has one more callback to run asks its sockets with a timeout of 0 in each turn.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from weakref import WeakKeyDictionary

from depthwire.errors import PinningError


class Spinner:
    """Keeps one loop turning while it has holders, and pins its thread if a holder asks for a CPU."""

    def __init__(self) -> None:
        self.holders = 0
        self._cpu: int | None = None
        self._affinity: set[int] = set()

    def spin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Schedule one turn after another, between the loop's other work, until it has no holders."""
        call_soon = loop.call_soon

        def turn() -> None:
            if self.holders:
                call_soon(turn)

        call_soon(turn)

    def pin(self, cpu: int) -> None:
        """Keep the calling thread on one CPU; raises PinningError."""
        if self._cpu == cpu:
            return
        if self._cpu is not None:
            raise PinningError(f"cpu={cpu!r}: this event loop is already pinned to CPU {self._cpu} by another client")
        if not hasattr(os, "sched_setaffinity"):
            raise PinningError(f"cpu={cpu!r}: this system cannot pin a thread to a CPU, only Linux can; leave cpu out")
        affinity = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {cpu})
        except (OSError, OverflowError, TypeError, ValueError) as error:
            allowed = ", ".join(map(str, sorted(affinity)))
            raise PinningError(f"cpu={cpu!r}: {error}; expected one of this thread's CPUs: {allowed}") from None
        self._cpu, self._affinity = cpu, affinity

    def unpin(self) -> None:
        """Restore the calling thread's CPUs."""
        if self._cpu is not None:
            with suppress(OSError):  # those CPUs are gone
                os.sched_setaffinity(0, self._affinity)


_spinners: WeakKeyDictionary[asyncio.AbstractEventLoop, Spinner] = WeakKeyDictionary()


@contextmanager
def busy_polling(cpu: int | None = None) -> Iterator[None]:
    """Keep the running event loop from sleeping for the length of a block; uses one CPU fully.

    All blocks on a loop share one spinner. ``cpu`` pins the loop's thread until the last of them ends. The loop's other
    callbacks, timers and tasks run as usual.

    Raises PinningError if the thread cannot be pinned to that CPU, or is already pinned to another.
    """
    loop = asyncio.get_running_loop()
    spinner = _spinners.get(loop) or Spinner()
    if cpu is not None:
        spinner.pin(cpu)
    if not spinner.holders:
        _spinners[loop] = spinner
        spinner.spin(loop)
    spinner.holders += 1
    try:
        yield
    finally:
        spinner.holders -= 1
        if not spinner.holders:
            del _spinners[loop]
            spinner.unpin()
