"""One position: what it holds, what it is worth, and where it ends."""

from collections.abc import Callable
from decimal import Decimal

from depthwire.venue.market.contracts import HIGHEST_PRICE, TAKER_FEE, rounded, to_step
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.orders import AccountOrder

DEFAULT_LEVERAGE = Decimal(10)
_ZERO = Decimal(0)


class Position:
    """A position in one symbol, isolated margin.

    ``sign`` is 1 long, -1 short, 0 none; ``value`` is the sum of what its fills were worth, so that every amount is a
    multiple of 1e-8 and nothing is lost to rounding. ``index`` is the wire's ``position_idx``: 0 one-way, 1 and 2 the
    Buy and the Sell side in hedge mode.
    """

    def __init__(self, instrument: Instrument, index: int = 0) -> None:
        self.instrument = instrument
        self.index = index
        self.leverage = DEFAULT_LEVERAGE
        self.sign = self.lots = 0
        self.value = _ZERO
        self.realised_pnl = _ZERO
        """Of the position since it was opened, fees included."""
        self.cum_realised_pnl = _ZERO
        """The same over all positions in the symbol and index."""
        self.sequence = 0
        """Rises with every fill: the wire's ``position_seq``."""
        self.created_ns = self.updated_ns = 0
        """When the first and the last fill came."""
        self.tp_sl_orders: dict[str, AccountOrder] = {}
        """Its ``TakeProfit`` and its ``StopLoss``, while they wait."""

    def pnl_at(self, price: Decimal) -> Decimal:
        """What closing it at a price would yield, fees aside."""
        if not self.lots:
            return _ZERO
        contract = self.instrument.contract
        return contract.pnl(self.sign, self.value, contract.value(self.size, price))

    def fill(self, sign: int, lots: int, value: Decimal, fee: Decimal) -> Decimal:
        """Takes a fill in: it closes what stands against it, and opens with the rest. Returns what it pays into the
        wallet: the profit or loss of what it closed, less the fee.
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
        """What is held."""
        return self.instrument.symbol

    @property
    def side(self) -> str:
        """``Buy``, ``Sell``, or ``None`` where nothing is held."""
        return {1: "Buy", -1: "Sell", 0: "None"}[self.sign]

    @property
    def size(self) -> Decimal:
        """The quantity held, never below zero."""
        return self.instrument.qty_of(self.lots)

    @property
    def entry_price(self) -> Decimal:
        """The average price of what is held; 0 where nothing is."""
        return self.instrument.contract.entry_price(self.size, self.value) if self.lots else _ZERO

    @property
    def bust_price(self) -> Decimal:
        """Where the initial margin is lost, on the price grid; 0 where nothing is held."""
        return self._end(self.instrument.contract.bankruptcy_price)

    @property
    def liq_price(self) -> Decimal:
        """Where the position is liquidated, on the price grid; 0 where nothing is held."""
        return self._end(self.instrument.contract.liquidation_price)

    def _end(self, price_at: Callable[[int, Decimal, Decimal], Decimal]) -> Decimal:
        if not self.lots:
            return _ZERO
        price = price_at(self.sign, self.entry_price, self.leverage)
        return price if price == HIGHEST_PRICE else to_step(price, self.instrument.tick_size, self.sign)

    def tp_sl_price(self, name: str) -> Decimal:
        """Where its TakeProfit or StopLoss is triggered; 0: it has none."""
        guard = self.tp_sl_orders.get(name)
        return guard.trigger_price if guard and guard.is_open else _ZERO

    @property
    def closing_fee(self) -> Decimal:
        """What is kept back to close the position at its bankruptcy price."""
        if not self.lots:
            return _ZERO
        contract = self.instrument.contract
        return contract.fee(contract.value(self.size, self.bust_price), TAKER_FEE)

    @property
    def margin(self) -> Decimal:
        """Initial margin and closing fee."""
        return self.instrument.contract.initial_margin(self.value, self.leverage) + self.closing_fee

    @property
    def signed_value(self) -> Decimal:
        """What it would yield to close the position at nothing: with it, wallets sum to what was put in."""
        return self.instrument.contract.pnl(self.sign, self.value, _ZERO)
