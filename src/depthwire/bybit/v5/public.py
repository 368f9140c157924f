"""The public topics of the v5 dialect except order books: trades, tickers, candles, liquidations, insurance.

A field has the name that it has on v2 if it means the same. Times end in their unit. Prices, sizes and amounts are
Decimals with the digits of the wire. A field that the wire omits, or sends as "", is None, or "" for text.

The shapes come from the exchange's v5 documentation, and frames recorded in 2026.
"""

from decimal import Decimal
from typing import Literal

from msgspec import Raw, Struct, field

from depthwire.bybit import events
from depthwire.bybit.fields import Record
from depthwire.bybit.v5.fields import V5Message, wire_name


class Trade(events.Trade, frozen=True, kw_only=True, gc=False):
    """One trade. ``side`` is the taker's; ``size`` in the base coin, on inverse in USD contracts.

    ``cross_seq`` is comparable with that of a book; several trades of one order share it.
    ``tick_direction`` is "" on spot. Mark and index prices and volatilities (ratios: 0.5 is 50 %) belong to
    options, whose topic is named after their base coin.
    """

    symbol: str = field(name="s")
    side: str = field(name="S")
    price: Decimal = field(name="p")
    size: Decimal = field(name="v")
    trade_id: str = field(name="i")
    trade_time_ms: int = field(name="T")
    tick_direction: str = field(name="L", default="")
    cross_seq: int | None = field(name="seq", default=None)
    is_block_trade: bool | None = field(name="BT", default=None)
    is_rpi_trade: bool | None = field(name="RPI", default=None)
    mark_price: Decimal | None = field(name="mP", default=None)
    index_price: Decimal | None = field(name="iP", default=None)
    mark_iv: Decimal | None = field(name="mIv", default=None)
    iv: Decimal | None = None


class TradeMessage(V5Message, gc=False):
    """``publicTrade.SYMBOL``, on option ``publicTrade.BASECOIN``: the trades since the previous frame."""

    data: list[Trade]
    ts: int | None = None


class Ticker(Record, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """The fields of a symbol on ``tickers``; the category determines which of them exist.

    Volumes, sizes and open interest are in the base coin, on inverse in USD contracts; turnovers and values in the
    quote coin, on inverse in the base coin. Percentages, rates and volatilities are ratios: 0.01 is 1 %.
    """

    symbol: str
    last_price: Decimal | None = None
    tick_direction: str = ""
    prev_price_24h: Decimal | None = None
    price_24h_pcnt: Decimal | None = None
    high_price_24h: Decimal | None = None
    low_price_24h: Decimal | None = None
    prev_price_1h: Decimal | None = None
    volume_24h: Decimal | None = None
    turnover_24h: Decimal | None = None
    # spot
    usd_index_price: Decimal | None = None
    # derivatives
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    open_interest: Decimal | None = None
    open_interest_value: Decimal | None = None
    single_open_interest: Decimal | None = None
    single_open_interest_value: Decimal | None = None
    bid1_price: Decimal | None = None
    bid1_size: Decimal | None = None
    ask1_price: Decimal | None = None
    ask1_size: Decimal | None = None
    # perpetuals
    funding_rate: Decimal | None = None
    next_funding_time_ms: int | None = None
    funding_interval_hour: int | None = None
    funding_cap: Decimal | None = None
    # futures with a delivery
    delivery_time: str = ""
    delivery_fee_rate: Decimal | None = None
    predicted_delivery_price: Decimal | None = None
    basis: Decimal | None = None
    basis_rate: Decimal | None = None
    basis_rate_year: Decimal | None = None
    # before a listing
    pre_open_price: Decimal | None = None
    pre_qty: Decimal | None = None
    cur_pre_listing_phase: str = ""
    # options
    bid_price: Decimal | None = None
    bid_size: Decimal | None = None
    bid_iv: Decimal | None = None
    ask_price: Decimal | None = None
    ask_size: Decimal | None = None
    ask_iv: Decimal | None = None
    mark_price_iv: Decimal | None = None
    underlying_price: Decimal | None = None
    total_volume: Decimal | None = None
    total_turnover: Decimal | None = None
    delta: Decimal | None = None
    gamma: Decimal | None = None
    vega: Decimal | None = None
    theta: Decimal | None = None
    change_24h: Decimal | None = None


class TickerMessage(Struct, gc=False):
    """``tickers.SYMBOL``: all fields, or those that changed, as on the wire. In a delta "" removes a value.

    ``cs`` is the same sequence as the ``seq`` of trades; options do not have it.
    """

    topic: str
    type: Literal["snapshot", "delta"]
    data: dict[str, Raw]
    ts: int
    cs: int = 0


class Kline(Record, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """A candle. ``start_ms``, ``end_ms`` and ``timestamp_ms`` (its last trade) since the epoch.

    ``volume`` is in the base coin, on inverse in USD contracts; ``turnover`` in the quote coin, on inverse in the base
    coin. ``confirm`` is True on the candle's last tick: it is final.
    """

    start_ms: int
    end_ms: int
    interval: str
    open: Decimal
    close: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    turnover: Decimal
    confirm: bool
    timestamp_ms: int


class KlineMessage(V5Message, gc=False):
    """``kline.INTERVAL.SYMBOL``."""

    data: list[Kline]
    ts: int | None = None


class Liquidation(Record, frozen=True, kw_only=True, gc=False):
    """A position that was liquidated. ``side`` is the position's, ``Buy`` if long; ``price`` the bankruptcy price."""

    symbol: str = field(name="s")
    side: str = field(name="S")
    price: Decimal = field(name="p")
    qty: Decimal = field(name="v")
    time_ms: int = field(name="T")


class LiquidationMessage(V5Message, gc=False):
    """``allLiquidation.SYMBOL``, the liquidations of half a second."""

    data: list[Liquidation]
    ts: int | None = None


class Insurance(Record, frozen=True, kw_only=True, gc=False, rename=wire_name):
    """A pool of the insurance fund. ``symbols`` are the insured symbols, as text; ``balance`` is in the coin."""

    coin: str
    symbols: str = ""
    balance: Decimal
    update_time_ms: int


class InsuranceMessage(V5Message, gc=False):
    """``insurance.POOL``: the pools that changed."""

    data: list[Insurance]
    ts: int | None = None
