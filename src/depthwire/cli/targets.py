"""What a command is asked to follow: symbols, whose books are meant, and topics of the grammar."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Final

from depthwire.bybit.auth import KEY_VARIABLE, SECRET_VARIABLE, Credentials
from depthwire.bybit.grammar import PRIVATE_KINDS, Topic, kinds_of, parse_topics
from depthwire.bybit.topics import checked_symbol
from depthwire.bybit.v2 import BOOK_TOPICS, INVERSE, LINEAR, V2Dialect
from depthwire.endpoints import endpoint_of
from depthwire.errors import AuthError, TopicError

KEY_NOTE: Final = f"""\
Private topics (order, position, ...) take the API key from the environment, {KEY_VARIABLE} and
{SECRET_VARIABLE}, and from nowhere else: other users of a machine can read command lines.
"""
_FIRST_WORDS: Final = {kind.partition(".")[0] for dialect in (INVERSE, LINEAR) for kind in kinds_of(dialect.name)}


def add_targets(parser: argparse.ArgumentParser) -> None:
    """The arguments of a command that subscribes."""
    parser.add_argument(
        "targets",
        nargs="+",
        type=_target,
        metavar="TOPIC_OR_SYMBOL",
        help="a topic such as 'trade.BTCUSD|ETHUSD' (see: depthwire topics), or a symbol such as BTCUSD for its book",
    )
    depths = sorted(BOOK_TOPICS)
    parser.add_argument("--depth", type=int, choices=depths, default=25, help="levels a side of symbols (default: 25)")


def _target(text: str) -> str:
    if is_symbol(text):
        try:
            return checked_symbol(text)
        except TopicError as error:
            raise argparse.ArgumentTypeError(f"{error}; for topics see: depthwire topics") from None
    return text  # whether it is a topic depends on the endpoint


def is_symbol(target: str) -> bool:
    """Whether an argument is meant as a symbol rather than a topic."""
    return "." not in target and target not in _FIRST_WORDS


def dialect_of(url: str) -> V2Dialect:
    """What a URL's venue speaks, the embedded ones included; raises InvalidUrl."""
    if url.startswith("sim:"):
        return LINEAR if url == "sim://linear" else INVERSE
    return endpoint_of(url).dialect


def simulated_url(targets: Iterable[str]) -> str:
    """The embedded venue that has what is asked for."""
    public = [target for target in targets if target not in PRIVATE_KINDS]
    return "sim://linear" if public and all(target.endswith("USDT") for target in public) else "sim://inverse"


def topics_of(targets: Sequence[str], dialect: V2Dialect, depth: int) -> list[Topic]:
    """The topics that the arguments ask for, none of them twice.

    Raises TopicError, and AuthError where a private one is asked for and the environment has no key.
    """
    texts = [dialect.book_topic(target, depth) if is_symbol(target) else target for target in targets]
    topics = dict.fromkeys(topic for text in texts for topic in parse_topics(text, dialect.name))
    private = [topic.text for topic in topics if topic.is_private]
    if private and Credentials.from_environment() is None:
        raise AuthError(f"{', '.join(private)}: needs an API key; set {KEY_VARIABLE} and {SECRET_VARIABLE}")
    return [topic for topic in topics if not any(other != topic and other.covers(topic.text) for other in topics)]
