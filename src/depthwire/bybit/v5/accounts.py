"""Live views of a v5 account: open orders by id, positions by symbol and index, balances by coin."""

from collections.abc import Mapping
from typing import ClassVar

from depthwire.bybit.accounts import Open, SymbolPositions, View
from depthwire.bybit.v5.private import CoinBalance, Order, Position, Wallet


class OpenOrders(Open[Order]):
    """Open orders by ``order_id``, conditional orders included: an order keeps its id when it is triggered.

    Filled, Cancelled, PartiallyFilledCanceled, Rejected and Deactivated orders are removed.
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


class Positions(SymbolPositions[int, Position]):
    """Positions by (symbol, position_idx). A flat position is kept, with size 0.

    A symbol has either one position, with index 0, or two, with indices 1 and 2. When its mode changes, the positions
    of the other mode are removed. An event whose ``seq`` is lower than that of the known position is ignored.
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


class Balances(View[str, CoinBalance, Wallet]):
    """Balances by coin. ``account`` is the latest event, which has the totals of the account."""

    account: Wallet | None = None

    def _apply(self, event: Wallet) -> bool:
        self.account = event
        self._items.update((balance.coin, balance) for balance in event.coin)
        return True
