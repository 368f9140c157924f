"""``depthwire venue``: the embedded exchange as a server of its own."""

import argparse
import asyncio
import ipaddress
import math

from depthwire.bybit.auth import KEY_VARIABLE, SECRET_VARIABLE
from depthwire.cli.command import OK, USAGE, Command, above_zero, run_until_signalled
from depthwire.cli.output import say, write
from depthwire.venue import DemoTrader, Faults, Market, SyntheticMarket, TapeMarket, Venue
from depthwire.venue.server.faults import MEANINGS

_DETAILS = """\
Serves a market over WebSocket in the v2 and v5 dialects until Ctrl-C or SIGTERM, which are its regular end: exit
code 0. The market is an endless synthetic one, or a tape, and begins with the first subscription.

Once it listens, it prints a line for each of its URLs: the URL and the symbols that it serves, with a space
before each. After them come the URLs that serve private topics alone, with those topics; the private topics of
inverse symbols on v2 are on the URL of those symbols. A tape has none.

With --trader a demo account trades, so that the private topics have something to tell; its API key and secret,
which are good for nothing else, are told on stderr.

With --faults it lies: SPEC is KIND=RATE, joined by commas, where a rate is the probability of a kind each time it may
happen. --seed is of the faults, too. When it ends it tells on stderr how many there were. The kinds:
@KINDS@

examples:
  depthwire venue --port 8765
  depthwire venue --trader --speed 10
  depthwire venue --tape monday.frames.zst --speed 10 --loop
  depthwire venue --faults drop=0.01,silent=0.0001,refuse=0.1 --seed 7
""".replace("@KINDS@", "\n".join(f"  {kind:<18} {meaning}" for kind, meaning in MEANINGS.items()))

_DEMO_KEY = "demo"


async def serve(venue: Venue, trader: DemoTrader | None = None) -> int:
    """Run a venue until cancelled."""
    async with venue:
        served = (*venue.served.items(), *venue.served_private.items())
        write("".join(f"{url} {' '.join(names)}\n" for url, names in served))
        if trader is not None:
            private = f"{venue.inverse_url}, {venue.linear_private_url} and {venue.v5_private_url}"
            say(f"private topics are at {private}; the demo account:")
            say(f"export {KEY_VARIABLE}={trader.account.key} {SECRET_VARIABLE}={trader.account.secret}")
        try:
            await venue.finished.wait()
            say("no more frames will come; the venue goes on serving its last books")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if suffered := [f"{count} {kind}" for kind, count in venue.faults.counts.items() if count]:
                say(f"faults: {', '.join(suffered)}")
            return OK
    return OK


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _speed(text: str) -> float:
    return math.inf if text == "max" else above_zero(text)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; one is 0 to 65535")
    return int(text)


def _faults(text: str) -> str:
    try:
        Faults(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tape", metavar="FILE", help="the market is this tape")
    parser.add_argument("--seed", type=int, metavar="N", help="of the synthetic market and of the faults; default: 0")
    parser.add_argument(
        "--faults", type=_faults, default="", metavar="SPEC", help="what goes wrong how often: KIND=RATE,…"
    )
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="X times as fast, or max")
    parser.add_argument(
        "--loop",
        action="store_true",
        help="replay the tape endlessly; times and sequence numbers go on rising",
    )
    parser.add_argument("--trader", action="store_true", help="a demo account trades; not with --tape")
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="default: 127.0.0.1")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="default: a free one")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.trader and arguments.tape:
        say("error: --trader needs the synthetic market: a tape takes no orders")
        return USAGE
    if arguments.tape and arguments.seed is not None and not arguments.faults:
        say("error: --seed: not allowed with argument --tape, unless there are --faults")
        return USAGE
    seed = arguments.seed or 0
    market: Market = TapeMarket(arguments.tape, loop=arguments.loop) if arguments.tape else SyntheticMarket(seed)
    if not _is_loopback(arguments.host):
        say(f"warning: {arguments.host} is no loopback address: whoever can reach it can connect")
    where = {"host": arguments.host, "port": arguments.port}
    venue = Venue(market, **where, speed=arguments.speed, faults=Faults(arguments.faults, seed))
    trader = DemoTrader(venue.exchange, venue.account(_DEMO_KEY)) if arguments.trader else None
    return run_until_signalled(serve(venue, trader))


COMMAND = Command("venue", "run the embedded exchange", _DETAILS, _configure, _run)
