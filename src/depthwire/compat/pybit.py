"""A drop-in for ``pybit.WebSocket`` of pybit 1.x, for inverse and linear futures."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from depthwire.compat.plain import (
    EventReader,
    LatestMessage,
    MergedReader,
    Message,
    PlainFeed,
    Reader,
    WindowReader,
    is_linear,
    kind_of,
    log,
    yield_to_feed,
)
from depthwire.errors import DepthwireError, TopicError
from depthwire.settings import Settings

FINISHED: Final = ("Filled", "Cancelled", "Rejected", "Deactivated", "Triggered")
ROW_KINDS: Final = ("trade", "liquidation", "execution")


class Rows(WindowReader):
    """The items of all messages, each with the number of its arrival; with ``purge``, a read removes them."""

    def __init__(self, topic: str, message: LatestMessage, capacity: int, numbers: Iterator[int], purge: bool) -> None:
        super().__init__(topic, message, capacity, counts_losses=purge)
        self._numbers = numbers
        self._purge = purge

    def receive(self, message: Message) -> None:
        data = message["data"]
        for row in data if isinstance(data, list) else [data]:
            self.keep((next(self._numbers), row))

    def take(self) -> list[tuple[int, Any]]:
        with self._lock:
            rows = list(self._window)
            if self._purge:
                self._window.clear()
            return rows


class Orders(EventReader):
    """The latest state of each order. Beyond ``capacity``, the oldest finished orders are dropped."""

    def __init__(self, topic: str, message: LatestMessage, capacity: int) -> None:
        super().__init__(topic, message)
        self._capacity = capacity
        self._orders: dict[str, dict[str, Any]] = {}

    def receive(self, message: Message) -> None:
        for order in message["data"]:
            self._orders[order.get("stop_order_id") or order["order_id"]] = order
        excess = len(self._orders) - self._capacity
        if excess > 0:
            finished = (key for key, order in self._orders.items() if order.get("order_status") in FINISHED)
            for key in list(itertools.islice(finished, excess)):
                del self._orders[key]

    def take(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(order) for order in self._orders.values()]


class Positions(EventReader):
    """The latest state of each position: by symbol on inverse, by symbol and side on linear."""

    def __init__(self, topic: str, message: LatestMessage) -> None:
        super().__init__(topic, message)
        self._positions: dict[str, dict[str, Any]] = {}

    def receive(self, message: Message) -> None:
        for position in message["data"]:
            symbol = position["symbol"]
            if is_linear(symbol):
                self._positions[symbol] = {**self._positions.get(symbol, {}), position["side"]: position}
            else:
                self._positions[symbol] = position

    def take(self) -> dict[str, dict[str, Any]]:
        with self._lock:
            return {symbol: dict(position) for symbol, position in self._positions.items()}


class Latest(EventReader):
    """The latest message, or its first item."""

    def __init__(self, topic: str, message: LatestMessage, trim: bool) -> None:
        super().__init__(topic, message)
        self._trim = trim
        self._latest: Message = {}

    def receive(self, message: Message) -> None:
        self._latest = message["data"][0] if self._trim else message

    def take(self) -> Message:
        with self._lock:
            return dict(self._latest)


class WebSocket:
    """Subscribes when it is created; read with :meth:`fetch`.

    ::

        ws = WebSocket("wss://stream.bybit.com/realtime", subscriptions=["order", "position"], api_key=…, api_secret=…)
        while True:
            data = ws.fetch("order")

    Connects, signs in if a key is given, subscribes, and waits for the venue's answer. ``subscriptions`` follow the
    topic grammar, including pipes and stars. ``endpoint`` is the inverse endpoint or either of the two linear ones;
    spot has another protocol and is not supported.

    ``max_data_length`` limits the items kept per topic. With ``purge_on_fetch``, a fetch of ``trade``, ``liquidation``
    or ``execution`` returns the items since the last fetch, without it the latest ``max_data_length``. With
    ``trim_data=False``, books, instrument info, candles, insurance and wallet are complete messages. The client sends a
    ping every ``ping_interval`` s and expects its pong within ``ping_timeout`` s. If the pong is missing or the
    connection is lost, the client reconnects, or ends with ``restart_on_error=False``. A ``logging_level`` above
    WARNING silences it.

    Raises InvalidUrl, ConnectError, AuthError, TopicError, SubscriptionRejected or SubscriptionTimeout, and ValueError
    if an interval or a length is not above 0.
    """

    def __init__(
        self,
        endpoint: str,
        api_key: str | None = None,
        api_secret: str | None = None,
        subscriptions: Sequence[str] | str | None = None,
        logging_level: int = logging.INFO,
        max_data_length: int = 200,
        ping_interval: float = 30,
        ping_timeout: float = 10,
        restart_on_error: bool = True,
        purge_on_fetch: bool = True,
        trim_data: bool = True,
    ) -> None:
        if max_data_length < 1:
            raise ValueError(f"max_data_length must be at least 1, not {max_data_length!r}")
        self.exited = False
        self.endpoint = endpoint
        self.subscriptions = [subscriptions] if isinstance(subscriptions, str) else list(subscriptions or ())
        if not self.subscriptions:
            raise TopicError("subscriptions is empty; name at least one topic, such as 'trade.BTCUSD'")
        self._max_length = max_data_length
        self._purge = purge_on_fetch
        self._trim = trim_data
        self._numbers = itertools.count()

        def log_warning(text: str, error: DepthwireError) -> None:
            if logging_level <= logging.WARNING:
                log.warning(text, error)

        self._feed = PlainFeed(
            endpoint,
            api_key,
            api_secret,
            self._reader,
            log_warning,
            settings=Settings(ping_interval_s=ping_interval, pong_timeout_s=ping_timeout),
            restart=restart_on_error,
        )
        try:
            self._feed.subscribe(*self.subscriptions)
        except BaseException:
            self.exit()
            raise

    def fetch(self, topic: str) -> Any:
        """Return a topic's data; empty if there is none. Never waits.

        - ``trade``, ``liquidation``, ``execution``: a list of items, oldest first;
        - order books: the list of levels, lowest price first; empty while the book is not LIVE;
        - ``order``, ``stop_order``: a list of the latest state of each order;
        - ``position``: the latest of each symbol, on linear of each symbol and side;
        - ``instrument_info``: the merged fields;
        - candles, ``insurance``, ``wallet``: the latest message's first item.

        For a topic with pipes or a star, lists are joined (items in the order of their arrival); other data is a dict
        by concrete topic.

        Raises TopicError if the topic is not subscribed. If messages are missing, raises the reason in one call:
        ReaderOverflow (more than ``max_data_length`` waited for a fetch; the oldest were dropped), StreamGap (the
        connection was lost) or MalformedFrame. Raises ConnectError or AuthError if reconnecting fails, ConnectionLost
        after a lost connection with ``restart_on_error=False``.
        """
        yield_to_feed()
        readers = self._feed.readers(topic)
        for reader in readers:
            reader.check()  # all before any is read, so that an error loses no data
        found = {reader.topic: self._read(reader) for reader in readers}
        kind = kind_of(topic)
        if kind in ROW_KINDS:
            return [row for _, row in sorted(itertools.chain(*found.values()), key=itemgetter(0))]
        if topic in found:
            return found[topic]
        if kind.startswith("orderBook") and self._trim:
            return list(itertools.chain(*found.values()))
        return found

    def ping(self) -> None:
        """Ask whether the venue is there; raises ConnectionLost or TimeoutError if it is not."""
        self._feed.ping()

    def exit(self) -> None:
        """End the connection. Calling it twice is fine."""
        self.exited = True
        self._feed.close()

    def _read(self, reader: Reader) -> Any:
        if isinstance(reader, MergedReader):
            return reader.read() if self._trim else reader.read_message()
        return reader.take()

    def _reader(self, topic: str, message: LatestMessage) -> EventReader:
        kind = kind_of(topic)
        if kind in ROW_KINDS:
            return Rows(topic, message, self._max_length, self._numbers, self._purge)
        if kind in ("order", "stop_order"):
            return Orders(topic, message, self._max_length)
        if kind == "position":
            return Positions(topic, message)
        return Latest(topic, message, self._trim)
