"""The oracle: an order book in plain dicts, written to be obviously right. It shares no code with depthwire."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

BUY, SELL = "Buy", "Sell"
OPPOSITE = {BUY: SELL, SELL: BUY}
MAX_ID = 2**63 - 1

Number = int | float | Decimal


class Level(NamedTuple):
    price: Decimal
    size: Decimal


class Change(NamedTuple):
    side: str
    price_id: int
    level: Level


Sides = dict[str, dict[int, Level]]


class Rejected(Exception):
    """A frame that the book refuses; `kind` is the name of the reason."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


class ReferenceBook:
    """A book that applies each frame to a copy, which replaces the book if it is valid."""

    def __init__(self, symbol: str = "", depth: int = 25, price_decimals: int = 0) -> None:
        self.symbol = symbol
        self.depth = depth
        self.price_decimals = price_decimals
        self.state = "EMPTY"
        self.cross_seq = 0
        self.timestamp_e6 = 0
        self.version = 0
        self.starts_over = False  # whether the next snapshot counts, whatever its numbers
        self.sides: Sides = {BUY: {}, SELL: {}}

    # frames in the order of the wire

    def receive(self, raw: bytes | str) -> None:
        frame = json.loads(raw, parse_float=Decimal, parse_int=int)
        data, when = frame["data"], (int(frame["cross_seq"]), int(frame["timestamp_e6"]))
        if frame["type"] == "snapshot":
            levels = data if isinstance(data, list) else data["order_book"]
            changes = [_wire_change(item) for item in levels]
            if self._is_news(changes, when):
                self._frame([], [], changes, when, snapshot=True)
        else:
            delete, update, insert = (
                [_wire_change(item) for item in data[action]] for action in ("delete", "update", "insert")
            )
            self._frame(delete, update, insert, when, snapshot=False)

    def _is_news(self, levels: Sequence[Change], when: tuple[int, int]) -> bool:
        """Whether a snapshot must be applied: not if it is late, or what the book has."""
        cross_seq, time = when
        if self.state == "EMPTY" or self.starts_over:
            self.starts_over = False
            return True
        if cross_seq < self.cross_seq and time <= self.timestamp_e6:
            if self.state == "LIVE":
                return False
            raise Rejected("OutOfSequence", f"a snapshot of {when} after {(self.cross_seq, self.timestamp_e6)}")
        if cross_seq != self.cross_seq or self.state != "LIVE":
            return True
        sides = _changed({BUY: {}, SELL: {}}, [], [], levels)
        _check_sides(sides, self.depth)
        if sides != self.sides:
            self.state = "STALE"
            raise Rejected("SnapshotMismatch", f"other levels at {cross_seq}")
        self.timestamp_e6 = max(time, self.timestamp_e6)
        return False

    # the same without JSON: prices as ids

    def apply_snapshot(
        self,
        bids: Iterable[tuple[int, Number]],
        asks: Iterable[tuple[int, Number]],
        *,
        cross_seq: int = 0,
        timestamp_e6: int = 0,
    ) -> None:
        levels = [self._change(side, *level) for side, given in ((BUY, bids), (SELL, asks)) for level in given]
        self._frame([], [], levels, (cross_seq, timestamp_e6), snapshot=True)

    def apply_delta(
        self,
        delete: Iterable[tuple[str, int]] = (),
        update: Iterable[tuple[str, int, Number]] = (),
        insert: Iterable[tuple[str, int, Number]] = (),
        *,
        cross_seq: int = 0,
        timestamp_e6: int = 0,
    ) -> None:
        self._frame(
            [self._change(*change) for change in delete],
            [self._change(*change) for change in update],
            [self._change(*change) for change in insert],
            (cross_seq, timestamp_e6),
            snapshot=False,
        )

    def _change(self, side: str, price_id: int, size: Number = 0) -> Change:
        return Change(side, price_id, Level(Decimal(price_id).scaleb(-self.price_decimals), Decimal(size)))

    def _frame(
        self,
        delete: Sequence[Change],
        update: Sequence[Change],
        insert: Sequence[Change],
        when: tuple[int, int],
        *,
        snapshot: bool,
    ) -> None:
        try:
            if not snapshot:
                self._check_continuity(when)
            start: Sides = {BUY: {}, SELL: {}} if snapshot else self.sides
            sides = _changed(start, delete, update, insert)
            _check_sides(sides, self.depth)
            if not snapshot:
                self._check_balance(sides)
        except Rejected:
            if self.state == "LIVE":
                self.state = "STALE"
            raise
        self.sides = sides
        self.cross_seq, self.timestamp_e6 = when
        self.version += 1
        self.state = "LIVE"

    def _check_continuity(self, when: tuple[int, int]) -> None:
        if self.state != "LIVE":
            raise Rejected("SnapshotMissing", f"a delta on a book that is {self.state}")
        if when[0] < self.cross_seq or when[1] < self.timestamp_e6:
            raise Rejected("OutOfSequence", f"{when} after {(self.cross_seq, self.timestamp_e6)}")

    def _check_balance(self, after: Sides) -> None:
        for side, levels in self.sides.items():
            if len(levels) == self.depth > len(after[side]):
                raise Rejected("UnbalancedFrame", f"{len(after[side])} levels left on {side}, which was full")

    # the levels of the book

    def best_first(self, side: str) -> list[tuple[int, Level]]:
        return sorted(self.sides[side].items(), reverse=side == BUY)

    def levels(self, side: str) -> list[tuple[int, float]]:
        return [(price_id, float(level.size)) for price_id, level in self.best_first(side)]

    def bids(self) -> list[tuple[int, float]]:
        return self.levels(BUY)

    def asks(self) -> list[tuple[int, float]]:
        return self.levels(SELL)

    def levels_text(self, side: str) -> list[list[str]]:
        """[["60622.5", "12836512"], …] best first, in the wire's own digits without trailing zeros."""
        return [[plain(level.price), plain(level.size)] for _, level in self.best_first(side)]

    # measures, exact: sizes as the float64 that the wire's text rounds to, everything after that in fractions

    def _exact(self, side: str, levels: int | None = None) -> list[tuple[Fraction, Fraction]]:
        best = self.best_first(side)[:levels]
        return [(Fraction(level.price), Fraction(float(level.size))) for _, level in best]

    def _top(self) -> tuple[Fraction, Fraction, Fraction, Fraction] | None:
        bids, asks = self.sides[BUY], self.sides[SELL]
        if not bids or not asks:
            return None
        bid, ask = bids[max(bids)], asks[min(asks)]
        return Fraction(bid.price), Fraction(float(bid.size)), Fraction(ask.price), Fraction(float(ask.size))

    def mid(self) -> Fraction | None:
        top = self._top()
        return None if top is None else (top[0] + top[2]) / 2

    def spread(self) -> Fraction | None:
        top = self._top()
        return None if top is None else top[2] - top[0]

    def microprice(self) -> Fraction | None:
        """The mid weighted by size: each price has the weight of the opposite size."""
        top = self._top()
        if top is None:
            return None
        bid, bid_size, ask, ask_size = top
        return (bid * ask_size + ask * bid_size) / (bid_size + ask_size)

    def imbalance(self, levels: int = 1) -> Fraction | None:
        bid, ask = (sum((size for _, size in self._exact(side, levels)), Fraction(0)) for side in (BUY, SELL))
        return None if bid + ask == 0 else (bid - ask) / (bid + ask)

    def fills(self, side: str, size: Number) -> list[tuple[Fraction, Fraction]] | None:
        """(price, size) of each level that a market order takes; None when the book is too thin for it."""
        left, taken = Fraction(size), []
        for price, standing in self._exact(OPPOSITE[side]):
            part = min(left, standing)
            taken.append((price, part))
            left -= part
            if left == 0:
                return taken
        return None

    def vwap(self, side: str, size: Number) -> Fraction | None:
        fills = self.fills(side, size)
        return None if fills is None else sum(price * part for price, part in fills) / Fraction(size)

    def sweep_price(self, side: str, size: Number) -> Fraction | None:
        fills = self.fills(side, size)
        return None if fills is None else fills[-1][0]

    def depth_within(self, bps: Number) -> tuple[Fraction, Fraction] | None:
        mid = self.mid()
        if mid is None:
            return None
        reach = mid * Fraction(bps) / 10_000
        bid, ask = (
            sum((size for price, size in self._exact(side) if abs(price - mid) <= reach), Fraction(0))
            for side in (BUY, SELL)
        )
        return bid, ask

    def size_at(self, price: Number | str) -> float:
        for side in (BUY, SELL):
            for level in self.sides[side].values():
                if level.price == Decimal(price):
                    return float(level.size)
        return 0.0


def _wire_change(item: dict[str, Any]) -> Change:
    # a deleted level has no size
    return Change(item["side"], int(item["id"]), Level(Decimal(item["price"]), Decimal(item.get("size", 0))))


def _changed(start: Sides, delete: Sequence[Change], update: Sequence[Change], insert: Sequence[Change]) -> Sides:
    sides = {side: dict(levels) for side, levels in start.items()}
    for side, price_id, _ in delete:
        _check_id(price_id)
        if price_id not in sides[side]:
            raise Rejected("UnknownLevel", f"delete {side} {price_id}")
        del sides[side][price_id]
    for side, price_id, level in update:
        _check_id(price_id)
        _check_size(level.size)
        if price_id not in sides[side]:
            raise Rejected("UnknownLevel", f"update {side} {price_id}")
        sides[side][price_id] = level
    for side, price_id, level in insert:
        _check_id(price_id)
        _check_size(level.size)
        if price_id in sides[side]:
            raise Rejected("DuplicateLevel", f"insert {side} {price_id}")
        sides[side][price_id] = level
    return sides


def _check_id(price_id: int) -> None:
    if not 0 < price_id <= MAX_ID:
        raise Rejected("InvalidLevel", f"price id {price_id}")


def _check_size(size: Decimal) -> None:
    if not (math.isfinite(float(size)) and float(size) > 0):
        raise Rejected("InvalidLevel", f"size {size}")


def _check_sides(sides: Sides, depth: int) -> None:
    for side, levels in sides.items():
        if len(levels) > depth:
            raise Rejected("DepthExceeded", f"{len(levels)} levels on {side}")
    bids, asks = sides[BUY], sides[SELL]
    if bids and asks and max(bids) >= min(asks):
        raise Rejected("CrossedBook", f"bid {max(bids)}, ask {min(asks)}")


def plain(number: Decimal) -> str:
    """The decimal text without exponent and without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def frames(tape: Path) -> Iterator[bytes]:
    """The raw frames of a `.frames` file: one per line, after the receive time and a tab."""
    with tape.open("rb") as lines:
        for line in lines:
            yield line.rstrip(b"\r\n").partition(b"\t")[2]


def depth_of(topic: str) -> int:
    """25 of orderBookL2_25.BTCUSD, 200 of orderBook_200.100ms.BTCUSD."""
    return int(topic.partition(".")[0].rpartition("_")[2])


def play(
    raw_frames: Iterable[bytes], books: dict[str, ReferenceBook] | None = None
) -> Iterator[tuple[str, ReferenceBook]]:
    """(topic, book) after each v2 book frame; after a frame that the book refused, the book is STALE."""
    books = {} if books is None else books
    for raw in raw_frames:
        topic = json.loads(raw).get("topic", "")
        if not topic.startswith("orderBook"):
            continue
        book = books.setdefault(topic, ReferenceBook(topic.rpartition(".")[2], depth_of(topic)))
        with suppress(Rejected):
            book.receive(raw)
        yield topic, book


def replay(tape: Path) -> Iterator[tuple[str, ReferenceBook]]:
    """`play` of a `.frames` file."""
    return play(frames(tape))
