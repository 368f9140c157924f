"""A position: size, value, profit, margin, and liquidation price."""

from collections.abc import Callable
from decimal import Decimal

from depthwire.venue.market.contracts import HIGHEST_PRICE, TAKER_FEE, rounded, to_step
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.orders import AccountOrder

DEFAULT_LEVERAGE = Decimal(10)
_ZERO = Decimal(0)


class Position:
    """A position in one symbol with isolated margin.

    ``sign`` is 1 for long, -1 for short and 0 for none. ``value`` is the sum of its fills' values; it is a multiple of
    1e-8, so that rounding loses nothing. ``index`` is the wire's ``position_idx``: 0 for one-way mode, 1 and 2 for the
    Buy and the Sell side in hedge mode.
    """

    def __init__(self, instrument: Instrument, index: int = 0) -> None:
        self.instrument = instrument
        self.index = index
        self.leverage = DEFAULT_LEVERAGE
        self.sign = self.lots = 0
        self.value = _ZERO
        self.realised_pnl = _ZERO
        """Realised profit and loss since the position was opened, including fees."""
        self.cum_realised_pnl = _ZERO
        """Realised profit and loss of all positions with this symbol and index, including fees."""
        self.sequence = 0
        """Increases with every fill: the wire's ``position_seq``."""
        self.created_ns = self.updated_ns = 0
        """Times of the first and the last fill."""
        self.tp_sl_orders: dict[str, AccountOrder] = {}
        """Its untriggered take-profit and stop-loss orders, by ``TakeProfit`` and ``StopLoss``."""

    def pnl_at(self, price: Decimal) -> Decimal:
        """Return the profit or loss of closing the position at a price, without fees."""
        if not self.lots:
            return _ZERO
        contract = self.instrument.contract
        return contract.pnl(self.sign, self.value, contract.value(self.size, price))

    def fill(self, sign: int, lots: int, value: Decimal, fee: Decimal) -> Decimal:
        """Apply a fill: close the opposite position first, then open with the rest.

        Returns the amount to credit to the wallet: the realised profit or loss minus the fee.
        """
        closed = min(lots, self.lots) if self.sign == -sign else 0
        closed_value = rounded(value * closed / lots)
        pnl = self._close(closed, closed_value) if closed else _ZERO
        if lots > closed:
            if not self.lots:
                self.realised_pnl = _ZERO
            self.sign = sign
            self.lots += lots - closed
            self.value += value - closed_value
        self.realised_pnl += pnl - fee
        self.cum_realised_pnl += pnl - fee
        self.sequence += 1
        return pnl - fee

    def _close(self, lots: int, exit_value: Decimal) -> Decimal:
        entry_value = rounded(self.value * lots / self.lots)
        pnl = self.instrument.contract.pnl(self.sign, entry_value, exit_value)
        self.lots -= lots
        self.value -= entry_value
        if not self.lots:
            self.sign = 0
        return pnl

    @property
    def symbol(self) -> str:
        """The symbol of the instrument."""
        return self.instrument.symbol

    @property
    def side(self) -> str:
        """``Buy``, ``Sell``, or the text ``None`` for an empty position."""
        return {1: "Buy", -1: "Sell", 0: "None"}[self.sign]

    @property
    def size(self) -> Decimal:
        """The quantity, never negative."""
        return self.instrument.qty_of(self.lots)

    @property
    def entry_price(self) -> Decimal:
        """The average entry price; 0 for an empty position."""
        return self.instrument.contract.entry_price(self.size, self.value) if self.lots else _ZERO

    @property
    def bust_price(self) -> Decimal:
        """The bankruptcy price, on the price grid; 0 for an empty position."""
        return self._price_on_grid(self.instrument.contract.bankruptcy_price)

    @property
    def liq_price(self) -> Decimal:
        """The liquidation price, on the price grid; 0 for an empty position."""
        return self._price_on_grid(self.instrument.contract.liquidation_price)

    def _price_on_grid(self, price_at: Callable[[int, Decimal, Decimal], Decimal]) -> Decimal:
        if not self.lots:
            return _ZERO
        price = price_at(self.sign, self.entry_price, self.leverage)
        return price if price == HIGHEST_PRICE else to_step(price, self.instrument.tick_size, self.sign)

    def tp_sl_price(self, name: str) -> Decimal:
        """Return the trigger price of its ``TakeProfit`` or ``StopLoss``; 0 for none."""
        order = self.tp_sl_orders.get(name)
        return order.trigger_price if order and order.is_open else _ZERO

    @property
    def closing_fee(self) -> Decimal:
        """The fee reserved to close the position at its bankruptcy price."""
        if not self.lots:
            return _ZERO
        contract = self.instrument.contract
        return contract.fee(contract.value(self.size, self.bust_price), TAKER_FEE)

    @property
    def margin(self) -> Decimal:
        """The initial margin plus the closing fee."""
        return self.instrument.contract.initial_margin(self.value, self.leverage) + self.closing_fee

    @property
    def signed_value(self) -> Decimal:
        """The result of closing the position at an exit value of 0, which `Clearing.imbalance` adds up."""
        return self.instrument.contract.pnl(self.sign, self.value, _ZERO)
