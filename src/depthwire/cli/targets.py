"""What a command is asked to follow: symbols, whose books are meant, and topics of the grammar."""

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from depthwire.bybit.auth import KEY_VARIABLE, SECRET_VARIABLE, Credentials
from depthwire.bybit.dialect import Dialect, any_topics
from depthwire.bybit.topics import Topic, checked_symbol
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.cli.command import whole_number
from depthwire.endpoints import categories_of, endpoint_of
from depthwire.errors import AuthError, TopicError, UnknownTopic
from depthwire.simulated import SCHEME, simulated_dialect

KEY_NOTE: Final = f"""\
Private topics (order, position, ...) take the API key from the environment, {KEY_VARIABLE} and
{SECRET_VARIABLE}, and from nowhere else: other users of a machine can read command lines.
"""
DIALECTS: Final[dict[str, Dialect]] = {
    dialect.name: dialect for dialect in (v2.INVERSE, v2.LINEAR, v5.LINEAR, v5.INVERSE, v5.SPOT, v5.OPTION)
}


def _words(dialect: Dialect) -> set[str]:
    """What its topics begin with."""
    return {kind.partition(".")[0] for kind in dialect.kinds}


_FIRST_WORDS: Final = set().union(*map(_words, DIALECTS.values()))
_V5_WORDS: Final = _words(v5.LINEAR) - _words(v2.INVERSE) - _words(v2.LINEAR)


def add_targets(parser: argparse.ArgumentParser) -> None:
    """The arguments of a command that subscribes."""
    parser.add_argument(
        "targets",
        nargs="+",
        type=_target,
        metavar="TOPIC_OR_SYMBOL",
        help="a topic such as 'trade.BTCUSD|ETHUSD' (see: depthwire topics), or a symbol such as BTCUSD for its book",
    )
    parser.add_argument(
        "--depth",
        type=whole_number,
        metavar="N",
        help="levels a side of symbols (default: 25, on v5 50, of options 25)",
    )


def add_simulation(source: argparse._ActionsContainer) -> None:
    """The choice of the embedded venue instead of a URL."""
    source.add_argument("--sim", action="store_true", help="the embedded venue: BTCUSD, ETHUSD, XRPUSD; BTCUSDT")


def _target(text: str) -> str:
    if is_symbol(text):
        try:
            return checked_symbol(text)
        except TopicError as error:
            raise argparse.ArgumentTypeError(f"{error}; for topics see: depthwire topics") from None
    return text  # whether it is a topic depends on the endpoint


def is_symbol(target: str) -> bool:
    """Whether an argument is meant as a symbol rather than a topic."""
    return "." not in target and target not in _FIRST_WORDS and not Topic(target, "").is_private


def dialect_of(url: str) -> Dialect:
    """What a URL's venue speaks, the embedded ones included; raises InvalidUrl."""
    return simulated_dialect(url) if url.startswith(SCHEME) else endpoint_of(url).dialect


def simulated_url(targets: Iterable[str]) -> str:
    """The embedded venue that has what is asked for; raises TopicError where no single one has."""
    found: dict[str, str] = {}
    for target in targets:
        for symbol in target.rpartition(".")[2].split("|"):
            for category in categories_of(symbol)[:1]:
                found.setdefault(category, symbol)
    if len(found) > 1:
        named = " and ".join(f"{symbol} on {category}" for category, symbol in found.items())
        raise TopicError(f"a venue serves one category, but {named} are asked for: run one command for each")
    category = next(iter(found), "inverse")
    speaks_v5 = category == "option" or any(target.partition(".")[0] in _V5_WORDS for target in targets)
    return f"sim://v5/{category}" if speaks_v5 else f"sim://{category}"


def trades_of(symbol: str, dialect: Dialect) -> str:
    """The topic of a symbol's trades: those of an option come with all of its base coin."""
    return dialect.trade_topic(symbol.partition("-")[0] if dialect is v5.OPTION else symbol)


def topics_of(targets: Sequence[str], dialect: Dialect, depth: int | None, *, any_text: bool = False) -> list[Topic]:
    """The topics that the arguments ask for, none of them twice; with ``any_text`` also those that no type is known of.

    Raises TopicError, and AuthError where a private one is asked for and the environment has no key.
    """
    texts = [dialect.book_topic(target, depth) if is_symbol(target) else target for target in targets]
    parse = partial(_any_known_or_not, dialect) if any_text else dialect.parse
    topics = dict.fromkeys(topic for text in texts for topic in parse(text))
    private = [topic.text for topic in topics if topic.is_private]
    if private and Credentials.from_environment() is None:
        raise AuthError(f"{', '.join(private)}: needs an API key; set {KEY_VARIABLE} and {SECRET_VARIABLE}")
    return [topic for topic in topics if not any(other != topic and other.covers(topic.text) for other in topics)]


def _any_known_or_not(dialect: Dialect, text: str) -> tuple[Topic, ...]:
    """Also a topic that no type is known of; raises TopicError where a known one is misspelt."""
    try:
        return dialect.parse(text)
    except UnknownTopic:
        return any_topics(dialect, text)
