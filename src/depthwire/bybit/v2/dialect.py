"""The inverse ("v2") and linear dialects: topics, requests and answers.

Both speak the same operations; where their data differ, the messages (:mod:`~depthwire.bybit.v2.messages`,
:mod:`~depthwire.bybit.v2.public`, :mod:`~depthwire.bybit.v2.private`) take either form.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from depthwire.bybit.accounts import Balances, OpenOrders, OpenStopOrders, Positions
from depthwire.bybit.dialect import Answer, Limits, RequestKey
from depthwire.bybit.topics import About, Topic, checked_symbol, split_topic
from depthwire.bybit.v2.book_decoder import V2BookDecoder
from depthwire.bybit.v2.grammar import CANDLE_INTERVALS, CANDLE_KINDS, about, kinds_of, parse_topics
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
DEFAULT_DEPTH: Final = 25
_ANY_BOOK: Final = re.compile(r"orderBook(?:L2)?_([1-9][0-9]{0,5})(?:\.[0-9]+ms)?")
TRADE_TOPIC: Final = "trade"
INSURANCE_TOPIC: Final = "insurance"
INSTRUMENT_TOPIC: Final = "instrument_info.100ms"
LIQUIDATION_TOPIC: Final = "liquidation"
AUTH_KEY: Final[RequestKey] = ("auth", ())
PONG_KEY: Final[RequestKey] = ("ping", ())


def _named(kind: str, symbol: str) -> tuple[str, str] | None:
    """The field of a kind's events that its topics name, and its value; linear's candles have their interval."""
    if kind in (TRADE_TOPIC, LIQUIDATION_TOPIC):
        return "symbol", symbol
    word, _, interval = kind.partition(".")
    return ("period", interval) if word in CANDLE_KINDS.values() else None


class V2Dialect:
    """One of the two v2 dialects. ``name`` is "inverse" or "linear"."""

    limits: Final = Limits()
    signs_in_by_url: Final = True
    has_public_topics: Final = True
    books: Final = {kind: depth for depth, kind in BOOK_TOPICS.items()}
    instrument_kind: Final = INSTRUMENT_TOPIC
    trade_kind: Final = TRADE_TOPIC

    def __init__(self, name: str) -> None:
        self.name = name
        self.kinds = kinds_of(name)
        self._answers = msgspec.json.Decoder(Envelope)
        self._events: dict[str, type[msgspec.Struct]] = {
            TRADE_TOPIC: TradeMessage,
            INSURANCE_TOPIC: InsuranceMessage,
            LIQUIDATION_TOPIC: LiquidationMessage,
            **{f"{CANDLE_KINDS[name]}.{interval}": KlineMessage for interval in CANDLE_INTERVALS},
        }

    def about(self, kind: str) -> About:
        """What one of :attr:`kinds` is, in words."""
        return about(kind)

    def parse(self, text: str) -> tuple[Topic, ...]:
        """The topics that one argument asks for, each once; raises TopicError saying how it should look. O(length)."""
        return parse_topics(text, self.name)

    def book_topic(self, symbol: str, depth: int | None = None) -> str:
        """The topic of a symbol's book, 25 levels deep where nothing else is asked for; raises TopicError."""
        if depth is None:
            depth = DEFAULT_DEPTH
        if depth not in BOOK_TOPICS:
            raise TopicError(f"no order book of depth {depth!r}; there are {' and '.join(map(str, BOOK_TOPICS))}")
        return f"{BOOK_TOPICS[depth]}.{checked_symbol(symbol)}"

    def trade_topic(self, symbol: str) -> str:
        """The topic of a symbol's trades."""
        return f"{TRADE_TOPIC}.{checked_symbol(symbol)}"

    def kline_topic(self, interval: str | int, symbol: str) -> str:
        """The topic of a symbol's candles of an interval: minutes, D, W or M; raises TopicError where there is none."""
        if str(interval) not in CANDLE_INTERVALS:
            raise TopicError(f"no candles of interval {interval!r}; there are {', '.join(CANDLE_INTERVALS)}")
        return f"{CANDLE_KINDS[self.name]}.{interval}.{checked_symbol(symbol)}"

    def instrument_topic(self, symbol: str) -> str:
        """The topic of what the exchange tells of a symbol."""
        return f"{INSTRUMENT_TOPIC}.{checked_symbol(symbol)}"

    def insurance_topic(self, coin: str) -> str:
        """The topic of a coin's insurance fund."""
        return f"{INSURANCE_TOPIC}.{checked_symbol(coin)}"

    def liquidation_topic(self, symbol: str) -> str:
        """The topic of a symbol's liquidations."""
        return f"{LIQUIDATION_TOPIC}.{checked_symbol(symbol)}"

    def book_decoder(self) -> BookDecoder:
        """A decoder of order books' frames, which one thread's channels may share."""
        return V2BookDecoder()

    def channel(self, topic: str, *, scanner: bool = True, decoder: BookDecoder | None = None) -> Channel | None:
        """A new channel for a topic, or None where the topic is none that depthwire understands.

        A BookChannel for order books, a StateChannel with a V2Instrument for instrument info, an EventChannel for all
        else; those of private topics but ``execution`` have a live view. Without ``decoder`` a book has one of its own.
        """
        kind, symbol = split_topic(topic)
        if not symbol:
            return self._private_channel(topic)
        of_book = _ANY_BOOK.fullmatch(kind)
        if of_book:
            book = LiveBook(topic, symbol, int(of_book[1]))
            return BookChannel(book, decoder or self.book_decoder(), V2Scanner(symbol) if scanner else None)
        if kind == INSTRUMENT_TOPIC:
            return StateChannel(topic, InstrumentSnapshot | InstrumentDelta, V2Instrument(topic, symbol))
        if kind in self._events:
            return EventChannel(topic, self._events[kind], named=_named(kind, symbol))
        return None

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
        """A heartbeat, and the key that its answer will carry."""
        return PONG_KEY, b'{"op":"ping"}'

    def request(self, op: str, topics: Sequence[str]) -> tuple[RequestKey, bytes]:
        """A subscribe or unsubscribe request, and the key that its answer will carry."""
        return (op, tuple(topics)), msgspec.json.encode({"op": op, "args": list(topics)})

    def auth_request(self, api_key: str, expires_ms: int, signature: str) -> tuple[RequestKey, bytes]:
        """A sign-in, and the key that its answer will carry; the key holds no secret."""
        return AUTH_KEY, msgspec.json.encode({"op": "auth", "args": [api_key, expires_ms, signature]})

    def answer(self, message: bytes) -> Answer:
        """Read what is not data; raises MalformedFrame where it is no answer either."""
        try:
            envelope = self._answers.decode(message)
        except UNDECODABLE as error:
            raise MalformedFrame(f"not an answer: {error}; it reads {message[:120]!r}") from None
        if envelope.success is None:
            raise MalformedFrame(f"neither data (no topic) nor an answer (no success); it reads {message[:120]!r}")
        request = envelope.request
        key = (request.op, tuple(map(str, request.args or ()))) if request else ("", ())
        if key[0] == "auth":
            key = AUTH_KEY  # the answer repeats key and signature, which must go no further
        return Answer(
            key, envelope.success, "" if envelope.success else shortened(envelope.ret_msg) or "no reason given"
        )


INVERSE: Final = V2Dialect("inverse")
LINEAR: Final = V2Dialect("linear")
