"""The same for scripts, notebooks and threads: an event loop in a thread of its own, plain calls outside."""

import asyncio
import os
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from depthwire.bybit.accounts import View
from depthwire.bybit.private import StopOrder
from depthwire.bybit.v5_private import CoinBalance
from depthwire.channel import LiveBook
from depthwire.client import Client, Execution, Order, Position, Trade, Wallet
from depthwire.client import connect as connect_async
from depthwire.errors import ClientClosed, ClientForked
from depthwire.health import Health
from depthwire.lines import LineStatus
from depthwire.loops import loop_factory
from depthwire.settings import Settings
from depthwire.sign_in import AuthWay
from depthwire.status import Status
from depthwire.streams import EventStream, TopicEvent
from depthwire.values import BBO, BookSnapshot, BookState

Result = TypeVar("Result")
Item = TypeVar("Item")
Event = TypeVar("Event")
Key = TypeVar("Key")
Held = TypeVar("Held")


class LoopThread:
    """An event loop that runs in a daemon thread until it is stopped."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop = (loop_factory() or asyncio.new_event_loop)()
        self._thread = threading.Thread(target=self._loop.run_forever, name="depthwire", daemon=True)
        self._thread.start()

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process whose loop this is."""
        return self._pid != os.getpid()

    def call(self, work: Coroutine[Any, Any, Result], timeout_s: float | None = None) -> Result:
        """Run a coroutine over there and wait for its result; TimeoutError after ``timeout_s``, and it is cancelled."""
        if self.forked:
            work.close()
            raise ClientForked("the client belongs to the process that this one was forked from; make a new one here")
        if not self._thread.is_alive():
            work.close()
            raise ClientClosed("the client was closed; make a new one")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop and its thread; in a forked child there is neither."""
        if self.forked:
            return
        self.call(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class BlockingBook:
    """A live book to be read from any thread.

    The feed's thread keeps it current. Each property is consistent in itself; what must belong together is taken at
    once: :attr:`bbo`, or :meth:`snapshot`. All raise BookNotLive as :class:`~depthwire.book.Book` does.
    """

    def __init__(self, book: LiveBook) -> None:
        self._book = book
        self.symbol = book.symbol
        self.topic = book.topic

    @property
    def state(self) -> BookState:
        """EMPTY, LIVE or STALE."""
        return self._book.state

    @property
    def best_bid(self) -> float | None:
        """Highest bid price, None where there are no bids."""
        return self._book.best_bid

    @property
    def best_ask(self) -> float | None:
        """Lowest ask price, None where there are no asks."""
        return self._book.best_ask

    @property
    def bbo(self) -> BBO | None:
        """Best bid and ask with their sizes, of one moment; None where a side is empty."""
        return self._book.bbo

    @property
    def mid(self) -> float | None:
        """Middle of best bid and best ask, None where a side is empty."""
        return self._book.mid

    @property
    def microprice(self) -> float | None:
        """Mid weighted by the opposite side's best size, None where a side is empty."""
        return self._book.microprice

    def snapshot(self, *, allow_stale: bool = False) -> BookSnapshot:
        """A consistent copy of the whole book. O(n), again for each frame that comes while it is taken."""
        while True:
            copy = self._book.snapshot(allow_stale=allow_stale)
            if copy.version == self._book.version:
                return copy

    def changes(self, timeout_s: float | None = None) -> Iterator[BookSnapshot]:
        """A snapshot now and after changes, always the latest; ends when the client is closed.

        Raises TimeoutError where nothing changes for ``timeout_s``.
        """
        changed = threading.Event()
        removers = [register(lambda _: changed.set()) for register in (self._book.on_change, self._book.on_state)]
        seen = 0
        try:
            while not self._book.finished:
                changed.clear()
                if self._book.state is BookState.LIVE and self._book.version != seen:
                    copy = self.snapshot(allow_stale=True)
                    if copy.state is BookState.LIVE:
                        seen = copy.version
                        yield copy
                elif not changed.wait(timeout_s):
                    raise TimeoutError(f"{self.topic}: no change within {timeout_s:g} s")
        finally:
            for remove in removers:
                remove()

    def __repr__(self) -> str:
        return f"<BlockingBook {self.topic} {self.state}>"


class BlockingStream(Generic[Item]):
    """Events for a thread to iterate over; raises what :class:`~depthwire.streams.EventStream` raises, in its place."""

    def __init__(self, stream: EventStream[Item], thread: LoopThread) -> None:
        self._stream = stream
        self._thread = thread

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        return self.get()

    def get(self, timeout_s: float | None = None) -> Item:
        """The next event; raises TimeoutError where none comes in time, StopIteration after the last."""
        try:
            return self._thread.call(next_of(self._stream), timeout_s)
        except StopAsyncIteration:
            raise StopIteration from None


class BlockingAccountStream(BlockingStream[Event], Generic[Event, Key, Held]):
    """The events of a private topic, and the account's live view beside them."""

    def __init__(self, stream: EventStream[Event], view: View[Any, Any, Any], thread: LoopThread) -> None:
        super().__init__(stream, thread)
        self._view = view

    def view(self) -> dict[Key, Held]:
        """A copy of the live view, of one moment: open orders by id, positions by (symbol, side), balances by coin."""
        return self._thread.call(copy_of(self._view))


class BlockingClient:
    """The blocking face of a :class:`~depthwire.client.Client`."""

    def __init__(self, client: Client, thread: LoopThread) -> None:
        self._client = client
        self._thread = thread

    def book(self, symbol: str, depth: int | None = None) -> BlockingBook:
        """As :meth:`depthwire.client.Client.book`."""
        return BlockingBook(self._thread.call(self._client.book(symbol, depth)))

    def trades(self, symbol: str, capacity: int = 10_000) -> BlockingStream[Trade]:
        """As :meth:`depthwire.client.Client.trades`."""
        return BlockingStream(self._thread.call(self._client.trades(symbol, capacity)), self._thread)

    def orders(self, capacity: int = 10_000) -> BlockingAccountStream[Order, str, Order]:
        """As :meth:`depthwire.client.Client.orders`."""
        stream = self._thread.call(self._client.orders(capacity))
        return BlockingAccountStream(stream, stream.view, self._thread)

    def stop_orders(self, capacity: int = 10_000) -> BlockingAccountStream[StopOrder, str, StopOrder]:
        """As :meth:`depthwire.client.Client.stop_orders`."""
        stream = self._thread.call(self._client.stop_orders(capacity))
        return BlockingAccountStream(stream, stream.view, self._thread)

    def positions(self, capacity: int = 10_000) -> BlockingAccountStream[Position, tuple[str, str | int], Position]:
        """As :meth:`depthwire.client.Client.positions`."""
        stream = self._thread.call(self._client.positions(capacity))
        return BlockingAccountStream(stream, stream.view, self._thread)

    def wallet(self, capacity: int = 10_000) -> BlockingAccountStream[Wallet, str, Wallet | CoinBalance]:
        """As :meth:`depthwire.client.Client.wallet`."""
        stream = self._thread.call(self._client.wallet(capacity))
        return BlockingAccountStream(stream, stream.view, self._thread)

    def executions(self, capacity: int = 10_000) -> BlockingStream[Execution]:
        """As :meth:`depthwire.client.Client.executions`."""
        return BlockingStream(self._thread.call(self._client.executions(capacity)), self._thread)

    def subscribe(self, *topics: str, capacity: int = 10_000) -> BlockingStream[TopicEvent]:
        """As :meth:`depthwire.client.Client.subscribe`."""
        return BlockingStream(self._thread.call(self._client.subscribe(*topics, capacity=capacity)), self._thread)

    def unsubscribe(self, *topics: str) -> None:
        """As :meth:`depthwire.client.Client.unsubscribe`."""
        self._thread.call(self._client.unsubscribe(*topics))

    def status(self) -> Status:
        """As :meth:`depthwire.client.Client.status`."""
        return self._thread.call(told(self._client.status))

    def health(self) -> dict[str, Health]:
        """As :meth:`depthwire.client.Client.health`."""
        return self._thread.call(told(self._client.health))

    def lines(self) -> tuple[LineStatus, ...]:
        """As :attr:`depthwire.client.Client.lines`."""
        return self._thread.call(told(lambda: self._client.lines))


@contextmanager
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
) -> Iterator[BlockingClient]:
    """As :func:`depthwire.connect`, for threads: ``with depthwire.blocking.connect(url) as client``.

    ``busy_poll`` and ``cpu`` concern the thread behind the client, not the caller's. Python runs one thread at a time:
    what the caller computes meanwhile delays it by up to ``sys.getswitchinterval()``, 5 ms unless set lower.
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
        client = thread.call(connection.__aenter__())
        try:
            yield BlockingClient(client, thread)
        finally:
            if not thread.forked:
                thread.call(connection.__aexit__(None, None, None))
    finally:
        thread.stop()


async def next_of(stream: EventStream[Item]) -> Item:
    """A coroutine, as run_coroutine_threadsafe wants one."""
    return await anext(stream)


async def copy_of(view: View[Key, Held, Any]) -> dict[Key, Held]:
    """Copy a view in the thread that changes it."""
    return dict(view)


async def told(ask: Callable[[], Result]) -> Result:
    """Ask in the thread that changes the answer."""
    return ask()
