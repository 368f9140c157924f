"""``depthwire demo``: show two live books of the embedded venue over a real socket, without an exchange or a file."""

import argparse
import asyncio
from collections.abc import Sequence

from depthwire.book.types import BookState
from depthwire.cli.book_stats import LATENCY_NOTE, BookStats
from depthwire.cli.command import FAILURE, OK, Command, add_seconds, run_for, run_until_signalled
from depthwire.cli.output import say, table, write
from depthwire.cli.text_display import top_texts
from depthwire.cli.watch import choose_display
from depthwire.connect import connect
from depthwire.venue import SyntheticMarket, Venue

_SYMBOLS = ("BTCUSD", "ETHUSD")

_DETAILS = """\
Starts the embedded venue on a free loopback port, connects to it as it would to
the exchange, shows two live books for S seconds and prints a summary. The exit
code is 0 only if each book received frames and is LIVE at the end.

example:
  depthwire demo --seconds 3
"""


async def _demo(seconds: float) -> int:
    display = choose_display(as_json=False)
    async with Venue(SyntheticMarket()) as venue, connect(venue.inverse_url) as client:
        books = await asyncio.gather(*(client.book(symbol) for symbol in _SYMBOLS))
        stats_of_books = [BookStats(book, window_s=seconds) for book in books]
        for stats in stats_of_books:
            display.book(stats)
        say(f"the embedded venue listens at {venue.inverse_url}; showing its books for {seconds:g} s")
        await run_for(seconds, display.run())
        write(_summary(stats_of_books))
        healthy = all(stats.book.state is BookState.LIVE and stats.frames for stats in stats_of_books)
    return OK if healthy else FAILURE


def _summary(stats_of_books: Sequence[BookStats]) -> str:
    head = ("symbol", "state", "frames", "frames/s", "gaps", "latency", "best bid", "best ask")
    rows = [head]
    for stats in stats_of_books:
        book = stats.book
        top = top_texts(book) if book.state is BookState.LIVE else {}
        rows.append(
            (
                book.symbol,
                book.state,
                f"{stats.frames:,}",
                f"{stats.frames_per_s:.1f}",
                str(stats.gaps),
                str(stats.latency or "-"),
                top.get("best_bid", "-"),
                top.get("best_ask", "-"),
            )
        )
    return f"{table(rows)}{LATENCY_NOTE}\n"


def _configure(parser: argparse.ArgumentParser) -> None:
    add_seconds(parser, 8.0, "run for S seconds (default: 8)")


def _run(arguments: argparse.Namespace) -> int:
    return run_until_signalled(_demo(arguments.seconds))


COMMAND = Command("demo", "start the embedded venue and show two of its books", _DETAILS, _configure, _run)
