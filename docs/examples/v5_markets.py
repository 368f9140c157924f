"""The current dialect: books, the merged ticker and trades at a v5 endpoint, by default of the embedded venue."""

import sys

import depthwire


async def main(url: str = "sim://v5/linear", symbol: str = "BTCUSDT") -> None:
    async with depthwire.connect(url) as client:  # or depthwire.endpoints.V5_LINEAR_MAINNET
        best, deep = await client.book(symbol, depth=1), await client.book(symbol, depth=200)
        print(f"{symbol}: {best.best_bid} / {best.best_ask}, {len(deep)} levels up to update {deep.update_id}")

        instrument = await client.instrument(symbol)
        print(f"last {instrument.last_price}, mark {instrument.mark_price}, funding {instrument.funding_rate}")

        trades = await client.trades(symbol)
        trade = await anext(trades)
        print(trade.side, trade.size, "at", trade.price)


if __name__ == "__main__":
    depthwire.run(main(*sys.argv[1:]))
