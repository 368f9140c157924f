"""The arithmetic of inverse and linear contracts, exact in decimals of 1e-8.

Sources: the exchange's help centre, articles "P&L calculations", "Entry price of positions", "Trading fee", "Initial
margin", "Maintenance margin", "Bankruptcy price" and "Liquidation price", each once for inverse and once for USDT
contracts, isolated margin. In every formula ``sign`` is 1 for a long position and -1 for a short one, and M is
1/leverage, the initial margin rate.
"""

from abc import ABC, abstractmethod
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

UNIT = Decimal("1e-8")
"""The smallest amount of any coin."""
MAKER_FEE, TAKER_FEE = Decimal("-0.00025"), Decimal("0.00075")
"""Shares of an execution's value. The maker's is a rebate: below zero."""
MAINTENANCE_RATE = Decimal("0.005")
"""Share of a position's value, at the lowest risk limit."""
HIGHEST_PRICE = Decimal(999_999)
"""Stands for a price that can never be reached: a short inverse position without leverage cannot go bankrupt."""


def rounded(amount: Decimal) -> Decimal:
    """An amount of a coin, to 1e-8."""
    return amount.quantize(UNIT)


class Contract(ABC):
    """What inverse and linear contracts have in common; amounts are in the settlement coin."""

    @abstractmethod
    def value(self, qty: Decimal, price: Decimal) -> Decimal:
        """What a quantity is worth at a price, to 1e-8."""

    @abstractmethod
    def entry_price(self, qty: Decimal, value: Decimal) -> Decimal:
        """The average price of a position of some value."""

    @abstractmethod
    def pnl(self, sign: int, entry_value: Decimal, exit_value: Decimal) -> Decimal:
        """What closing a position yields, fees aside."""

    @abstractmethod
    def _price_at_loss(self, sign: int, entry_price: Decimal, loss_rate: Decimal) -> Decimal:
        """The price at which a position has lost that share of its entry value."""

    def fee(self, value: Decimal, rate: Decimal) -> Decimal:
        """Value x rate ("Trading fee"), to 1e-8. Below zero: the trader receives it."""
        return rounded(value * rate)

    def initial_margin(self, value: Decimal, leverage: Decimal) -> Decimal:
        """Value / leverage ("Initial margin"), to 1e-8."""
        return rounded(value / leverage)

    def bankruptcy_price(self, sign: int, entry_price: Decimal, leverage: Decimal) -> Decimal:
        """The price at which the initial margin is lost ("Bankruptcy price"), unrounded."""
        return self._price_at_loss(sign, entry_price, 1 / leverage)

    def liquidation_price(self, sign: int, entry_price: Decimal, leverage: Decimal) -> Decimal:
        """The price at which only the maintenance margin is left ("Liquidation price"), unrounded."""
        return self._price_at_loss(sign, entry_price, 1 / leverage - MAINTENANCE_RATE)


class InverseContract(Contract):
    """Contracts of 1 USD, margined and settled in the coin."""

    def value(self, qty: Decimal, price: Decimal) -> Decimal:
        """Qty / price ("P&L calculations, inverse")."""
        return rounded(qty / price)

    def entry_price(self, qty: Decimal, value: Decimal) -> Decimal:
        """Qty / value: the harmonic mean of the prices, weighted by quantity ("Entry price of positions")."""
        return qty / value

    def pnl(self, sign: int, entry_value: Decimal, exit_value: Decimal) -> Decimal:
        """Qty x (1/entry - 1/exit) for longs ("P&L calculations, inverse")."""
        return sign * (entry_value - exit_value)

    def _price_at_loss(self, sign: int, entry_price: Decimal, loss_rate: Decimal) -> Decimal:
        """Entry / (1 + sign x rate): long, bankruptcy: entry x leverage / (leverage + 1)."""
        divisor = 1 + sign * loss_rate
        return min(entry_price / divisor, HIGHEST_PRICE) if divisor > 0 else HIGHEST_PRICE


class LinearContract(Contract):
    """Contracts of the base coin, margined and settled in USDT."""

    def value(self, qty: Decimal, price: Decimal) -> Decimal:
        """Qty x price ("P&L calculations, USDT")."""
        return rounded(qty * price)

    def entry_price(self, qty: Decimal, value: Decimal) -> Decimal:
        """Value / qty: the mean of the prices, weighted by quantity ("Entry price of positions")."""
        return value / qty

    def pnl(self, sign: int, entry_value: Decimal, exit_value: Decimal) -> Decimal:
        """Qty x (exit - entry) for longs ("P&L calculations, USDT")."""
        return sign * (exit_value - entry_value)

    def _price_at_loss(self, sign: int, entry_price: Decimal, loss_rate: Decimal) -> Decimal:
        """Entry x (1 - sign x rate): long, bankruptcy: entry x (1 - 1/leverage)."""
        return entry_price * (1 - sign * loss_rate)


INVERSE, LINEAR = InverseContract(), LinearContract()


def to_step(price: Decimal, step: Decimal, sign: int) -> Decimal:
    """A bankruptcy or liquidation price on the price grid, never beyond the exact one, at least one step.

    Towards the entry price: up for a long position, down for a short one.
    """
    steps = (price / step).to_integral_value(ROUND_CEILING if sign > 0 else ROUND_FLOOR)
    return max(steps, Decimal(1)) * step
