"""``depthwire topics``: list a dialect's topics, with examples."""

import argparse
from collections.abc import Iterable, Iterator

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.topics import Topic
from depthwire.bybit.v2.dialect import INSURANCE_TOPIC
from depthwire.cli.command import OK, Command
from depthwire.cli.output import write
from depthwire.cli.targets import DIALECTS, KEY_NOTE
from depthwire.endpoints import (
    INVERSE_MAINNET,
    LINEAR_MAINNET,
    V5_INVERSE_MAINNET,
    V5_LINEAR_MAINNET,
    V5_OPTION_MAINNET,
    V5_SPOT_MAINNET,
)
from depthwire.errors import TopicError

_USD, _USDT = ("BTCUSD", "ETHUSD"), ("BTCUSDT", "ETHUSDT")
_SYMBOLS = {
    "inverse": _USD,
    "linear": _USDT,
    "v5-linear": _USDT,
    "v5-inverse": _USD,
    "v5-spot": _USDT,
    "v5-option": ("BTC-25DEC26-100000-C", "ETH-25DEC26-4000-P"),
}
_URLS = {
    "inverse": INVERSE_MAINNET,
    "linear": LINEAR_MAINNET,
    "v5-linear": V5_LINEAR_MAINNET,
    "v5-inverse": V5_INVERSE_MAINNET,
    "v5-spot": V5_SPOT_MAINNET,
    "v5-option": V5_OPTION_MAINNET,
}
_POOLS = {"inverse": "BTC", "linear": "BTC", "v5-linear": "USDT", "v5-inverse": "inverse"}
_OF_COINS = {("v5-option", "publicTrade"): ("BTC", "ETH")}

_DETAILS = """\
Prints the topics of a dialect, how often the exchange pushes them, and what they
contain. Pass any of them to "depthwire watch" or "depthwire record".

examples:
  depthwire topics
  depthwire topics --dialect v5-linear
"""


def reference(dialect: Dialect) -> str:
    """Return the topic reference of a dialect as text."""
    is_v5 = dialect.name.startswith("v5")
    families = _families(dialect)
    public = [_row(kinds, dialect) for kinds in families if not Topic(kinds[0], "").is_private]
    private = [_row(kinds, dialect) for kinds in families if Topic(kinds[0], "").is_private]
    symbol, url = _SYMBOLS[dialect.name][0], _URLS[dialect.name]
    trades = [f"{dialect.trade_kind}.{name}" for name in _names(dialect.trade_kind, dialect)]
    several = " ".join(trades) if is_v5 else f"'{dialect.trade_kind}.{'|'.join(_SYMBOLS[dialect.name])}'"
    where = f"--url {url}" if is_v5 else "--sim"
    private_filter = "a category or no filter: order.linear, order" if is_v5 else "no filter"
    return f"""\
Public topics of the {dialect.name} dialect: topic, push interval, content

{_lines(public)}
Private topics need an API key. They are pushed from the first change on.

{_lines(private)}
{KEY_NOTE}
A filter follows the kind: a symbol, or for {INSURANCE_TOPIC} a coin or pool.
Private topics have {private_filter}.

{_lines(_filters(dialect))}
Examples (in a shell, quote "|" and "*"):

  depthwire watch {symbol} {several} {where}
  depthwire watch {public[-1][0]} {where} --json
  depthwire watch order position wallet --url {url}
  depthwire record {several} --url {url} --out trades.frames
"""


def _families(dialect: Dialect) -> list[list[str]]:
    """Group a dialect's kinds; kinds that differ only in their interval form one family."""
    families: dict[object, list[str]] = {}
    for kind in dialect.kinds:
        families.setdefault((kind.partition(".")[0], dialect.about(kind)), []).append(kind)
    return list(families.values())


def _names(kind: str, dialect: Dialect) -> tuple[str, ...]:
    """Return example filters of a public kind."""
    if kind == INSURANCE_TOPIC:
        return (_POOLS[dialect.name],)
    return _OF_COINS.get((dialect.name, kind), _SYMBOLS[dialect.name])


def _row(kinds: list[str], dialect: Dialect) -> tuple[str, ...]:
    kind = kinds[0]
    pushed, content = dialect.about(kind)
    if Topic(kind, "").is_private:
        return kind, pushed, content
    if len(kinds) > 1:
        content += "; intervals " + " ".join(other.rpartition(".")[2] for other in kinds)
    return f"{kind}.{_names(kind, dialect)[0]}", pushed, content


def _filters(dialect: Dialect) -> Iterator[tuple[str, ...]]:
    kind = dialect.trade_kind
    one, other = _names(kind, dialect)
    for topic, meaning in (
        (f"{kind}.{one}", "one symbol"),
        (f"{kind}.{one}|{other}", "several symbols, separated by pipes"),
        (f"{kind}.*", "all symbols"),
        (kind, "all symbols"),
    ):
        try:
            dialect.parse(topic)
        except TopicError:
            yield topic, f"not available on {dialect.name}; name the symbols"
        else:
            yield topic, meaning


def _lines(rows: Iterable[tuple[str, ...]]) -> str:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (map(str.ljust, row, widths) for row in rows)
    return "".join(f"  {'   '.join(cells).rstrip()}\n" for cells in padded)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dialect", choices=tuple(DIALECTS), default="inverse", help="dialect to list (default: inverse, on v2)"
    )


def _run(arguments: argparse.Namespace) -> int:
    write(reference(DIALECTS[arguments.dialect]))
    return OK


COMMAND = Command("topics", "list the topics that watch and record accept", _DETAILS, _configure, _run)
