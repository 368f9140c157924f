"""The display protocol, and the functions that subscribe to topics and pass their data to a display."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from depthwire.bybit.accounts import AccountStream
from depthwire.bybit.accounts import View as AccountView
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.topics import Topic
from depthwire.cli.book_stats import BookStats
from depthwire.client import Client
from depthwire.errors import DepthwireError
from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import TopicEvents

_ACCOUNTS: Final[dict[str, Callable[..., Awaitable[AccountStream[Any, Any]]]]] = {
    "order": Client.orders,
    "stop_order": Client.stop_orders,
    "position": Client.positions,
    "wallet": Client.wallet,
}


class Display(Protocol):
    """Shows books, instruments, account state and events until it is cancelled."""

    def book(self, stats: BookStats) -> None:
        """Add a LIVE book."""

    def instrument(self, instrument: Instrument) -> None:
        """Add a LIVE instrument."""

    def account(self, topic: str, account: AccountView[Any, Any, Any]) -> None:
        """Add a private topic's state. Its events also arrive through `event`."""

    def event(self, topic: str, event: msgspec.Struct) -> None:
        """Add an event."""

    def error(self, error: DepthwireError) -> None:
        """Add an error; events may be missing at this point."""

    async def run(self) -> None:
        """Show everything until cancelled."""


async def subscribe_all(client: Client, topics: Sequence[Topic], display: Display) -> TopicEvents | None:
    """Subscribe to all topics and add their books, instruments and account state to the display.

    Returns the stream of all other events, or None if there is none. Raises the errors of `Client.book` and
    `Client.subscribe`.
    """
    depths, instrument_kind = client.dialect.books, client.dialect.instrument_kind
    named = [topic for topic in topics if not topic.is_pattern]
    books = [(topic.filter, depths[topic.kind]) for topic in named if topic.kind in depths]
    symbols = [topic.filter for topic in named if topic.kind == instrument_kind]
    for book in await asyncio.gather(*(client.book(symbol, depth) for symbol, depth in books)):
        display.book(BookStats(book))
    for instrument in await asyncio.gather(*(client.instrument(symbol) for symbol in symbols)):
        display.instrument(instrument)
    for topic in named:
        if topic.text in _ACCOUNTS:
            # Only its state is used: the events arrive in the common stream, in one order.
            display.account(topic.kind, (await _ACCOUNTS[topic.kind](client, capacity=1)).view)
    others = [topic.text for topic in topics if topic.is_pattern or topic.kind not in (*depths, instrument_kind)]
    return await client.subscribe(*others) if others else None


async def follow(events: TopicEvents, display: Display) -> None:
    """Pass events, and books and instruments that patterns bring, to a display until the client is closed."""
    states: set[str] = set()
    while True:
        try:
            topic, data = await anext(events)
        except StopAsyncIteration:
            return
        except DepthwireError as error:
            display.error(error)
            continue
        if not isinstance(data, LiveBook | Instrument):
            display.event(topic, data)
        elif topic not in states:
            states.add(topic)
            if isinstance(data, LiveBook):
                display.book(BookStats(data))
            else:
                display.instrument(data)
