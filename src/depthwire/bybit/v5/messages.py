"""The order book of the v5 dialect as typed Structs.

The shapes come from the exchange's v5 documentation, and frames recorded in 2025 and 2026. Unknown
fields are ignored, because the exchange adds fields without notice.
"""

from typing import Generic, TypeVar

from msgspec import Struct

PricePoint = tuple[str, str]
"""Price and size as decimal text. In a delta a size of zero deletes the level."""

Levels = TypeVar("Levels")
"""A list of PricePoint, or its JSON as a msgspec.Raw."""


class OrderBookContent(Struct, Generic[Levels], gc=False):
    """Bids ``b``, best first; asks ``a``, best first; ``u`` is one more than in the topic's previous frame.

    ``u`` is 0 in an empty option book. ``seq`` orders the books of different depths and connections. Option frames of
    2023 have neither ``seq`` nor ``cts``.
    """

    s: str
    b: Levels
    a: Levels
    u: int
    seq: int = 0


class OrderBookSnapshot(Struct, Generic[Levels], tag_field="type", tag="snapshot", gc=False):
    """``orderbook.DEPTH.SYMBOL``, all levels. ``ts`` (sent) and ``cts`` (made by the matching engine) in ms."""

    topic: str
    ts: int
    data: OrderBookContent[Levels]
    cts: int = 0


class OrderBookDelta(Struct, Generic[Levels], tag_field="type", tag="delta", gc=False):
    """``orderbook.DEPTH.SYMBOL``, the changes since the previous frame."""

    topic: str
    ts: int
    data: OrderBookContent[Levels]
    cts: int = 0
