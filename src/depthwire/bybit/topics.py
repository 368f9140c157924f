"""Topics: how their names are built, and what a symbol may look like."""

import difflib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from depthwire.errors import TopicError, UnknownTopic

ALL: Final = "*"
LONGEST_TEXT: Final = 100_000
NEAR: Final = 0.75
"""How alike a kind of topic must be to one that is suggested; a slip of a letter or two is above it."""
_PRIVATE_WORDS: Final = frozenset(
    {"position", "execution", "order", "stop_order", "wallet", "greeks", "dcp", "strategy", "spread"}
)
_PRIVATE_TEXTS: Final = frozenset({"rfq.open.rfqs", "rfq.open.quotes", "rfq.open.trades"})
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,39}")


def checked_symbol(symbol: str) -> str:
    """Return ``symbol``; raises TopicError where it cannot be one, and says how it should look."""
    if isinstance(symbol, str) and _SYMBOL.fullmatch(symbol):
        return symbol
    hint = symbol.upper() if isinstance(symbol, str) and _SYMBOL.fullmatch(symbol.upper()) else "BTCUSD"
    raise TopicError(f"{str(symbol)[:60]!r} is no symbol; one looks like {hint!r}")


def split_topic(topic: str) -> tuple[str, str]:
    """``"orderBookL2_25.BTCUSD"`` to ``"orderBookL2_25"`` and ``"BTCUSD"``; the symbol is "" where it has none."""
    kind, _, symbol = topic.rpartition(".")
    return (kind, symbol) if kind else (topic, "")


class About(NamedTuple):
    """What a kind of topic is, in words: when it is pushed, and what it carries."""

    pushed: str
    content: str


class Topic(NamedTuple):
    """One thing to subscribe to: a concrete topic, or all topics of a kind."""

    kind: str
    filter: str
    """A symbol or coin; ``*`` for all; "" for a private topic, or on v5 its category."""

    @property
    def text(self) -> str:
        """As it is written on the wire."""
        return f"{self.kind}.{self.filter}" if self.filter else self.kind

    @property
    def is_private(self) -> bool:
        """Whether it needs authentication."""
        return self.kind.partition(".")[0] in _PRIVATE_WORDS or self.text in _PRIVATE_TEXTS

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for many concrete topics."""
        return self.filter == ALL

    def covers(self, topic: str) -> bool:
        """Whether a frame of this concrete topic belongs to it."""
        return topic == self.text or (self.is_pattern and topic.startswith(f"{self.kind}."))


def raw_topic(text: str) -> Topic:
    """The topic that a text names, whatever it is; raises TopicError where no request can carry it."""
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT or not text.isprintable():
        raise TopicError(f"a topic is a text of 1 to {LONGEST_TEXT} printable characters, not {str(text)[:60]!r}")
    kind, _, last = text.rpartition(".")
    return Topic(kind, last) if kind and last else Topic(text, "")


def unknown_topic(text: str, complaint: str, kinds: Iterable[str] = ()) -> UnknownTopic:
    """The error for a text that names no known kind of topic: it names the nearest of ``kinds``, and what takes any."""
    kind, last = split_topic(text)
    near = difflib.get_close_matches(kind[:60], list(kinds), 1, NEAR)
    hint = f"; did you mean '{near[0]}{'.' + last[:40] if last else ''}'?" if near else "."
    return UnknownTopic(f"{text[:60]!r} {complaint}{hint} client.subscribe_raw() brings the frames of any topic")
