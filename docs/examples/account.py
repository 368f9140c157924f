"""An account on a venue of one's own: an order is sent, filled and cancelled, and the live views follow."""

import depthwire
from depthwire.venue import SyntheticMarket, Venue


async def main() -> None:
    async with Venue(SyntheticMarket(seed=1)) as venue:
        account = venue.account("my-key")
        async with depthwire.connect(venue.inverse_url, api_key=account.key, api_secret=account.secret) as client:
            orders, positions = await client.orders(), await client.positions()
            await client.book("BTCUSD")  # the market opens with its first reader

            resting = account.submit("BTCUSD", "Buy", 100, 20_000)
            event = await anext(orders)
            print(event.order_status, "open orders:", list(orders.view) == [resting.order_id])
            account.cancel(resting.order_id)
            print((await anext(orders)).order_status, "open orders:", len(orders.view))

            account.submit("BTCUSD", "Buy", 100, order_type="Market")
            async for position in positions:
                if position.size:
                    print(position.side, position.size, "at", position.entry_price)
                    break


if __name__ == "__main__":
    depthwire.run(main())
