"""The order book of the v5 dialect as typed Structs.

Source of the shapes: the exchange's v5 document, and frames recorded in 2025 and 2026. Fields that a Struct does not
name are ignored, since the exchange adds some without notice.
"""

from typing import Generic, TypeVar

from msgspec import Struct

PricePoint = tuple[str, str]
"""Price and size as decimal text. In a delta a size of zero says that the level is gone."""

Levels = TypeVar("Levels")
"""A list of PricePoint, or its JSON as a msgspec.Raw."""


class OrderBookContent(Struct, Generic[Levels], gc=False):
    """Bids ``b``, best first; asks ``a``, best first; ``u`` is one more than in the topic's frame before.

    ``u`` is 0 in an empty option book. Books of several depths and connections compare by ``seq``; option frames of
    2023 have none, and no ``cts``.
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
    """``orderbook.DEPTH.SYMBOL``, what has changed since the frame before."""

    topic: str
    ts: int
    data: OrderBookContent[Levels]
    cts: int = 0
