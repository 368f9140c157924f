"""Publishers of single topics: each turns data or events into frames at a fixed interval."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from depthwire.venue.market.market import MarketFrame, PublicTopic

Event = TypeVar("Event")

STEP_MS = 10
"""The unit of push intervals, in ms."""


class TopicPublisher:
    """Publishes one topic. ``interval_ms`` is the push interval, a multiple of `STEP_MS`."""

    def __init__(self, topic: PublicTopic, interval_ms: int) -> None:
        self.topic = topic
        self.interval = interval_ms // STEP_MS
        """The push interval in steps."""

    def start(self, at_ns: int) -> Iterable[MarketFrame]:
        """Start, or restart, from the current state. Returns the first frames of a new subscriber."""
        return ()

    def push(self, at_ns: int) -> Iterable[MarketFrame]:
        """Return the frames that are due now."""
        raise NotImplementedError

    def frame(self, at_ns: int, text: str) -> MarketFrame:
        """Return a frame of the topic."""
        return MarketFrame(at_ns, self.topic, text.encode())


class EventPublisher(TopicPublisher, Generic[Event]):
    """Collects events and publishes them: ``encode(events, at_ns)`` returns the frames of those since the last push.

    ``source`` is the kind of events that it collects. ``initial(at_ns)`` returns the events for a new subscriber.
    """

    def __init__(
        self,
        topic: PublicTopic,
        interval_ms: int,
        source: str,
        encode: Callable[[Sequence[Event], int], Iterable[str]],
        initial: Callable[[int], Sequence[Event]] = lambda at_ns: (),
    ) -> None:
        super().__init__(topic, interval_ms)
        self.source = source
        self._encode = encode
        self._initial = initial
        self._pending: list[Event] = []

    def start(self, at_ns: int) -> Iterator[MarketFrame]:
        """Return the initial events, if the topic has any."""
        self._pending = list(self._initial(at_ns))
        yield from self.push(at_ns)

    def add(self, event: Event) -> None:
        """Add an event."""
        self._pending.append(event)

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        """Return the events since the last push, if any."""
        if self._pending:
            pending, self._pending = self._pending, []
            for text in self._encode(pending, at_ns):
                yield self.frame(at_ns, text)
