"""A client with two lines to a venue that remembers what it sent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import depthwire
from depthwire import errors
from depthwire.arbitration.lines import Lines
from depthwire.book.types import BookState
from depthwire.client import Client
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import EventStream
from depthwire.settings import Settings
from depthwire.venue import DemoTrader, SyntheticMarket, Venue
from tests.support.watched_venue import CALM, KEY, SECRET, WatchedVenue


def url_of(venue: Venue, dialect: str) -> str:
    return venue.inverse_url if dialect == "v2" else venue.v5_url("linear")


class BookTruth:
    """Compares a book with the venue's at the same sequence, after each change, and keeps its changes of state."""

    def __init__(self, venue: WatchedVenue, book: LiveBook) -> None:
        self.book = book
        self.wrong: list[int] = []
        self.compared = 0
        self.states: list[tuple[BookState, str | None]] = []
        self._truth = venue.truth
        book.on_change(self._compare)
        book.on_state(lambda book: self.states.append((book.state, book.stale_reason)))

    def _compare(self, book: LiveBook) -> None:
        self.compared += 1
        if not self.is_right(book):
            self.wrong.append(book.cross_seq)

    def is_right(self, book: LiveBook) -> bool:
        now = book.snapshot()
        unit = 10 ** (now.price_decimals or 0)
        sides = tuple({price_id / unit: size for price_id, size in levels} for levels in (now.bids, now.asks))
        return bool(sides == self._truth.books.get((book.topic, book.cross_seq)))


class EventTruth:
    """Reads a stream into ``keys`` and ``errors``."""

    def __init__(self, stream: EventStream[Any], key: Callable[[Any], Any]) -> None:
        self.keys: list[Any] = []
        self.errors: list[errors.DepthwireError] = []
        self.task = asyncio.create_task(self._read(stream, key))

    async def _read(self, stream: EventStream[Any], key: Callable[[Any], Any]) -> None:
        while True:
            try:
                async for event in stream:
                    self.keys.append(key(event))
                return
            except errors.DepthwireError as error:
                self.errors.append(error)


class TwoLines:
    """A client with two lines to a venue that advances only by :meth:`step`."""

    def __init__(self, venue: WatchedVenue, client: Client, dialect: str) -> None:
        self.venue, self.client, self.dialect = venue, client, dialect
        self.books: list[BookTruth] = []
        self.events: dict[str, EventTruth] = {}
        self.errors: list[errors.DepthwireError] = []
        client.on_error(self.errors.append)

    async def begin(self) -> None:
        symbol, depths = ("BTCUSD", (25, 200)) if self.dialect == "v2" else ("BTCUSDT", (50, 200))
        for depth in depths:
            self.books.append(BookTruth(self.venue, await self.client.book(symbol, depth)))
        trades = "trade.BTCUSD" if self.dialect == "v2" else "publicTrade.BTCUSDT"
        orders = "order v2 inverse" if self.dialect == "v2" else "order v5 None"
        self.events[trades] = EventTruth(await self.client.trades(symbol, 100_000), lambda trade: trade.trade_id)
        self.events[orders] = EventTruth(
            await self.client.orders(100_000),
            lambda order: (order.order_id, order.order_status, float(order.cum_exec_qty or 0)),
        )
        await self.healed()
        self.begun = {name: len(self.venue.truth.events[name]) - len(each.keys) for name, each in self.events.items()}
        for book in self.books:
            book.states.clear()

    @property
    def topics(self) -> list[str]:
        return [self.books[0].book.topic, *(name.partition(" ")[0] for name in self.events)]

    def line_book(self, number: int, topic: str) -> LiveBook:
        """The separate book of one line."""
        lines = self.client._served
        assert isinstance(lines, Lines)
        channel = lines._lines[number].public.channels.get(topic)
        assert isinstance(channel, BookChannel)
        return channel.book

    async def step(self) -> None:
        """Advance the market by one moment, and wait until the open lines have read it."""
        self.venue.advance(0.02)
        sessions = [session for session in self.client._sessions if session.connection.connected]
        pings = [session.connection.catch_up() for session in sessions]
        await asyncio.gather(*pings, return_exceptions=True)
        await asyncio.sleep(0)

    async def steps(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self.step()

    async def healed(self) -> None:
        """Whether both lines are up, with books that are right and equal to the readers'."""

        def is_healed() -> bool:
            return all(session.connection.connected for session in self.client._sessions) and all(
                (book := self.line_book(number, watch.book.topic)).state is BookState.LIVE
                and book.cross_seq == watch.book.cross_seq
                and watch.is_right(book)
                for number in range(2)
                for watch in self.books
            )

        await self.step()
        await self.steps(is_healed)
        await self.step()

    def true_events(self, name: str) -> list[Any]:
        """The events that the venue sent since the stream began."""
        return self.venue.truth.events[name][self.begun[name] :]

    def check(self, *, in_order: bool = True) -> None:
        """Assert that readers have noticed nothing; events that one line lost may come after its later ones."""
        for watch in self.books:
            assert watch.wrong == []
            assert watch.states == []
            assert watch.compared
        for name, events in self.events.items():
            assert events.errors == []
            seen, true = events.keys, self.true_events(name)
            if not in_order:
                seen, true = sorted(seen), sorted(true)
            assert seen == true, name


@asynccontextmanager
async def two_lines(dialect: str, settings: Settings = CALM) -> AsyncIterator[TwoLines]:
    async with WatchedVenue(SyntheticMarket(5), speed=None) as venue:
        DemoTrader(venue.exchange, venue.account(KEY, secret=SECRET), seed=5, symbols=("BTCUSD", "BTCUSDT"))
        venue.advance(0.02)
        urls = [url_of(venue, dialect)] * 2
        async with depthwire.connect(urls, api_key=KEY, api_secret=SECRET, settings=settings) as client:
            lines = TwoLines(venue, client, dialect)
            await lines.begin()
            yield lines
