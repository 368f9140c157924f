"""One symbol on the venue: what it may be asked for, and who tells it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from depthwire.bybit.topics import split_topic
from depthwire.venue.frames import public_v2, public_v5
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.market import Category, Dialect, MarketFrame, PublicTopic
from depthwire.venue.market.symbol_data import SymbolData
from depthwire.venue.market.topic_publisher import STEP_MS, EventPublisher, TopicPublisher
from depthwire.venue.market.trading_engine import TradingEngine


class SymbolPublisher:
    """Turns what happens at a engine into frames of the topics that are wanted, each at its own pace."""

    def __init__(self, engine: TradingEngine, at_ns: int) -> None:
        self.engine = engine
        self._data = SymbolData(engine, at_ns)
        self._publishers: dict[PublicTopic, TopicPublisher] = {}
        self._active: dict[PublicTopic, TopicPublisher] = {}
        self._event_publishers: defaultdict[str, list[EventPublisher[object]]] = defaultdict(list)
        self._sequence = 0
        self.is_quick = False
        """Whether a topic is wanted that is pushed at every step of time, not at every other one only."""

    def begin(self, topic: PublicTopic, at_ns: int) -> Iterable[MarketFrame]:
        """Tells of a topic from now on; gives what a first subscriber is sent."""
        publisher = self._publishers.get(topic)
        if publisher is None:
            kind = split_topic(topic.name)[0]
            publisher = self._publishers[topic] = _KINDS[topic.dialect](self.engine.instrument)[kind](topic, self._data)
        self._active[topic] = publisher
        self._sort()
        return publisher.begin(at_ns)

    def end(self, topic: PublicTopic) -> None:
        """Tells of a topic no more; begun again, a book goes on with the ``u`` that follows."""
        self._active.pop(topic, None)
        self._sort()

    def _sort(self) -> None:
        self._event_publishers.clear()
        for publisher in self._active.values():
            if isinstance(publisher, EventPublisher):
                self._event_publishers[publisher.source].append(publisher)
        self.is_quick = any(publisher.pace == 1 for publisher in self._active.values())

    def is_quiet(self, step: int) -> bool:
        """Whether nothing is due after a step of time, as nothing happened since the last call of `tell`."""
        return step % _LOOKS != 0 and self._data.matcher.sequence == self._sequence

    def tell(self, at_ns: int, step: int) -> Iterator[MarketFrame]:
        """What is due after a step of time."""
        self._sequence = self._data.matcher.sequence
        for source, event in self._data.events(at_ns, step * STEP_MS):
            for listener in self._event_publishers.get(source, ()):
                listener.add(event)
        for publisher in tuple(self._active.values()):
            if step % publisher.pace == 0:
                yield from publisher.push(at_ns)


_LOOKS = 100 // STEP_MS  # so often, in steps, everything is looked at whether anything happened or not
_KINDS = {Dialect.V2: public_v2.kinds_of, Dialect.V5: public_v5.kinds_of}


def topics_of(instrument: Instrument) -> Iterator[PublicTopic]:
    """Every public topic that tells of an instrument."""
    category = instrument.category
    for dialect, kinds_of in _KINDS.items():
        if dialect is Dialect.V5 or category in (Category.INVERSE, Category.LINEAR):
            for kind in kinds_of(instrument):
                yield PublicTopic(dialect, category, f"{kind}.{public_v5.filter_of(kind, instrument)}")
