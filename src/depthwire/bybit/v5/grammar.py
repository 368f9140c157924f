"""The topic grammar of the v5 dialects. An argument names one concrete topic; pipes and stars do not exist.

A topic is ``kind.filter``. The kind may contain a depth (``orderbook.50``) or a candle interval (``kline.1``). The
filter is a symbol; for option trades a base coin, for the insurance fund the name of a pool. Private topics have no
filter, or a category (``order.linear``).

Source: the exchange's v5 documentation.
"""

import re
from collections.abc import Mapping
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
from depthwire.errors import TopicError, UnknownTopic

BOOK: Final = "orderbook"
TRADE: Final = "publicTrade"
TICKERS: Final = "tickers"
KLINE: Final = "kline"
LIQUIDATION: Final = "allLiquidation"
INSURANCE: Final = "insurance"
PRIVATE: Final = "private"

DEPTHS: Final[Mapping[str, tuple[int, ...]]] = {
    "linear": (50, 1, 200, 1000),
    "inverse": (50, 1, 200, 1000),
    "spot": (50, 1, 200, 1000),
    "option": (25, 100),
    PRIVATE: (),
}
"""The depths of order books by category; the first is the default."""
CATEGORIES: Final = tuple(DEPTHS)
_PUSHED_MS: Final = {1: 10, 25: 20, 50: 20, 100: 100, 200: 100, 1000: 200}
_FUTURES: Final = ("linear", "inverse")
_POOLS: Final = {"linear": ("USDT", "USDC"), "inverse": ("inverse",)}
_PRIVATE_CATEGORIES: Final = {
    "execution.fast": ("linear", "inverse", "spot", "option"),
    "execution": ("linear", "inverse", "spot", "option"),
    "order": ("linear", "inverse", "spot", "option"),
    "position": ("linear", "inverse", "option"),
    "wallet": (),
    "greeks": (),
}
PRIVATE_KINDS: Final = tuple(_PRIVATE_CATEGORIES)
_ABOUT: Final = {
    TRADE: About("at once", "trades"),
    TICKERS: About("every 100 ms", "prices, funding, volumes, open interest"),
    KLINE: About("every 1 to 60 s", "candles"),
    LIQUIDATION: About("every 500 ms", "liquidated positions"),
    INSURANCE: About("every 1 s", "pools of the insurance fund"),
    "execution.fast": About("on change", "fills of orders, sooner and with fewer fields"),
    "execution": About("on change", "fills of orders"),
    "order": About("on change", "orders, also conditional ones"),
    "position": About("on change", "positions"),
    "wallet": About("on change", "balances"),
    "greeks": About("on change", "greeks of the options, summed by base coin"),
}
_OF_V2: Final = {
    "orderBookL2_25": "order books are orderbook.DEPTH.SYMBOL",
    "orderBook_200": "order books are orderbook.DEPTH.SYMBOL",
    "trade": "trades are publicTrade.SYMBOL",
    "instrument_info": "prices and funding are tickers.SYMBOL",
    "klineV2": "candles are kline.INTERVAL.SYMBOL",
    "candle": "candles are kline.INTERVAL.SYMBOL",
    "liquidation": "liquidations are allLiquidation.SYMBOL",
    "stop_order": "conditional orders come on 'order', with order_status Untriggered until they are triggered",
}


def kinds_of(category: str) -> tuple[str, ...]:
    """Return all kinds of topics of a category, with depths and intervals."""
    if category == PRIVATE:
        return PRIVATE_KINDS
    kinds = [f"{BOOK}.{depth}" for depth in sorted(DEPTHS[category])] + [TRADE, TICKERS]
    if category != "option":
        kinds += [f"{KLINE}.{interval}" for interval in CANDLE_INTERVALS]
    if category in _FUTURES:
        kinds += [LIQUIDATION, INSURANCE]
    return (*kinds, *PRIVATE_KINDS)


def about(kind: str) -> About:
    """Return the description of one of :func:`kinds_of`."""
    word, _, depth = kind.partition(".")
    if word == BOOK:
        content = "best bid and ask" if depth == "1" else f"order book, {depth} levels a side"
        return About(f"every {_PUSHED_MS[int(depth)]} ms", content)
    return _ABOUT[kind] if kind in _ABOUT else _ABOUT[word]


def kind_of(topic: str, kinds: tuple[str, ...]) -> str:
    """Return the longest of these kinds that a concrete topic begins with, "" if there is none."""
    return max((kind for kind in kinds if topic == kind or topic.startswith(f"{kind}.")), key=len, default="")


def parse_topic(text: str, category: str) -> Topic:
    """Return the topic that an argument names. Raises TopicError with an example. O(length)."""
    checked_topic_text(text, "publicTrade.BTCUSDT")
    shown = f"{text[:60]!r}"
    if "|" in text or ALL in text:
        raise TopicError(f"{shown}: v5 accepts neither pipes nor stars; name each topic, as in 'publicTrade.BTCUSDT'")
    kind = kind_of(text, kinds_of(category))
    if not kind:
        raise unknown_topic(text, *_complaint(text, category))
    rest = text[len(kind) + 1 :]
    if kind in PRIVATE_KINDS:
        return _private(shown, kind, rest, is_bare=text == kind)
    if not rest:
        raise TopicError(f"{shown} lacks its symbol; write it as '{kind}.{_example(kind, category)}'")
    if kind == INSURANCE:
        if rest not in _POOLS[category]:
            pools = " and ".join(f"'{kind}.{pool}'" for pool in _POOLS[category])
            raise UnknownTopic(f"{shown}: no such pool of the insurance fund; on {category} there is {pools}")
        return Topic(kind, rest)
    try:
        checked_symbol(rest)
    except TopicError as error:
        raise TopicError(f"{shown}: {error}") from None
    if kind == TRADE and category == "option" and "-" in rest:
        coin = rest.partition("-")[0]
        raise TopicError(f"{shown}: option trades are published by base coin; write '{kind}.{coin}'")
    return Topic(kind, rest)


def _private(shown: str, kind: str, category: str, *, is_bare: bool) -> Topic:
    categories = _PRIVATE_CATEGORIES[kind]
    if not is_bare and category not in categories:
        takes = f"one of {', '.join(categories)}, or nothing" if categories else "nothing"
        raise TopicError(f"{shown}: the private topic {kind!r} takes {takes} after it")
    return Topic(kind, category)


def _example(kind: str, category: str) -> str:
    if kind == INSURANCE:
        return _POOLS[category][0]
    if category == "option":
        return "BTC" if kind == TRADE else "BTC-30DEC22-18000-C"
    return "BTCUSD" if category == "inverse" else "BTCUSDT"


def _complaint(text: str, category: str) -> tuple[str, tuple[str, ...]]:
    """Return why a text is not a topic of the category, and the kinds that may be suggested."""
    word = text.partition(".")[0]
    if word in _OF_V2:
        return f"is not a v5 topic: {_OF_V2[word]}", ()
    if category == PRIVATE and word in _PUBLIC_WORDS:
        return "is a public topic; connect to '/v5/public/linear', inverse, spot or option for it", ()
    if word == BOOK and category != PRIVATE:
        depths = ", ".join(map(str, sorted(DEPTHS[category])))
        nearest = f"{BOOK}.{DEPTHS[category][0]}.SYMBOL"
        return f"names no depth of {category}'s order books, which are {depths}: '{nearest}'", ()
    if word == KLINE and category not in (PRIVATE, "option"):
        return f"names no interval of candles, which are {', '.join(CANDLE_INTERVALS)}: '{KLINE}.1.SYMBOL'", ()
    words = dict.fromkeys(re.sub(r"\.\w+$", ".…", kind) for kind in kinds_of(category) if kind not in PRIVATE_KINDS)
    return f"is not a topic of v5 {category}, which has {', '.join((*words, *PRIVATE_KINDS))}", kinds_of(category)


_PUBLIC_WORDS: Final = (BOOK, TRADE, TICKERS, KLINE, LIQUIDATION, INSURANCE)
