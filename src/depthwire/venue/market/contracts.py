"""The arithmetic of inverse and linear contracts, exact to 1e-8.

Sources: the articles "P&L calculations", "Entry price of positions", "Trading fee", "Initial margin", "Maintenance
margin", "Bankruptcy price" and "Liquidation price" of the exchange's help centre, for inverse and USDT contracts with
isolated margin. In every formula ``sign`` is 1 for a long position and -1 for a short one.
"""

from abc import ABC, abstractmethod
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

UNIT = Decimal("1e-8")
"""The smallest amount of any coin."""
MAKER_FEE, TAKER_FEE = Decimal("-0.00025"), Decimal("0.00075")
"""Fees as shares of an execution's value. The maker fee is negative: a rebate."""
MAINTENANCE_RATE = Decimal("0.005")
"""Maintenance margin as a share of a position's value, at the lowest risk limit."""
HIGHEST_PRICE = Decimal(999_999)
"""Placeholder for an unreachable price: a short inverse position without leverage cannot go bankrupt."""


def rounded(amount: Decimal) -> Decimal:
    """Round an amount of a coin to 1e-8."""
    return amount.quantize(UNIT)


class Contract(ABC):
    """Base of inverse and linear contracts. Amounts are in the settlement coin."""

    @abstractmethod
    def value(self, qty: Decimal, price: Decimal) -> Decimal:
        """Return the value of a quantity at a price, rounded to 1e-8."""

    @abstractmethod
    def entry_price(self, qty: Decimal, value: Decimal) -> Decimal:
        """Return the average entry price of a position."""

    @abstractmethod
    def pnl(self, sign: int, entry_value: Decimal, exit_value: Decimal) -> Decimal:
        """Return the profit or loss of closing a position, without fees."""

    @abstractmethod
    def _price_at_loss(self, sign: int, entry_price: Decimal, loss_rate: Decimal) -> Decimal:
        """Return the price at which a position has lost ``loss_rate`` of its entry value."""

    def fee(self, value: Decimal, rate: Decimal) -> Decimal:
        """Return value x rate ("Trading fee"), rounded to 1e-8. A negative fee is paid to the trader."""
        return rounded(value * rate)

    def initial_margin(self, value: Decimal, leverage: Decimal) -> Decimal:
        """Return value / leverage ("Initial margin"), rounded to 1e-8."""
        return rounded(value / leverage)

    def bankruptcy_price(self, sign: int, entry_price: Decimal, leverage: Decimal) -> Decimal:
        """Return the price at which the initial margin is lost ("Bankruptcy price"), unrounded."""
        return self._price_at_loss(sign, entry_price, 1 / leverage)

    def liquidation_price(self, sign: int, entry_price: Decimal, leverage: Decimal) -> Decimal:
        """Return the price at which only the maintenance margin is left ("Liquidation price"), unrounded."""
        return self._price_at_loss(sign, entry_price, 1 / leverage - MAINTENANCE_RATE)


class InverseContract(Contract):
    """Contracts of 1 USD, margined and settled in the coin."""

    def value(self, qty: Decimal, price: Decimal) -> Decimal:
        """Return qty / price ("P&L calculations, inverse")."""
        return rounded(qty / price)

    def entry_price(self, qty: Decimal, value: Decimal) -> Decimal:
        """Return qty / value, the quantity-weighted harmonic mean of the prices ("Entry price of positions")."""
        return qty / value

    def pnl(self, sign: int, entry_value: Decimal, exit_value: Decimal) -> Decimal:
        """Return qty x (1/entry - 1/exit) for longs, negated for shorts ("P&L calculations, inverse")."""
        return sign * (entry_value - exit_value)

    def _price_at_loss(self, sign: int, entry_price: Decimal, loss_rate: Decimal) -> Decimal:
        """Return entry / (1 + sign x rate); for a long's bankruptcy: entry x leverage / (leverage + 1)."""
        divisor = 1 + sign * loss_rate
        return min(entry_price / divisor, HIGHEST_PRICE) if divisor > 0 else HIGHEST_PRICE


class LinearContract(Contract):
    """Contracts of the base coin, margined and settled in USDT."""

    def value(self, qty: Decimal, price: Decimal) -> Decimal:
        """Return qty x price ("P&L calculations, USDT")."""
        return rounded(qty * price)

    def entry_price(self, qty: Decimal, value: Decimal) -> Decimal:
        """Return value / qty, the quantity-weighted mean of the prices ("Entry price of positions")."""
        return value / qty

    def pnl(self, sign: int, entry_value: Decimal, exit_value: Decimal) -> Decimal:
        """Return qty x (exit - entry) for longs, negated for shorts ("P&L calculations, USDT")."""
        return sign * (exit_value - entry_value)

    def _price_at_loss(self, sign: int, entry_price: Decimal, loss_rate: Decimal) -> Decimal:
        """Return entry x (1 - sign x rate); for a long's bankruptcy: entry x (1 - 1/leverage)."""
        return entry_price * (1 - sign * loss_rate)


INVERSE, LINEAR = InverseContract(), LinearContract()


def to_step(price: Decimal, step: Decimal, sign: int) -> Decimal:
    """Round a bankruptcy or liquidation price to the price grid, towards the entry price; at least one step.

    That is up for a long position and down for a short one.
    """
    steps = (price / step).to_integral_value(ROUND_CEILING if sign > 0 else ROUND_FLOOR)
    return max(steps, Decimal(1)) * step
