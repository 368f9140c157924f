"""Topics: their names, and the names of symbols."""

import difflib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from depthwire.errors import TopicError, UnknownTopic

ALL: Final = "*"
CANDLE_INTERVALS: Final = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M")
"""Minutes, or a day, week or month."""
MAX_LENGTH: Final = 100_000
MIN_SIMILARITY: Final = 0.75
"""The least similarity at which a kind of topic is suggested for an unknown one; allows one or two wrong letters."""
_PRIVATE_WORDS: Final = frozenset(
    {"position", "execution", "order", "stop_order", "wallet", "greeks", "dcp", "strategy", "spread"}
)
_PRIVATE_TEXTS: Final = frozenset({"rfq.open.rfqs", "rfq.open.quotes", "rfq.open.trades"})
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,39}")


def is_symbol(text: str) -> bool:
    """Return whether a text can be a symbol or a coin."""
    return _SYMBOL.fullmatch(text) is not None


def checked_symbol(symbol: str) -> str:
    """Return ``symbol``. Raises TopicError, with an example, if it cannot be a symbol."""
    if isinstance(symbol, str) and is_symbol(symbol):
        return symbol
    hint = symbol.upper() if isinstance(symbol, str) and is_symbol(symbol.upper()) else "BTCUSD"
    raise TopicError(f"invalid symbol {str(symbol)[:60]!r}; expected one like {hint!r}")


def split_topic(topic: str) -> tuple[str, str]:
    """Split ``"trade.BTCUSD"`` into ``"trade"`` and ``"BTCUSD"``. The symbol is "" if there is none."""
    kind, _, symbol = topic.rpartition(".")
    return (kind, symbol) if kind else (topic, "")


def checked_topic_text(text: str, example: str) -> str:
    """Return ``text``. Raises TopicError, with the example, if it is not a str or its length is not allowed."""
    if isinstance(text, str) and 0 < len(text) <= MAX_LENGTH:
        return text
    raise TopicError(f"a topic is a text of 1 to {MAX_LENGTH} characters like {example!r}, not {str(text)[:60]!r}")


class About(NamedTuple):
    """The description of a kind of topic: when it is pushed, and its content."""

    pushed: str
    content: str


class Topic(NamedTuple):
    """A subscription: one concrete topic, or all topics of a kind."""

    kind: str
    filter: str
    """A symbol or coin, or ``*`` for all. For a private topic "", or on v5 its category."""

    @property
    def text(self) -> str:
        """The topic as written on the wire."""
        return f"{self.kind}.{self.filter}" if self.filter else self.kind

    @property
    def is_private(self) -> bool:
        """Whether the topic needs authentication."""
        return self.kind.partition(".")[0] in _PRIVATE_WORDS or self.text in _PRIVATE_TEXTS

    @property
    def is_pattern(self) -> bool:
        """Whether it covers many concrete topics."""
        return self.filter == ALL

    def covers(self, topic: str) -> bool:
        """Return whether a frame of this concrete topic belongs to the subscription."""
        return topic == self.text or (self.is_pattern and topic.startswith(f"{self.kind}."))

    def overlaps(self, other: "Topic") -> bool:
        """Return whether one of the two subscriptions covers the other."""
        return self.covers(other.text) or other.covers(self.text)


def raw_topic(text: str) -> Topic:
    """Return the topic with this name, known or not. Raises TopicError if no request can carry the text."""
    if not isinstance(text, str) or not 0 < len(text) <= MAX_LENGTH or not text.isprintable():
        raise TopicError(f"a topic is a text of 1 to {MAX_LENGTH} printable characters, not {str(text)[:60]!r}")
    kind, _, last = text.rpartition(".")
    return Topic(kind, last) if kind and last else Topic(text, "")


def unknown_topic(text: str, complaint: str, kinds: Iterable[str] = ()) -> UnknownTopic:
    """Return the error for an unknown topic, with the most similar of ``kinds`` as a suggestion."""
    kind, last = split_topic(text)
    near = difflib.get_close_matches(kind[:60], list(kinds), 1, MIN_SIMILARITY)
    hint = f"; did you mean '{near[0]}{'.' + last[:40] if last else ''}'?" if near else "."
    return UnknownTopic(f"{text[:60]!r} {complaint}{hint} client.subscribe_raw() delivers the frames of any topic")
