"""A blocking client for scripts, notebooks and threads; its event loop runs in a separate thread."""

import asyncio
import atexit
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from depthwire.arbitration.lines import LineStatus
from depthwire.blocking.loop_thread import LoopThread
from depthwire.blocking.states import BlockingBook, BlockingInstrument, subscribed
from depthwire.bybit import events
from depthwire.bybit.accounts import View
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2.private import StopOrder
from depthwire.client import Client
from depthwire.connect import connect as connect_async
from depthwire.errors import ClientClosed, DepthwireError
from depthwire.feed.streams import EventStream, TopicEvent
from depthwire.feed.taps import Tap
from depthwire.session.health import Health
from depthwire.session.sign_in import AuthWay
from depthwire.session.status import Status
from depthwire.settings import Settings

__all__ = ["BlockingAccountStream", "BlockingBook", "BlockingClient", "BlockingInstrument", "BlockingStream", "connect"]

Item = TypeVar("Item")
Event = TypeVar("Event")
Key = TypeVar("Key")
Held = TypeVar("Held")


class BlockingStream(Generic[Item]):
    """Events for a thread to iterate over; raises the errors of its
    :class:`~depthwire.feed.streams.EventStream` in their places.

    Threads that share a stream get each event once. Events that wait when the client is closed can still be read.
    """

    def __init__(self, stream: EventStream[Item], thread: LoopThread) -> None:
        self._stream = stream
        self._thread = thread
        self._turns = asyncio.Lock()
        # Taken from the stream by the feed's thread, so that an interrupted caller loses nothing.
        self._handed_over: deque[Item | DepthwireError] = deque()

    @property
    def topic(self) -> str:
        """The topics, as given to the client."""
        return self._stream.topic

    @property
    def capacity(self) -> int:
        """The maximum number of waiting events."""
        return self._stream.capacity

    @property
    def waiting(self) -> int:
        """The number of waiting events. O(1)."""
        return len(self._handed_over) + self._stream.waiting

    def on_event(self, callback: Callable[[Item], object]) -> Callable[[], None]:
        """Call ``callback(event)`` inside the frame's call stack, in the feed's thread. Returns a function that removes
        it."""
        return subscribed(self._thread, lambda: self._stream.on_event(callback))

    def close(self) -> None:
        """Stop listening; waiting events can still be read. Other readers of the same topic go on."""
        self._thread.do(self._stream.close)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        return self.get()

    def get(self, timeout_s: float | None = None) -> Item:
        """Return the next event; raises TimeoutError if none comes in time, StopIteration after the last.

        ``timeout_s=0`` takes only an event that already waits. A call that times out or is interrupted loses no event.
        If an error ended the client's thread, raises ClientClosed after the last event.
        """
        while True:
            with suppress(IndexError):
                item = self._handed_over.popleft()
                break
            if not self._fetch(timeout_s):
                raise self._thread.failure or StopIteration
        if isinstance(item, DepthwireError):
            raise item
        return item

    def _fetch(self, timeout_s: float | None) -> bool:
        try:
            return self._thread.call(self._hand_over(timeout_s))
        except ClientClosed:
            return self._thread.do(self._take)

    async def _hand_over(self, timeout_s: float | None) -> bool:
        """Wait for an event and take it in one step, so that a cancelled call loses none; False at the end."""
        try:
            async with asyncio.timeout(timeout_s), self._turns:
                await self._stream.ready()
                return self._take()
        except TimeoutError:
            raise TimeoutError(f"{self.topic}: no event within {timeout_s:g} s") from None

    def _take(self) -> bool:
        if not self._stream.has_next:
            return False
        self._handed_over.append(self._stream.pop())
        return True


class BlockingAccountStream(BlockingStream[Event], Generic[Event, Key, Held]):
    """The events of a private topic, with the account's live view."""

    def __init__(self, stream: EventStream[Event], view: View[Any, Any, Any], thread: LoopThread) -> None:
        super().__init__(stream, thread)
        self._view = view

    def view(self) -> dict[Key, Held]:
        """Return a copy of the live view: open orders by id, positions by (symbol, side), balances by coin."""
        return self._thread.do(lambda: dict(self._view))

    @property
    def gap(self) -> DepthwireError | None:
        """The first error after which the view may lack events; None if it is complete."""
        return self._view.gap

    def reconcile(self, events: Iterable[Event] = ()) -> None:
        """See :meth:`depthwire.bybit.accounts.View.reconcile`."""
        self._thread.do(lambda: self._view.reconcile(events))


class BlockingClient:
    """A :class:`~depthwire.client.Client` whose methods block; created by :func:`connect`.

    Use it as a context manager, or call :meth:`close`. Open clients are closed when the interpreter ends.
    """

    def __init__(self, client: Client, thread: LoopThread) -> None:
        self._client = client
        self._thread = thread
        self._closing = threading.Lock()
        self._closed = False
        _open.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, end all readers and the thread. Closing twice, or in a forked child, is fine.

        Raises RuntimeError inside a callback, because that thread cannot end itself.
        """
        if self._thread.forked:  # another thread may have held the lock at the fork
            return
        with self._closing:
            if not self._closed:
                self._thread.stop()
                self._closed = True
                _open.discard(self)

    @property
    def dialect(self) -> Dialect:
        """As :attr:`depthwire.client.Client.dialect`."""
        return self._client.dialect

    @property
    def url(self) -> str:
        """As :attr:`depthwire.client.Client.url`."""
        return self._client.url

    def book(self, symbol: str, depth: int | None = None) -> BlockingBook:
        """See :meth:`depthwire.client.Client.book`."""
        return BlockingBook(self._thread.call(self._client.book(symbol, depth)), self._thread)

    def instrument(self, symbol: str) -> BlockingInstrument:
        """See :meth:`depthwire.client.Client.instrument`."""
        return BlockingInstrument(self._thread.call(self._client.instrument(symbol)), self._thread)

    def trades(self, symbol: str, capacity: int = 10_000) -> BlockingStream[events.Trade]:
        """See :meth:`depthwire.client.Client.trades`."""
        return BlockingStream(self._thread.call(self._client.trades(symbol, capacity)), self._thread)

    def orders(self, capacity: int = 10_000) -> BlockingAccountStream[events.Order, str, events.Order]:
        """See :meth:`depthwire.client.Client.orders`."""
        stream = self._thread.call(self._client.orders(capacity))
        return BlockingAccountStream(stream, stream.view, self._thread)

    def stop_orders(self, capacity: int = 10_000) -> BlockingAccountStream[StopOrder, str, StopOrder]:
        """See :meth:`depthwire.client.Client.stop_orders`."""
        stream = self._thread.call(self._client.stop_orders(capacity))
        return BlockingAccountStream(stream, stream.view, self._thread)

    def positions(
        self, capacity: int = 10_000
    ) -> BlockingAccountStream[events.Position, tuple[str, str | int], events.Position]:
        """See :meth:`depthwire.client.Client.positions`."""
        stream = self._thread.call(self._client.positions(capacity))
        return BlockingAccountStream(stream, stream.view, self._thread)

    def wallet(self, capacity: int = 10_000) -> BlockingAccountStream[events.Wallet, str, events.Balance]:
        """See :meth:`depthwire.client.Client.wallet`."""
        stream = self._thread.call(self._client.wallet(capacity))
        return BlockingAccountStream(stream, stream.view, self._thread)

    def executions(self, capacity: int = 10_000) -> BlockingStream[events.Execution]:
        """See :meth:`depthwire.client.Client.executions`."""
        return BlockingStream(self._thread.call(self._client.executions(capacity)), self._thread)

    def subscribe(
        self, *topics: str, capacity: int = 10_000, on_event: Callable[[TopicEvent], object] | None = None
    ) -> BlockingStream[TopicEvent]:
        """See :meth:`depthwire.client.Client.subscribe`."""
        stream = self._thread.call(self._client.subscribe(*topics, capacity=capacity, on_event=on_event))
        return BlockingStream(stream, self._thread)

    def subscribe_raw(self, *topics: str, capacity: int = 10_000) -> BlockingStream[TopicEvent]:
        """See :meth:`depthwire.client.Client.subscribe_raw`."""
        return BlockingStream(self._thread.call(self._client.subscribe_raw(*topics, capacity=capacity)), self._thread)

    def unsubscribe(self, *topics: str) -> None:
        """See :meth:`depthwire.client.Client.unsubscribe`."""
        self._thread.call(self._client.unsubscribe(*topics))

    def on_error(self, callback: Callable[[DepthwireError], object]) -> Callable[[], None]:
        """See :meth:`depthwire.client.Client.on_error`; called in the feed's thread."""
        return subscribed(self._thread, lambda: self._client.on_error(callback))

    def add_tap(self, tap: Tap) -> Callable[[], None]:
        """See :meth:`depthwire.client.Client.add_tap`; called in the feed's thread."""
        return subscribed(self._thread, lambda: self._client.add_tap(tap))

    @property
    def lanes(self) -> dict[str, int]:
        """As :attr:`depthwire.client.Client.lanes`."""
        return self._thread.do(lambda: self._client.lanes)

    @property
    def lines(self) -> tuple[LineStatus, ...]:
        """As :attr:`depthwire.client.Client.lines`."""
        return self._thread.do(lambda: self._client.lines)

    def ping(self) -> float:
        """See :meth:`depthwire.client.Client.ping`."""
        return self._thread.call(self._client.ping())

    def status(self) -> Status:
        """See :meth:`depthwire.client.Client.status`."""
        return self._thread.do(self._client.status)

    def health(self) -> dict[str, Health]:
        """See :meth:`depthwire.client.Client.health`."""
        return self._thread.do(self._client.health)

    def __repr__(self) -> str:
        return f"<BlockingClient {self.url} {'closed' if self._closed else 'open'}>"


def connect(
    url: str | Sequence[str],
    *,
    api_key: str | None = None,
    api_secret: str | Callable[[], str] | None = None,
    auth_way: AuthWay = "op",
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | bool | None = None,
    settings: Settings | None = None,
    scanner: bool = True,
    busy_poll: bool = False,
    cpu: int | None = None,
) -> BlockingClient:
    """As :func:`depthwire.connect`, for threads: ``with depthwire.blocking.connect(url) as client``.

    Without ``with``, as in a notebook: ``client = depthwire.blocking.connect(url)``, and ``client.close()`` at the end.

    ``busy_poll`` and ``cpu`` apply to the client's thread, not the caller's. Python runs one thread at a time: the
    caller's computations delay the client by up to ``sys.getswitchinterval()``, 5 ms unless set lower.
    """
    thread = LoopThread()
    try:
        connection = connect_async(
            url,
            api_key=api_key,
            api_secret=api_secret,
            auth_way=auth_way,
            ssl_context=ssl_context,
            proxy=proxy,
            settings=settings,
            scanner=scanner,
            busy_poll=busy_poll,
            cpu=cpu,
        )
        client = BlockingClient(thread.call(connection.__aenter__()), thread)
        thread.at_end = partial(connection.__aexit__, None, None, None)
        return client
    except BaseException:
        thread.stop()
        raise


_open: set[BlockingClient] = set()


@atexit.register
def _close_all() -> None:
    """Close the clients that are still open: their threads must not run during the interpreter's finalization."""
    for client in tuple(_open):
        with suppress(Exception):
            client.close()
