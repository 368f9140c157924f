"""The small immutable values that a book hands out."""

from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Side = Literal["Buy", "Sell"]
"""The wire's words: a ``Buy`` level is a bid, a ``Sell`` level an ask."""


class BookState(StrEnum):
    """EMPTY until the first snapshot; LIVE; STALE after a gap or a lost connection, until the next snapshot."""

    EMPTY = "EMPTY"
    LIVE = "LIVE"
    STALE = "STALE"


class BBO(NamedTuple):
    """Best bid and offer: prices and the sizes that stand there."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float


class DepthWithin(NamedTuple):
    """Summed sizes of the bids and of the asks within a distance of mid."""

    bid: float
    ask: float


class Level(NamedTuple):
    """One price level."""

    side: Side
    price: float
    size: float


class Levels(NamedTuple):
    """One side as two arrays of shape (n,), best first: int64 price ids, float64 sizes."""

    price_ids: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.float64]


class BookSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of a book at one moment; it never changes and may cross threads.

    ``bids`` and ``asks`` are tuples of (price_id, size), best first; price = price_id / 10**price_decimals.
    """

    symbol: str
    state: BookState
    stale_reason: str | None
    price_decimals: int | None
    cross_seq: int
    update_id: int
    ts_exchange_us: int
    ts_matching_us: int
    ts_recv_ns: int
    version: int
    bids: tuple[tuple[int, float], ...]
    asks: tuple[tuple[int, float], ...]
