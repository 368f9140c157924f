"""An event loop in a separate thread, for blocking callers."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from depthwire.errors import ClientClosed, ClientForked
from depthwire.runtime.event_loop import loop_factory

Result = TypeVar("Result")


class LoopThread:
    """An event loop that runs in a daemon thread until it is stopped, or until an exception ends it.

    In both cases it awaits ``at_end``, cancels the remaining tasks and closes the loop.
    """

    def __init__(self) -> None:
        self.at_end: Callable[[], Awaitable[object]] | None = None
        self._pid = os.getpid()
        self._loop = (loop_factory() or asyncio.new_event_loop)()
        self._gate = threading.RLock()  # guards the handing over of work against the loop's end
        self._is_open = True
        self._raised: BaseException | None = None  # out of the loop
        self._thread = threading.Thread(target=self._run, name="depthwire", daemon=True)
        self._thread.start()

    @property
    def forked(self) -> bool:
        """Whether this process was forked from the one that runs the loop."""
        return self._pid != os.getpid()

    @property
    def failure(self) -> ClientClosed | None:
        """The error for callers if an exception ended the loop; else None."""
        if self._raised is None:
            return None
        raised = f"{type(self._raised).__name__}: {self._raised}".rstrip(": ")
        closed = ClientClosed(f"the client was ended by {raised}; create a new one")
        closed.__cause__ = self._raised
        return closed

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the loop's thread and wait for its result.

        Raises RuntimeError in the loop's own thread, where it would wait forever, or ClientClosed once the loop ends.
        """
        try:
            self._refuse()
            future = self._handed_over(work)
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except CancelledError:
            if self._is_open:
                raise
            raise self._closed() from None
        except BaseException:
            future.cancel()
            raise

    def do(self, action: Callable[[], Result]) -> Result:
        """Run a plain function in the loop's thread and wait; run it here in that thread itself, and after its end."""

        async def there() -> Result:
            return action()

        if threading.current_thread() is self._thread:
            return action()
        if self._is_open or self.forked:
            try:
                return self.call(there())
            except ClientClosed:
                if self._is_open:
                    raise
        self._thread.join()
        with self._gate:
            return action()

    def stop(self) -> None:
        """End the loop and its thread; does nothing in a forked child. Raises what ``at_end`` raised."""
        if self.forked:
            return
        self._refuse()
        with self._gate:
            if self._is_open:
                self._is_open = False
                self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._end.result()

    def _refuse(self) -> None:
        if self.forked:
            raise ClientForked("the client belongs to the process that this one was forked from; make a new one here")
        if threading.current_thread() is self._thread:
            raise RuntimeError("called inside a callback: the feed's thread cannot wait for itself")

    def _handed_over(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        with self._gate:
            if not self._is_open:
                raise self._closed()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _closed(self) -> ClientClosed:
        return self.failure or ClientClosed("the client was closed; make a new one")

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        except BaseException as error:
            self._raised = error
        with self._gate:
            self._is_open = False
        end = self._loop.create_task(self._wind_up())
        while not end.done():
            try:
                self._loop.run_until_complete(end)
            except BaseException as error:
                if not end.done():  # else stop() raises it
                    self._raised = self._raised or error
        self._loop.close()
        self._end = end

    async def _wind_up(self) -> None:
        try:
            if self.at_end is not None:
                await self.at_end()
        finally:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._loop.shutdown_asyncgens()
