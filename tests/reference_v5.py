"""The oracle for v5: a book in plain dicts by exact price, written to be obviously right. It knows nothing of depthwire."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

from reference import Rejected, plain

PLAIN_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
MOST_DIGITS = 18


class V5ReferenceBook:
    """Whole or nothing: a frame is applied to a copy, and the copy takes the book's place once it holds."""

    def __init__(self, symbol: str, depth: int) -> None:
        self.symbol, self.depth = symbol, depth
        self.state = "EMPTY"
        self.u = self.seq = self.ts = self.cts = self.version = 0
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def receive(self, raw: bytes | str) -> None:
        try:
            self._receive(json.loads(raw))
        except Rejected:
            if self.state == "LIVE":
                self.state = "STALE"
            raise

    def _receive(self, frame: dict[str, Any]) -> None:
        data, snapshot = frame["data"], frame["type"] == "snapshot"
        if data["s"] != self.symbol:
            raise Rejected("SymbolMismatch", data["s"])
        changes = [[level_of(*pair) for pair in data[side]] for side in "ba"]
        if not snapshot and self.state != "LIVE":
            raise Rejected("SnapshotMissing", self.state)
        if not snapshot and data["u"] <= self.u and data["seq"] <= self.seq and frame["ts"] <= self.ts:
            return  # it is in the book already
        if not snapshot and data["u"] != self.u + 1:
            raise Rejected("OutOfSequence", f"{data['u']} after {self.u}")
        sides = ({}, {}) if snapshot else (dict(self.bids), dict(self.asks))
        for side, levels in zip(sides, changes, strict=True):
            for price, size in levels:
                if size:
                    if snapshot and price in side:
                        raise Rejected("DuplicateLevel", str(price))
                    side[price] = size
                elif snapshot:
                    raise Rejected("InvalidLevel", f"size {size} in a snapshot")
                else:
                    side.pop(price, None)
        bids, asks = sides
        if max(len(bids), len(asks)) > self.depth:
            raise Rejected("DepthExceeded", f"{len(bids)}, {len(asks)}")
        if bids and asks and max(bids) >= min(asks):
            raise Rejected("CrossedBook", f"{max(bids)}, {min(asks)}")
        self.bids, self.asks = bids, asks
        self.u, self.seq, self.ts, self.cts = data["u"], data["seq"], frame["ts"], frame["cts"]
        self.version += 1
        self.state = "LIVE"

    def levels_text(self) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """Bids and asks best first: the price without trailing zeros, the size as the float64 next to it."""
        return (
            [(plain(price), float(self.bids[price])) for price in sorted(self.bids, reverse=True)],
            [(plain(price), float(self.asks[price])) for price in sorted(self.asks)],
        )


def level_of(price: str, size: str) -> tuple[Decimal, Decimal]:
    for text in (price, size):
        if not PLAIN_DECIMAL.fullmatch(text):
            raise Rejected("InvalidLevel", text)
    if not Decimal(price) or len(price.replace(".", "")) > MOST_DIGITS:
        raise Rejected("InvalidLevel", price)
    return Decimal(price), Decimal(size)


def books_of(raw_frames: Iterable[bytes]) -> Iterator[tuple[str, V5ReferenceBook]]:
    """(topic, book) after each v5 book frame; after a frame that the book refused, the book is STALE."""
    books: dict[str, V5ReferenceBook] = {}
    for raw in raw_frames:
        topic = json.loads(raw).get("topic", "")
        if not topic.startswith("orderbook."):
            continue
        _, depth, symbol = topic.split(".")
        book = books.setdefault(topic, V5ReferenceBook(symbol, int(depth)))
        with suppress(Rejected):
            book.receive(raw)
        yield topic, book
