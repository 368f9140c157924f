"""The blocking facade: scripts and threads against a venue in another thread."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from depthwire import blocking, errors
from depthwire.book.types import BookState
from depthwire.venue import SyntheticMarket, Venue
from tests.support.v5_server import BOUND_S, market, served


@contextmanager
def venue_of_its_own() -> Iterator[tuple[Venue, Callable[[Callable[[], Any]], Any]]]:
    """A venue in a separate thread, in place of another process, and a way to act in that thread."""
    venue = Venue(SyntheticMarket(seed=3), speed=10)
    ready, over = threading.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        async with venue:
            loops.append(asyncio.get_running_loop())
            ready.set()
            await asyncio.to_thread(over.wait)

    def act(action: Callable[[], Any]) -> Any:
        async def there() -> Any:
            return action()

        return asyncio.run_coroutine_threadsafe(there(), loops[0]).result(BOUND_S)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(BOUND_S)
        yield venue, act
    finally:
        over.set()
        thread.join(BOUND_S)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with venue_of_its_own() as (venue, _):
        yield venue.inverse_url


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name == "depthwire"}


def test_a_script_reads_a_book_and_trades(url: str) -> None:
    with blocking.connect(url) as client:
        book = client.book("BTCUSD")
        assert book.state is BookState.LIVE
        assert book.bbo is not None
        assert book.best_bid is not None
        assert book.best_ask is not None
        assert book.mid is not None
        assert book.microprice is not None
        trades = client.trades("BTCUSD")
        assert [trades.get(timeout_s=BOUND_S).symbol for _ in range(5)] == ["BTCUSD"] * 5
        assert next(iter(trades)).symbol == "BTCUSD"
        assert client.status().connected
        client.unsubscribe(book.topic)
        with pytest.raises(errors.BookNotLive, match="unsubscribed"):
            _ = book.best_bid
    assert threads() == set()


def test_changes_are_consistent_snapshots_and_the_latest(url: str) -> None:
    with blocking.connect(url) as client:
        versions: list[int] = []
        book = client.book("BTCUSD")
        for copy in book.changes(timeout_s=BOUND_S):
            assert len(copy.bids) == len(copy.asks) == 25
            assert copy.bids[0][0] < copy.asks[0][0]
            versions.append(copy.version)
            if len(versions) == 10:
                break
            while book.snapshot().version <= versions[-1] + 2:
                time.sleep(0.001)
        assert all(new > old + 2 for old, new in pairwise(versions)), "changes that came while the script slept are one"


def test_many_threads_read_one_book(url: str) -> None:
    with blocking.connect(url) as client:
        book = client.book("BTCUSD", depth=200)
        faults: list[str] = []

        def read() -> None:
            for _ in range(200):
                copy = book.snapshot()
                prices = [price for price, _ in copy.bids[::-1]] + [price for price, _ in copy.asks]
                if len(prices) != 400 or prices != sorted(set(prices)):
                    faults.append(f"version {copy.version}: {len(prices)} prices")

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert faults == []


def test_waiting_has_a_bound(url: str) -> None:
    with blocking.connect(url) as client:
        book = client.book("BTCUSD")
        changes = book.changes(timeout_s=0.05)
        next(changes)
        client.unsubscribe(book.topic)
        assert list(changes) == []
        trades = client.trades("BTCUSD")
        with pytest.raises(TimeoutError):
            while True:
                trades.get(timeout_s=0.0001)


def test_errors_come_through(url: str) -> None:
    with pytest.raises(errors.InvalidUrl), blocking.connect("nowhere"):
        pass
    with blocking.connect(url) as client:
        with pytest.raises(errors.SubscriptionRejected):
            client.book("NOPEUSD")
        with pytest.raises(errors.TopicError):
            client.book("btcusd")
    with pytest.raises(errors.ClientClosed):
        client.book("BTCUSD")
    assert threads() == set()


def test_the_end_of_the_client_ends_its_readers(url: str) -> None:
    read: list[int] = []
    with blocking.connect(url) as client:
        book = client.book("BTCUSD")
        changes = book.changes()
        reader = threading.Thread(target=lambda: read.extend(copy.version for copy in changes))
        reader.start()
        while not read:
            time.sleep(0.001)
    reader.join(BOUND_S)
    assert not reader.is_alive()
    assert book.state is BookState.STALE
    assert "STALE" in repr(book)


def test_an_embedded_venue_needs_no_other_process() -> None:
    with blocking.connect("sim://") as client:
        assert client.book("BTCUSD").bbo is not None


def test_an_account_is_read_as_by_the_client() -> None:
    with venue_of_its_own() as (venue, act):
        act(lambda: venue.account("key", secret="s"))
        with blocking.connect(venue.inverse_url, api_key="key", api_secret="s") as client:
            orders, wallet = client.orders(), client.wallet()
            placed = act(lambda: venue.account("key").submit("BTCUSD", "Buy", 100, 20_000))
            assert orders.get(timeout_s=BOUND_S).order_id == placed.order_id
            assert list(orders.view()) == [placed.order_id]
            assert wallet.get(timeout_s=BOUND_S).coin == "BTC"
            events = client.subscribe("orderBookL2_25.BTCUSD", "trade.*")
            assert events.get(timeout_s=BOUND_S).topic in ("orderBookL2_25.BTCUSD", "trade.BTCUSD", "trade.ETHUSD")
            client.unsubscribe("orderBookL2_25.BTCUSD", "trade.*")


def test_v5_is_read_from_a_thread_as_v2_is() -> None:
    with served(market) as server, blocking.connect(server.url) as client:
        book = client.book("BTCUSDT", depth=200)
        assert (book.topic, book.bbo) == ("orderbook.200.BTCUSDT", (100.5, 1.0, 100.6, 2.0))
        snapshot = book.snapshot()
        assert (snapshot.update_id, snapshot.cross_seq) == (1, 1001)
        assert str(next(client.trades("BTCUSDT")).price) == "100.60"
        with pytest.raises(errors.TopicError, match="Untriggered"):
            client.stop_orders()
        health = client.health()["orderbook.200.BTCUSDT"]
        assert (health.state, health.resyncs) == (BookState.LIVE, 0)
        assert health.age_ns is not None
        assert health.age_ns >= 0
