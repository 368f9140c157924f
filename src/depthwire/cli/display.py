"""From topics to what a view shows: live books and instruments, account views, events in their order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from depthwire.bybit.accounts import AccountStream
from depthwire.bybit.accounts import View as AccountView
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.topics import Topic
from depthwire.cli.book_stats import Monitor
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


class View(Protocol):
    """Is told what there is to show, and shows it until it is cancelled."""

    def book(self, monitor: Monitor) -> None:
        """One more book, LIVE."""

    def instrument(self, instrument: Instrument) -> None:
        """One more instrument, LIVE."""

    def account(self, topic: str, account: AccountView[Any, Any, Any]) -> None:
        """One more private topic's view; its events come as events, too."""

    def event(self, topic: str, event: msgspec.Struct) -> None:
        """An event happened."""

    def error(self, error: DepthwireError) -> None:
        """Events may be missing here."""

    async def run(self) -> None:
        """Show."""


async def subscribed(client: Client, topics: Sequence[Topic], view: View) -> TopicEvents | None:
    """Subscribe to all topics; the view is told of the live states that they name. Returns the stream of all else.

    Raises as :meth:`Client.book` and :meth:`Client.subscribe` do.
    """
    depths, instrument_kind = client.dialect.books, client.dialect.instrument_kind
    named = [topic for topic in topics if not topic.is_pattern]
    books = [(topic.filter, depths[topic.kind]) for topic in named if topic.kind in depths]
    symbols = [topic.filter for topic in named if topic.kind == instrument_kind]
    for book in await asyncio.gather(*(client.book(symbol, depth) for symbol, depth in books)):
        view.book(Monitor(book))
    for instrument in await asyncio.gather(*(client.instrument(symbol) for symbol in symbols)):
        view.instrument(instrument)
    for topic in named:
        if topic.text in _ACCOUNTS:
            # Only for its view: the events come with all others, in one order.
            view.account(topic.kind, (await _ACCOUNTS[topic.kind](client, capacity=1)).view)
    others = [topic.text for topic in topics if topic.is_pattern or topic.kind not in (*depths, instrument_kind)]
    return await client.subscribe(*others) if others else None


async def follow(events: TopicEvents, view: View) -> None:
    """Tell a view of events, and of the live states that patterns bring, until the client is closed."""
    states: set[str] = set()
    while True:
        try:
            topic, data = await anext(events)
        except StopAsyncIteration:
            return
        except DepthwireError as error:
            view.error(error)
            continue
        if not isinstance(data, LiveBook | Instrument):
            view.event(topic, data)
        elif topic not in states:
            states.add(topic)
            if isinstance(data, LiveBook):
                view.book(Monitor(data))
            else:
                view.instrument(data)
