"""The v5 dialect: topics, requests and answers of its public categories and of its private endpoint."""

import itertools
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from depthwire.bybit.dialect import Answer, Limits, RequestKey
from depthwire.bybit.topics import About, Topic, checked_symbol
from depthwire.bybit.v5 import private as v5_private
from depthwire.bybit.v5 import public as v5_public
from depthwire.bybit.v5.accounts import Balances, OpenOrders, Positions
from depthwire.bybit.v5.book_decoder import V5BookDecoder
from depthwire.bybit.v5.grammar import (
    BOOK,
    CATEGORIES,
    DEPTHS,
    INSURANCE,
    KLINE,
    LIQUIDATION,
    PRIVATE,
    TICKERS,
    TRADE,
    about,
    kinds_of,
    parse_topic,
)
from depthwire.bybit.v5.instrument import V5Instrument
from depthwire.bybit.v5.scanner import V5Scanner
from depthwire.errors import UNDECODABLE, MalformedFrame, TopicError, shortened
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.book_decoder import BookDecoder
from depthwire.feed.channel import Channel
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.live_book import LiveBook
from depthwire.feed.state_channel import StateChannel

ARGS_LENGTH: Final = 21_000
BY_TOPIC: Final = "COMMAND_RESP"
LIMITS: Final = {
    "spot": Limits(args_per_request=10, args_length=ARGS_LENGTH),
    "option": Limits(args_length=ARGS_LENGTH, topics=2000),
}
_OF_SYMBOL: Final = (TRADE, LIQUIDATION)
_EVENTS: Final[dict[str, type[msgspec.Struct]]] = {
    TRADE: v5_public.TradeMessage,
    KLINE: v5_public.KlineMessage,
    LIQUIDATION: v5_public.LiquidationMessage,
    INSURANCE: v5_public.InsuranceMessage,
    "execution": v5_private.ExecutionMessage,
    "execution.fast": v5_private.FastExecutionMessage,
    "greeks": v5_private.GreeksMessage,
}


_ANY_BOOK: Final = re.compile(rf"({BOOK}\.[1-9][0-9]{{0,5}})\.([A-Z0-9][A-Z0-9_-]{{0,39}})")


class V5Answer(msgspec.Struct, gc=False):
    """What an answer of v5 says. Pongs of private and option lack ``success``; on spot ``req_id`` may be absent."""

    op: str = ""
    success: bool | None = None
    ret_msg: str | None = None
    req_id: str | None = None
    type: str | None = None


class TopicLists(msgspec.Struct, rename="camel"):
    """The topics of a request, as option and spread answer it."""

    fail_topics: list[str] | None = None
    success_topics: list[str] | None = None


class TopicsAnswer(msgspec.Struct):
    """An answer that names topics, and neither operation nor request."""

    data: TopicLists
    ret_msg: str | None = None


class V5Dialect:
    """v5 of one category: linear, inverse, spot or option; or of the private endpoint alone."""

    signs_in_by_url: Final = False
    instrument_kind: Final = TICKERS
    trade_kind: Final = TRADE

    def __init__(self, category: str) -> None:
        self.category = category
        self.name = f"v5-{category}"
        self.kinds = kinds_of(category)
        self.books = {f"{BOOK}.{depth}": depth for depth in DEPTHS[category]}
        self.limits = LIMITS.get(category, Limits(args_length=ARGS_LENGTH))
        self.has_public_topics = category != PRIVATE
        self._answers = msgspec.json.Decoder(V5Answer)
        self._topics_answers = msgspec.json.Decoder(TopicsAnswer)
        self._numbers = itertools.count(1)

    # topics

    def about(self, kind: str) -> About:
        """What one of :attr:`kinds` is, in words."""
        return about(kind)

    def parse(self, text: str) -> tuple[Topic, ...]:
        """The one topic that an argument asks for; raises TopicError saying how it should look. O(length)."""
        return (parse_topic(text, self.category),)

    def book_topic(self, symbol: str, depth: int | None = None) -> str:
        """The topic of a symbol's book, 50 levels deep (option: 25) where nothing else is asked; raises TopicError."""
        depths = DEPTHS[self.category]
        if not depths:
            raise TopicError(f"{symbol!r}: the private endpoint has no order books; connect to one of '/v5/public/…'")
        if depth is None:
            depth = depths[0]
        if depth not in depths:
            there = ", ".join(map(str, sorted(depths)))
            raise TopicError(f"no order book of depth {depth!r} on v5 {self.category}; there are {there}")
        return f"{BOOK}.{depths[depths.index(depth)]}.{checked_symbol(symbol)}"

    def trade_topic(self, symbol: str) -> str:
        """The topic of a symbol's trades; on option the base coin takes the symbol's place."""
        return f"{TRADE}.{checked_symbol(symbol)}"

    def instrument_topic(self, symbol: str) -> str:
        """The topic of what the exchange tells of a symbol."""
        return f"{TICKERS}.{checked_symbol(symbol)}"

    def book_decoder(self) -> BookDecoder:
        """A decoder of order books' frames, which one thread's channels may share."""
        return V5BookDecoder()

    def channel(self, topic: str, *, scanner: bool = True, decoder: BookDecoder | None = None) -> Channel | None:
        """A new channel for a topic of any category, or None where the topic is none that depthwire understands.

        A BookChannel for order books, a StateChannel with a V5Instrument for tickers, an EventChannel for all else;
        those of ``order``, ``position`` and ``wallet`` have a live view. Without ``decoder`` a book has one of its own.
        """
        found = _concrete(topic)
        if found is None:
            return None
        kind, symbol = found
        word, _, depth = kind.partition(".")
        if word == BOOK:
            book = LiveBook(topic, symbol, int(depth))
            return BookChannel(book, decoder or self.book_decoder(), V5Scanner(symbol) if scanner else None)
        if kind == TICKERS:
            return StateChannel(topic, v5_public.TickerMessage, V5Instrument(topic, symbol))
        if kind == "order":
            return EventChannel(topic, v5_private.OrderMessage, OpenOrders())
        if kind == "position":
            return EventChannel(topic, v5_private.PositionMessage, Positions())
        if kind == "wallet":
            return EventChannel(topic, v5_private.WalletMessage, Balances())
        if word == KLINE:
            return EventChannel(topic, _EVENTS[word], named=("interval", depth))
        message_type = _EVENTS[kind] if kind in _EVENTS else _EVENTS[word]
        return EventChannel(topic, message_type, named=("symbol", symbol) if kind in _OF_SYMBOL else None)

    # requests and answers

    def _numbered(self, op: str, args: Sequence[str | int] | None = None) -> tuple[RequestKey, bytes]:
        """A request with an id of its own, which is the only thing that its answer repeats."""
        req_id = str(next(self._numbers))
        request = {"req_id": req_id, "op": op} | ({} if args is None else {"args": args})
        return (op, (req_id,)), msgspec.json.encode(request)

    def ping(self) -> tuple[RequestKey, bytes]:
        """A heartbeat, and the key that its answer will carry."""
        return self._numbered("ping")

    def request(self, op: str, topics: Sequence[str]) -> tuple[RequestKey, bytes]:
        """A subscribe or unsubscribe request, and the key that its answer will carry, but for one that lists topics."""
        return self._numbered(op, topics)

    def auth_request(self, api_key: str, expires_ms: int, signature: str) -> tuple[RequestKey, bytes]:
        """A sign-in, and the key that its answer will carry; the key holds no secret."""
        return self._numbered("auth", (api_key, expires_ms, signature))

    def answer(self, message: bytes) -> Answer:
        """Read what is not data; raises MalformedFrame where it is no answer either."""
        try:
            told = self._answers.decode(message)
            if told.type == BY_TOPIC:
                return _by_topic(self._topics_answers.decode(message))
        except UNDECODABLE as error:
            raise MalformedFrame(f"not an answer of v5: {error}; it reads {message[:120]!r}") from None
        is_pong = told.op == "pong"
        if not told.op or (told.success is None and not is_pong):
            raise MalformedFrame(
                f"neither data (no topic) nor an answer (no op or success); it reads {message[:120]!r}"
            )
        key = ("ping" if is_pong else told.op, (told.req_id,) if told.req_id else ())
        if told.success is not False:
            return Answer(key, True, "")
        reason = shortened(told.ret_msg or "no reason given")
        return Answer(key, False, reason, is_served="already subscribed" in reason)


def _by_topic(told: TopicsAnswer) -> Answer:
    """What the lists say; ``success`` can be true although a topic failed."""
    failed, good = told.data.fail_topics or [], told.data.success_topics or []
    reason = shortened(told.ret_msg or "listed as failed, no reason given")
    by_topic = dict.fromkeys(good, "") | dict.fromkeys(failed, reason)
    is_success = bool(good) and not failed
    return Answer(("", ()), is_success, "" if is_success else reason, by_topic=by_topic)


def _concrete(text: str) -> Topic | None:
    """A topic that some category has. Books of any depth are understood: only requests must name one that is served."""
    book = _ANY_BOOK.fullmatch(text)
    if book:
        return Topic(*book.groups())
    for category in CATEGORIES:
        with suppress(TopicError):
            return parse_topic(text, category)
    return None


LINEAR, INVERSE, SPOT, OPTION, PRIVATE_ONLY = (V5Dialect(category) for category in CATEGORIES)
