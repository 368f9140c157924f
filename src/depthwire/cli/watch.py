"""``depthwire watch``: show topics on a terminal, or print them as text lines or JSON."""

import argparse
import sys

from depthwire.cli.book_stats import LATENCY_NOTE
from depthwire.cli.command import OK, Command, add_seconds, run_all, run_for, run_until_signalled
from depthwire.cli.display import Display, follow, subscribe_all
from depthwire.cli.output import say
from depthwire.cli.targets import KEY_NOTE, add_simulation, add_targets, dialect_of, simulated_url, topics_of
from depthwire.cli.text_display import JsonDisplay, LineDisplay
from depthwire.connect import connect

_DETAILS = f"""\
Give any number of topics and symbols. A symbol means its order book. Run
"depthwire topics" for a list of topics.

On a terminal, with the extra "cli" (pip install 'depthwire[cli]'), watch draws
  books         as ladders with a bar for each size
  trades, fills and liquidations as scrolling lists
  candles       as rows with a chart
  instruments   as fields; the last changes are highlighted
  orders, positions and balances as tables
Otherwise it prints one line per event, and one line per changed book at most
twice a second. Frame rate and latency cover the last 10 seconds;
{LATENCY_NOTE}.

With --json, watch prints one object per line for each event and each change of
a book or an instrument. Every object has a topic.
  events        the fields that the exchange sends; prices and sizes are exact
                decimal text
  instruments   all fields, state, reason (why it is STALE), version, and
                updated (the names of the changed fields)
  books         symbol, state, reason, version, cross_seq (v5: u and seq),
                ts_exchange_us, ts_recv_ns, and as decimal text: best_bid,
                best_bid_size, best_ask, best_ask_size, mid, spread, microprice
Absent values are null. An object with an "error" marks a place where events may
be missing, because the connection was lost or the reader was too slow.

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


def choose_display(*, as_json: bool) -> Display:
    """Return the display that suits stdout: a dashboard on a terminal, else text lines."""
    if as_json:
        return JsonDisplay()
    if sys.stdout.isatty():
        try:
            from rich.console import Console

            from depthwire.cli.dashboard import Dashboard
        except ImportError:
            say("printing plain lines; for ladders and tables, run: pip install 'depthwire[cli]'")
        else:
            console = Console()
            if not console.is_dumb_terminal:
                return Dashboard(console)
    return LineDisplay()


def _configure(parser: argparse.ArgumentParser) -> None:
    add_targets(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--url",
        action="append",
        help="endpoint, for example wss://stream.bybit.com/v5/public/linear; give two for A/B arbitration: the first "
        "copy of each frame counts",
    )
    add_simulation(source)
    add_seconds(parser, None, "stop after S seconds (default: run until Ctrl-C)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")


def _run(arguments: argparse.Namespace) -> int:
    return run_until_signalled(_watch(arguments))


async def _watch(arguments: argparse.Namespace) -> int:
    urls = arguments.url or [simulated_url(arguments.targets)]
    topics = topics_of(arguments.targets, dialect_of(urls[0]), arguments.depth)
    display = choose_display(as_json=arguments.json)
    async with connect(urls) as client:
        events = await subscribe_all(client, topics, display)
        works = [display.run()] if events is None else [display.run(), follow(events, display)]
        await run_for(arguments.seconds, run_all(*works))
    return OK


COMMAND = Command("watch", "show live order books, trades, candles, accounts", _DETAILS, _configure, _run)
