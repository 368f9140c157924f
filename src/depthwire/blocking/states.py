"""Live books and instruments for threads other than the feed's."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from depthwire.blocking.loop_thread import LoopThread
from depthwire.book.types import BBO, BookSnapshot, BookState, DepthWithin, Level, Levels, Side
from depthwire.bybit.instrument import Instrument
from depthwire.errors import DepthwireError
from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import Watched

Result = TypeVar("Result")


class Live(Watched, Protocol):
    """A live book or instrument."""

    @property
    def topic(self) -> str: ...


def consistent(state: Live, read: Callable[[], Result]) -> Result:
    """Read a state consistently: read again if a frame was applied meanwhile."""
    while True:
        version = state.version
        found = read()
        if version == state.version:
            return found


def copies(state: Live, take: Callable[[], Result], timeout_s: float | None, thread: LoopThread) -> Iterator[Result]:
    """Yield a copy of a state now and after changes, always the latest; end when the state does.

    Raises TimeoutError if nothing changes for ``timeout_s``, and the failure of the state or its thread at the end.
    """
    changed = threading.Event()
    removers = [register(lambda *_: changed.set()) for register in (state.on_change, state.on_state)]
    seen = 0
    try:
        while not state.finished:
            changed.clear()
            if state.state is BookState.LIVE and state.version != seen:
                version = state.version
                copy = take()
                if state.state is BookState.LIVE:
                    seen = version
                    yield copy
            elif not state.finished and not changed.wait(timeout_s):
                raise TimeoutError(f"{state.topic}: no change within {timeout_s:g} s")
        if (failure := state.failure or thread.failure) is not None:
            raise failure
    finally:
        for remove in removers:
            remove()


def copied(levels: Levels) -> Levels:
    """Return a copy of levels, which no frame changes."""
    return Levels(levels.price_ids.copy(), levels.sizes.copy())


def subscribed(thread: LoopThread, register: Callable[[], Callable[[], None]]) -> Callable[[], None]:
    """Register a callback in the feed's thread; return a function that removes it from any thread at any time."""
    remove = thread.do(register)
    return lambda: thread.do(remove)


class BlockingBook:
    """A live book for any thread.

    The feed's thread keeps it current. Each property and each result is consistent in itself; use :attr:`bbo` or
    :meth:`snapshot` for values of the same moment. Names and errors are those of
    :class:`~depthwire.book.book.Book`; arrays are copies.
    """

    def __init__(self, book: LiveBook, thread: LoopThread) -> None:
        self._book = book
        self._thread = thread
        self.symbol = book.symbol
        self.topic = book.topic
        self.depth = book.depth

    @property
    def state(self) -> BookState:
        """EMPTY, LIVE or STALE."""
        return self._book.state

    @property
    def stale_reason(self) -> str | None:
        """Why the book is STALE; None if it is not."""
        return self._book.stale_reason

    @property
    def finished(self) -> bool:
        """Whether the book gets no more frames."""
        return self._book.finished

    @property
    def failure(self) -> DepthwireError | None:
        """Why the venue no longer serves the topic; None if it does, or after unsubscribing."""
        return self._book.failure

    @property
    def version(self) -> int:
        """The number of applied frames."""
        return self._book.version

    @property
    def cross_seq(self) -> int:
        """The last frame's sequence."""
        return self._book.cross_seq

    @property
    def update_id(self) -> int:
        """The last frame's ``u``; 0 on v2."""
        return self._book.update_id

    @property
    def ts_exchange_us(self) -> int:
        """The exchange's time of the last frame, in µs since the epoch."""
        return self._book.ts_exchange_us

    @property
    def ts_matching_us(self) -> int:
        """The matching engine's time of the last frame, in µs since the epoch; 0 if the frame has none."""
        return self._book.ts_matching_us

    @property
    def ts_recv_ns(self) -> int:
        """When the last frame arrived, in ns since the epoch."""
        return self._book.ts_recv_ns

    @property
    def price_decimals(self) -> int | None:
        """Decimals of a price id; None before the first level."""
        return self._book.price_decimals

    @property
    def best_bid(self) -> float | None:
        """Highest bid price, None if there are no bids."""
        return self._book.best_bid

    @property
    def best_ask(self) -> float | None:
        """Lowest ask price, None if there are no asks."""
        return self._book.best_ask

    @property
    def best_bid_id(self) -> int | None:
        """Price id of the best bid, None if there are no bids."""
        return self._book.best_bid_id

    @property
    def best_ask_id(self) -> int | None:
        """Price id of the best ask, None if there are no asks."""
        return self._book.best_ask_id

    @property
    def bbo(self) -> BBO | None:
        """Best bid and ask with their sizes, from the same moment; None for an empty side."""
        return self._book.bbo

    @property
    def mid(self) -> float | None:
        """Middle of best bid and best ask, None if a side is empty."""
        return self._book.mid

    @property
    def spread(self) -> float | None:
        """Best ask less best bid, None if a side is empty."""
        return self._book.spread

    @property
    def microprice(self) -> float | None:
        """Mid weighted by the opposite side's best size, None if a side is empty."""
        return self._book.microprice

    def imbalance(self, levels: int = 1) -> float | None:
        """See :meth:`depthwire.book.book.Book.imbalance`."""
        return consistent(self._book, lambda: self._book.imbalance(levels))

    def vwap(self, side: Side, size: float) -> float:
        """See :meth:`depthwire.book.book.Book.vwap`."""
        return consistent(self._book, lambda: self._book.vwap(side, size))

    def sweep_price(self, side: Side, size: float) -> float:
        """See :meth:`depthwire.book.book.Book.sweep_price`."""
        return consistent(self._book, lambda: self._book.sweep_price(side, size))

    def depth_within(self, bps: float) -> DepthWithin | None:
        """See :meth:`depthwire.book.book.Book.depth_within`."""
        return consistent(self._book, lambda: self._book.depth_within(bps))

    def size_at(self, price: Decimal | str | float) -> float:
        """See :meth:`depthwire.book.book.Book.size_at`."""
        return consistent(self._book, lambda: self._book.size_at(price))

    def size_at_id(self, price_id: int) -> float:
        """See :meth:`depthwire.book.book.Book.size_at_id`."""
        return self._book.size_at_id(price_id)

    def price_id(self, price: Decimal | str | float) -> int:
        """See :meth:`depthwire.book.book.Book.price_id`."""
        return self._book.price_id(price)

    def price(self, price_id: int) -> Decimal:
        """See :meth:`depthwire.book.book.Book.price`."""
        return self._book.price(price_id)

    @property
    def bids(self) -> Levels:
        """Levels(price_ids, sizes) of the bids, best first: copies of shape (n,), int64 and float64. O(n)."""
        return consistent(self._book, lambda: copied(self._book.bids))

    @property
    def asks(self) -> Levels:
        """Levels(price_ids, sizes) of the asks, like :attr:`bids`."""
        return consistent(self._book, lambda: copied(self._book.asks))

    def to_numpy(self, levels: int | None = None) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """See :meth:`depthwire.book.book.Book.to_numpy`; all arrays are from the same moment."""
        return consistent(self._book, lambda: self._book.to_numpy(levels))

    def __len__(self) -> int:
        return len(self._book)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Level]:
        """Iterate over the levels at one moment, as :class:`~depthwire.book.book.Book` yields them."""
        return iter(consistent(self._book, lambda: tuple(self._book)))

    def snapshot(self, *, allow_stale: bool = False) -> BookSnapshot:
        """Return a consistent copy of the book. O(n), repeated for each frame that arrives meanwhile."""
        return consistent(self._book, lambda: self._book.snapshot(allow_stale=allow_stale))

    def on_change(self, listener: Callable[[LiveBook], object]) -> Callable[[], None]:
        """Call ``listener(book)`` with the live book after each applied frame, in the feed's thread.

        What it raises is reported as a CallbackError. SystemExit and KeyboardInterrupt are reported, too, and then end
        the client: its books are STALE, and calls raise ClientClosed. Returns a function that removes the listener.
        Raises TypeError if ``listener`` is async or not callable.
        """
        return subscribed(self._thread, lambda: self._book.on_change(listener))

    def on_state(self, listener: Callable[[LiveBook], object]) -> Callable[[], None]:
        """Call ``listener(book)`` on each change of :attr:`state`, in the feed's thread. See :meth:`on_change`."""
        return subscribed(self._thread, lambda: self._book.on_state(listener))

    def changes(self, timeout_s: float | None = None) -> Iterator[BookSnapshot]:
        """Yield a snapshot now and after changes, always the latest; end when the client is closed.

        Raises TimeoutError if nothing changes for ``timeout_s``.
        """
        return copies(self._book, lambda: self.snapshot(allow_stale=True), timeout_s, self._thread)

    def __repr__(self) -> str:
        return f"<BlockingBook {self.topic} {self.state}>"


class BlockingInstrument:
    """A live instrument for any thread: each attribute of an
    :class:`~depthwire.bybit.instrument.Instrument`, as of the latest frame. Raises BookNotLive as that does.

    Each attribute is consistent in itself; use :meth:`snapshot` for values of the same moment.
    """

    def __init__(self, instrument: Instrument, thread: LoopThread) -> None:
        self._instrument = instrument
        self._thread = thread

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in WRITERS:
            raise AttributeError(name)
        return getattr(self._instrument, name)

    def __dir__(self) -> list[str]:
        live = (name for name in dir(self._instrument) if not name.startswith("_"))
        return [*super().__dir__(), *(name for name in live if name not in WRITERS)]

    def snapshot(self, *, allow_stale: bool = False) -> Any:
        """See :meth:`depthwire.bybit.instrument.Instrument.snapshot`."""
        return self._instrument.snapshot(allow_stale=allow_stale)

    def on_change(self, listener: Callable[[Instrument, frozenset[str]], object]) -> Callable[[], None]:
        """Call ``listener(instrument, changed)`` after each applied frame, in the feed's thread.

        Returns a function that removes it. Raises TypeError if ``listener`` is async or not callable.
        """
        return subscribed(self._thread, lambda: self._instrument.on_change(listener))

    def on_state(self, listener: Callable[[Instrument], object]) -> Callable[[], None]:
        """Call ``listener(instrument)`` on each change of ``state``, in the feed's thread. See :meth:`on_change`."""
        return subscribed(self._thread, lambda: self._instrument.on_state(listener))

    def changes(self, timeout_s: float | None = None) -> Iterator[Any]:
        """Yield a snapshot now and after changes, always the latest; as :meth:`BlockingBook.changes`."""
        return copies(self._instrument, lambda: self.snapshot(allow_stale=True), timeout_s, self._thread)

    def __repr__(self) -> str:
        return repr(self._instrument).replace("<", "<Blocking", 1)


WRITERS = frozenset({"apply", "start_over", "adopt", "mark_stale", "finish", "fail", "report", "names"})
"""Attributes of an Instrument that only its feed may use."""
