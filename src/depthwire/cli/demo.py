"""``depthwire demo``: the embedded venue, a real socket, two live books; no exchange and no file needed."""

import argparse
import asyncio
from collections.abc import Sequence

from depthwire.book.types import BookState
from depthwire.cli.book_stats import LATENCY_NOTE, Monitor
from depthwire.cli.command import FAILURE, OK, Command, add_seconds, run_for, run_until_signalled
from depthwire.cli.output import say, table, write
from depthwire.cli.text_display import top_texts
from depthwire.cli.watch import chosen_view
from depthwire.client import connect
from depthwire.venue import SyntheticMarket, Venue

_SYMBOLS = ("BTCUSD", "ETHUSD")

_DETAILS = """\
Starts the embedded venue on a free loopback port, connects to it as to the exchange, shows the books for some
seconds and ends with a summary. The exit code is 0 only if every book was LIVE and got frames until the end.

example:
  depthwire demo --seconds 3
"""


async def _demo(seconds: float) -> int:
    view = chosen_view(as_json=False)
    async with Venue(SyntheticMarket()) as venue, connect(venue.inverse_url) as client:
        books = await asyncio.gather(*(client.book(symbol) for symbol in _SYMBOLS))
        monitors = [Monitor(book, window_s=seconds) for book in books]
        for monitor in monitors:
            view.book(monitor)
        say(f"the embedded venue is at {venue.inverse_url}; {seconds:g} seconds of it:")
        await run_for(seconds, view.run())
        write(_summary(monitors))
        healthy = all(monitor.book.state is BookState.LIVE and monitor.frames for monitor in monitors)
    return OK if healthy else FAILURE


def _summary(monitors: Sequence[Monitor]) -> str:
    head = ("symbol", "state", "frames", "frames/s", "gaps", "latency", "best bid", "best ask")
    rows = [head]
    for monitor in monitors:
        book = monitor.book
        top = top_texts(book) if book.state is BookState.LIVE else {}
        rows.append(
            (
                book.symbol,
                book.state,
                f"{monitor.frames:,}",
                f"{monitor.frames_per_s:.1f}",
                str(monitor.gaps),
                str(monitor.latency or "-"),
                top.get("best_bid", "-"),
                top.get("best_ask", "-"),
            )
        )
    return f"{table(rows)}{LATENCY_NOTE}\n"


def _configure(parser: argparse.ArgumentParser) -> None:
    add_seconds(parser, 8.0, "how long (default: 8)")


def _run(arguments: argparse.Namespace) -> int:
    return run_until_signalled(_demo(arguments.seconds))


COMMAND = Command("demo", "see it work: venue, connection and live books in one", _DETAILS, _configure, _run)
