"""Live views of an account: open orders by id, positions by symbol and side, balances by coin.

A view is fed with the events of one private topic and knows nothing else. The protocol has no private snapshots, so a
view starts empty and holds what changed since; after a gap it may be wrong until it is reconciled (:attr:`View.gap`).
Executions have no view: their stream is all there is to know, and it repeats none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from depthwire.bybit.v2.private import Order, Position, StopOrder, Wallet
from depthwire.errors import DepthwireError
from depthwire.feed.streams import EventStream

CLOSED_KEPT: Final = 1_000
"""How many closed orders' ids are remembered, the latest, so that a late update does not open one again."""

Key = TypeVar("Key")
Item = TypeVar("Item")
Event = TypeVar("Event")


class View(Mapping[Key, Item], Generic[Key, Item, Event]):
    """A read-only mapping that each event keeps true. ``version`` counts the events that changed it.

    ``gap`` is None while the view follows from all events, and else the first error since which some may be missing: a
    :class:`~depthwire.errors.StreamGap`, a FrameError of a frame, or a MalformedEvent of an event, that could not be
    read, or the AuthError of a sign-in that was refused after a reconnect. :meth:`reconcile` ends it.
    """

    def __init__(self) -> None:
        self.version = 0
        self.gap: DepthwireError | None = None
        self._items: dict[Key, Item] = {}

    def apply(self, event: Event) -> bool:
        """Take one event; returns whether it changed the view: one that is older than what is known does not."""
        changed = self._apply(event)
        self.version += changed
        return changed

    def _apply(self, event: Event) -> bool:
        raise NotImplementedError

    def reconcile(self, events: Iterable[Event] = ()) -> None:
        """Forget all, take the account as it stands, as asked of the venue by other means, and call the gap closed."""
        self._items.clear()
        self.version += 1
        self.gap = None
        for event in events:
            self.apply(event)

    def push(self, events: list[Event], report: Callable[[BaseException, str], object]) -> None:
        """Take a frame's events, as an :class:`~depthwire.feed.streams.EventStream` does."""
        for event in events:
            self.apply(event)

    def break_off(self, error: DepthwireError) -> None:
        """Events may be missing here."""
        self.gap = self.gap or error

    def finish(self) -> None:
        """No more events will come; what is known stays readable."""

    def __getitem__(self, key: Key) -> Item:
        return self._items[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {list(self._items.values())!r}>"


class OrderLike(Protocol):
    """What a view of open orders needs to know of one."""

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

    An event counts if it is not older than what is known of its order. Older is, in this sequence: the lower filled
    quantity; the earlier time; with neither to tell, the lower rank of its status. A closed order never opens again. A
    status that is not known, since the exchange adds some, leaves an order open while something of it is unfilled.
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
        if event.changed_ns is not None and known.changed_ns is not None and event.changed_ns != known.changed_ns:
            return event.changed_ns < known.changed_ns
        known_rank = self.RANKS.get(known.order_status, 0)
        return self.RANKS.get(event.order_status, known_rank) < known_rank

    def _filled(self, order: AnyOrder) -> Decimal | None:
        """The quantity that is filled, where an order says it."""
        return order.cum_exec_qty

    def _unfilled(self, order: AnyOrder) -> bool:
        """Whether something of it is open, as far as an order says it."""
        return order.leaves_qty is None or order.leaves_qty > 0


class OpenOrders(Open[Order]):
    """Open orders by ``order_id``; Filled, Cancelled, Rejected and Deactivated ones have left."""

    RANKS: ClassVar[Mapping[str, int]] = {"Created": 0, "New": 1, "PartiallyFilled": 2, "PendingCancel": 3}
    CLOSING = frozenset({"Filled", "Cancelled", "Rejected", "Deactivated"})


class OpenStopOrders(Open[StopOrder]):
    """Conditional orders that wait for their trigger, by ``order_id``; Triggered and Active ones became orders."""

    RANKS: ClassVar[Mapping[str, int]] = {"Created": 0, "Untriggered": 1, "PendingCancel": 2}
    CLOSING = frozenset(
        {"Triggered", "Active", "New", "PartiallyFilled", "Filled", "Cancelled", "Rejected", "Deactivated"}
    )


class Positions(View[tuple[str, str], Position, Position]):
    """Positions by (symbol, side). A flat one stays, with size 0.

    Where ``one_way``, as on inverse, a symbol has one position, whose side changes: the one before it leaves, unless
    ``position_idx`` says that both sides are held. On linear both sides of a symbol stand side by side. An event whose
    ``position_seq`` is lower than the known one's is older and does not count.
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

    def of(self, symbol: str) -> tuple[Position, ...]:
        """All positions of a symbol. O(positions)."""
        return tuple(position for position in self._items.values() if position.symbol == symbol)


class Balances(View[str, Wallet, Wallet]):
    """Balances by coin. An event that does not name its coin is of ``unnamed``: USDT on linear, "" on inverse."""

    def __init__(self, *, unnamed: str = "") -> None:
        super().__init__()
        self._unnamed = unnamed

    def _apply(self, event: Wallet) -> bool:
        self._items[event.coin or self._unnamed] = event
        return True


AnyView = TypeVar("AnyView", bound=View[Any, Any, Any])


class AccountStream(EventStream[Event], Generic[Event, AnyView]):
    """A lossless stream of a private topic's events that has the topic's live view beside it.

    ``view`` shows the account after the latest frame, also where events still wait for the reader.
    """

    def __init__(
        self, topic: str, capacity: int, view: AnyView, *, on_close: Callable[[EventStream[Event]], object]
    ) -> None:
        super().__init__(topic, capacity, on_close=on_close)
        self.view = view
