"""order-book (C): its OrderBook, fed by msgspec's typed structs."""

from collections.abc import Callable

from order_book import OrderBook

from peers.level_changes import replay_into


def start(topic: str, depth: int) -> tuple[Callable[[list[bytes]], None], Callable[[], tuple[float, ...]]]:
    book = OrderBook()

    def top() -> tuple[float, ...]:
        return (*book.bids.index(0), *book.asks.index(0))

    return replay_into(topic, book.bids, book.asks), top
