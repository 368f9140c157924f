"""An event loop in a thread of its own, for callers that block."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from depthwire.errors import ClientClosed, ClientForked
from depthwire.runtime.event_loop import loop_factory

Result = TypeVar("Result")


class LoopThread:
    """An event loop that runs in a daemon thread until it is stopped."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop = (loop_factory() or asyncio.new_event_loop)()
        self._thread = threading.Thread(target=self._loop.run_forever, name="depthwire", daemon=True)
        self._thread.start()

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process whose loop this is."""
        return self._pid != os.getpid()

    def call(self, work: Coroutine[Any, Any, Result], timeout_s: float | None = None) -> Result:
        """Run a coroutine over there and wait for its result; TimeoutError after ``timeout_s``, and it is cancelled.

        Raises RuntimeError in that thread itself, where waiting would be for ever.
        """
        try:
            self._refuse()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except BaseException:
            work.close()
            raise
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def do(self, action: Callable[[], Result]) -> Result:
        """Run a plain function over there and wait for its result; in that thread itself, at once."""
        if threading.current_thread() is self._thread:
            return action()

        async def there() -> Result:
            return action()

        return self.call(there())

    def _refuse(self) -> None:
        if self.forked:
            raise ClientForked("the client belongs to the process that this one was forked from; make a new one here")
        if threading.current_thread() is self._thread:
            raise RuntimeError("called inside a callback, in the feed's own thread, which cannot wait for itself")
        if not self._thread.is_alive():
            raise ClientClosed("the client was closed; make a new one")

    def stop(self) -> None:
        """End the loop and its thread; in a forked child there is neither."""
        if self.forked:
            return
        self.call(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
