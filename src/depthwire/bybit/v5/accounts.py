"""Live views of a v5 account: open orders by id, positions by symbol and index, balances by coin."""

from collections.abc import Mapping
from typing import ClassVar

from depthwire.bybit.accounts import Open, View
from depthwire.bybit.v5.private import CoinBalance, Order, Position, Wallet


class OpenOrders(Open[Order]):
    """Open orders by ``order_id``, conditional ones too; an order keeps its id when it is triggered.

    Filled, Cancelled, PartiallyFilledCanceled, Rejected and Deactivated ones have left.
    """

    RANKS: ClassVar[Mapping[str, int]] = {
        "Created": 0,
        "Untriggered": 1,
        "Triggered": 2,
        "Active": 3,
        "New": 4,
        "PartiallyFilled": 5,
        "PendingCancel": 6,
    }
    CLOSING = frozenset({"Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated"})


class Positions(View[tuple[str, int], Position, Position]):
    """Positions by (symbol, position_idx). A flat one stays, with size 0.

    A symbol has either one position, of index 0, or two, of index 1 and 2: when its mode changes, the other ones
    leave. An event whose ``seq`` is lower than the known one's is older and does not count.
    """

    def _apply(self, event: Position) -> bool:
        key = (event.symbol, event.position_idx)
        known = self._items.get(key)
        if known is not None and event.seq is not None and known.seq is not None and event.seq < known.seq:
            return False
        for other in [other for other in self._items if other[0] == event.symbol]:
            if bool(other[1]) != bool(event.position_idx):
                del self._items[other]
        self._items[key] = event
        return True

    def of(self, symbol: str) -> tuple[Position, ...]:
        """All positions of a symbol. O(positions)."""
        return tuple(position for position in self._items.values() if position.symbol == symbol)


class Balances(View[str, CoinBalance, Wallet]):
    """Balances by coin. ``account`` is the latest event, whose totals are those of the whole account."""

    account: Wallet | None = None

    def _apply(self, event: Wallet) -> bool:
        self.account = event
        self._items.update((balance.coin, balance) for balance in event.coin)
        return True
