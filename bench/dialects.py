"""The parts of each dialect for a book topic: its channel on either lane, its decoder, and its typed message."""

from collections.abc import Callable

import msgspec

from depthwire.bybit.v2 import messages
from depthwire.bybit.v2.book_decoder import V2BookDecoder
from depthwire.bybit.v2.scanner import V2Scanner
from depthwire.bybit.v5 import messages as v5_orderbook
from depthwire.bybit.v5.book_decoder import V5BookDecoder
from depthwire.bybit.v5.scanner import V5Scanner
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.book_decoder import BookDecoder
from depthwire.feed.live_book import LiveBook
from depthwire.feed.scanner import Scanner

V2, V5 = "v2", "v5"
_shared_decoders: dict[str, BookDecoder] = {
    V2: V2BookDecoder(),
    V5: V5BookDecoder(),
}  # one for all books, as in a feed
_decode_v2 = msgspec.json.Decoder(messages.OrderBookSnapshot | messages.OrderBookDelta).decode
_decode_v5 = msgspec.json.Decoder(
    v5_orderbook.OrderBookSnapshot[list[v5_orderbook.PricePoint]]
    | v5_orderbook.OrderBookDelta[list[v5_orderbook.PricePoint]]
).decode


def dialect_of(topic: str) -> str:
    return V5 if topic.startswith("orderbook.") else V2


def symbol_of(topic: str) -> str:
    return topic.rpartition(".")[2]


def book_decoder(topic: str) -> BookDecoder:
    """Return a new decoder of the topic's dialect."""
    return V5BookDecoder() if dialect_of(topic) == V5 else V2BookDecoder()


def book_scanner(topic: str) -> Scanner:
    symbol = symbol_of(topic)
    if dialect_of(topic) == V5:
        return V5Scanner(symbol)
    return V2Scanner(symbol)


def book_channel(topic: str, depth: int, *, scanner: bool) -> BookChannel:
    """Return a new channel with an empty book, on the scanner's lane or on the decoder's."""
    book = LiveBook(topic, symbol_of(topic), depth)
    return BookChannel(book, _shared_decoders[dialect_of(topic)], book_scanner(topic) if scanner else None)


def typed_decoder(topic: str) -> Callable[[bytes], object]:
    """Return msgspec's decoder alone, for the same typed message that the topic's decoder reads."""
    return _decode_v5 if dialect_of(topic) == V5 else _decode_v2
