"""Where errors go that no caller waits for."""

import logging
from collections.abc import Callable

from depthwire.errors import DepthwireError
from depthwire.feed.callbacks import Callbacks
from depthwire.feed.channel import log_error

log = logging.getLogger("depthwire")


class Reports:
    """Hands each error to those who asked for it, or else to the log. ``last`` is the latest one's text."""

    def __init__(self) -> None:
        self.last = ""
        self._callbacks: Callbacks[Callable[[DepthwireError], object]] = Callbacks()

    def on_error(self, callback: Callable[[DepthwireError], object]) -> Callable[[], None]:
        """Call ``callback(error)`` for each error, instead of logging it; returns a function that ends it."""
        return self._callbacks.add(callback)

    def report(self, error: DepthwireError) -> None:
        """Tell of an error."""
        self.last = str(error)
        for callback in self._callbacks.now or (log_error,):
            try:
                callback(error)
            except Exception:
                log.exception("an on_error callback raised")
