"""The oracle for v5: a book in plain dicts by exact price, written to be obviously right, without depthwire's code."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

from tests.support.reference import Rejected, plain

PLAIN_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
MOST_DIGITS = 18


class V5ReferenceBook:
    """A book that applies each frame to a copy, which replaces the book if it is valid."""

    def __init__(self, symbol: str, depth: int) -> None:
        self.symbol, self.depth = symbol, depth
        self.state = "EMPTY"
        self.u = self.seq = self.ts = self.cts = self.version = 0
        self.outdated = self.late = 0
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}

    def receive(self, raw: bytes | str) -> None:
        before = self.version
        try:
            self._receive(json.loads(raw))
            if self.version != before:
                self.late = 0
        except Rejected:
            if self.state == "LIVE":
                self.state = "STALE"
            raise

    def _receive(self, frame: dict[str, Any]) -> None:
        data, snapshot = frame["data"], frame["type"] == "snapshot"
        if data["s"] != self.symbol:
            raise Rejected("SymbolMismatch", data["s"])
        changes = [[level_of(*pair) for pair in data[side]] for side in "ba"]
        seq, ts = data.get("seq", 0), frame["ts"]
        if self.seq and not seq:
            raise Rejected("MalformedFrame", "no seq")
        # No request is made, so a late snapshot, or a copy of the book's own while it is STALE, is never an answer.
        order = snapshot_order(self, data["u"], seq, ts)
        if snapshot and ((self.state != "EMPTY" and order == "late") or (self.state == "STALE" and order == "copy")):
            self.outdated += 1
            return
        if not snapshot and self.state != "LIVE":
            raise Rejected("SnapshotMissing", self.state)
        if not snapshot and data["u"] <= self.u and seq <= self.seq and ts <= self.ts:
            self._leave_out()
            return
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
        if snapshot and self.state == "LIVE" and data["u"] == self.u:
            if floats(bids) == floats(self.bids) and floats(asks) == floats(self.asks):
                if seq >= self.seq and ts >= self.ts:
                    self.seq, self.ts, self.cts = seq, ts, frame.get("cts", 0)
                return
            if data["u"] > 1 or not (seq > self.seq > 0 or ts > self.ts):
                raise Rejected("SnapshotMismatch", f"other levels at {self.u}")
        self.bids, self.asks = bids, asks
        self.u, self.seq, self.ts, self.cts = data["u"], seq, ts, frame.get("cts", 0)
        self.version += 1
        self.state = "LIVE"

    def _leave_out(self) -> None:
        """Ignore a late delta; too many in a row are not copies."""
        self.outdated += 1
        self.late += 1
        if self.late > 8:
            raise Rejected("OutOfSequence", f"{self.late} late frames in a row")

    def levels_text(self) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """Bids and asks best first: the price without trailing zeros, the size as the float64 next to it."""
        return (
            [(plain(price), float(self.bids[price])) for price in sorted(self.bids, reverse=True)],
            [(plain(price), float(self.asks[price])) for price in sorted(self.asks)],
        )


def snapshot_order(book: V5ReferenceBook, u: int, seq: int, ts: int) -> str:
    """Return whether a snapshot is the next one, late, or of the book's own number: a copy if nothing in it is newer.

    A number of 0 is ignored.
    """
    pairs = [(ours, theirs) for ours, theirs in ((book.seq, seq), (book.ts, ts)) if ours and theirs]
    newer, older = any(theirs > ours for ours, theirs in pairs), any(theirs < ours for ours, theirs in pairs)
    if u == book.u:
        return "same" if newer else "copy"
    return "late" if not newer and (older or u < book.u) else "next"


def floats(side: dict[Decimal, Decimal]) -> dict[Decimal, float]:
    return {price: float(size) for price, size in side.items()}


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
