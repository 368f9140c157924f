"""Callables that see each message of a client before it is routed."""

from collections.abc import Callable
from typing import Protocol

from depthwire.feed.callbacks import Callbacks, Report, report_raised

Tap = Callable[[int, memoryview], object]


class Tapped(Protocol):
    """A feed: it calls ``tap`` with each message, or nothing where that is None."""

    tap: Tap | None


class Taps:
    """The taps of one client, called one after the other by all of its feeds.

    While there is none, feeds have no tap at all, so that their frames cost nothing more.
    """

    def __init__(self, report: Report, feeds: Callable[[], list[Tapped]]) -> None:
        self._report, self._feeds = report, feeds
        self._callbacks: Callbacks[Tap] = Callbacks()

    def add(self, tap: Tap) -> Callable[[], None]:
        """One more; returns a function that removes it. O(feeds)."""
        remove = self._callbacks.add(tap)
        self._attach()

        def end() -> None:
            remove()
            self._attach()

        return end

    def attach(self, feed: Tapped) -> None:
        """Let a feed call the taps that there are."""
        feed.tap = self if self._callbacks.now else None

    def _attach(self) -> None:
        for feed in self._feeds():
            self.attach(feed)

    def __call__(self, ts_recv_ns: int, payload: memoryview) -> None:
        """Hand a message to each tap. One that raises is reported, and stops neither the others nor the message."""
        for tap in self._callbacks.now:
            try:
                tap(ts_recv_ns, payload)
            except BaseException as error:
                report_raised(error, "a tap", self._report)
