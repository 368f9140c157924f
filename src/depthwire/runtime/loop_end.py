"""Noticing that an event loop is closed, which asyncio tells nobody."""

import asyncio
import weakref
from collections.abc import Callable
from typing import Final

NEVER_S: Final = 100 * 365 * 24 * 3600.0


class Sentinel:
    """Referenced by a timer of a loop and by nothing else: it goes with the timer, which a closed loop drops."""

    def __call__(self) -> None:
        """A century is over."""


def when_closed(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> Callable[[], None]:
    """Call ``callback()`` inside ``loop.close()``, or when a loop that was never closed is collected.

    Returns a function that ends it; until then ``callback`` is referenced.
    """
    sentinel = Sentinel()
    finalizer = weakref.finalize(sentinel, callback)
    finalizer.atexit = False
    timer = weakref.ref(loop.call_later(NEVER_S, sentinel))

    def end() -> None:
        finalizer.detach()
        if (found := timer()) is not None:
            found.cancel()

    return end
