"""What a session needs to know of a dialect: its topics, what they become, its requests, answers and limits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from depthwire.bybit.topics import About, Topic, raw_topic
from depthwire.errors import TopicError
from depthwire.feed.book_decoder import BookDecoder
from depthwire.feed.channel import Channel

RequestKey = tuple[str, tuple[str, ...]]
"""A request's operation, and what tells it apart from others of that operation; () where its answer does not say."""
ARGS_PER_REQUEST: Final = 100


UNKNOWN_TOPIC: Final = ("unknown topic", "handler not found")
"""With these words v2 and v5 refuse a topic that they do not have."""


def means_unknown(reason: str) -> bool:
    """Whether a refusal says that there is no such topic, so that asking again is of no use."""
    return any(words in reason.lower() for words in UNKNOWN_TOPIC)


class Answer(msgspec.Struct, frozen=True):
    """The venue's answer to a request. ``key`` is that request's; ``reason`` is "" where it succeeded.

    ``is_served`` tells of a refused subscription that its topic had been subscribed before. ``by_topic`` holds, where
    the answer lists topics, why each was refused, "" where it was not; such an answer names no operation, no request.
    """

    key: RequestKey
    success: bool
    reason: str
    is_served: bool = False
    by_topic: Mapping[str, str] | None = None

    def refusal(self, topic: str) -> str:
        """Why one topic of the request was refused; "" where it was not."""
        if self.by_topic is None:
            return self.reason
        return self.by_topic.get(topic, "the venue's answer does not name it")


class Limits(NamedTuple):
    """What the exchange allows: args a request, and of one connection the characters of all args, and the topics."""

    args_per_request: int = ARGS_PER_REQUEST
    args_length: float = float("inf")
    topics: float = float("inf")


class Room:
    """What is left of one connection's limits."""

    def __init__(self, limits: Limits, taken: Iterable[Topic]) -> None:
        self._left = limits.args_length - len("[]")
        self._topics_left = limits.topics
        for topic in taken:
            self.take(topic)

    def take(self, topic: Topic) -> bool:
        """Take the room that a topic needs; False where there is too little left. O(1)."""
        needed = len(f'"{topic.text}",')
        if needed > self._left or self._topics_left < 1:
            return False
        self._left -= needed
        self._topics_left -= 1
        return True


class Dialect(Protocol):
    """One dialect of the exchange's WebSocket protocol. Knows messages and topics, never a socket."""

    @property
    def name(self) -> str: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def signs_in_by_url(self) -> bool:
        """Whether a sign-in may stand in the URL's query."""

    @property
    def has_public_topics(self) -> bool: ...

    # topics

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of topic, with its depth or interval."""

    @property
    def books(self) -> Mapping[str, int]:
        """The kinds of order books, and the depth of each; the first is the default."""

    @property
    def instrument_kind(self) -> str:
        """The kind of topic whose state is merged."""

    @property
    def trade_kind(self) -> str: ...
    def about(self, kind: str) -> About:
        """What one of :attr:`kinds` is, in words."""

    def parse(self, text: str) -> tuple[Topic, ...]:
        """The topics that one argument asks for, each once; raises TopicError saying how it should look."""

    def book_topic(self, symbol: str, depth: int | None = None) -> str:
        """The topic of a symbol's book, of the default depth where none is given; raises TopicError."""

    def trade_topic(self, symbol: str) -> str: ...
    def instrument_topic(self, symbol: str) -> str: ...
    def book_decoder(self) -> BookDecoder:
        """A decoder of order books' frames, which one thread's channels may share."""

    def channel(self, topic: str, *, scanner: bool = True, decoder: BookDecoder | None = None) -> Channel | None:
        """A new channel for a concrete topic, or None where the topic is none that depthwire understands.

        Without ``scanner`` every order-book frame takes the typed decoder's lane. Without ``decoder`` a book has one of
        its own.
        """

    # requests and answers

    def ping(self) -> tuple[RequestKey, bytes]:
        """A heartbeat, and the key that its answer will carry."""

    def request(self, op: str, topics: Sequence[str]) -> tuple[RequestKey, bytes]:
        """A subscribe or unsubscribe request, and the key that its answer will carry."""

    def auth_request(self, api_key: str, expires_ms: int, signature: str) -> tuple[RequestKey, bytes]:
        """A sign-in, and the key that its answer will carry; the key holds no secret."""

    def answer(self, message: bytes) -> Answer:
        """Read what is not data; raises MalformedFrame where it is no answer either."""


def any_topics(dialect: Dialect, text: str) -> tuple[Topic, ...]:
    """The topics that a text names by the dialect's grammar, or else the one that it is; raises TopicError."""
    try:
        return dialect.parse(text)
    except TopicError:
        return (raw_topic(text),)
