"""The positional arguments of ``watch`` and ``record``: topics, and symbols that stand for their order books."""

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
Private topics (order, position, ...) need an API key. depthwire reads it from
the environment variables {KEY_VARIABLE} and {SECRET_VARIABLE}
only, because other users of the machine can read command lines.
"""
DIALECTS: Final[dict[str, Dialect]] = {
    dialect.name: dialect for dialect in (v2.INVERSE, v2.LINEAR, v5.LINEAR, v5.INVERSE, v5.SPOT, v5.OPTION)
}


def _words(dialect: Dialect) -> set[str]:
    """Return the first words of a dialect's topics: ``trade``, ``orderbook``, …"""
    return {kind.partition(".")[0] for kind in dialect.kinds}


_FIRST_WORDS: Final = set().union(*map(_words, DIALECTS.values()))
_V5_WORDS: Final = _words(v5.LINEAR) - _words(v2.INVERSE) - _words(v2.LINEAR)


def add_targets(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a command that subscribes to topics."""
    parser.add_argument(
        "targets",
        nargs="+",
        type=_target,
        metavar="TOPIC_OR_SYMBOL",
        help="a topic such as 'trade.BTCUSD|ETHUSD' (run \"depthwire topics\" for a list), or a symbol such as BTCUSD "
        "for its order book",
    )
    parser.add_argument(
        "--depth",
        type=whole_number,
        metavar="N",
        help="number of book levels per side for symbols (default: 50 on v5; 25 on v2 and for options)",
    )


def add_simulation(source: argparse._ActionsContainer) -> None:
    """Add ``--sim``, which starts the embedded venue instead of connecting to a URL."""
    source.add_argument(
        "--sim",
        action="store_true",
        help="start the embedded venue and connect to it; it has BTCUSD, ETHUSD, XRPUSD (inverse), BTCUSDT (linear, "
        "spot) and options",
    )


def _target(text: str) -> str:
    if is_symbol(text):
        try:
            return checked_symbol(text)
        except TopicError as error:
            raise argparse.ArgumentTypeError(f'{error}; run "depthwire topics" for a list of topics') from None
    return text  # the endpoint determines whether it is a valid topic


def is_symbol(target: str) -> bool:
    """Return whether an argument is a symbol rather than a topic."""
    return "." not in target and target not in _FIRST_WORDS and not Topic(target, "").is_private


def dialect_of(url: str) -> Dialect:
    """Return the dialect of a URL, including ``sim://`` URLs. Raises InvalidUrl."""
    return simulated_dialect(url) if url.startswith(SCHEME) else endpoint_of(url).dialect


def simulated_url(targets: Iterable[str]) -> str:
    """Return the ``sim://`` URL that serves all targets. Raises TopicError if they belong to several categories."""
    found: dict[str, str] = {}
    for target in targets:
        for symbol in target.rpartition(".")[2].split("|"):
            for category in categories_of(symbol)[:1]:
                found.setdefault(category, symbol)
    if len(found) > 1:
        named = " and ".join(f"{symbol} on {category}" for category, symbol in found.items())
        raise TopicError(f"a connection serves one category, but the arguments name {named}: run one command for each")
    category = next(iter(found), "inverse")
    speaks_v5 = category == "option" or any(target.partition(".")[0] in _V5_WORDS for target in targets)
    return f"sim://v5/{category}" if speaks_v5 else f"sim://{category}"


def trades_of(symbol: str, dialect: Dialect) -> str:
    """Return the topic with a symbol's trades. Trades of options share one topic per base coin."""
    return dialect.trade_topic(symbol.partition("-")[0] if dialect is v5.OPTION else symbol)


def topics_of(targets: Sequence[str], dialect: Dialect, depth: int | None, *, any_text: bool = False) -> list[Topic]:
    """Return the topics that the arguments name, without duplicates. ``any_text`` also allows unknown topics.

    Raises TopicError, or AuthError if a topic is private and the environment has no key.
    """
    texts = [dialect.book_topic(target, depth) if is_symbol(target) else target for target in targets]
    parse = partial(_any_known_or_not, dialect) if any_text else dialect.parse
    topics = dict.fromkeys(topic for text in texts for topic in parse(text))
    private = [topic.text for topic in topics if topic.is_private]
    if private and Credentials.from_environment() is None:
        raise AuthError(
            f"private topics need an API key: {', '.join(private)}; set {KEY_VARIABLE} and {SECRET_VARIABLE}"
        )
    return [topic for topic in topics if not any(other != topic and other.covers(topic.text) for other in topics)]


def _any_known_or_not(dialect: Dialect, text: str) -> tuple[Topic, ...]:
    """Parse a known or an unknown topic. Raises TopicError if a known one is misspelt."""
    try:
        return dialect.parse(text)
    except UnknownTopic:
        return any_topics(dialect, text)
