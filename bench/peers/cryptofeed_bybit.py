"""cryptofeed: its Bybit feed's own handler of messages, into its OrderBook of Decimals."""

import asyncio
from collections.abc import Callable
from typing import Any

from cryptofeed.defines import L2_BOOK, PERPETUAL
from cryptofeed.exchanges import Bybit
from cryptofeed.symbols import Symbol, Symbols

from peers import only

wire = bytes.decode


class Connection:
    """As much of cryptofeed's connection as the handler touches."""

    address = "wss://stream.bybit.com/v5/public/linear"
    uuid = "offline"


def start(topic: str, depth: int) -> tuple[Callable[[list[str]], None], Callable[[], tuple[float, ...]]]:
    only("v5", topic)
    symbol = topic.rpartition(".")[2]
    name = Symbol(symbol.removesuffix("USDT"), "USDT", type=PERPETUAL).normalized
    Symbols.set(Bybit.id, {name: symbol}, {"instrument_type": {name: PERPETUAL}})

    async def on_book(book: Any, receipt_timestamp: float) -> None:
        """A user's callback."""

    feed = Bybit(symbols=[name], channels=[L2_BOOK], callbacks={L2_BOOK: on_book})
    loop, connection = asyncio.new_event_loop(), Connection()

    async def handle(frames: list[str]) -> None:
        for text in frames:
            await feed.message_handler(text, connection, 0.0)

    def replay(frames: list[str]) -> None:
        loop.run_until_complete(handle(frames))

    def top() -> tuple[float, ...]:
        book = feed._l2_book[name].book
        return (*book.bids.index(0), *book.asks.index(0))

    return replay, top
