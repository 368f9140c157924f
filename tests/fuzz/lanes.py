"""Books with fuzzed frames: the results of each lane of a feed, and the properties that always hold."""

from typing import Any

import msgspec

from depthwire import errors
from depthwire.book.types import BookSnapshot, BookState
from depthwire.bybit.v2.book_decoder import V2BookDecoder
from depthwire.bybit.v2.scanner import V2Scanner
from depthwire.bybit.v5.book_decoder import V5BookDecoder
from depthwire.bybit.v5.scanner import V5Scanner
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.live_book import LiveBook
from tests.support.offline import Offline

DOCUMENTED = tuple(error for name in errors.__all__ if issubclass(error := getattr(errors, name), errors.FrameError))
V2_BOOKS = {"orderBookL2_25.BTCUSD": 3, "orderBookL2_25.BTCUSDT": 3}
V5_BOOKS = {"orderbook.50.BTCUSDT": 3, "orderbook.1.BTCUSDT": 1}
"""Depths by topic: much lower than the exchange's, so that a short frame fills a side."""
MAX_DIGITS = 18
SHORTEST_LINE = 8
"""The shortest frame of a tape; shorter ones are left to Python."""

DECODERS = {"orderBookL2_25": V2BookDecoder(), "orderbook": V5BookDecoder()}
SCANNERS = {"orderBookL2_25": V2Scanner, "orderbook": V5Scanner}


class Lane(Offline):
    """A feed of some books, which uses the scanner or only the typed decoder."""

    def __init__(self, depths: dict[str, int], *, scanner: bool) -> None:
        super().__init__()
        self.books: list[LiveBook] = []
        for topic, depth in depths.items():
            kind, symbol = topic.partition(".")[0], topic.rpartition(".")[2]
            book = LiveBook(topic, symbol, depth)
            self.books.append(book)
            self.feed.channels.add(BookChannel(book, DECODERS[kind], SCANNERS[kind](symbol) if scanner else None))

    def known(self) -> tuple[list[BookSnapshot], list[Any]]:
        """Return the state of its books and its errors; assert that the books are consistent."""
        for book in self.books:
            book._check()
        return [book.snapshot(allow_stale=True) for book in self.books], [
            (type(error), str(error), getattr(error, "topic", None)) for error in self.errors
        ]


def check_books(depths: dict[str, int], text: bytes) -> None:
    """Feed a text's lines as frames.

    The scanner's lane, the decoder's lane and a tape of the lines give the same books and errors. A refused frame
    changes nothing in a book except its state. Only documented errors are raised.
    """
    scanned, decoded, taped = (Lane(depths, scanner=scanner) for scanner in (True, False, True))
    before, errors_before = decoded.known()
    for raw in text.split(b"\n"):
        for lane in (scanned, decoded):
            lane.feed.receive(raw, 7)
        after = books, told = decoded.known()
        assert scanned.known() == after, "the lanes differ"
        assert len(told) <= len(errors_before) + 1, "two errors of one frame"
        if len(told) > len(errors_before):
            assert issubclass(told[-1][0], DOCUMENTED), told[-1]
            assert [content(book) for book in books] == [content(book) for book in before], (
                "a refused frame was applied"
            )
            assert all(book.state is not BookState.LIVE or book == was for book, was in zip(books, before, strict=True))
        line = b"7\t%b\n" % raw
        if len(line) < SHORTEST_LINE or raw.endswith(b"\r"):  # the end of a line may be \r\n
            taped.feed.receive(raw, 7)
        else:
            assert taped.feed.receive_lines(line) == len(line)
        assert taped.known() == after, "a tape differs"
        before, errors_before = after


def content(book: BookSnapshot) -> BookSnapshot:
    """Return what a refused frame must not change: all but the state, and a scale made finer at the same prices."""
    scale = 10 ** (MAX_DIGITS - (book.price_decimals or 0))
    bids, asks = (tuple((price_id * scale, size) for price_id, size in side) for side in (book.bids, book.asks))
    return msgspec.structs.replace(
        book, state=BookState.LIVE, stale_reason=None, price_decimals=None, bids=bids, asks=asks
    )


def v2_books(text: bytes) -> None:
    """Frames of the inverse and linear dialects' books."""
    check_books(V2_BOOKS, text)


def v5_books(text: bytes) -> None:
    """Frames of v5's books."""
    check_books(V5_BOOKS, text)
