"""The topic grammar: what may be asked for, and which concrete topics a request covers.

``kind.filter``: the kind may hold a push interval or a candle interval (``orderBook_200.100ms``, ``klineV2.1``). The
filter is a symbol (``insurance``: a coin), several joined by pipes, or ``*`` for all; a kind alone means all, too. The
exchange answers with frames that name one concrete topic each. The linear dialect takes neither stars nor kinds alone;
pipes are written out before they are sent, which both dialects take. Private topics have no filter.
"""

import re
from typing import Final, NamedTuple

from depthwire.bybit.topics import checked_symbol
from depthwire.errors import TopicError

ALL: Final = "*"
CANDLE_INTERVALS: Final = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M")


class About(NamedTuple):
    """What a kind of topic is, in words: when it is pushed, and what it carries."""

    pushed: str
    content: str


_PUBLIC: Final = {
    "orderBookL2_25": About("every 20 ms", "order book, 25 levels a side"),
    "orderBook_200.100ms": About("every 100 ms", "order book, 200 levels a side"),
    "trade": About("every 100 ms", "trades"),
    "insurance": About("daily, 20:00 UTC", "a coin's insurance fund"),
    "instrument_info.100ms": About("every 100 ms", "prices, funding, volumes, open interest"),
    "liquidation": About("at once", "orders that liquidate positions"),
}
_CANDLE: Final = About("every 1 to 60 s", "candles")
_PRIVATE: Final = {
    "position": About("on change", "positions"),
    "execution": About("on change", "fills of orders"),
    "order": About("on change", "orders"),
    "stop_order": About("on change", "conditional orders"),
    "wallet": About("on change", "balances"),
}
PRIVATE_KINDS: Final = tuple(_PRIVATE)
CANDLE_KINDS: Final = {"inverse": "klineV2", "linear": "candle"}
_LONGEST: Final = 100_000


class Topic(NamedTuple):
    """One thing to subscribe to: a concrete topic, or all topics of a kind."""

    kind: str
    filter: str
    """A symbol or coin; ``*`` for all; "" for a private topic."""

    @property
    def text(self) -> str:
        """As it is written on the wire."""
        return f"{self.kind}.{self.filter}" if self.filter else self.kind

    @property
    def is_private(self) -> bool:
        """Whether it needs authentication."""
        return self.kind in PRIVATE_KINDS

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for many concrete topics."""
        return self.filter == ALL

    def covers(self, topic: str) -> bool:
        """Whether a frame of this concrete topic belongs to it."""
        return topic == self.text or (self.is_pattern and topic.startswith(f"{self.kind}."))


def kinds_of(dialect: str) -> tuple[str, ...]:
    """Every kind of topic that a dialect has, with its intervals."""
    candles = tuple(f"{CANDLE_KINDS[dialect]}.{interval}" for interval in CANDLE_INTERVALS)
    return (*_PUBLIC, *candles, *PRIVATE_KINDS)


def about(kind: str) -> About:
    """What one of :func:`kinds_of` is, in words."""
    return (_PUBLIC | _PRIVATE).get(kind, _CANDLE)


def parse_topics(text: str, dialect: str) -> tuple[Topic, ...]:
    """The topics that one argument asks for, each once; raises TopicError saying how it should look. O(length)."""
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        raise TopicError(f"a topic is a text of 1 to {_LONGEST} characters like 'trade.BTCUSD', not {str(text)[:60]!r}")
    kind = _kind_of(text, dialect)
    rest = text[len(kind) :]
    if kind in PRIVATE_KINDS:
        if rest:
            raise TopicError(f"{text[:60]!r}: the private topic {kind!r} takes no filter; write {kind!r}")
        return (Topic(kind, ""),)
    if rest in ("", f".{ALL}"):
        if dialect == "linear":
            raise TopicError(
                f"{text[:60]!r}: the linear dialect cannot ask for all symbols; name them, as in '{kind}.BTCUSDT'"
            )
        return (Topic(kind, ALL),)
    try:
        return tuple(dict.fromkeys(Topic(kind, checked_symbol(symbol)) for symbol in rest[1:].split("|")))
    except TopicError as error:
        raise TopicError(f"{text[:60]!r}: {error}") from None


def _kind_of(text: str, dialect: str) -> str:
    kinds = kinds_of(dialect)
    for kind in kinds:
        if text == kind or text.startswith(f"{kind}."):
            return kind
    for kind in kinds:
        # An interval left out or misspelt, or the other dialect's name for candles.
        if re.match(rf"{re.escape(kind.partition('.')[0])}(\.|$)", text):
            raise TopicError(f"{text[:60]!r} lacks a valid interval; write it as '{kind}.BTCUSD'")
    shown = ", ".join((*_PUBLIC, f"{CANDLE_KINDS[dialect]}.INTERVAL", *PRIVATE_KINDS))
    raise TopicError(f"{text[:60]!r} is no topic of the {dialect} dialect, which has {shown}")
