"""The clients of a soak: their subscriptions and the readers that check them."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import depthwire
from depthwire.arbitration.lines import Lines
from depthwire.client import Client
from depthwire.errors import DepthwireError
from depthwire.feed.book_channel import BookChannel
from depthwire.session.session import Session
from depthwire.settings import Settings
from depthwire.venue.frames.private_frames import PrivateTopic
from depthwire.venue.market.market import Category, Dialect, PublicTopic
from tests.reliability.book_reader import BookReader, LineBook
from tests.reliability.event_reader import EventReader
from tests.reliability.lines import MOST_FRAMES, Line
from tests.reliability.truth import AnyTopic, WatchedVenue

KEY: Final = "soak"
SECRET: Final = "of a market that is made up"
SETTINGS: Final = Settings(
    backoff_first_s=0.005, backoff_cap_s=0.02, timeout_s=3.0, ping_interval_s=1.0, pong_timeout_s=0.7
)
COINS: Final = tuple(f"COIN{number:04d}USDT" for number in range(1, 7))
CAPACITY: Final = 100_000


@dataclass(frozen=True)
class Subscribed:
    """The subscriptions at one endpoint: books by symbol and depth, trades, and optionally the account's events."""

    dialect: Dialect
    category: Category
    books: tuple[tuple[str, int], ...]
    trades: tuple[str, ...]
    has_account: bool

    @property
    def topics(self) -> int:
        """Return their number."""
        return len(self.books) + len(self.trades) + 2 * self.has_account

    def url(self, venue: WatchedVenue) -> str:
        """Return the venue's URL of the market."""
        if self.dialect is Dialect.V5:
            return venue.v5_url(self.category)
        return venue.inverse_url if self.category is Category.INVERSE else venue.linear_url


def crossed(symbols: tuple[str, ...], *depths: int) -> tuple[tuple[str, int], ...]:
    """Each symbol at each depth."""
    return tuple((symbol, depth) for symbol in symbols for depth in depths)


MARKETS: Final = (
    Subscribed(Dialect.V2, Category.INVERSE, crossed(("BTCUSD", "ETHUSD"), 25, 200), ("BTCUSD", "ETHUSD"), True),
    Subscribed(Dialect.V2, Category.LINEAR, crossed(("BTCUSDT", *COINS), 25, 200), ("BTCUSDT", COINS[0]), True),
    Subscribed(
        Dialect.V5,
        Category.LINEAR,
        (("BTCUSDT", 1), ("BTCUSDT", 1000), *crossed(("BTCUSDT", *COINS), 50, 200)),
        ("BTCUSDT", COINS[0]),
        True,
    ),
    Subscribed(Dialect.V5, Category.SPOT, crossed(("BTCUSDT",), 1, 50, 200, 1000), ("BTCUSDT",), False),
)
FEW: Final = (
    Subscribed(Dialect.V2, Category.INVERSE, crossed(("BTCUSD",), 25, 200), ("BTCUSD",), True),
    Subscribed(Dialect.V2, Category.LINEAR, crossed(("BTCUSDT", COINS[0]), 25), ("BTCUSDT",), True),
    Subscribed(Dialect.V5, Category.LINEAR, crossed(("BTCUSDT",), 1, 50, 200), ("BTCUSDT",), True),
)
"""Return a smaller market, so that each book changes a lot within few frames."""


class WatchedClient:
    """A client of one line or of two, its books and its streams of events, of which ``capacity`` may wait in each."""

    def __init__(
        self,
        market: Subscribed,
        names: tuple[str, ...],
        note: Callable[[DepthwireError], object],
        settings: Settings = SETTINGS,
        capacity: int = CAPACITY,
    ) -> None:
        self.market = market
        self.settings, self.capacity = settings, capacity
        self.lines = [Line(name) for name in names]
        self.books: list[BookReader] = []
        self.events: list[EventReader] = []
        self.client: Client
        self._note = note

    @property
    def frames(self) -> int:
        """Return the number of frames on all its connections."""
        return sum(session.feed.frames for session in self.client._sessions)

    async def begin(self, stack: AsyncExitStack, venue: WatchedVenue) -> None:
        """Connect and subscribe; the client stays open as long as the stack."""
        urls = [f"{self.market.url(venue)}?line={line.name}" for line in self.lines]
        self.client = client = await stack.enter_async_context(
            depthwire.connect(
                urls[0] if len(urls) == 1 else urls, api_key=KEY, api_secret=SECRET, settings=self.settings
            )
        )
        client.on_error(self._note)
        for line, sessions in zip(self.lines, sessions_by_line(client), strict=True):
            line.sessions = sessions
            for session in sessions:
                session.feed.tap = line.tap
        for symbol, depth in self.market.books:
            await self._watch_book(symbol, depth)
        for symbol in self.market.trades:
            name = client.dialect.trade_topic(symbol)
            stream: Any = await client.trades(symbol, self.capacity)
            self._watch_events(PublicTopic(self.market.dialect, self.market.category, name), stream)
        if self.market.has_account:
            category = self.market.category if self.market.dialect is Dialect.V2 else None
            for name, ask in (("order", client.orders), ("execution", client.executions)):
                stream = await ask(self.capacity)
                self._watch_events(PrivateTopic(KEY, self.market.dialect, category, name), stream)

    async def _watch_book(self, symbol: str, depth: int) -> None:
        book = await self.client.book(symbol, depth)
        topic = PublicTopic(self.market.dialect, self.market.category, book.topic)
        kept = []
        for line, sessions in zip(self.lines, sessions_by_line(self.client), strict=True):
            ((session, channel),) = (
                (session, found) for session in sessions if (found := session.feed.channels.get(book.topic))
            )
            assert isinstance(channel, BookChannel)
            kept.append(LineBook(topic, channel.book, line, session.connection))
        self.books.append(BookReader(topic, book, kept))

    def _watch_events(self, topic: AnyTopic, stream: Any) -> None:
        for line in self.lines:
            line.hashes[topic.name] = dict.fromkeys(range(-MOST_FRAMES, 0))  # at its final size
        self.events.append(EventReader(topic, stream, self.lines))

    def check(self, venue: WatchedVenue, *, is_end: bool = False) -> None:
        """Compare everything with the truth."""
        for line in self.lines:
            line.sort(venue.damaged)
        for book in self.books:
            book.check(venue)
        for events in self.events:
            events.check(venue, is_end=is_end)


def sessions_by_line(client: Client) -> list[list[Session]]:
    """Return the sessions of each of a client's lines."""
    served = client._served
    return [line.sessions for line in (served._lines if isinstance(served, Lines) else (served,))]
