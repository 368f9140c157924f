"""Prints the top of a live book, ten times. Needs no exchange: sim:// is the embedded venue."""

import depthwire


async def main() -> None:
    async with depthwire.connect("sim://") as client:
        book = await client.book("BTCUSD")
        shown = 0
        async for _ in book.changes():
            print(book.best_bid, book.best_ask, book.microprice)
            shown += 1
            if shown == 10:
                break


if __name__ == "__main__":
    depthwire.run(main())
