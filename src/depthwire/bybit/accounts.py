"""Live views of an account: open orders by id, positions by symbol and side, balances by coin.

A view knows only the events of one private topic. The protocol has no private snapshots, so a view starts empty and
collects changes. After a gap it may be wrong until it is reconciled (:attr:`View.gap`). Executions have no view,
because none of them replaces an earlier one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from depthwire.bybit import events
from depthwire.bybit.v2.private import Order, Position, StopOrder, Wallet
from depthwire.errors import DepthwireError
from depthwire.feed.streams import EventStream

CLOSED_KEPT: Final = 1_000
"""How many ids of closed orders are kept, so that a late update does not open one of them again."""

Key = TypeVar("Key")
Item = TypeVar("Item")
Event = TypeVar("Event")


class View(Mapping[Key, Item], Generic[Key, Item, Event]):
    """A read-only mapping that events keep current. ``version`` counts the events that changed it.

    ``gap`` is None while no event is missing, else the first error after which events may be missing: a
    :class:`~depthwire.errors.StreamGap`, the FrameError of an unreadable frame, the MalformedEvent of an unreadable
    event, or the AuthError of a sign-in that was refused after a reconnect. :meth:`reconcile` clears it.
    """

    def __init__(self) -> None:
        self.version = 0
        self.gap: DepthwireError | None = None
        self._items: dict[Key, Item] = {}

    def apply(self, event: Event) -> bool:
        """Apply one event; return whether it changed the view. An event older than the known state does not."""
        changed = self._apply(event)
        self.version += changed
        return changed

    def _apply(self, event: Event) -> bool:
        raise NotImplementedError

    def reconcile(self, events: Iterable[Event] = ()) -> None:
        """Replace the view with events that describe the account now, fetched another way, and clear the gap."""
        self._items.clear()
        self.version += 1
        self.gap = None
        for event in events:
            self.apply(event)

    def push(self, events: list[Event], report: Callable[[BaseException, str], object]) -> None:
        """Apply a frame's events."""
        for event in events:
            self.version += self._apply(event)

    def break_off(self, error: DepthwireError) -> None:
        """Note that events may be missing."""
        self.gap = self.gap or error

    def finish(self) -> None:
        """Do nothing: after the last event the view stays readable."""

    def __getitem__(self, key: Key) -> Item:
        return self._items[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {list(self._items.values())!r}>"


class OrderLike(Protocol):
    """The attributes of an order that a view of open orders reads."""

    @property
    def order_id(self) -> str: ...
    @property
    def order_status(self) -> str: ...
    @property
    def changed_ns(self) -> int | None: ...
    @property
    def cum_exec_qty(self) -> Decimal | None: ...
    @property
    def leaves_qty(self) -> Decimal | None: ...


AnyOrder = TypeVar("AnyOrder", bound=OrderLike)


class Open(View[str, AnyOrder, AnyOrder]):
    """Orders by ``order_id``, from the first event until one that closes them.

    An event is applied unless it is older than the known state of its order. The older of two has the lower filled
    quantity; if those are equal or absent, the earlier time; if the times are equal or absent as well, the lower status
    rank. A closed order never opens again. The exchange adds statuses: an order with an unknown status is open while
    its quantity is not filled.
    """

    RANKS: ClassVar[Mapping[str, int]]
    CLOSING: ClassVar[frozenset[str]]

    def __init__(self) -> None:
        super().__init__()
        self._closed: dict[str, None] = {}

    def _apply(self, event: AnyOrder) -> bool:
        order_id = event.order_id
        if order_id in self._closed:
            return False
        if event.order_status in self.CLOSING or (event.order_status not in self.RANKS and not self._unfilled(event)):
            self._closed[order_id] = None
            if len(self._closed) > CLOSED_KEPT:
                del self._closed[next(iter(self._closed))]
            return self._items.pop(order_id, None) is not None
        known = self._items.get(order_id)
        if known is not None and self._is_older(event, known):
            return False
        self._items[order_id] = event
        return True

    def reconcile(self, events: Iterable[AnyOrder] = ()) -> None:
        self._closed.clear()
        super().reconcile(events)

    def _is_older(self, event: AnyOrder, known: AnyOrder) -> bool:
        filled, known_filled = self._filled(event), self._filled(known)
        if filled is not None and known_filled is not None and filled != known_filled:
            return filled < known_filled
        changed_ns, known_ns = event.changed_ns, known.changed_ns
        if changed_ns is not None and known_ns is not None and changed_ns != known_ns:
            return changed_ns < known_ns
        known_rank = self.RANKS.get(known.order_status, 0)
        return self.RANKS.get(event.order_status, known_rank) < known_rank

    def _filled(self, order: AnyOrder) -> Decimal | None:
        """Return the filled quantity, None if the order does not have it."""
        return order.cum_exec_qty

    def _unfilled(self, order: AnyOrder) -> bool:
        """Return whether part of the order is open, judging by its fields."""
        return order.leaves_qty is None or order.leaves_qty > 0


class OpenOrders(Open[Order]):
    """Open orders by ``order_id``. Filled, Cancelled, Rejected and Deactivated orders are removed."""

    RANKS: ClassVar[Mapping[str, int]] = {"Created": 0, "New": 1, "PartiallyFilled": 2, "PendingCancel": 3}
    CLOSING = frozenset({"Filled", "Cancelled", "Rejected", "Deactivated"})


class OpenStopOrders(Open[StopOrder]):
    """Conditional orders that wait for their trigger, by ``order_id``. Triggered and Active orders are removed."""

    RANKS: ClassVar[Mapping[str, int]] = {"Created": 0, "Untriggered": 1, "PendingCancel": 2}
    CLOSING = frozenset(
        {"Triggered", "Active", "New", "PartiallyFilled", "Filled", "Cancelled", "Rejected", "Deactivated"}
    )


AnyPosition = TypeVar("AnyPosition", bound=events.Position)
Slot = TypeVar("Slot")


class SymbolPositions(View[tuple[str, Slot], AnyPosition, AnyPosition]):
    """Positions by symbol and what distinguishes the positions of one symbol."""

    def of(self, symbol: str) -> tuple[AnyPosition, ...]:
        """Return all positions of a symbol. O(positions)."""
        return tuple(position for position in self._items.values() if position.symbol == symbol)


class Positions(SymbolPositions[str, Position]):
    """Positions by (symbol, side). A flat position is kept, with size 0.

    With ``one_way``, as on inverse, a symbol has one position, whose side may change: a new position replaces the one
    before, unless its ``position_idx`` names one of two sides. On linear both sides of a symbol are kept. An event
    whose ``position_seq`` is lower than that of the known position is ignored.
    """

    def __init__(self, *, one_way: bool) -> None:
        super().__init__()
        self._one_way = one_way

    def _apply(self, event: Position) -> bool:
        key = (event.symbol, event.side)
        one_of_two = not self._one_way or event.position_idx
        replaced = [key] if one_of_two else [other for other in self._items if other[0] == event.symbol]
        known = [self._items[other] for other in replaced if other in self._items]
        if event.position_seq and any((other.position_seq or 0) > event.position_seq for other in known):
            return False
        for other in replaced:
            self._items.pop(other, None)
        self._items[key] = event
        return True


class Balances(View[str, Wallet, Wallet]):
    """Balances by coin. An event without a coin belongs to the coin ``unnamed``: USDT on linear, "" on inverse."""

    def __init__(self, *, unnamed: str = "") -> None:
        super().__init__()
        self._unnamed = unnamed

    def _apply(self, event: Wallet) -> bool:
        self._items[event.coin or self._unnamed] = event
        return True


AnyView = TypeVar("AnyView", bound=View[Any, Any, Any])


class AccountStream(EventStream[Event], Generic[Event, AnyView]):
    """A lossless stream of a private topic's events, with the topic's live view.

    ``view`` shows the account after the latest frame, even while events wait for the reader.
    """

    def __init__(
        self, topic: str, capacity: int, view: AnyView, *, on_close: Callable[[EventStream[Event]], object]
    ) -> None:
        super().__init__(topic, capacity, on_close=on_close)
        self.view = view
