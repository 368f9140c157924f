"""``depthwire topics``: the topic grammar, with examples."""

import argparse
from collections.abc import Iterable, Iterator

from depthwire.bybit.grammar import PRIVATE_KINDS, about, kinds_of, parse_topics
from depthwire.bybit.v2 import INSURANCE_TOPIC, INVERSE, LINEAR, TRADE_TOPIC
from depthwire.cli.command import OK, Command
from depthwire.cli.output import write
from depthwire.cli.targets import KEY_NOTE
from depthwire.endpoints import INVERSE_MAINNET, LINEAR_MAINNET
from depthwire.errors import TopicError

_COIN = "BTC"
_SYMBOLS = {INVERSE.name: ("BTCUSD", "ETHUSD"), LINEAR.name: ("BTCUSDT", "ETHUSDT")}
_URLS = {INVERSE.name: INVERSE_MAINNET, LINEAR.name: LINEAR_MAINNET}

_DETAILS = """\
Each topic that it prints can be given to "depthwire watch" and "depthwire record" as it stands.

examples:
  depthwire topics
  depthwire topics --dialect linear
"""


def reference(dialect: str) -> str:
    """All that can be asked for in a dialect, as text."""
    symbol = _SYMBOLS[dialect][0]
    families = _families(dialect)
    public = [_row(kinds, dialect) for kinds in families if kinds[0] not in PRIVATE_KINDS]
    private = [_row(kinds, dialect) for kinds in families if kinds[0] in PRIVATE_KINDS]
    several = f"'{TRADE_TOPIC}.{'|'.join(_SYMBOLS[dialect])}'"
    return f"""\
Topics of the {dialect} dialect: when each is pushed, and what it carries

{_lines(public)}
Private topics: they need an API key, and begin with the first change

{_lines(private)}
{KEY_NOTE}
Behind the kind stands its filter, a symbol (of {INSURANCE_TOPIC}: a coin); private topics have none

{_lines(_filters(dialect))}
Examples; in a shell, put quotes around pipes and stars

  depthwire watch {symbol} {several} --sim
  depthwire watch {public[-1][0]} --sim --json
  depthwire watch order position wallet --url {_URLS[dialect]}
  depthwire record {several} --url {_URLS[dialect]} --out trades.frames
"""


def _families(dialect: str) -> list[list[str]]:
    """The kinds of a dialect; those that differ in their interval only are one family."""
    families: dict[object, list[str]] = {}
    for kind in kinds_of(dialect):
        families.setdefault((kind.partition(".")[0], about(kind)), []).append(kind)
    return list(families.values())


def _row(kinds: list[str], dialect: str) -> tuple[str, ...]:
    kind = kinds[0]
    pushed, content = about(kind)
    if kind in PRIVATE_KINDS:
        return kind, pushed, content
    if len(kinds) > 1:
        content += "; intervals " + " ".join(other.rpartition(".")[2] for other in kinds)
    return f"{kind}.{_COIN if kind == INSURANCE_TOPIC else _SYMBOLS[dialect][0]}", pushed, content


def _filters(dialect: str) -> Iterator[tuple[str, ...]]:
    one, other = _SYMBOLS[dialect]
    for topic, meaning in (
        (f"{TRADE_TOPIC}.{one}", "one symbol"),
        (f"{TRADE_TOPIC}.{one}|{other}", "several: pipes between them"),
        (f"{TRADE_TOPIC}.*", "all symbols"),
        (TRADE_TOPIC, "a kind alone: all symbols, too"),
    ):
        try:
            parse_topics(topic, dialect)
        except TopicError:
            yield topic, f"not on {dialect}: name the symbols"
        else:
            yield topic, meaning


def _lines(rows: Iterable[tuple[str, ...]]) -> str:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (map(str.ljust, row, widths) for row in rows)
    return "".join(f"  {'   '.join(cells).rstrip()}\n" for cells in padded)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dialect", choices=tuple(_SYMBOLS), default=INVERSE.name, help="default: inverse")


def _run(arguments: argparse.Namespace) -> int:
    write(reference(arguments.dialect))
    return OK


COMMAND = Command("topics", "list the topics that can be watched and recorded", _DETAILS, _configure, _run)
