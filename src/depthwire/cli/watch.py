"""``depthwire watch``: any topics on the terminal, or as lines or JSON for a program."""

import argparse
import sys

from depthwire.cli.book_stats import LATENCY_NOTE
from depthwire.cli.command import OK, Command, add_seconds, run_for, run_until_signalled, together
from depthwire.cli.display import View, follow, subscribed
from depthwire.cli.output import say
from depthwire.cli.targets import KEY_NOTE, add_simulation, add_targets, dialect_of, simulated_url, topics_of
from depthwire.cli.text_display import JsonView, LineView
from depthwire.client import connect

_DETAILS = f"""\
A symbol means its order book. "depthwire topics" lists the topics; several of any kind can be watched at once.

On a terminal (needs the extra "cli": pip install 'depthwire[cli]') books are drawn as ladders with sizes as
bars, trades, executions and liquidations as tapes, candles as rows with a chart, instruments with the fields
that changed last highlighted, orders, positions and balances as tables. Elsewhere there is a line for each
event, and for each book that changed, twice a second at most. A book's rate and latency are those of the last
10 seconds; {LATENCY_NOTE}.

With --json one object is printed for each event and each change of a book or instrument, a line each. All
have a topic. Events have the fields that the exchange sends, prices and sizes as exact decimal text.
Instruments have all their fields, and state, reason (why it is STALE), version, and updated: which fields
changed. Books have symbol, state, reason, version, cross_seq (of v5: u and seq), ts_exchange_us, ts_recv_ns,
and as decimal text best_bid, best_bid_size, best_ask, best_ask_size, mid, spread, microprice. What is not
there is null. An object with an error stands where events are missing: after a lost connection, or where they
were not read fast enough.

{KEY_NOTE}
examples:
  depthwire watch BTCUSD --sim
  depthwire watch BTCUSD ETHUSD --depth 200 --url wss://stream.bybit.com/realtime
  depthwire watch BTCUSDT --url wss://stream.bybit.com/v5/public/linear --url wss://stream.bytick.com/v5/public/linear
  depthwire watch 'trade.*' klineV2.1.BTCUSD instrument_info.100ms.BTCUSD --sim
  depthwire watch BTCUSDT publicTrade.BTCUSDT --url wss://stream.bybit.com/v5/public/linear
  depthwire watch order position wallet execution --url wss://stream.bybit.com/v5/private
  depthwire watch BTCUSD --sim --json --seconds 5 | head -3
"""


def chosen_view(*, as_json: bool) -> View:
    """The view that fits what stdout is."""
    if as_json:
        return JsonView()
    if sys.stdout.isatty():
        try:
            from rich.console import Console

            from depthwire.cli.dashboard import Dashboard
        except ImportError:
            say("plain lines: for ladders and tables, pip install 'depthwire[cli]'")
        else:
            console = Console()
            if not console.is_dumb_terminal:
                return Dashboard(console)
    return LineView()


def _configure(parser: argparse.ArgumentParser) -> None:
    add_targets(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--url",
        action="append",
        help="the endpoint, for example wss://stream.bybit.com/v5/public/linear; twice for two lines to the venue",
    )
    add_simulation(source)
    add_seconds(parser, None, "stop after S seconds (default: at Ctrl-C)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _run(arguments: argparse.Namespace) -> int:
    return run_until_signalled(_watch(arguments))


async def _watch(arguments: argparse.Namespace) -> int:
    urls = arguments.url or [simulated_url(arguments.targets)]
    topics = topics_of(arguments.targets, dialect_of(urls[0]), arguments.depth)
    view = chosen_view(as_json=arguments.json)
    async with connect(urls) as client:
        events = await subscribed(client, topics, view)
        works = [view.run()] if events is None else [view.run(), follow(events, view)]
        await run_for(arguments.seconds, together(*works))
    return OK


COMMAND = Command("watch", "show live order books, trades, candles, accounts", _DETAILS, _configure, _run)
