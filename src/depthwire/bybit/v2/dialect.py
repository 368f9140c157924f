"""The two v2 dialects, inverse and linear: topics, requests and answers.

Both use the same operations. If their data differ, the messages (:mod:`~depthwire.bybit.v2.messages`,
:mod:`~depthwire.bybit.v2.public`, :mod:`~depthwire.bybit.v2.private`) accept both forms.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from depthwire.bybit.accounts import Balances, OpenOrders, OpenStopOrders, Positions
from depthwire.bybit.dialect import Answer, Limits, RequestKey, SymbolTopics
from depthwire.bybit.topics import CANDLE_INTERVALS, About, Topic, checked_symbol, is_symbol, split_topic
from depthwire.bybit.v2.book_decoder import V2BookDecoder
from depthwire.bybit.v2.grammar import CANDLE_KINDS, PRIVATE_KINDS, about, kinds_of, parse_topics
from depthwire.bybit.v2.instrument import V2Instrument
from depthwire.bybit.v2.messages import Envelope, TradeMessage
from depthwire.bybit.v2.private import ExecutionMessage, OrderMessage, PositionMessage, StopOrderMessage, WalletMessage
from depthwire.bybit.v2.public import (
    InstrumentDelta,
    InstrumentSnapshot,
    InsuranceMessage,
    KlineMessage,
    LiquidationMessage,
)
from depthwire.bybit.v2.scanner import V2Scanner
from depthwire.errors import UNDECODABLE, MalformedFrame, TopicError, shortened
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.book_decoder import BookDecoder
from depthwire.feed.channel import Channel
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.live_book import LiveBook
from depthwire.feed.state_channel import StateChannel

BOOK_TOPICS: Final = {25: "orderBookL2_25", 200: "orderBook_200.100ms"}
_ANY_BOOK: Final = re.compile(r"orderBook(?:L2)?_([1-9][0-9]{0,5})(?:\.[0-9]+ms)?")
TRADE_TOPIC: Final = "trade"
INSURANCE_TOPIC: Final = "insurance"
INSTRUMENT_TOPIC: Final = "instrument_info.100ms"
LIQUIDATION_TOPIC: Final = "liquidation"
AUTH_KEY: Final[RequestKey] = ("auth", ())
PONG_KEY: Final[RequestKey] = ("ping", ())


def _named(kind: str, symbol: str) -> tuple[str, str] | None:
    """Return the event field that repeats part of the topic, and its expected value, or None."""
    if kind in (TRADE_TOPIC, LIQUIDATION_TOPIC):
        return "symbol", symbol
    word, _, interval = kind.partition(".")
    return ("period", interval) if word in CANDLE_KINDS.values() else None


class V2Dialect(SymbolTopics):
    """One of the two v2 dialects. ``name`` is "inverse" or "linear"."""

    limits: Final = Limits()
    signs_in_by_url: Final = True
    has_public_topics: Final = True
    instrument_kind = INSTRUMENT_TOPIC
    trade_kind = TRADE_TOPIC

    def __init__(self, name: str) -> None:
        self.name = name
        self.kinds = kinds_of(name)
        self.books = {kind: depth for depth, kind in BOOK_TOPICS.items()}
        self._answers = msgspec.json.Decoder(Envelope)
        self._events: dict[str, type[msgspec.Struct]] = {
            TRADE_TOPIC: TradeMessage,
            INSURANCE_TOPIC: InsuranceMessage,
            LIQUIDATION_TOPIC: LiquidationMessage,
            **{f"{CANDLE_KINDS[name]}.{interval}": KlineMessage for interval in CANDLE_INTERVALS},
        }

    def about(self, kind: str) -> About:
        """Return the description of one of :attr:`kinds`."""
        return about(kind)

    def parse(self, text: str) -> tuple[Topic, ...]:
        """Return the topics that an argument names, without duplicates. Raises TopicError. O(length)."""
        return parse_topics(text, self.name)

    def kline_topic(self, interval: str | int, symbol: str) -> str:
        """Return the topic of a symbol's candles. ``interval`` is minutes, D, W or M. Raises TopicError."""
        if str(interval) not in CANDLE_INTERVALS:
            raise TopicError(f"no candles of interval {interval!r}; expected one of {', '.join(CANDLE_INTERVALS)}")
        return f"{CANDLE_KINDS[self.name]}.{interval}.{checked_symbol(symbol)}"

    def insurance_topic(self, coin: str) -> str:
        """Return the topic of a coin's insurance fund. Raises TopicError."""
        return f"{INSURANCE_TOPIC}.{checked_symbol(coin)}"

    def liquidation_topic(self, symbol: str) -> str:
        """Return the topic of a symbol's liquidations. Raises TopicError."""
        return f"{LIQUIDATION_TOPIC}.{checked_symbol(symbol)}"

    def book_decoder(self) -> BookDecoder:
        """Return a new decoder of order-book frames. The channels of one thread may share it."""
        return V2BookDecoder()

    def is_topic(self, text: str) -> bool:
        """Return whether a frame can have this topic. Books may have any depth: only requests are limited."""
        kind, symbol = split_topic(text)
        if not symbol:
            return text in PRIVATE_KINDS
        is_kind = _ANY_BOOK.fullmatch(kind) is not None or kind == INSTRUMENT_TOPIC or kind in self._events
        return is_kind and is_symbol(symbol)

    def channel(self, topic: str, *, scanner: bool = True, decoder: BookDecoder | None = None) -> Channel | None:
        """Return a new channel for a topic, or None if depthwire does not know the topic.

        It is a BookChannel for an order book, a StateChannel with a V2Instrument for ``instrument_info``, else an
        EventChannel, which has a live view for all private topics except ``execution``. Without ``decoder`` a book gets
        a new one.
        """
        if not self.is_topic(topic):
            return None
        kind, symbol = split_topic(topic)
        if not symbol:
            return self._private_channel(topic)
        of_book = _ANY_BOOK.fullmatch(kind)
        if of_book:
            book = LiveBook(topic, symbol, int(of_book[1]))
            return BookChannel(book, decoder or self.book_decoder(), V2Scanner(symbol) if scanner else None)
        if kind == INSTRUMENT_TOPIC:
            return StateChannel(topic, InstrumentSnapshot | InstrumentDelta, V2Instrument(topic, symbol))
        return EventChannel(topic, self._events[kind], named=_named(kind, symbol))

    def _private_channel(self, topic: str) -> Channel | None:
        if topic == "position":
            return EventChannel(topic, PositionMessage, Positions(one_way=self.name == "inverse"))
        if topic == "execution":
            return EventChannel(topic, ExecutionMessage)
        if topic == "order":
            return EventChannel(topic, OrderMessage, OpenOrders())
        if topic == "stop_order":
            return EventChannel(topic, StopOrderMessage, OpenStopOrders())
        if topic == "wallet":
            return EventChannel(topic, WalletMessage, Balances(unnamed="USDT" if self.name == "linear" else ""))
        return None

    def ping(self) -> tuple[RequestKey, bytes]:
        """Return a heartbeat, and the key of its answer."""
        return PONG_KEY, b'{"op":"ping"}'

    def request(self, op: str, topics: Sequence[str]) -> tuple[RequestKey, bytes]:
        """Return a subscribe or unsubscribe request, and the key of its answer."""
        return (op, tuple(topics)), msgspec.json.encode({"op": op, "args": list(topics)})

    def auth_request(self, api_key: str, expires_ms: int, signature: str) -> tuple[RequestKey, bytes]:
        """Return a sign-in request, and the key of its answer, which contains no secret."""
        return AUTH_KEY, msgspec.json.encode({"op": "auth", "args": [api_key, expires_ms, signature]})

    def answer(self, message: bytes) -> Answer:
        """Parse a message without a topic. Raises MalformedFrame if it is not an answer."""
        try:
            envelope = self._answers.decode(message)
        except UNDECODABLE as error:
            raise MalformedFrame(f"not an answer: {error}; it reads {message[:120]!r}") from None
        if envelope.success is None:
            raise MalformedFrame(f"neither data (no topic) nor an answer (no success); it reads {message[:120]!r}")
        request = envelope.request
        key = (request.op, tuple(map(str, request.args or ()))) if request else ("", ())
        if key[0] == "auth":
            key = AUTH_KEY  # the answer repeats API key and signature, which must not spread
        return Answer(
            key, envelope.success, "" if envelope.success else shortened(envelope.ret_msg) or "no reason given"
        )


INVERSE: Final = V2Dialect("inverse")
LINEAR: Final = V2Dialect("linear")
