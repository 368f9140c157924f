"""The errors of a book, one function each. Prices are given as the text that :func:`named` returns.

The functions return errors instead of raising them, because a book rolls a frame back before it reports the error.
"""

from decimal import Context, Decimal
from typing import Final

from depthwire.errors import (
    BookNotLive,
    CrossedBook,
    DepthExceeded,
    DuplicateLevel,
    InsufficientDepth,
    InvalidLevel,
    OutOfSequence,
    SnapshotMissing,
    UnbalancedFrame,
    UnknownLevel,
)

MAX_DIGITS: Final = 18
EXACT: Final = Context(prec=2 * MAX_DIGITS)
"""The decimal context for prices: exact for every price id at every scale. The thread's current context may round."""


def named(price_id: int, price_decimals: int) -> str:
    """Return a price id with its price, or alone while the scale is unknown (-1)."""
    if price_decimals < 0:
        return f"price id {price_id}"
    return f"price id {price_id} ({EXACT.scaleb(Decimal(price_id), -price_decimals):f})"


def not_live(symbol: str, state: str, stale_reason: str | None, is_finished: bool) -> BookNotLive:
    """The book was read while EMPTY or STALE."""
    found = f"the book is {state}" if stale_reason is None else f"the book is {state}: {stale_reason}"
    hint = "the feed has ended, no frames will come" if is_finished else "wait for the next snapshot"
    return BookNotLive(f"{symbol}: {found}; {hint}")


def snapshot_missing(symbol: str, state: str) -> SnapshotMissing:
    """A delta arrived for a book that is not LIVE."""
    return SnapshotMissing(f"a delta arrived while the book is {state}; expected a snapshot first", symbol)


def update_id_gap(symbol: str, known: int, update_id: int) -> OutOfSequence:
    """A delta's update id is not the next one."""
    return OutOfSequence(f"update {known} was followed by {update_id}; expected {known + 1}", symbol)


def sequence_decreased(symbol: str, known: tuple[int, int], found: tuple[int, int]) -> OutOfSequence:
    """A delta's cross_seq or time, a pair, is lower than the book's."""
    return OutOfSequence(
        f"cross_seq {known[0]} at {known[1]} µs was followed by {found[0]} at {found[1]} µs; neither must decrease",
        symbol,
    )


def too_fine(symbol: str, price_decimals: int) -> InvalidLevel:
    """A price has so many decimals that the book's other prices do not fit that scale."""
    return InvalidLevel(
        f"a price has {price_decimals} decimals; at this scale the book's prices exceed {MAX_DIGITS} digits", symbol
    )


def invalid_level(symbol: str, price_id: int, size: float) -> InvalidLevel:
    """A price id or size is one that no level can have."""
    return InvalidLevel(
        f"price id {price_id} with size {size!r}; expected a price id from 1 to 10**{MAX_DIGITS} and "
        "a size finite and above 0",
        symbol,
    )


def beyond_int64(symbol: str, field: str, shown: str) -> InvalidLevel:
    """A price id, sequence number or time exceeds 64 bits."""
    return InvalidLevel(f"{field} must fit int64, not {shown}", symbol)


def repeated_level(symbol: str, price: str) -> DuplicateLevel:
    """A snapshot has two levels at one price of a side."""
    return DuplicateLevel(f"{price} appears twice on one side of a snapshot", symbol)


def existing_level(symbol: str, side: str, price: str) -> DuplicateLevel:
    """A level to insert exists."""
    return DuplicateLevel(f"insert of {side} {price}, which is already in the book", symbol)


def unknown_level(symbol: str, action: str, side: str, price: str) -> UnknownLevel:
    """A level to delete or update does not exist."""
    return UnknownLevel(f"{action} of {side} {price}, which is not in the book", symbol)


def too_deep(symbol: str, bids: int, asks: int, depth: int) -> DepthExceeded:
    """A side has more levels than the topic."""
    return DepthExceeded(f"{bids} bids and {asks} asks after the frame; the topic has {depth} levels a side", symbol)


def crossed(symbol: str, bid: str, ask: str) -> CrossedBook:
    """The best bid is at or above the best ask."""
    return CrossedBook(f"best bid {bid} is not below best ask {ask} after the frame", symbol)


def unbalanced(symbol: str, side: str, count: int, depth: int) -> UnbalancedFrame:
    """A full side lost a level without a replacement."""
    return UnbalancedFrame(
        f"{count} {side} after the frame, {depth} before; each level that leaves a full side must be replaced in the "
        "same frame, so a change was lost",
        symbol,
    )


def insufficient_depth(symbol: str, side: str, size: float, available: float, levels: int) -> InsufficientDepth:
    """A market order is larger than the side that it would take."""
    noun = "level" if levels == 1 else "levels"
    return InsufficientDepth(f"{symbol}: a {side} of {size!r} exceeds the {available!r} available on {levels} {noun}")
