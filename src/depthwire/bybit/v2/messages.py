"""Order books, trades and answers of the inverse ("v2") and linear dialects as typed Structs.

Both dialects share each Struct: linear writes a string for a JSON number of inverse, so ids and sequences are
``int | str``, and a snapshot's levels are in a list or in ``data.order_book``. Unknown fields are ignored, because the
exchange adds fields without notice. The other topics:
:mod:`depthwire.bybit.v2.public` and :mod:`depthwire.bybit.v2.private`.

The shapes come from the exchange's inverse WebSocket documentation and frames recorded from 2019 to 2023.
"""

from decimal import Decimal
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from depthwire.bybit import events
from depthwire.bybit.fields import Nanoseconds
from depthwire.bybit.v2.fields import V2Message

Integer = int | str
"""An integer as inverse writes it (``11518``) or as linear does (``"11518"``)."""


class DeletedLevel(Struct, gc=False):
    """A deleted price level. A ``size``, which one recorded frame has, is ignored."""

    price: str
    symbol: str
    id: Integer
    side: Literal["Buy", "Sell"]


class PriceLevel(Struct, gc=False):
    """A price level: ``size`` in USD contracts on inverse, in the base coin on linear."""

    price: str
    symbol: str
    id: Integer
    side: Literal["Buy", "Sell"]
    size: float


class OrderBookLevels(Struct, gc=False):
    """The levels of a snapshot on the linear dialect."""

    order_book: list[PriceLevel]


class OrderBookChanges(Struct, gc=False):
    """A delta, applied in the order delete, update, insert."""

    delete: list[DeletedLevel]
    update: list[PriceLevel]
    insert: list[PriceLevel]


class OrderBookSnapshot(Struct, tag_field="type", tag="snapshot", gc=False):
    """``orderBookL2_25`` or ``orderBook_200.100ms``, all levels; ``timestamp_e6`` in µs since the epoch."""

    topic: str
    data: list[PriceLevel] | OrderBookLevels
    cross_seq: Integer
    timestamp_e6: Integer


class OrderBookDelta(Struct, tag_field="type", tag="delta", gc=False):
    """``orderBookL2_25`` or ``orderBook_200.100ms``, the changes since the previous frame."""

    topic: str
    data: OrderBookChanges
    cross_seq: Integer
    timestamp_e6: Integer


class Trade(events.Trade, frozen=True, kw_only=True, gc=False):
    """One trade. ``side`` is the taker's; ``size`` in USD contracts on inverse, in the base coin on linear.

    ``price`` and ``size`` are the wire's own digits, exact: ``float(trade.price)`` compares with a book's float prices,
    ``book.price_id(trade.price)`` with its ids. ``trade_time_ms`` is in ms since the epoch, None in frames from before
    2020. ``cross_seq`` is None on linear, which does not send it; ``is_block_trade`` is None before 2022.
    """

    symbol: str
    side: str
    price: Decimal
    size: Decimal
    trade_id: str
    tick_direction: str = ""
    timestamp: str = ""
    trade_time_ms: int | None = None
    cross_seq: int | None = None
    is_block_trade: bool | None = None

    timestamp_ns = Nanoseconds("timestamp")


class TradeMessage(V2Message, gc=False):
    """``trade.SYMBOL``: the trades since the previous frame."""

    data: list[Trade]


class Request(Struct, gc=False):
    """The request that an answer repeats."""

    op: str = ""
    args: list[str | int] | None = None


class Envelope(Struct, gc=False):
    """The fields that distinguish frames: data has a ``topic``, an answer has ``success`` and its ``request``."""

    topic: str | UnsetType = UNSET
    success: bool | None = None
    ret_msg: str = ""
    conn_id: str = ""
    request: Request | None = None
