"""The topic grammar of the v2 dialects: which topics exist, and which concrete topics an argument covers.

A topic is ``kind.filter``. The kind may contain a push interval or a candle interval (``orderBook_200.100ms``,
``klineV2.1``). The filter is a symbol (``insurance``: a coin), several symbols joined by pipes, or ``*`` for all; a
kind without a filter also means all. Each frame names one concrete topic. The linear dialect accepts neither stars nor
kinds without a filter. Symbols joined by pipes are sent as separate topics, which both dialects accept. Private topics
have no filter.
"""

import re
from typing import Final

from depthwire.bybit.topics import (
    ALL,
    CANDLE_INTERVALS,
    About,
    Topic,
    checked_symbol,
    checked_topic_text,
    unknown_topic,
)
from depthwire.errors import TopicError

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
_OF_V5: Final = {
    "orderbook": "order books are orderBookL2_25.SYMBOL",
    "publicTrade": "trades are trade.SYMBOL",
    "tickers": "prices and funding are instrument_info.100ms.SYMBOL",
    "kline": "candles are {candles}.INTERVAL.SYMBOL",
    "allLiquidation": "liquidations are liquidation.SYMBOL",
    "greeks": "there are no greeks",
}


def _elsewhere(word: str, dialect: str) -> str:
    """Return which other dialect has topics that begin with a word, "" if none has."""
    if word in _OF_V5:
        here = _OF_V5[word].format(candles=CANDLE_KINDS[dialect])
        return f"is a topic of v5, whose endpoints are '/v5/public/…'; on {dialect} {here}"
    other = next((name for name, kind in CANDLE_KINDS.items() if kind == word), dialect)
    if other == dialect:
        return ""
    return f"is a topic of {other}; on {dialect} candles are {CANDLE_KINDS[dialect]}.INTERVAL.SYMBOL"


def kinds_of(dialect: str) -> tuple[str, ...]:
    """Return all kinds of topics of a dialect, with intervals."""
    candles = tuple(f"{CANDLE_KINDS[dialect]}.{interval}" for interval in CANDLE_INTERVALS)
    return (*_PUBLIC, *candles, *PRIVATE_KINDS)


def about(kind: str) -> About:
    """Return the description of one of :func:`kinds_of`."""
    return (_PUBLIC | _PRIVATE).get(kind, _CANDLE)


def parse_topics(text: str, dialect: str) -> tuple[Topic, ...]:
    """Return the topics that an argument names, without duplicates. Raises TopicError with an example. O(length)."""
    kind = _kind_of(checked_topic_text(text, "trade.BTCUSD"), dialect)
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
        # The interval is missing or invalid.
        if re.match(rf"{re.escape(kind.partition('.')[0])}(\.|$)", text):
            raise unknown_topic(text, f"lacks a valid interval; write it as '{kind}.BTCUSD'")
    if hint := _elsewhere(text.partition(".")[0], dialect):
        raise unknown_topic(text, hint)
    shown = ", ".join((*_PUBLIC, f"{CANDLE_KINDS[dialect]}.INTERVAL", *PRIVATE_KINDS))
    raise unknown_topic(text, f"is not a topic of the {dialect} dialect, which has {shown}", kinds)
