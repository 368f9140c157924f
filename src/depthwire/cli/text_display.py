"""``watch`` as text: lines for people, JSON objects for programs."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from depthwire.book.types import BookState
from depthwire.bybit.accounts import View as AccountView
from depthwire.bybit.instrument import Instrument
from depthwire.cli.book_stats import BookStats
from depthwire.cli.command import run_all
from depthwire.cli.events import (
    error_line,
    error_object,
    event_line,
    event_object,
    instrument_line,
    instrument_object,
    wire_fields,
)
from depthwire.cli.output import plain, price_text, sequences, size_text, write
from depthwire.errors import DepthwireError
from depthwire.feed.live_book import LiveBook

_BOOK_INTERVAL_S = 0.5
AnyState = TypeVar("AnyState", LiveBook, Instrument)


class LineQueue:
    """Lines that wait to be written to stdout, in order."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._added = asyncio.Event()

    def add(self, line: str) -> None:
        """Add one line. May be called on the frame path."""
        self._lines.append(line + "\n")
        self._added.set()

    async def run(self) -> None:
        """Print until cancelled."""
        while True:
            await self._added.wait()
            self._added.clear()
            # A slow reader blocks this write, and so the socket: lines cannot pile up.
            write("".join(self._lines))
            self._lines.clear()


class TextDisplay:
    """Base of the text displays: prints each change and event when it happens."""

    def __init__(self) -> None:
        self.lines = LineQueue()

    def account(self, topic: str, account: AccountView[Any, Any, Any]) -> None:
        """Ignore the state: its events are printed."""

    def follow(self, state: AnyState, text: Callable[[AnyState], str]) -> None:
        """Print a line now, after each change, and when the state stops being LIVE."""

        def show(*_: object) -> None:
            self.lines.add(text(state))

        def show_trouble(*_: object) -> None:
            if state.state is not BookState.LIVE:  # the change that makes it LIVE again prints its own line
                show()

        show()
        state.on_change(show)
        state.on_state(show_trouble)

    async def run(self) -> None:
        """Print until cancelled."""
        await self.lines.run()


class LineDisplay(TextDisplay):
    """Prints one line per event and instrument change, and one line per changed book at most twice a second."""

    def __init__(self) -> None:
        super().__init__()
        self._stats_of_books: list[BookStats] = []

    def book(self, stats: BookStats) -> None:
        """See `Display.book`."""
        self._stats_of_books.append(stats)

    def instrument(self, instrument: Instrument) -> None:
        """See `Display.instrument`."""
        self.follow(instrument, instrument_line)

    def event(self, topic: str, event: msgspec.Struct) -> None:
        """See `Display.event`."""
        self.lines.add(event_line(topic, event))

    def error(self, error: DepthwireError) -> None:
        """See `Display.error`."""
        self.lines.add(error_line(error))

    async def run(self) -> None:
        """Print until cancelled."""
        await run_all(super().run(), self._print_changed_books())

    async def _print_changed_books(self) -> None:
        shown: dict[BookStats, tuple[int, BookState]] = {}
        while True:
            for stats in self._stats_of_books:
                now = stats.book.version, stats.book.state
                if shown.get(stats) != now:
                    shown[stats] = now
                    self.lines.add(book_line(stats))
            await asyncio.sleep(_BOOK_INTERVAL_S)


class JsonDisplay(TextDisplay):
    """Prints one JSON object per line for every event and every change of a book or an instrument."""

    def book(self, stats: BookStats) -> None:
        """See `Display.book`."""
        self.follow(stats.book, lambda book: _json(book_object(book)))

    def instrument(self, instrument: Instrument) -> None:
        """See `Display.instrument`."""
        self.follow(instrument, lambda instrument: _json(instrument_object(instrument)))

    def event(self, topic: str, event: msgspec.Struct) -> None:
        """See `Display.event`."""
        self.lines.add(_json(event_object(topic, event)))

    def error(self, error: DepthwireError) -> None:
        """See `Display.error`."""
        self.lines.add(_json(error_object(error)))


def _json(line: dict[str, Any]) -> str:
    return json.dumps(line, default=_to_json)


def _to_json(value: Decimal | msgspec.Struct) -> str | dict[str, Any]:
    """Convert what JSON lacks: a Decimal to its exact text, a nested struct to its fields."""
    return format(value, "f") if isinstance(value, Decimal) else wire_fields(value)


def book_object(book: LiveBook) -> dict[str, Any]:
    """Return the top of a book as a JSON object: exact decimal text, None for absent values."""
    top = dict.fromkeys(("best_bid", "best_bid_size", "best_ask", "best_ask_size", "mid", "spread", "microprice"), None)
    return {
        "symbol": book.symbol,
        "topic": book.topic,
        "state": book.state,
        "reason": book.stale_reason,
        "version": book.version,
        **sequences(book.topic, book.cross_seq, book.update_id),
        "ts_exchange_us": book.ts_exchange_us,
        "ts_recv_ns": book.ts_recv_ns,
        **top,
        **(top_texts(book) if book.state is BookState.LIVE else {}),
    }


def top_texts(book: LiveBook) -> dict[str, str]:
    """Return the top of a LIVE book as exact decimal text. If a side is empty, the values that depend on it are left
    out."""
    texts, decimals = {}, book.price_decimals
    for name, (price_ids, sizes) in (("best_bid", book.bids), ("best_ask", book.asks)):
        if len(price_ids):
            texts[name] = price_text(int(price_ids[0]), decimals)
            texts[f"{name}_size"] = size_text(float(sizes[0]))
    bid, ask = book.best_bid_id, book.best_ask_id
    if bid is not None and ask is not None:
        texts["mid"] = plain((Decimal(bid + ask) / 2).scaleb(-(decimals or 0)))
        texts["spread"] = price_text(ask - bid, decimals)
        texts["microprice"] = size_text(book.microprice or 0.0)
    return texts


def book_line(stats: BookStats) -> str:
    """Return a book as one line of ASCII."""
    book = stats.book
    if book.state is not BookState.LIVE:
        return f"{book.symbol} {book.state}: {book.stale_reason}"
    top = top_texts(book)
    bid, ask = (f"{top.get(f'{name}_size', '-')} @ {top.get(name, '-')}" for name in ("best_bid", "best_ask"))
    return f"{book.symbol} {book.state} bid {bid}, ask {ask}, {top_summary(book, top)}, {stats.rate_and_latency()}"


def top_summary(book: LiveBook, top: dict[str, str]) -> str:
    """Return mid, spread and microprice as text; the microprice is rounded to the book's price scale."""
    if "mid" not in top:
        return "one-sided"
    return f"mid {top['mid']}, spread {top['spread']}, microprice {book.microprice:.{book.price_decimals}f}"
