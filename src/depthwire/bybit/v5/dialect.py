"""The v5 dialect: topics, requests and answers of its public categories and its private endpoint."""

import itertools
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from depthwire.bybit.dialect import Answer, Limits, RequestKey, SymbolTopics
from depthwire.bybit.topics import About, Topic
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
    """The fields of an answer. Private and option pongs lack ``success``; on spot ``req_id`` may be absent."""

    op: str = ""
    success: bool | None = None
    ret_msg: str | None = None
    req_id: str | None = None
    type: str | None = None


class TopicLists(msgspec.Struct, rename="camel"):
    """The topics of a request, in the answers of option and spread."""

    fail_topics: list[str] | None = None
    success_topics: list[str] | None = None


class TopicsAnswer(msgspec.Struct):
    """An answer that lists topics, without operation and request id."""

    data: TopicLists
    ret_msg: str | None = None


class V5Dialect(SymbolTopics):
    """The v5 dialect of one category: linear, inverse, spot, option, or the private endpoint."""

    signs_in_by_url: Final = False
    instrument_kind = TICKERS
    trade_kind = TRADE

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
        """Return the description of one of :attr:`kinds`."""
        return about(kind)

    def parse(self, text: str) -> tuple[Topic, ...]:
        """Return the topic that an argument names. Raises TopicError with an example. O(length)."""
        return (parse_topic(text, self.category),)

    def book_decoder(self) -> BookDecoder:
        """Return a new decoder of order-book frames. The channels of one thread may share it."""
        return V5BookDecoder()

    def is_topic(self, text: str) -> bool:
        """Return whether a frame can have this topic, of any category."""
        return _concrete(text) is not None

    def channel(self, topic: str, *, scanner: bool = True, decoder: BookDecoder | None = None) -> Channel | None:
        """Return a new channel for a topic of any category, or None if depthwire does not know the topic.

        It is a BookChannel for an order book, a StateChannel with a V5Instrument for tickers, else an EventChannel,
        which has a live view for ``order``, ``position`` and ``wallet``. Without ``decoder`` a book gets a new one.
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
        """Return a request with a new id, and the key of its answer; the answer repeats only the id."""
        req_id = str(next(self._numbers))
        request = {"req_id": req_id, "op": op} | ({} if args is None else {"args": args})
        return (op, (req_id,)), msgspec.json.encode(request)

    def ping(self) -> tuple[RequestKey, bytes]:
        """Return a heartbeat, and the key of its answer."""
        return self._numbered("ping")

    def request(self, op: str, topics: Sequence[str]) -> tuple[RequestKey, bytes]:
        """Return a subscribe or unsubscribe request, and the key of its answer, unless the answer lists topics."""
        return self._numbered(op, topics)

    def auth_request(self, api_key: str, expires_ms: int, signature: str) -> tuple[RequestKey, bytes]:
        """Return a sign-in request, and the key of its answer, which contains no secret."""
        return self._numbered("auth", (api_key, expires_ms, signature))

    def answer(self, message: bytes) -> Answer:
        """Parse a message without a topic. Raises MalformedFrame if it is not an answer."""
        try:
            fields = self._answers.decode(message)
            if fields.type == BY_TOPIC:
                return _by_topic(self._topics_answers.decode(message))
        except UNDECODABLE as error:
            raise MalformedFrame(f"not a v5 answer: {error}; it reads {message[:120]!r}") from None
        is_pong = fields.op == "pong"
        if not fields.op or (fields.success is None and not is_pong):
            raise MalformedFrame(
                f"neither data (no topic) nor an answer (no op or success); it reads {message[:120]!r}"
            )
        key = ("ping" if is_pong else fields.op, (fields.req_id,) if fields.req_id else ())
        if fields.success is not False:
            return Answer(key, True, "")
        reason = shortened(fields.ret_msg or "no reason given")
        return Answer(key, False, reason, is_served="already subscribed" in reason)


def _by_topic(answer: TopicsAnswer) -> Answer:
    """Return the answer, from its lists of topics: its ``success`` can be true although a topic failed."""
    failed, good = answer.data.fail_topics or [], answer.data.success_topics or []
    reason = shortened(answer.ret_msg or "listed as failed, no reason given")
    by_topic = dict.fromkeys(good, "") | dict.fromkeys(failed, reason)
    is_success = bool(good) and not failed
    return Answer(("", ()), is_success, "" if is_success else reason, by_topic=by_topic)


def _concrete(text: str) -> Topic | None:
    """Return a topic of any category, or None. Books may have any depth: only requests are limited."""
    book = _ANY_BOOK.fullmatch(text)
    if book:
        return Topic(*book.groups())
    for category in CATEGORIES:
        with suppress(TopicError):
            return parse_topic(text, category)
    return None


LINEAR, INVERSE, SPOT, OPTION, PRIVATE_ONLY = (V5Dialect(category) for category in CATEGORIES)
