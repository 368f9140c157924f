"""An event loop that is closed under a client leaves nothing of it that looks alive."""

import asyncio
import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from depthwire import blocking, errors
from depthwire.book.types import BookState
from depthwire.client import Client
from depthwire.endpoints import endpoint_of
from depthwire.runtime.event_loop import loop_factory
from depthwire.runtime.loop_end import when_closed
from depthwire.session.options import ConnectOptions
from tests.support.v5_server import market, served

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
if (fast := loop_factory()) is not None:
    LOOPS.append(fast)
ENDED = "the event loop was closed before the client"


@contextmanager
def litter_allowed() -> Iterator[None]:
    """Python warns of the sockets and tasks that a closed loop leaves: those who closed it asked for that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()


async def opened(url: list[str]) -> tuple[Client, Any, Any]:
    """A client that is not closed, with a book and a stream."""
    endpoints = [endpoint_of(each) for each in url]
    client = Client(endpoints, ConnectOptions())
    await client.open()
    return client, await client.book("BTCUSDT"), await client.trades("BTCUSDT")


def check_over(client: Client, book: Any, found: list[Any]) -> None:
    assert book.state is BookState.STALE
    assert book.stale_reason == ENDED
    assert book.finished
    with pytest.raises(errors.BookNotLive, match=ENDED):
        _ = book.bbo
    assert not client.status().connected
    assert found == []

    async def later() -> None:
        with pytest.raises(errors.ClientClosed):
            await client.book("ETHUSDT")
        await client.close()
        await client.close()

    asyncio.run(later())


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("lines", [1, 2])
def test_a_loop_that_is_closed_leaves_no_book_live(
    new_loop: Callable[[], asyncio.AbstractEventLoop], lines: int
) -> None:
    with served(market) as server, litter_allowed():
        loop = new_loop()
        client, book, trades = loop.run_until_complete(opened([server.url] * lines))
        found: list[Any] = []
        client.on_error(found.append)
        assert book.state is BookState.LIVE
        states: list[BookState] = []
        book.on_state(lambda _: states.append(book.state))
        reader = asyncio.Task(anext(trades), loop=loop)
        changes = asyncio.Task(anext(book.changes()), loop=loop)
        loop.run_until_complete(asyncio.sleep(0))
        loop.stop()
        loop.run_forever()
        assert book.state is BookState.LIVE
        loop.close()
        assert set(states) == {BookState.STALE}
        check_over(client, book, found)
        del reader, changes


def test_a_book_is_not_live_though_its_client_is_gone() -> None:
    with served(market) as server, litter_allowed():
        loop = asyncio.new_event_loop()
        book = loop.run_until_complete(opened([server.url]))[1]
        gc.collect()
        loop.close()
        assert book.state is BookState.STALE


def test_a_run_that_ends_without_closing_the_client_leaves_no_book_live() -> None:
    with served(market) as server, litter_allowed():
        client, book, _ = asyncio.run(opened([server.url]))
        assert book.state is BookState.STALE
        assert not client.status().connected


def test_a_blocking_client_whose_loop_is_closed_has_no_live_book() -> None:
    with (
        served(market) as server,
        litter_allowed(),
        pytest.raises(errors.ClientClosed),
        blocking.connect(server.url) as client,
    ):
        book = client.book("BTCUSDT")
        changes = book.changes()
        next(changes)
        thread = client._thread
        thread._loop.call_soon_threadsafe(thread._loop.stop)
        thread._thread.join()
        thread._loop.close()
        assert book.state is BookState.STALE
        assert list(changes) == []
        client.book("ETHUSDT")


def test_a_client_that_was_closed_is_not_called_again() -> None:
    called: list[int] = []
    loop = asyncio.new_event_loop()
    end = when_closed(loop, lambda: called.append(1))
    when_closed(loop, lambda: called.append(2))
    end()
    end()
    assert called == []
    loop.close()
    assert called == [2]
