"""A venue that remembers what it sent, and a client whose books and events are compared with that."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.client import Client
from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import EventStream
from depthwire.settings import Settings
from depthwire.venue import DemoTrader, Fault, Faults, MarketFrame, SyntheticMarket, V5WireBook, Venue
from depthwire.venue.frames.topic_states import FieldsState

KEY, SECRET = "key", "hush-hush"
CALM = Settings(backoff_first_s=0.005, backoff_cap_s=0.02)
WATCHFUL = replace(CALM, timeout_s=1.0, ping_interval_s=0.2, pong_timeout_s=0.5)

UNPROVABLE = {
    "events": {
        Fault.DROP: "trades and private frames have no numbers that follow one another",
        Fault.TRUNCATE: "a frame cut before its topic ends: its topic is unknown, on_error reports it",
        Fault.CORRUPT: "a byte that makes another valid frame; TCP and TLS guard against it, the protocol does not",
        Fault.WRONG_TYPE: "a value that may be read as the field's type, or a field that is not read",
    },
    "books": {
        Fault.DROP: "v2's cross_seq has gaps: a lost delta of sizes only leaves no trace. v5's u proves it",
        Fault.REORDER: "v2: until the late frame comes, the same",
        Fault.TRUNCATE: "v2: as for events",
        Fault.CORRUPT: "as for events",
        Fault.WRONG_TYPE: "as for events",
    },
}


class Truth:
    """What a venue really sent: every frame of its book topics, with the book after it, and every event."""

    def __init__(self) -> None:
        self.frames: defaultdict[str, dict[bytes, int]] = defaultdict(dict)
        self.at: dict[tuple[str, int], int] = {}
        self.books: dict[tuple[str, int], Any] = {}
        self.fields: dict[tuple[str, int], bytes] = {}
        self.events: defaultdict[str, list[Any]] = defaultdict(list)
        self.raws: set[bytes] = set()
        self.excused: set[Any] = set()
        self.count: defaultdict[str, int] = defaultdict(int)

    def add_frame(self, topic: str, raw: bytes, book: Any) -> None:
        """A frame of a book, and the venue's book after it."""
        sequence, sides = shown(book)
        number = self.at.get((topic, sequence)) if is_snapshot(raw) else None
        if number is None:
            number = self.count[topic] = self.count[topic] + 1
        self.raws.add(raw)
        self.frames[topic][raw] = self.at[topic, sequence] = number
        self.books[topic, sequence] = sides

    def suffered(self, fault: Fault, topic: str, raw: bytes) -> None:
        """A fault has happened to a frame."""
        if fault in UNPROVABLE["events"] and topic.partition(".")[0] in ("trade", "publicTrade", "order"):
            key = order_key if topic == "order" else trade_key
            self.excused.update(map(key, json.loads(raw)["data"]))

    def may_be_mistaken(self, raw: bytes) -> bool:
        """Whether this is not a message of the venue, but can be read as one."""
        if raw in self.raws or b'"conn_id"' in raw:
            return False
        try:
            msgspec.json.decode(raw.decode(errors="replace"))  # a decoder may skip text that it does not need
        except errors.UNDECODABLE:
            return False
        return True


def is_snapshot(raw: bytes) -> bool:
    return b'"type":"snapshot"' in raw[:128]


def shown(book: Any) -> tuple[int, Any]:
    """The sequence of a venue's book, and its bids and asks: price to size."""
    if isinstance(book, V5WireBook):
        return book.seq, tuple(
            {float(price): float(size) for price, size in pairs.items()} for pairs in (book.bids, book.asks)
        )
    sides: dict[str, dict[float, float]] = {"Buy": {}, "Sell": {}}
    for level in book.levels.values():
        sides[level["side"]][float(level["price"])] = float(level["size"])
    return int(book.cross_seq), tuple(sides.values())


class WatchedVenue(Venue):
    """Keeps the truth."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.truth = Truth()
        self.faults.listen(self.truth.suffered)

    def _release(self, frame: MarketFrame) -> None:
        super()._release(frame)
        name = frame.topic.name
        self.truth.raws.add(frame.raw)
        if book := self.books.get(frame.topic):
            self.truth.add_frame(name, frame.raw, book)
        elif isinstance(state := self._states.get(frame.topic), FieldsState):
            raw = state.snapshot()
            told = json.loads(raw)
            self.truth.fields[name, int(told["timestamp_e6"]) if "timestamp_e6" in told else told["ts"] * 1000] = raw
        elif "rade." in name:
            self.truth.events[name] += map(trade_key, json.loads(frame.raw)["data"])

    def _send_state(self, connection: Any, topic: Any, *, is_first: bool) -> None:
        if not is_first and (book := self.books.get(topic)) and book.is_live:
            self.truth.add_frame(topic.name, book.snapshot(), book)
        super()._send_state(connection, topic, is_first=is_first)

    def _release_private(self, frame: Any) -> None:
        super()._release_private(frame)
        self.truth.raws.add(frame.raw)
        if frame.topic.name == "order":
            self.truth.events[f"order {frame.topic.dialect} {frame.topic.category}"] += map(
                order_key, json.loads(frame.raw)["data"]
            )


def trade_key(trade: Any) -> str:
    return str(trade["trade_id"] if "trade_id" in trade else trade["i"])


def order_key(order: Any) -> tuple[str, str, float]:
    v2 = "order_id" in order
    names = ("order_id", "order_status", "cum_exec_qty") if v2 else ("orderId", "orderStatus", "cumExecQty")
    key, status, done = (order[name] for name in names)
    return key, status, float(done or 0)


class BookWatch:
    """Compares a live book with the venue's at the same sequence, after each change.

    ``is_whole`` tells whether every frame since the last snapshot came as it should: only then can v2's frames be
    relied on. ``unprovable`` counts the differences where that was not so.
    """

    def __init__(self, truth: Truth, book: LiveBook) -> None:
        self.truth, self.book = truth, book
        self.is_v5 = book.topic.startswith("orderbook")
        self.is_whole = self.is_true = True
        self.position = truth.at[book.topic, book.cross_seq]
        self.compared = self.unprovable = 0
        self.wrong: list[str] = []
        book.on_change(lambda _: self.compare())
        self.compare()

    def receive(self, raw: bytes) -> None:
        """A message has come, and is not applied yet."""
        number = self.truth.frames[self.book.topic].get(raw)
        if number is None:
            return
        if is_snapshot(raw):
            self.position, self.is_whole, self.is_true = number, True, True
        elif number > self.position:
            self.is_whole &= number == self.position + 1
            self.position = number

    def compare(self) -> None:
        book, key = self.book, (self.book.topic, self.book.cross_seq)
        now = book.snapshot()
        unit = 10 ** (now.price_decimals or 0)
        sides = tuple({price_id / unit: size for price_id, size in levels} for levels in (now.bids, now.asks))
        self.compared += 1
        if sides == self.truth.books.get(key):
            return
        if self.is_true and (self.is_whole or self.is_v5):
            self.wrong.append(f"{key} is wrong")
        else:
            self.unprovable += 1


class EventWatch:
    """Reads a stream to its end, errors included."""

    def __init__(self, stream: EventStream[Any], key: Callable[[Any], Any]) -> None:
        self.items: list[Any] = []
        self.events = 0
        self._stream, self._key = stream, key
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            try:
                async for event in self._stream:
                    self.items.append(self._key(event))
                    self.events += 1
            except errors.DepthwireError as error:
                self.items.append(error)
            else:
                return

    def untold(self, true: list[Any]) -> list[Any]:
        """The events that were lost with no error where they are missing, from the first to the last that came."""
        at: dict[Any, int] = {}
        for number, item in enumerate(self.items):
            at.setdefault(item, number)
        times = Counter(true)  # an amended order is sent again: these events do not show their place
        came = [number for number, key in enumerate(true) if key in at and times[key] == 1]
        found = []
        for before, after in pairwise(came):
            ends = at[true[before]], at[true[after]]
            # Wider than the gap: a delayed frame may arrive after an error that followed it.
            between = self.items[max(0, min(ends) - 10) : max(ends) + 10]
            if after > before + 1 and not any(isinstance(item, errors.DepthwireError) for item in between):
                found += [key for key in true[before + 1 : after] if key not in at]
        return found


class Watch:
    """A client with a book, trades and orders, at a venue that advances only by `pump`."""

    def __init__(self, venue: WatchedVenue, client: Client, dialect: str) -> None:
        self.venue, self.client, self.dialect = venue, client, dialect
        self.books: list[BookWatch] = []
        self.events: dict[str, EventWatch] = {}
        self.errors: list[errors.DepthwireError] = []
        client.on_error(self.errors.append)
        client.add_tap(self._tap)

    def _tap(self, ts_recv_ns: int, payload: memoryview) -> None:
        raw = bytes(payload)
        is_altered = self.venue.truth.may_be_mistaken(raw)
        for watch in self.books:
            watch.receive(raw)
            watch.is_true &= not is_altered

    async def begin(self) -> None:
        if self.dialect == "v2":
            symbol, trades, orders = "BTCUSD", "trade.BTCUSD", "order v2 inverse"
            depths: tuple[int, ...] = (25, 200)
        else:
            symbol, trades, orders = "BTCUSDT", "publicTrade.BTCUSDT", "order v5 None"
            depths = (50, 200)
        for depth in depths:
            self.books.append(BookWatch(self.venue.truth, await self.client.book(symbol, depth)))
        self.events[trades] = EventWatch(await self.client.trades(symbol, 100_000), lambda trade: trade.trade_id)
        self.events[orders] = EventWatch(
            await self.client.orders(100_000),
            lambda order: (order.order_id, order.order_status, float(order.cum_exec_qty or 0)),
        )

    @property
    def topics(self) -> list[str]:
        """Of books, trades and orders, one each."""
        return [self.books[0].book.topic, *(name.partition(" ")[0] for name in self.events)]

    async def pump(self, condition: Callable[[], bool]) -> None:
        """Lets the market go on until something is so; `run` bounds it."""
        while not condition():
            assert not any(watch.task.done() for watch in self.events.values())
            self.venue.advance(0.02)
            await asyncio.sleep(0.0005)

    async def recovered(self) -> None:
        """Wait until everything is served again, and every stream has had an event since."""
        marks = {watch: watch.events for watch in self.events.values()}
        versions = {watch: watch.book.version for watch in self.books}
        await self.pump(
            lambda: (
                all(watch.events > mark for watch, mark in marks.items())
                and all(
                    watch.book.version > version and watch.book.state is BookState.LIVE
                    for watch, version in versions.items()
                )
            )
        )

    def check(self, *kinds: Fault) -> None:
        """Assert that nothing was wrong and nothing was lost silently, except what cannot be proved."""
        for watch in self.books:
            assert watch.wrong == []
            assert watch.compared > 3
            if not UNPROVABLE["books"].keys() & set(kinds):
                assert watch.unprovable == 0
        for name, events in self.events.items():
            untold = events.untold(self.venue.truth.events[name])
            assert [key for key in untold if key not in self.venue.truth.excused] == [], name


@asynccontextmanager
async def watched(dialect: str, settings: Settings = CALM, faults: Faults | None = None) -> AsyncIterator[Watch]:
    async with WatchedVenue(SyntheticMarket(5), speed=None, faults=faults) as venue:
        DemoTrader(venue.exchange, venue.account(KEY, secret=SECRET), seed=5, symbols=("BTCUSD", "BTCUSDT"))
        venue.advance(0.02)
        url = venue.inverse_url if dialect == "v2" else venue.v5_url("linear")
        async with depthwire.connect(url, api_key=KEY, api_secret=SECRET, settings=settings) as client:
            watch = Watch(venue, client, dialect)
            await watch.begin()
            await watch.recovered()
            yield watch
