"""Callables that see each message of a client before it is routed."""

from collections.abc import Callable
from typing import Protocol

from depthwire.feed.callbacks import Callbacks, Report, report_raised

Tap = Callable[[int, memoryview], object]


class Tapped(Protocol):
    """A feed, which calls ``tap`` with each message unless it is None."""

    tap: Tap | None


class Taps:
    """The taps of one client, called one after the other by all of its feeds.

    Without any, the feeds have no tap, so that frames cost nothing extra.
    """

    def __init__(self, report: Report, feeds: Callable[[], list[Tapped]]) -> None:
        self._report, self._feeds = report, feeds
        self._callbacks: Callbacks[Tap] = Callbacks()

    def add(self, tap: Tap) -> Callable[[], None]:
        """Add a tap; return a function that removes it. O(feeds)."""
        remove = self._callbacks.add(tap)
        self._attach()

        def end() -> None:
            remove()
            self._attach()

        return end

    def attach(self, feed: Tapped) -> None:
        """Let a feed call the current taps."""
        feed.tap = self if self._callbacks.now else None

    def _attach(self) -> None:
        for feed in self._feeds():
            self.attach(feed)

    def __call__(self, ts_recv_ns: int, payload: memoryview) -> None:
        """Hand a message to each tap. If one raises, the error is reported and the others still run."""
        for tap in self._callbacks.now:
            try:
                tap(ts_recv_ns, payload)
            except BaseException as error:
                report_raised(error, "a tap", self._report)
