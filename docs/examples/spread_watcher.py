"""A callback inside the frame's own call stack: remembers the widest spread of two books over two seconds."""

import asyncio

import depthwire


class SpreadWatcher:
    """Keeps the widest spread of each book that it listens to."""

    def __init__(self) -> None:
        self.widest: dict[str, float] = {}

    def __call__(self, book: depthwire.LiveBook) -> None:
        spread = book.spread
        if spread is not None:
            self.widest[book.symbol] = max(spread, self.widest.get(book.symbol, 0.0))


async def main() -> None:
    watcher = SpreadWatcher()
    async with depthwire.connect("sim://") as client:
        for symbol in ("BTCUSD", "ETHUSD"):
            book = await client.book(symbol, depth=200)
            book.on_change(watcher)
        await asyncio.sleep(2)
    for symbol, spread in watcher.widest.items():
        print(f"{symbol}: widest spread {spread}")


if __name__ == "__main__":
    depthwire.run(main())
