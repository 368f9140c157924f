"""The interface of a dialect: topics and their channels, requests and answers, limits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from depthwire.bybit.topics import About, Topic, checked_symbol, raw_topic
from depthwire.errors import TopicError
from depthwire.feed.book_decoder import BookDecoder
from depthwire.feed.channel import Channel

RequestKey = tuple[str, tuple[str, ...]]
"""A request's operation, and what identifies it among them; () if the answer does not repeat that."""
ARGS_PER_REQUEST: Final = 100
UNKNOWN_TOPIC: Final = ("unknown topic", "handler not found")
"""How v2 and v5 refuse a topic that does not exist."""


def means_unknown(reason: str) -> bool:
    """Return whether a refusal means that the topic does not exist, so that a retry is useless."""
    return any(words in reason.lower() for words in UNKNOWN_TOPIC)


class Answer(msgspec.Struct, frozen=True):
    """The venue's answer to the request with this ``key``. ``reason`` is "" if the request succeeded.

    ``is_served`` means that a subscription was refused because the topic is already subscribed. If the answer lists
    topics, ``by_topic`` holds the reason why each was refused, or ""; the answer then lacks operation and request id.
    """

    key: RequestKey
    success: bool
    reason: str
    is_served: bool = False
    by_topic: Mapping[str, str] | None = None

    def refusal(self, topic: str) -> str:
        """Return why one topic of the request was refused, or "" if it was accepted."""
        if self.by_topic is None:
            return self.reason
        return self.by_topic.get(topic, "the venue's answer does not name it")


class Limits(NamedTuple):
    """The exchange's limits: args per request, and per connection the total length of all args and the topics."""

    args_per_request: int = ARGS_PER_REQUEST
    args_length: float = float("inf")
    topics: float = float("inf")


class Room:
    """The remaining capacity of one connection."""

    def __init__(self, limits: Limits, taken: Iterable[Topic]) -> None:
        self._left = limits.args_length - len("[]")
        self._topics_left = limits.topics
        for topic in taken:
            self.take(topic)

    def take(self, topic: Topic) -> bool:
        """Reserve capacity for a topic. Return False if there is not enough. O(1)."""
        needed = len(f'"{topic.text}",')
        if needed > self._left or self._topics_left < 1:
            return False
        self._left -= needed
        self._topics_left -= 1
        return True


class Dialect(Protocol):
    """One dialect of the exchange's WebSocket protocol: messages and topics, without a socket."""

    @property
    def name(self) -> str: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def signs_in_by_url(self) -> bool:
        """Whether the URL's query may carry the sign-in."""

    @property
    def has_public_topics(self) -> bool: ...

    # topics

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds of topics, with depth or interval."""

    @property
    def books(self) -> Mapping[str, int]:
        """The kinds of order books with their depths; the first is the default."""

    @property
    def instrument_kind(self) -> str:
        """The kind of topic whose deltas are merged into an instrument."""

    @property
    def trade_kind(self) -> str: ...
    def about(self, kind: str) -> About:
        """Return the description of one of :attr:`kinds`."""

    def parse(self, text: str) -> tuple[Topic, ...]:
        """Return the topics that an argument names, without duplicates. Raises TopicError with an example."""

    def book_topic(self, symbol: str, depth: int | None = None) -> str:
        """Return the topic of a symbol's book, by default with the default depth. Raises TopicError."""

    def trade_topic(self, symbol: str) -> str: ...
    def instrument_topic(self, symbol: str) -> str: ...
    def book_decoder(self) -> BookDecoder:
        """Return a new decoder of order-book frames. The channels of one thread may share it."""

    def is_topic(self, text: str) -> bool:
        """Return whether a frame can have this topic: whether depthwire knows its kind, and its symbol is valid."""

    def channel(self, topic: str, *, scanner: bool = True, decoder: BookDecoder | None = None) -> Channel | None:
        """Return a new channel for a concrete topic, or None if depthwire does not know it.

        If ``scanner`` is false, every order-book frame goes through the typed decoder. Without ``decoder`` a book gets
        a new one.
        """

    # requests and answers

    def ping(self) -> tuple[RequestKey, bytes]:
        """Return a heartbeat, and the key of its answer."""

    def request(self, op: str, topics: Sequence[str]) -> tuple[RequestKey, bytes]:
        """Return a subscribe or unsubscribe request, and the key of its answer."""

    def auth_request(self, api_key: str, expires_ms: int, signature: str) -> tuple[RequestKey, bytes]:
        """Return a sign-in request, and the key of its answer, which contains no secret."""

    def answer(self, message: bytes) -> Answer:
        """Parse a message without a topic. Raises MalformedFrame if it is not an answer."""


class SymbolTopics:
    """The topics of one symbol, which both dialects build in the same way from their kinds."""

    name: str
    books: Mapping[str, int]
    instrument_kind: str
    trade_kind: str

    def book_topic(self, symbol: str, depth: int | None = None) -> str:
        """Return the topic of a symbol's book, by default with the first depth of ``books``. Raises TopicError."""
        if not self.books:
            raise TopicError(f"{symbol!r}: {self.name} has no order books; connect to '/v5/public/…'")
        for kind, available in self.books.items():
            if depth is None or depth == available:
                return f"{kind}.{checked_symbol(symbol)}"
        depths = ", ".join(map(str, sorted(self.books.values())))
        raise TopicError(f"no order book of depth {depth!r} on {self.name}; expected one of {depths}")

    def trade_topic(self, symbol: str) -> str:
        """Return the topic of a symbol's trades (options: of a base coin's trades). Raises TopicError."""
        return f"{self.trade_kind}.{checked_symbol(symbol)}"

    def instrument_topic(self, symbol: str) -> str:
        """Return the topic of a symbol's instrument. Raises TopicError."""
        return f"{self.instrument_kind}.{checked_symbol(symbol)}"


def any_topics(dialect: Dialect, text: str) -> tuple[Topic, ...]:
    """Return the topics that a text names in the dialect's grammar, else the text as one topic. Raises TopicError."""
    try:
        return dialect.parse(text)
    except TopicError:
        return (raw_topic(text),)
