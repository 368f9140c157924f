"""A venue in a separate thread, like another process, for blocking clients."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from depthwire.venue import Market, Venue

Result = TypeVar("Result")
BOUND_S = 60.0


class VenueThread:
    """``call`` runs a function where the venue runs."""

    venue: Venue

    def __init__(self, market: Market, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready, self._over = threading.Event(), asyncio.Event()

        async def serve() -> None:
            async with Venue(market, **options) as self.venue:
                self._ready.set()
                await self._over.wait()

        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(serve()), name="venue")
        self._thread.start()
        assert self._ready.wait(BOUND_S)

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        async def called() -> Result:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(BOUND_S)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()
        self._loop.close()


@contextmanager
def venue_thread(market: Market, **options: Any) -> Iterator[VenueThread]:
    thread = VenueThread(market, **options)
    try:
        yield thread
    finally:
        thread.stop()


def poll(read: Callable[[], Result]) -> Result:
    """The first result that is not empty: what a script's ``while True: … if data:`` waits for, with a bound."""
    end_s = time.monotonic() + BOUND_S
    while not (result := read()):
        assert time.monotonic() < end_s, "nothing came"
        time.sleep(0.001)
    return result
