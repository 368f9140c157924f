"""What the public topics of v2 and v5 have in common: event topics, and topics of fields that change."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.market import MarketFrame, PublicTopic
from depthwire.venue.market.symbol_data import SymbolData
from depthwire.venue.market.topic_publisher import EventPublisher, TopicPublisher

MakePublisher = Callable[[PublicTopic, SymbolData], TopicPublisher]
EncodeEvents = Callable[[PublicTopic, Instrument, Sequence[Any], int], Iterator[str]]


def event_publisher(
    interval_ms: int, source: str, encode: EncodeEvents, topic: PublicTopic, symbol: SymbolData
) -> TopicPublisher:
    """Return a publisher of a symbol's events of the kind ``source``."""
    return EventPublisher(topic, interval_ms, source, partial(encode, topic, symbol.instrument))


class FieldsPublisher(TopicPublisher):
    """Publishes named fields: all of them first, then the changes."""

    def __init__(self, topic: PublicTopic, interval_ms: int, symbol: SymbolData) -> None:
        super().__init__(topic, interval_ms)
        self._symbol = symbol
        self._sent: dict[str, Any] = {}

    def start(self, at_ns: int) -> Iterator[MarketFrame]:
        """Return a snapshot of all fields."""
        self._sent = self._fields(at_ns)
        yield self.frame(at_ns, self._encode("snapshot", self._sent, at_ns))

    def push(self, at_ns: int) -> Iterator[MarketFrame]:
        """Return the fields that changed since the last push, if any."""
        sent, self._sent = self._sent, self._fields(at_ns)
        changed = {name for name, value in self._sent.items() if sent[name] != value}
        if update := self._update(self._sent, changed):
            kind, data = update
            yield self.frame(at_ns, self._encode(kind, data, at_ns))

    @abstractmethod
    def _fields(self, at_ns: int) -> dict[str, Any]:
        """Return the current values of all fields."""

    @abstractmethod
    def _update(self, fields: dict[str, Any], changed: set[str]) -> tuple[str, Any] | None:
        """Return the type and data of the frame that publishes the changed fields; None if there is nothing to send."""

    @abstractmethod
    def _encode(self, kind: str, data: Any, at_ns: int) -> str:
        """Return a frame."""
