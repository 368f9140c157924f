"""How ``watch`` shows things as text: lines for people, an object for each event and each change for programs."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from depthwire.book.types import BookState
from depthwire.bybit.accounts import View as AccountView
from depthwire.bybit.instrument import Instrument
from depthwire.cli.book_stats import Monitor
from depthwire.cli.command import together
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

_LINES_EVERY_S = 0.5
AnyState = TypeVar("AnyState", LiveBook, Instrument)


class Lines:
    """Lines on their way to stdout, in the order in which they were added."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._added = asyncio.Event()

    def add(self, line: str) -> None:
        """Take one line; also inside the frame path."""
        self._lines.append(line + "\n")
        self._added.set()

    async def run(self) -> None:
        """Print until cancelled."""
        while True:
            await self._added.wait()
            self._added.clear()
            # A reader that is too slow blocks us here, and thereby the socket: nothing piles up.
            write("".join(self._lines))
            self._lines.clear()


class TextView:
    """What both kinds of text have in common: all but books as it happens."""

    def __init__(self) -> None:
        self.lines = Lines()

    def account(self, topic: str, account: AccountView[Any, Any, Any]) -> None:
        """Its events say it all."""

    def follow(self, state: AnyState, text: Callable[[AnyState], str]) -> None:
        """A line now, after each change, and when the state is LIVE no more."""

        def show(*_: object) -> None:
            self.lines.add(text(state))

        def show_trouble(*_: object) -> None:
            if state.state is not BookState.LIVE:  # that it is LIVE again, its next change tells
                show()

        show()
        state.on_change(show)
        state.on_state(show_trouble)

    async def run(self) -> None:
        """Print until cancelled."""
        await self.lines.run()


class LineView(TextView):
    """A line for each event and each change of an instrument; for each book that changed, twice a second at most."""

    def __init__(self) -> None:
        super().__init__()
        self._monitors: list[Monitor] = []

    def book(self, monitor: Monitor) -> None:
        """One more book."""
        self._monitors.append(monitor)

    def instrument(self, instrument: Instrument) -> None:
        """One more instrument."""
        self.follow(instrument, instrument_line)

    def event(self, topic: str, event: msgspec.Struct) -> None:
        """An event happened."""
        self.lines.add(event_line(topic, event))

    def error(self, error: DepthwireError) -> None:
        """Events may be missing here."""
        self.lines.add(error_line(error))

    async def run(self) -> None:
        """Print until cancelled."""
        await together(super().run(), self._look_at_books())

    async def _look_at_books(self) -> None:
        shown: dict[Monitor, tuple[int, BookState]] = {}
        while True:
            for monitor in self._monitors:
                now = monitor.book.version, monitor.book.state
                if shown.get(monitor) != now:
                    shown[monitor] = now
                    self.lines.add(book_line(monitor))
            await asyncio.sleep(_LINES_EVERY_S)


class JsonView(TextView):
    """One JSON object a line for each event and each change of a book or an instrument, none left out."""

    def book(self, monitor: Monitor) -> None:
        """One more book."""
        self.follow(monitor.book, lambda book: _json(book_object(book)))

    def instrument(self, instrument: Instrument) -> None:
        """One more instrument."""
        self.follow(instrument, lambda instrument: _json(instrument_object(instrument)))

    def event(self, topic: str, event: msgspec.Struct) -> None:
        """An event happened."""
        self.lines.add(_json(event_object(topic, event)))

    def error(self, error: DepthwireError) -> None:
        """Events may be missing here."""
        self.lines.add(_json(error_object(error)))


def _json(found: dict[str, Any]) -> str:
    return json.dumps(found, default=_plain)


def _plain(value: Decimal | msgspec.Struct) -> str | dict[str, Any]:
    """What JSON has no word for: a Decimal digit by digit, a part of an event field by field."""
    return format(value, "f") if isinstance(value, Decimal) else wire_fields(value)


def book_object(book: LiveBook) -> dict[str, Any]:
    """A book's top as JSON: prices and sizes as exact decimal text, None where there is none."""
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
    """What can be said of a LIVE book's top, as exact decimal text; of an empty side nothing."""
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


def book_line(monitor: Monitor) -> str:
    """A book in one line of ASCII."""
    book = monitor.book
    if book.state is not BookState.LIVE:
        return f"{book.symbol} {book.state}: {book.stale_reason}"
    top = top_texts(book)
    bid, ask = (f"{top.get(f'{name}_size', '-')} @ {top.get(name, '-')}" for name in ("best_bid", "best_ask"))
    return f"{book.symbol} {book.state} bid {bid}, ask {ask}, {measures(book, top)}, {monitor.pulse()}"


def measures(book: LiveBook, top: dict[str, str]) -> str:
    """Mid, spread and microprice in words, the last rounded to the scale of the book's prices."""
    if "mid" not in top:
        return "one-sided"
    return f"mid {top['mid']}, spread {top['spread']}, microprice {book.microprice:.{book.price_decimals}f}"
