"""Errors that no caller waits for."""

import asyncio
import logging
from collections.abc import Callable

from depthwire.errors import CallbackError, DepthwireError
from depthwire.feed.callbacks import EXITS, Callbacks, log_error

log = logging.getLogger("depthwire")


class Reports:
    """Hands each error to the ``on_error`` callbacks, or else to the log. ``last`` is the latest one's text."""

    def __init__(self) -> None:
        self.last = ""
        self._callbacks: Callbacks[Callable[[DepthwireError], object]] = Callbacks()
        self._exit: asyncio.Handle | None = None

    def on_error(self, callback: Callable[[DepthwireError], object]) -> Callable[[], None]:
        """Call ``callback(error)`` for each error, instead of logging it; returns a function that removes it."""
        return self._callbacks.add(callback)

    def report(self, error: DepthwireError) -> bool:
        """Report an error. Returns True if a callback's exception also ends the event loop."""
        self.last = str(error)
        is_exit = isinstance(error, CallbackError) and self._end_loop(error.__cause__)
        for callback in self._callbacks.now or (log_error,):
            try:
                callback(error)
            except BaseException as raised:
                log.exception("an on_error callback raised")
                if not self._end_loop(raised) and isinstance(raised, EXITS):
                    raise
        return is_exit

    def _end_loop(self, error: BaseException | None) -> bool:
        """Raise SystemExit or KeyboardInterrupt in the loop's next turn, after this turn's frames are delivered.

        Raised here, it would leave the socket's callback, and the frames that were read with this one would be lost.
        """
        loop = asyncio._get_running_loop()
        if loop is None or not isinstance(error, EXITS):
            return False
        if self._exit is None:
            self._exit = loop.call_soon(self._raise, error)
        return True

    def _raise(self, error: BaseException) -> None:
        self._exit = None
        raise error
