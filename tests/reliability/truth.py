"""A venue that remembers for a while what it really sent: each book after each frame, each event, and each fault."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import msgspec
from picows import WSMsgType, WSTransport, WSUpgradeRequest, WSUpgradeResponseWithListener

from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.listener import Feed
from depthwire.venue import Fault, MarketFrame, Venue
from depthwire.venue.frames.private_frames import PrivateFrame, PrivateTopic
from depthwire.venue.market.market import Category, Dialect, PublicTopic
from depthwire.venue.server.connection import Connection
from depthwire.venue.server.fault_injector import FaultInjector
from tests.reliability import digest
from tests.reliability.damage import is_damaged, payload_of
from tests.reliability.rules import Numbers

AnyTopic = PublicTopic | PrivateTopic


EVENT_KINDS: Final = ("trade", "publicTrade", "order", "execution")
HEAD: Final = 128
"""The number of bytes at the start of a frame that contain its type."""
REMEMBERED: Final = 40_000
"""Frames, of all topics together: some seconds, longer than any client lags behind."""
LOST: Final = (Fault.DROP, Fault.REORDER)
"""What leaves no trace: a frame that is lost, or late, and then lost with its connection, though frames of other topics
that were sent after it came."""
ALTERED: Final = (Fault.CORRUPT, Fault.TRUNCATE, Fault.WRONG_TYPE)
"""Faults that leave no trace only if the frame becomes another valid one."""
_DIALECTS: Mapping[tuple[Dialect, Category | None], Any] = {
    (Dialect.V2, Category.INVERSE): v2.INVERSE,
    (Dialect.V2, Category.LINEAR): v2.LINEAR,
    (Dialect.V5, Category.LINEAR): v5.LINEAR,
    (Dialect.V5, Category.INVERSE): v5.INVERSE,
    (Dialect.V5, Category.SPOT): v5.SPOT,
    (Dialect.V5, None): v5.LINEAR,  # private topics, which are equal for all
}


class TrueBook:
    """A book topic's levels as a digest, brought along frame by frame. It shares no code with depthwire's books."""

    def __init__(self) -> None:
        self.total = 0
        self._levels: tuple[dict[float, int], dict[float, int]] = ({}, {})

    def apply(self, raw: bytes) -> Numbers:
        """Apply a frame; return the numbers of the book after it."""
        frame = msgspec.json.decode(raw)
        if frame["type"] == "snapshot":
            self._levels = ({}, {})
            self.total = 0
        data = frame["data"]
        if "cross_seq" in frame:
            self._apply_v2(data)
            return int(frame["cross_seq"]), 0, int(frame["timestamp_e6"])
        for side, pairs in enumerate((data["b"], data["a"])):
            for price, size in pairs:
                self._set(side, float(price), float(size))
        return data["seq"], data["u"], frame["ts"] * 1000

    def _apply_v2(self, data: Any) -> None:
        if isinstance(data, list) or "order_book" in data:
            data = {"delete": (), "update": (), "insert": data if isinstance(data, list) else data["order_book"]}
        for level in data["delete"]:
            self._set(level["side"] == "Sell", float(level["price"]), 0.0)
        for action in ("update", "insert"):
            for level in data[action]:
                self._set(level["side"] == "Sell", float(level["price"]), float(level["size"]))

    def _set(self, side: int, price: float, size: float) -> None:
        levels = self._levels[side]
        before = levels.pop(price, 0)
        if size:
            levels[price] = digest.of_level(side, price, size)
        self.total = digest.total(self.total, levels.get(price, 0), -before)


class SentBook(NamedTuple):
    """A book's digest after a frame, and that frame's hash."""

    digest: int
    frame: int


class TrueEvent(NamedTuple):
    """The position of an event in its topic, the hash of its frame, and the time when it was sent (ns since the
    epoch).
    """

    number: int
    frame: int
    at_ns: int


class EventTopic:
    """A topic's events in the venue's order, each known by its typed value."""

    def __init__(self, topic: AnyTopic) -> None:
        channel = _DIALECTS[topic.dialect, topic.category].channel(topic.name)
        assert isinstance(channel, EventChannel), topic
        channel.join(self)
        self._feed = Feed(self)
        self._feed.channels.add(channel)
        self._decoded: list[bytes] = []
        self.count = 0
        self.known: dict[bytes, TrueEvent] = {}
        self.keys: dict[int, bytes] = {}

    def decode(self, raw: bytes) -> list[bytes]:
        """Return the keys of a frame's events."""
        self._feed.receive(raw, 1)
        return self._decoded

    def push(self, events: list[Any], report: Callable[[Exception, str], object]) -> None:
        """Collect the events, called by the channel."""
        self._decoded = [key_of(event) for event in events]

    def on_frame_error(self, error: Exception) -> None:
        """Raise: a frame of the venue is never wrong."""
        raise error

    def add(self, raw: bytes) -> list[int]:
        """Add a frame; return the numbers of its events, except of repeated ones: linear repeats the last trade for a
        new subscriber.
        """
        numbers = []
        for key in self.decode(raw):
            if key not in self.known:
                self.known[key] = TrueEvent(self.count, hash(raw), time.time_ns())
                self.keys[self.count] = key
                numbers.append(self.count)
                self.count += 1
        return numbers

    def forget(self, number: int) -> None:
        """Forget the oldest event."""
        del self.known[self.keys.pop(number)]


def key_of(event: Any) -> bytes:
    """Return the key of an event: all of its fields."""
    return msgspec.json.encode(event)


class Suffered(NamedTuple):
    """What a fault did to an event's frame. ``number`` is that of the damaged message that its reader got instead; 0
    where nothing came, or nothing that can be seen to be damaged.
    """

    fault: Fault
    number: int


class Damaged(NamedTuple):
    """A message that was sent visibly damaged, and its topic."""

    number: int
    topic: str


class WatchedInjector(FaultInjector):
    """A connection that reports which frames a fault hits."""

    def __init__(self, transport: WSTransport, venue: "WatchedVenue", connection: Connection) -> None:
        super().__init__(transport, venue.faults)
        self._venue, self._connection = venue, connection

    def send(self, raw: bytes, kind: WSMsgType) -> None:
        """See `FaultInjector.send`."""
        self._venue.speaks_to = self._connection
        if raw.find(b'"type":"snapshot"', 0, HEAD) >= 0:
            self._venue.greeted(raw)
        super().send(raw, kind)

    def _write(self, frame: bytes, pause_s: float = 0.0) -> None:
        """See `FaultInjector._write`."""
        self._venue.writes(frame)
        super()._write(frame, pause_s)


class WatchedVenue(Venue):
    """Keeps the truth of the last `REMEMBERED` frames. A client says which line it is in its URL: ``?line=NAME``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.speaks_to: Connection | None = None
        self.sent: dict[AnyTopic, dict[Numbers, SentBook]] = {}
        """The books sent of each topic, by their numbers, in order."""
        self.snapshots: set[int] = set()
        """The hashes of snapshots that were made for one connection."""
        self.events: dict[AnyTopic, EventTopic] = {}
        self.suffered: dict[tuple[str, AnyTopic], dict[bytes, Suffered]] = {}
        """By line: the events whose frame was lost or altered on it."""
        self.damaged: dict[tuple[str, int], Damaged] = {}
        """Messages sent damaged, by line and hash; the receiver removes them."""
        self.traceless: Counter[tuple[str, str]] = Counter()
        """Faults that leave no trace, by kind and kind of topic."""
        self.seen: Counter[tuple[str, str]] = Counter()
        """Faults that make a message visibly damaged, by kind and kind of topic."""
        self._altering: tuple[Fault, str, bytes] | None = None
        self._count = 0
        self._books: dict[AnyTopic, TrueBook] = {}
        self._lines: dict[Connection, str] = {}
        self._recent: deque[Callable[[], object]] = deque()
        self.faults.listen(self._suffers)

    # the lines by name

    def _accept(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener | None:
        answer = super()._accept(request)
        if answer is not None and isinstance(answer.listener, Connection):
            query = parse_qs(request.path.partition(b"?")[2].decode())
            self._lines[answer.listener] = query.get("line", [""])[0]
        return answer

    def connected(self, connection: Connection) -> None:
        """See `Venue.connected`."""
        connection._output = WatchedInjector(connection.transport, self, connection)
        super().connected(connection)

    def disconnected(self, connection: Connection) -> None:
        """See `Venue.disconnected`."""
        super().disconnected(connection)
        self._lines.pop(connection, None)

    # results

    def _release(self, frame: MarketFrame) -> None:
        topic, raw = frame.topic, frame.raw
        if topic in self.books:
            book = self._books.setdefault(topic, TrueBook())
            self._tell_book(topic, book.apply(raw), SentBook(book.total, hash(raw)))
        elif is_event(topic.name):
            self._tell_events(topic, raw)
        super()._release(frame)

    def _release_private(self, frame: PrivateFrame) -> None:
        if is_event(frame.topic.name) and self._subscribers.get(frame.topic):
            self._tell_events(frame.topic, frame.raw)
        super()._release_private(frame)

    def _tell_book(self, topic: AnyTopic, numbers: Numbers, book: SentBook) -> None:
        books = self.sent.setdefault(topic, {})
        known = books.get(numbers)
        assert known is None or known.digest == book.digest, f"{topic}: two books have the numbers {numbers}"
        if known is None:
            books[numbers] = book
            self._remember(lambda: books.pop(numbers))

    def greeted(self, raw: bytes) -> None:
        """Record a snapshot that is sent to one connection."""
        frame = hash(raw)
        if frame not in self.snapshots:
            self.snapshots.add(frame)
            self._remember(lambda: self.snapshots.discard(frame))

    def _tell_events(self, topic: AnyTopic, raw: bytes) -> None:
        events = self.events.get(topic)
        if events is None:
            events = self.events[topic] = EventTopic(topic)
        for number in events.add(raw):
            self._remember(partial(events.forget, number))

    def _suffers(self, fault: Fault, topic: str, raw: bytes) -> None:
        if fault in LOST:
            self._note(fault, topic, raw, 0)
        elif fault in ALTERED:
            self._altering = fault, topic, raw

    def writes(self, frame: bytes) -> None:
        """Record a frame that is about to be sent, as the last reported fault left it."""
        if self._altering is None:
            return
        (fault, topic, raw), self._altering = self._altering, None
        sent, number = payload_of(frame), 0
        if topic and is_damaged(sent, topic):
            self._count += 1
            key, number = (self._line_now, hash(sent)), self._count
            self.damaged[key] = Damaged(number, topic)
            self._remember(partial(self.damaged.pop, key, None))
        self._note(fault, topic, raw, number)

    @property
    def _line_now(self) -> str:
        """Return the line that a frame is being sent on."""
        return "" if self.speaks_to is None else self._lines.get(self.speaks_to, "")

    def _note(self, fault: Fault, topic: str, raw: bytes, number: int) -> None:
        (self.seen if number else self.traceless)[fault, topic.partition(".")[0]] += 1
        connection = self.speaks_to
        if connection is None or not is_event(topic) or topic not in connection.topics:
            return
        told_on = connection.topics[topic]
        if events := self.events.get(told_on):
            suffered = self.suffered.setdefault((self._line_now, told_on), {})
            for key in events.decode(raw):
                suffered[key] = Suffered(fault, number)
                self._remember(partial(suffered.pop, key, None))

    def _remember(self, forget: Callable[[], object]) -> None:
        self._recent.append(forget)
        if len(self._recent) > REMEMBERED:
            self._recent.popleft()()


def is_event(topic: str) -> bool:
    """Return whether a topic's frames bring events that must not be lost."""
    return topic.partition(".")[0] in EVENT_KINDS
