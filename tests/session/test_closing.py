"""Cancelling and closing a client leaves nothing open."""

import asyncio
import gc
import warnings

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.venue import SyntheticMarket, Venue
from tests.support.plain_client import cancel_at_each_await, run, until
from tests.support.sim_client import QUICK, ends, simulated


def test_a_cancel_at_any_await_leaves_nothing_behind() -> None:
    """The same conversation is cancelled after 0, 1, 2 … steps of the loop, until it is never cancelled in time."""

    async def conversation(url: str) -> None:
        async with depthwire.connect(url, settings=QUICK) as client:
            book = await client.book("BTCUSD")
            trades = await client.trades("BTCUSD")
            async for _ in book.changes():
                break
            await anext(trades)
            await client.unsubscribe(book.topic)

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1), speed=10) as venue:
            await cancel_at_each_await(lambda: conversation(venue.inverse_url))
            await until(lambda: venue.connections == 0)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(main)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_closing_twice_and_using_a_closed_client() -> None:
    async def main() -> None:
        async with simulated() as (_, client):
            book = await client.book("BTCUSD")
            trades = await client.trades("BTCUSD")
            waiting = asyncio.create_task(client.book("ETHUSD"))
            await asyncio.sleep(0)
            await client.close()
            await client.close()
            with pytest.raises(errors.ClientClosed):
                await client.book("BTCUSD")
            with pytest.raises(errors.DepthwireError):
                await waiting
            assert book.state is BookState.STALE
            assert await ends(trades)
            assert "not connected" in repr(client)

    run(main)


def test_several_clients_and_several_loops() -> None:
    async def main() -> None:
        async with (
            Venue(SyntheticMarket(seed=1)) as venue,
            depthwire.connect(venue.inverse_url) as one,
            depthwire.connect(venue.inverse_url) as two,
        ):
            books = await asyncio.gather(one.book("BTCUSD"), two.book("BTCUSD"))
            assert books[0] is not books[1]

    run(main)
    run(main)
    depthwire.run(main())
