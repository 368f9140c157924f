"""A book with a feed but no socket, and its states during an undisturbed stream."""

from typing import Any, NamedTuple

from depthwire.book.types import BookState
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.errors import FrameError, MalformedFrame
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.listener import Feed
from depthwire.feed.live_book import LiveBook
from tests.reliability.rules import Rules, rules_of
from tests.reliability.streams import Stream

Shown = tuple[Any, ...]


class Reader:
    """One topic's book and feed, as in a client but without the socket."""

    def __init__(self, topic: str) -> None:
        self._dialect = dialect_of(topic)
        self.channel = channel_of(topic)
        self.book: LiveBook = self.channel.book
        self.error: FrameError | None = None
        self._feed = Feed(self)
        self._feed.channels.add(self.channel)

    def receive(self, raw: bytes) -> None:
        """Takes a frame."""
        self._feed.receive(raw, 1)

    def on_frame_error(self, error: FrameError) -> None:
        """Keeps the first one."""
        self.error = self.error or error

    def on_control(self, message: bytes) -> None:
        """No answers come here: this is a damaged frame, as a connection would find."""
        try:
            answer = self._dialect.answer(message)
        except MalformedFrame as error:
            self._feed.damaged(message, error.message)
        else:
            raise AssertionError(answer)

    def on_unrouted(self, topic: str, message: bytes) -> None:
        """No other topics here."""

    def is_topic(self, text: str) -> bool:
        """As on a connection."""
        return self._dialect.is_topic(text)

    def on_connected(self, transport: object) -> None:
        """No socket here."""

    on_disconnected = on_connected

    def shown(self) -> Shown:
        """Prices and sizes of a LIVE book, to be compared; () of another."""
        return shown_by(self.book)

    def numbers(self) -> tuple[int, int, int]:
        """What the next frame is held against."""
        return self.book.cross_seq, self.book.update_id, self.book.ts_exchange_us


def dialect_of(topic: str) -> Dialect:
    """The dialect of a book topic."""
    return v5.LINEAR if topic.startswith("orderbook.") else v2.INVERSE


def channel_of(topic: str) -> BookChannel:
    """A new channel of a book topic of either dialect."""
    channel = dialect_of(topic).channel(topic)
    assert isinstance(channel, BookChannel), topic
    return channel


def shown_by(book: LiveBook) -> Shown:
    """Prices and sizes of a LIVE book, to be compared; () of another."""
    if book.state is not BookState.LIVE:
        return ()
    unit = 10 ** (book.price_decimals or 0)
    return tuple(part.tobytes() for price_ids, sizes in (book.bids, book.asks) for part in (price_ids / unit, sizes))


class Clean(NamedTuple):
    """An undisturbed stream: what the book shows after each frame, and its numbers."""

    shown: list[Shown]
    numbers: list[tuple[int, int, int]]


def clean_run(stream: Stream) -> Clean:
    """Replay an undisturbed stream; it must have no fault, and the second opinion must agree on every book."""
    reader, rules = Reader(stream.topic), rules_of(stream.topic)
    clean = Clean([], [])
    for number, raw in enumerate(stream.raws):
        reader.receive(raw)
        broken = rules.receive(raw)
        assert reader.error is None, f"{stream.source} {stream.topic} frame {number}: {reader.error}"
        assert broken is None, f"{stream.source} {stream.topic} frame {number}: {broken}"
        assert levels_of(reader.book) == by_price(rules), f"{stream.source} {stream.topic} frame {number}: books differ"
        clean.shown.append(reader.shown())
        clean.numbers.append(reader.numbers())
    return clean


def levels_of(book: LiveBook) -> list[dict[float, float]]:
    """Price to size, bids first."""
    unit = 10 ** (book.price_decimals or 0)
    return [
        dict(zip((price_ids / unit).tolist(), sizes.tolist(), strict=True))
        for price_ids, sizes in (book.bids, book.asks)
    ]


def by_price(rules: Rules) -> list[dict[float, float]]:
    """The same of the second opinion."""
    return list(rules.sides)
