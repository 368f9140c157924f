"""Publishes the topics of one symbol, and lists the topics that an instrument has."""

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
    """Turns the events of a trading engine into frames of the published topics, each at its own interval."""

    def __init__(self, engine: TradingEngine, at_ns: int) -> None:
        self.engine = engine
        self._data = SymbolData(engine, at_ns)
        self._publishers: dict[PublicTopic, TopicPublisher] = {}
        self._active: dict[PublicTopic, TopicPublisher] = {}
        self._event_publishers: defaultdict[str, list[EventPublisher[object]]] = defaultdict(list)
        self._sequence = 0
        self.is_quick = False
        """Whether a published topic is pushed at every step rather than at every second one."""

    def start(self, topic: PublicTopic, at_ns: int) -> Iterable[MarketFrame]:
        """Start publishing a topic. Returns the first frames of a new subscriber."""
        publisher = self._publishers.get(topic)
        if publisher is None:
            kind = split_topic(topic.name)[0]
            publisher = self._publishers[topic] = _KINDS[topic.dialect](self.engine.instrument)[kind](topic, self._data)
        self._active[topic] = publisher
        self._update_routes()
        return publisher.start(at_ns)

    def stop(self, topic: PublicTopic) -> None:
        """Stop publishing a topic. If it starts again, a book continues with the next ``u``."""
        self._active.pop(topic, None)
        self._update_routes()

    def _update_routes(self) -> None:
        self._event_publishers.clear()
        for publisher in self._active.values():
            if isinstance(publisher, EventPublisher):
                self._event_publishers[publisher.source].append(publisher)
        self.is_quick = any(publisher.interval == 1 for publisher in self._active.values())

    def is_idle(self, step: int) -> bool:
        """Return whether no frame is due after a step, because nothing happened since the last call of `push`."""
        return step % _FULL_CHECK_STEPS != 0 and self._data.matcher.sequence == self._sequence

    def push(self, at_ns: int, step: int) -> Iterator[MarketFrame]:
        """Return the frames that are due after a step."""
        self._sequence = self._data.matcher.sequence
        for source, event in self._data.take_events(at_ns, step * STEP_MS):
            for listener in self._event_publishers.get(source, ()):
                listener.add(event)
        for publisher in tuple(self._active.values()):
            if step % publisher.interval == 0:
                yield from publisher.push(at_ns)


_FULL_CHECK_STEPS = 100 // STEP_MS  # after this many steps all topics are checked, even if nothing was traded
_KINDS = {Dialect.V2: public_v2.kinds_of, Dialect.V5: public_v5.kinds_of}


def topics_of(instrument: Instrument) -> Iterator[PublicTopic]:
    """Return every public topic of an instrument."""
    category = instrument.category
    for dialect, kinds_of in _KINDS.items():
        if dialect is Dialect.V5 or category in (Category.INVERSE, Category.LINEAR):
            for kind in kinds_of(instrument):
                yield PublicTopic(dialect, category, f"{kind}.{public_v5.filter_of(kind, instrument)}")
