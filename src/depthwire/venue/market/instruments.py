"""What is traded: the symbols' steps, coins and contracts, and how their numbers are written."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from depthwire.venue.market.contracts import INVERSE, LINEAR, Contract
from depthwire.venue.market.market import Category

_E4 = 10_000
_TOO_MUCH = 10**15


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol. A tick is the step of its prices, a lot that of its quantities."""

    number: int
    """The wire's ``id`` of the instrument."""
    symbol: str
    category: Category
    coin: str
    """In which it is margined and settled."""
    opening_e4: int
    """The price at which the market opens, x 10^4."""
    tick_e4: int
    lots_a_unit: int
    """Lots in 1 contract (inverse: 1) or 1 coin (linear)."""
    created_at: str
    opening_volume: int
    """Lots ever traded before the market opens."""
    opening_turnover_e8: int
    opening_interest: int
    """Lots held by traders who never appear."""

    @property
    def is_linear(self) -> bool:
        """Whether positions in it are those of a linear contract."""
        return self.category is Category.LINEAR

    @property
    def contract(self) -> Contract:
        """Its arithmetic."""
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
        """Those of a price: two, as those of the recorded symbols, or four where its tick needs them."""
        return 2 if self.tick_e4 % 100 == 0 else 4

    def price(self, tick: int) -> str:
        """Fixed decimals, as every recorded price has."""
        return self.price_text(tick * self.tick_e4)

    def price_text(self, price_e4: int) -> str:
        """A price x 10^4, on the grid or not, with the symbol's decimals."""
        whole, rest = divmod(price_e4, _E4)
        return f"{whole}.{rest:04d}"[: len(str(whole)) + 1 + self.decimals]

    def price_number(self, tick: int) -> str:
        """The price without zeros at its end."""
        return self.price(tick).rstrip("0").removesuffix(".")

    def price_of(self, tick: int) -> Decimal:
        """The price, exact."""
        return Decimal(tick * self.tick_e4) / _E4

    def tick_of(self, price: Decimal) -> int:
        """The tick of a price above zero; ValueError where the price is not on the grid."""
        return _steps(price, self.tick_size)

    def size(self, lots: int) -> str:
        """A JSON number: contracts of 1 USD on inverse, thousandths of a coin on linear."""
        return plain(self.qty_of(lots)) if self.is_linear else str(lots)

    def qty_of(self, lots: int) -> Decimal:
        """The quantity, exact."""
        return Decimal(lots) / self.lots_a_unit

    def lots_of(self, qty: Decimal) -> int:
        """The lots of a quantity above zero; ValueError where it is not on the grid."""
        return _steps(qty, Decimal(1) / self.lots_a_unit)

    def turnover_e8(self, tick: int, lots: int) -> int:
        """What a trade was worth, in 1e-8 of the coin, rounded down."""
        price_e4 = tick * self.tick_e4
        if self.category is Category.INVERSE:
            return lots * 10**8 * _E4 // (self.lots_a_unit * price_e4)
        return lots * price_e4 * _E4 // self.lots_a_unit

    def fixed_size(self, lots: int) -> str:
        """The quantity with fixed decimals: three where a lot is a thousandth."""
        whole, rest = divmod(lots, self.lots_a_unit)
        return f"{whole}.{str(self.lots_a_unit + rest)[1:]}" if self.lots_a_unit > 1 else str(lots)

    def turnover(self, turnover_e8: int) -> Decimal:
        """A turnover in the coin."""
        return Decimal(turnover_e8).scaleb(-8)

    def quoted(self, number: int) -> str:
        """Linear writes ids, sequence numbers and times as strings."""
        return f'"{number}"' if self.is_linear else str(number)


def _steps(number: Decimal, step: Decimal) -> int:
    steps = number / step if 0 < number < _TOO_MUCH else Decimal(0)
    if not steps or steps % 1:
        raise ValueError(f"expected a multiple of {plain(step)} above 0")
    return int(steps)


def plain(number: Decimal) -> str:
    """A number without exponent and without zeros at its end."""
    text = f"{number + 0:f}"  # no minus zero
    return text.rstrip("0").rstrip(".") if "." in text else text


def utc_text(at_ns: int, decimals: int = 0) -> str:
    """A moment as the wire writes it, with 0, 3 or 9 decimals of a second."""
    seconds, rest_ns = divmod(at_ns, 10**9)
    fraction = f".{rest_ns:09d}"[: decimals + 1] if decimals else ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
