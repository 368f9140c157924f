"""``depthwire venue``: run the embedded exchange as a server."""

import argparse
import asyncio
import ipaddress
import math

from depthwire.bybit.auth import KEY_VARIABLE, SECRET_VARIABLE
from depthwire.cli.command import OK, USAGE, Command, above_zero, run_until_signalled
from depthwire.cli.output import say, write
from depthwire.venue import DemoTrader, Faults, Market, SyntheticMarket, TapeMarket, Venue
from depthwire.venue.server.faults import DESCRIPTIONS

_DETAILS = """\
Serves a market over WebSocket in the v2 and v5 dialects until Ctrl-C or
SIGTERM; both exit with code 0. The market is synthetic and endless, or the
contents of a tape. It starts with the first subscription.

When it listens, the venue prints one line per URL: the URL, then the symbols
that it serves, separated by spaces. The URLs that serve only private topics
follow, with the names of those topics. On v2 inverse, private topics share the
URL of the symbols. A tape has no private topics.

With --trader, a demo account trades, so that private topics have events. Its
API key and secret appear on stderr; they are valid on this venue only.

With --faults, the venue injects faults. SPEC is a comma-separated list of
KIND=RATE, where RATE is the probability, 0 to 1, at each opportunity. Equal
seeds inject equal faults. On exit, the venue prints the number of injected
faults to stderr. A frame is any text message, including answers. The kinds are:
@KINDS@

examples:
  depthwire venue --port 8765
  depthwire venue --trader --speed 10
  depthwire venue --tape monday.frames.zst --speed 10 --loop
  depthwire venue --faults drop=0.01,silent=0.0001,refuse=0.1 --seed 7
""".replace("@KINDS@", "\n".join(f"  {kind:<18} {meaning}" for kind, meaning in DESCRIPTIONS.items()))

_DEMO_KEY = "demo"


async def serve(venue: Venue, trader: DemoTrader | None = None) -> int:
    """Run a venue until cancelled."""
    async with venue:
        served = (*venue.served.items(), *venue.served_private.items())
        write("".join(f"{url} {' '.join(names)}\n" for url, names in served))
        if trader is not None:
            private = f"{venue.inverse_url}, {venue.linear_private_url} and {venue.v5_private_url}"
            say(f"private topics: {private}; credentials of the demo account:")
            say(f"export {KEY_VARIABLE}={trader.account.key} {SECRET_VARIABLE}={trader.account.secret}")
        try:
            await venue.finished.wait()
            say("the tape has ended; the venue still serves the last books")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if injected := [f"{count} {kind}" for kind, count in venue.faults.counts.items() if count]:
                say(f"injected faults: {', '.join(injected)}")
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
        raise argparse.ArgumentTypeError(f"invalid port {text!r}: expected 0 to 65535")
    return int(text)


def _faults(text: str) -> str:
    try:
        Faults(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tape", metavar="FILE", help="play this tape (default: a synthetic market)")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="seed of the synthetic market and of the faults (default: 0)"
    )
    parser.add_argument(
        "--faults", type=_faults, default="", metavar="SPEC", help="inject faults: KIND=RATE,… (default: none)"
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X",
        help='run X times as fast as real time (default: 1), or "max" for as fast as the clients read',
    )
    parser.add_argument(
        "--loop", action="store_true", help="replay the tape endlessly; times and sequence numbers keep rising"
    )
    parser.add_argument("--trader", action="store_true", help="let a demo account trade; not allowed with --tape")
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="port to listen on (default: any free port)")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.trader and arguments.tape:
        say("error: --trader is not allowed with --tape: accounts can trade only in the synthetic market")
        return USAGE
    if arguments.tape and arguments.seed is not None and not arguments.faults:
        say("error: --seed has no effect with --tape: remove it, or add --faults")
        return USAGE
    seed = arguments.seed or 0
    market: Market = TapeMarket(arguments.tape, loop=arguments.loop) if arguments.tape else SyntheticMarket(seed)
    if not _is_loopback(arguments.host):
        say(f"warning: {arguments.host} is not a loopback address: other machines may be able to connect")
    where = {"host": arguments.host, "port": arguments.port}
    venue = Venue(market, **where, speed=arguments.speed, faults=Faults(arguments.faults, seed))
    trader = DemoTrader(venue.exchange, venue.account(_DEMO_KEY)) if arguments.trader else None
    return run_until_signalled(serve(venue, trader))


COMMAND = Command("venue", "run the embedded exchange as a server", _DETAILS, _configure, _run)
