"""The public topics except books and trades: insurance, instrument info, klines, liquidations.

Both dialects share each Struct: linear may write a string for a number of inverse. A field that a dialect
or an older frame does not send is None.

The shapes come from the exchange's inverse and linear WebSocket documentation, and frames recorded from 2019 to 2022.
"""

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, Struct, UnsetType, defstruct, field
from msgspec.structs import fields

from depthwire.bybit.fields import Nanoseconds, Record
from depthwire.bybit.v2.fields import V2Message

DIGITS: Final = Context(prec=100)  # the caller's own decimal context may have room for fewer


class Insurance(Record, frozen=True, kw_only=True, gc=False):
    """A coin's insurance fund. ``wallet_balance`` is in satoshis, 1e-8 of the coin."""

    currency: str
    timestamp: str
    wallet_balance: int

    timestamp_ns = Nanoseconds("timestamp")

    @property
    def balance(self) -> Decimal:
        """The fund in coins, exact."""
        return Decimal(f"{self.wallet_balance}e-8")


class InsuranceMessage(V2Message, gc=False):
    """``insurance.COIN``, pushed daily at 20:00 UTC."""

    data: list[Insurance]


class Kline(Record, frozen=True, kw_only=True, gc=False):
    """A candle. ``start`` and ``end`` in s since the epoch, ``timestamp`` (its last trade) in µs since the epoch.

    ``volume`` is in USD contracts on inverse and in the base coin on linear; ``turnover`` in the base coin on inverse
    and in USDT on linear. ``confirm`` is True in the candle's last update, which is final. ``period`` is the
    interval, which only linear sends.
    """

    start: int
    end: int
    open: Decimal
    close: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    turnover: Decimal
    confirm: bool
    cross_seq: int
    timestamp: int
    period: str | None = None

    @property
    def start_ms(self) -> int:
        """``start`` in ms, as v5 sends it."""
        return self.start * 1000


class KlineMessage(V2Message, gc=False):
    """``klineV2.INTERVAL.SYMBOL`` (inverse) or ``candle.INTERVAL.SYMBOL`` (linear); ``timestamp_e6`` in µs."""

    data: list[Kline]
    timestamp_e6: int | None = None


class Liquidation(Record, frozen=True, kw_only=True, gc=False):
    """An order that liquidated a position. ``side`` is the order's, ``price`` the bankruptcy price, ``time`` in ms.

    ``qty`` is in USD contracts on inverse, in the base coin on linear. Frames of 2020 and 2021 have an ``id``.
    """

    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    time: int
    id: int | None = None


class LiquidationMessage(V2Message, gc=False):
    """``liquidation.SYMBOL``, pushed at once. ``data`` is always a list here; the documented frames hold one object.

    Recorded frames that hold a list have ``generated``.
    """

    data: list[Liquidation] | Liquidation
    generated: bool | None = None

    def __post_init__(self) -> None:
        if isinstance(self.data, Liquidation):
            self.data = [self.data]


class InstrumentInfo(Record, frozen=True, kw_only=True, gc=False):
    """The fields of a symbol on ``instrument_info``; in a delta, those that changed.

    An integer named ``…_e4``, ``…_e6``, ``…_e8`` or ``…_e9`` holds its value times 10**4, 10**6, … ; the name without
    the ending is the exact value, a Decimal: ``info.funding_rate`` of ``funding_rate_e6``. ``open_interest``,
    ``total_volume`` and ``volume_24h`` are in USD contracts on inverse, which sends them unscaled (``…_contracts``
    here), and in the base coin on linear, which sends them as ``…_e8``; the plain name is either dialect's value.
    Turnovers and ``open_value`` are in the base coin on inverse, in USDT on linear. A ``…_pcnt`` is a ratio: 0.01 is
    1 %. ``created_at``, ``updated_at`` and ``next_funding_time`` are texts, with ``…_ns`` next to them; futures send
    ``created_at_e9`` and ``updated_at_e9`` instead, which ``…_ns`` return as well.

    Since 2021 prices come twice: as ``…_e4``, and as text, which is ``…_text`` here. The two do not always agree. The
    document's texts are the very digits of ``…_e4``; and for a symbol of five decimals ``…_e4`` is the price times
    10**5 (recorded: XLMUSDT ``"28765"`` next to ``"0.28765"``). So ``info.last_price`` is the text where that has the
    digits of ``…_e4`` with the point further left, and ``…_e4`` / 10**4 otherwise.

    ``import_time_e9``, ``start_trading_time_e9`` and ``settle_time_e9`` are ns since the epoch, ``time_to_settle`` is
    in s; they, ``contract_status``, ``fair_basis…``, ``settle_fee_rate…``, ``system_subsidy…`` and
    ``is_up_borrowable`` belong to futures.
    """

    symbol: str
    id: int | None = None
    symbol_name: str | None = None
    symbol_year: int | None = None
    contract_type: str | None = None
    coin: str | None = None
    quote_symbol: str | None = None
    mode: int | str | None = None
    last_price_e4: int | None = None
    last_price_text: Decimal | None = field(default=None, name="last_price")
    bid1_price_e4: int | None = None
    bid1_price_text: Decimal | None = field(default=None, name="bid1_price")
    ask1_price_e4: int | None = None
    ask1_price_text: Decimal | None = field(default=None, name="ask1_price")
    last_tick_direction: str | None = None
    prev_price_24h_e4: int | None = None
    prev_price_24h_text: Decimal | None = field(default=None, name="prev_price_24h")
    price_24h_pcnt_e6: int | None = None
    high_price_24h_e4: int | None = None
    high_price_24h_text: Decimal | None = field(default=None, name="high_price_24h")
    low_price_24h_e4: int | None = None
    low_price_24h_text: Decimal | None = field(default=None, name="low_price_24h")
    prev_price_1h_e4: int | None = None
    prev_price_1h_text: Decimal | None = field(default=None, name="prev_price_1h")
    price_1h_pcnt_e6: int | None = None
    mark_price_e4: int | None = None
    mark_price_text: Decimal | None = field(default=None, name="mark_price")
    index_price_e4: int | None = None
    index_price_text: Decimal | None = field(default=None, name="index_price")
    expect_price_e4: int | None = None
    expect_price_text: Decimal | None = field(default=None, name="expect_price")
    open_interest_contracts: int | None = field(default=None, name="open_interest")
    open_interest_e8: int | None = None
    open_value_e8: int | None = None
    total_turnover_e8: int | None = None
    turnover_24h_e8: int | None = None
    total_volume_contracts: int | None = field(default=None, name="total_volume")
    total_volume_e8: int | None = None
    volume_24h_contracts: int | None = field(default=None, name="volume_24h")
    volume_24h_e8: int | None = None
    fair_basis_e8: int | None = None
    fair_basis_rate_e8: int | None = None
    basis_in_year_e8: int | None = None
    funding_rate_e6: int | None = None
    predicted_funding_rate_e6: int | None = None
    funding_rate_interval: int | None = None
    cross_seq: int | None = None
    created_at: str | None = None
    created_at_e9: int | None = None
    updated_at: str | None = None
    updated_at_e9: int | None = None
    next_funding_time: str | None = None
    countdown_hour: int | None = None
    count_down_hour: int | None = None
    import_time_e9: int | None = None
    start_trading_time_e9: int | None = None
    settle_time_e9: int | None = None
    settle_fee_rate_e8: int | None = None
    time_to_settle: int | None = None
    contract_status: str | None = None
    delisting_status: str | None = None
    system_subsidy_e8: int | None = None
    is_up_borrowable: int | None = None

    created_at_ns = Nanoseconds("created_at", or_ns="created_at_e9")
    updated_at_ns = Nanoseconds("updated_at", or_ns="updated_at_e9")
    next_funding_time_ns = Nanoseconds("next_funding_time")

    def __getattr__(self, name: str) -> Decimal | None:
        """Return the exact value of a scaled field. O(1)."""
        if name not in _SCALED:
            raise AttributeError(f"instrument info has no field {name!r}", name=name, obj=self)
        exponent, twin = _SCALED[name]
        scaled: int | None = getattr(self, f"{name}_e{exponent}")
        sent: Decimal | int | None = getattr(self, twin) if twin else None
        if scaled is None or (sent is not None and _is_shifted(Decimal(sent), scaled)):
            return None if sent is None else Decimal(sent)
        return Decimal(f"{scaled}e-{exponent}")


def _scaled_fields() -> dict[str, tuple[int, str]]:
    """Map each scaled field's plain name to its exponent, and to the field that the wire sends under that name.

    Times that are also sent as text are left out: their plain name is the text.
    """
    by_key = {each.encode_name: each.name for each in fields(InstrumentInfo)}
    scaled = [name for name in by_key if name[-3:-1] == "_e" and name[:-3] not in InstrumentInfo.__struct_fields__]
    return {name[:-3]: (int(name[-1]), by_key.get(name[:-3], "")) for name in scaled}


_SCALED: Final = _scaled_fields()


def _is_shifted(sent: Decimal, scaled: int) -> bool:
    """Return whether ``sent`` has the digits of ``scaled`` with the decimal point further left."""
    sign, digits, last = DIGITS.normalize(sent).as_tuple()
    scaled_sign, scaled_digits, scaled_last = DIGITS.normalize(Decimal(scaled)).as_tuple()
    return (sign, digits) == (scaled_sign, scaled_digits) and int(last) < int(scaled_last)


class InstrumentSnapshot(Struct, tag_field="type", tag="snapshot", gc=False):
    """``instrument_info.100ms.SYMBOL``, all fields; ``timestamp_e6`` in µs since the epoch."""

    topic: str
    data: InstrumentInfo
    cross_seq: int
    timestamp_e6: int


def _partial(info: type[Record]) -> type[Struct]:
    """Return the same Struct in which an absent field is UNSET; None means that it was null or invalid."""
    columns: list[Any] = [
        (each.name, each.type)
        if each.required
        else (each.name, each.type | UnsetType, field(default=UNSET, name=each.encode_name))
        for each in fields(info)
    ]
    times = {name: each for name, each in vars(info).items() if isinstance(each, Nanoseconds)}
    return defstruct(
        f"{info.__name__}Update", columns, bases=(Record,), namespace=times, frozen=True, kw_only=True, gc=False
    )


if TYPE_CHECKING:

    class InstrumentUpdate(InstrumentInfo, frozen=True):
        """The changed fields of a symbol."""

else:
    InstrumentUpdate = _partial(InstrumentInfo)


class InstrumentChanges(Struct, gc=False):
    """A delta's content. In every recorded frame ``update`` holds one item, and the others are empty or absent."""

    update: list[InstrumentUpdate] = []
    insert: list[InstrumentUpdate] = []
    delete: list[InstrumentUpdate] = []


class InstrumentDelta(Struct, tag_field="type", tag="delta", gc=False):
    """``instrument_info.100ms.SYMBOL``, the fields that changed since the previous frame."""

    topic: str
    data: InstrumentChanges
    cross_seq: int
    timestamp_e6: int
