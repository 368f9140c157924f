"""Clearing: fills move money and positions between holders; the total stays constant."""

import random
import uuid
from collections import defaultdict
from decimal import Decimal

from depthwire.venue.market.accounts import Account, Holder
from depthwire.venue.market.contracts import MAKER_FEE, TAKER_FEE
from depthwire.venue.market.instruments import Instrument
from depthwire.venue.market.matching import Order, Trade
from depthwire.venue.market.orders import AccountOrder, Execution
from depthwire.venue.market.positions import Position

_ZERO = Decimal(0)


class Clearing:
    """The ledger: accounts, the background traders, the insurance fund, and the fees of the venue.

    Trades among background traders are not recorded. Background traders pay no fees, and their balances may be far
    below zero.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311  # identifiers to be repeated, not secrets
        self.now_ns = 0
        """The market's time."""
        self.background_traders, self.insurance_fund = Holder(), Holder()
        self.accounts: dict[str, Account] = {}
        self.deposits: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.fees: defaultdict[str, Decimal] = defaultdict(Decimal)

    def new_id(self) -> str:
        """Return a seeded identifier in the wire's format."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def deposit(self, holder: Holder, coin: str, amount: Decimal) -> None:
        """Credit a deposit."""
        holder.balances[coin] += amount
        self.deposits[coin] += amount

    def settle(self, instrument: Instrument, trade: Trade, sequence: int, exec_type: str = "Trade") -> list[Position]:
        """Book a trade for both sides; ``sequence`` is its number in the book.

        Returns the positions of accounts that it changed. O(1).
        """
        if trade.maker.owner is self.background_traders and trade.taker.owner is self.background_traders:
            return []
        value = instrument.contract.value(instrument.qty_of(trade.lots), instrument.price_of(trade.tick))
        changed = []
        for order in (trade.maker, trade.taker):
            if isinstance(order, AccountOrder):
                changed.append(self._fill(order, trade, value, sequence, exec_type))
            elif isinstance(order.owner, Holder):
                position = order.owner.position(instrument)
                order.owner.balances[instrument.coin] += position.fill(order.sign, trade.lots, value, _ZERO)
        return changed

    def _fill(self, order: AccountOrder, trade: Trade, value: Decimal, sequence: int, exec_type: str) -> Position:
        account, instrument = account_of(order), order.instrument
        is_maker = order is trade.maker
        fee = instrument.contract.fee(value, MAKER_FEE if is_maker else TAKER_FEE)
        position = account.position_for(instrument, order.sign, order.only_closes)
        closed = min(trade.lots, position.lots) if position.sign == -order.sign else 0
        if not position.lots:
            position.created_ns = self.now_ns
        position.updated_ns = self.now_ns
        paid = position.fill(order.sign, trade.lots, value, fee)
        account.balances[instrument.coin] += paid
        self.fees[instrument.coin] += fee
        order.cum_lots += trade.lots
        order.cum_exec_value += value
        order.cum_exec_fee += fee
        order.last_exec_tick = trade.tick
        leaves = order.lots - order.cum_lots
        account.changes.executions.append(
            Execution(
                self.new_id(),
                order,
                exec_type,
                trade.tick,
                trade.lots,
                fee,
                leaves,
                is_maker,
                self.now_ns,
                sequence,
                closed,
                paid + fee,
            )
        )
        return position

    def imbalance(self, coin: str) -> Decimal:
        """Return balances plus open positions at cost plus fees, minus deposits. Always 0, exact to 1e-8."""
        holders = (self.background_traders, self.insurance_fund, *self.accounts.values())
        held = sum(
            (
                holder.balances[coin]
                + sum(
                    (position.signed_value for position in holder.all_positions() if position.instrument.coin == coin),
                    _ZERO,
                )
                for holder in holders
            ),
            _ZERO,
        )
        return held + self.fees[coin] - self.deposits[coin]


def account_of(order: Order) -> Account:
    """Return the owner of an account's order."""
    assert isinstance(order.owner, Account)
    return order.owner
