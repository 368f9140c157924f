"""How a topic of one symbol is told: views turn what happens into frames, each at its own pace."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from depthwire.venue.market.market import MarketFrame, PublicTopic

Event = TypeVar("Event")

STEP_MS = 10
"""The unit of paces."""


class TopicPublisher:
    """One topic. ``interval_ms`` is the time between two looks at what has changed, in steps of `STEP_MS`."""

    def __init__(self, topic: PublicTopic, interval_ms: int) -> None:
        self.topic = topic
        self.pace = interval_ms // STEP_MS

    def begin(self, at_ns: int) -> Iterable[MarketFrame]:
        """What a first subscriber is sent at once; the publisher begins, perhaps again, from how things are."""
        return ()

    def push(self, at_ns: int) -> Iterable[MarketFrame]:
        """What is due now."""
        raise NotImplementedError

    def frame(self, at_ns: int, text: str) -> MarketFrame:
        """A frame of the topic."""
        return MarketFrame(at_ns, self.topic, text.encode())


class EventPublisher(TopicPublisher, Generic[Event]):
    """Collects events and tells them: ``texts(events, at_ns)`` makes the frames of those since the last push.

    ``source`` names the events that it is given.
    """

    def __init__(
        self,
        topic: PublicTopic,
        interval_ms: int,
        source: str,
        texts: Callable[[Sequence[Event], int], Iterable[str]],
        standing: Callable[[int], Sequence[Event]] = lambda at_ns: (),
    ) -> None:
        super().__init__(topic, interval_ms)
        self.source = source
        self._texts = texts
        self._standing = standing
        self._waiting: list[Event] = []

    def begin(self, at_ns: int) -> Iterator[MarketFrame]:
        """The events that stand for how things are, where there are such."""
        self._waiting = list(self._standing(at_ns))
        yield from self.push(at_ns)

    def add(self, event: Event) -> None:
        """Takes an event in."""
        self._waiting.append(event)

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        """The events since the last push, if any."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for text in self._texts(waiting, at_ns):
                yield self.frame(at_ns, text)
