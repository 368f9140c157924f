"""Small immutable values that a book returns."""

from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Side = Literal["Buy", "Sell"]
"""The exchange's terms: a ``Buy`` level is a bid, a ``Sell`` level is an ask."""


class BookState(StrEnum):
    """The state of a book: EMPTY before the first snapshot, LIVE, or STALE after a gap or a lost connection."""

    EMPTY = "EMPTY"
    LIVE = "LIVE"
    STALE = "STALE"


class BBO(NamedTuple):
    """Best bid and offer: prices and sizes."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float


class DepthWithin(NamedTuple):
    """The total sizes of bids and asks within a distance from mid."""

    bid: float
    ask: float


class Level(NamedTuple):
    """One price level."""

    side: Side
    price: float
    size: float


class Levels(NamedTuple):
    """One side of a book, best first: two arrays of shape (n,), int64 price ids and float64 sizes."""

    price_ids: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.float64]


class BookSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable copy of a book at one moment. Threads may share it.

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
