"""Detection of a closed event loop, which asyncio does not report."""

import asyncio
import weakref
from collections.abc import Callable
from typing import Final

NEVER_S: Final = 100 * 365 * 24 * 3600.0


class Sentinel:
    """Referenced only by a timer of a loop: a closed loop drops the timer, and this with it."""

    def __call__(self) -> None:
        """Do nothing: the timer only has to be dropped when the loop is closed."""


def when_closed(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> Callable[[], None]:
    """Call ``callback()`` inside ``loop.close()``, or when a loop that was never closed is collected.

    Returns a function that cancels it; until then ``callback`` is referenced.
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
