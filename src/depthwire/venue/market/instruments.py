"""Instruments: price and quantity steps, coins, contracts, and the formatting of their numbers."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from depthwire.venue.market.contracts import INVERSE, LINEAR, Contract
from depthwire.venue.market.market import Category

_E4 = 10_000
_TOO_MUCH = 10**15


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument. A tick is the smallest price step, a lot the smallest quantity step."""

    number: int
    """The wire's ``id`` of the instrument."""
    symbol: str
    category: Category
    coin: str
    """The coin of margin and settlement."""
    opening_e4: int
    """The opening price x 10^4."""
    tick_e4: int
    lots_a_unit: int
    """Lots per contract (inverse: 1) or per coin (linear)."""
    created_at: str
    opening_volume: int
    """Total volume before the opening, in lots."""
    opening_turnover_e8: int
    """Total turnover before the opening, in 1e-8 of the coin."""
    opening_interest: int
    """Open interest before the opening, in lots; it stays constant."""

    @property
    def is_linear(self) -> bool:
        """Whether it is a linear contract."""
        return self.category is Category.LINEAR

    @property
    def contract(self) -> Contract:
        """The arithmetic of its contract."""
        return INVERSE if self.category is Category.INVERSE else LINEAR

    @property
    def opening_tick(self) -> int:
        """The opening price in ticks."""
        return self.opening_e4 // self.tick_e4

    @property
    def tick_size(self) -> Decimal:
        """The price of one tick."""
        return Decimal(self.tick_e4) / _E4

    @property
    def decimals(self) -> int:
        """The number of decimals of a price: two as in the recordings, or four if the tick needs them."""
        return 2 if self.tick_e4 % 100 == 0 else 4

    def price(self, tick: int) -> str:
        """Return the price of a tick with fixed decimals."""
        return self.price_text(tick * self.tick_e4)

    def price_text(self, price_e4: int) -> str:
        """Return a price x 10^4 as text with the symbol's decimals; it may lie between two ticks."""
        whole, rest = divmod(price_e4, _E4)
        return f"{whole}.{rest:04d}"[: len(str(whole)) + 1 + self.decimals]

    def price_number(self, tick: int) -> str:
        """Return the price of a tick without trailing zeros."""
        return self.price(tick).rstrip("0").removesuffix(".")

    def price_of(self, tick: int) -> Decimal:
        """Return the exact price of a tick."""
        return Decimal(tick * self.tick_e4) / _E4

    def tick_of(self, price: Decimal) -> int:
        """Return the tick of a price above zero. Raises ValueError if the price is not a multiple of the tick size."""
        return _steps(price, self.tick_size)

    def size(self, lots: int) -> str:
        """Return a quantity as a JSON number: USD contracts on inverse, coins on linear."""
        return plain(self.qty_of(lots)) if self.is_linear else str(lots)

    def qty_of(self, lots: int) -> Decimal:
        """Return the exact quantity of a number of lots."""
        return Decimal(lots) / self.lots_a_unit

    def lots_of(self, qty: Decimal) -> int:
        """Return the lots of a quantity above zero. Raises ValueError if it is not a multiple of a lot."""
        return _steps(qty, Decimal(1) / self.lots_a_unit)

    def turnover_e8(self, tick: int, lots: int) -> int:
        """Return the value of a trade in 1e-8 of the coin, rounded down."""
        price_e4 = tick * self.tick_e4
        if self.category is Category.INVERSE:
            return lots * 10**8 * _E4 // (self.lots_a_unit * price_e4)
        return lots * price_e4 * _E4 // self.lots_a_unit

    def fixed_size(self, lots: int) -> str:
        """Return a quantity with fixed decimals: three if a lot is a thousandth."""
        whole, rest = divmod(lots, self.lots_a_unit)
        return f"{whole}.{str(self.lots_a_unit + rest)[1:]}" if self.lots_a_unit > 1 else str(lots)

    def turnover(self, turnover_e8: int) -> Decimal:
        """Return a turnover in the coin."""
        return Decimal(turnover_e8).scaleb(-8)

    def quoted(self, number: int) -> str:
        """Return an integer as JSON: a string on linear (ids, sequence numbers, times), else a number."""
        return f'"{number}"' if self.is_linear else str(number)


def _steps(number: Decimal, step: Decimal) -> int:
    steps = number / step if 0 < number < _TOO_MUCH else Decimal(0)
    if not steps or steps % 1:
        raise ValueError(f"expected a multiple of {plain(step)} above 0")
    return int(steps)


def plain(number: Decimal) -> str:
    """Return a number without an exponent and without trailing zeros."""
    text = f"{number + 0:f}"  # no minus zero
    return text.rstrip("0").rstrip(".") if "." in text else text


def utc_text(at_ns: int, decimals: int = 0) -> str:
    """Return a time in the wire's format, with 0, 3 or 9 decimals of a second."""
    seconds, rest_ns = divmod(at_ns, 10**9)
    fraction = f".{rest_ns:09d}"[: decimals + 1] if decimals else ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
