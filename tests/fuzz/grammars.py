"""The topic grammars with fuzzed text: they give topics or a TopicError, and a topic's text parses to that topic."""

from collections.abc import Callable
from typing import Any

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.topics import Topic
from depthwire.bybit.v2.dialect import INVERSE, LINEAR
from depthwire.bybit.v2.grammar import parse_topics
from depthwire.bybit.v5.dialect import V5Dialect
from depthwire.bybit.v5.grammar import CATEGORIES, parse_topic
from depthwire.errors import TopicError

LONGEST_MESSAGE = 2000
"""An error may quote 60 characters twice, each written with at most ten."""

DECODABLE: dict[tuple[Dialect, str], bool] = {}
"""Kinds that have been tried, because channels are slow to create."""
V5 = {category: V5Dialect(category) for category in CATEGORIES}


def parsed(parse: Callable[[str, Any], tuple[Topic, ...]], text: str, dialect: str) -> tuple[Topic, ...]:
    """Return the topics of a text, none if it is refused as documented."""
    message = ""
    try:
        topics = parse(text, dialect)
    except TopicError as refused:
        message = str(refused)
        topics = ()
    if not topics:
        assert 0 < len(message) <= LONGEST_MESSAGE, "an overlong message"
    assert len(set(topics)) == len(topics), "a topic twice"
    for topic in topics:
        assert parse(topic.text, dialect) == (topic,), f"{topic.text!r} is another topic than {topic}"
        assert topic.covers(topic.text)
    return topics


def is_decodable(dialect: Dialect, kind: str, text: str) -> bool:
    """Check that every topic that can be requested has a channel."""
    if (dialect, kind) not in DECODABLE:
        DECODABLE[dialect, kind] = dialect.channel(text) is not None
    return DECODABLE[dialect, kind]


def topics(text: bytes) -> None:
    """One argument of a subscribe request, in every dialect."""
    argument = text.decode("utf-8", "surrogateescape")
    for v2 in (INVERSE, LINEAR):
        found = parsed(parse_topics, argument, v2.name)
        assert all(topic.kind in v2.kinds for topic in found)
        assert all(topic.is_pattern or is_decodable(v2, topic.kind, topic.text) for topic in found)
    for category, v5 in V5.items():
        found = parsed(lambda text, category: (parse_topic(text, category),), argument, category)
        assert all(topic.kind in v5.kinds for topic in found)
        assert all(is_decodable(v5, topic.kind, topic.text) for topic in found)
