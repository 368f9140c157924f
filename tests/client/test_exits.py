"""Exceptions from callbacks: SystemExit and KeyboardInterrupt end the loop; all others are reported as errors."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

import depthwire
from depthwire import blocking, errors
from depthwire.book.types import BookState
from depthwire.bybit.v5 import dialect as v5
from depthwire.feed.live_book import LiveBook
from depthwire.runtime.event_loop import loop_factory
from depthwire.settings import Settings
from tests.support.offline import Offline
from tests.support.plain_client import until
from tests.support.v5_server import BOUND_S, V5Server, book, served, ticker, v5_server

QUICK = Settings(timeout_s=15.0, backoff_first_s=0.01, backoff_cap_s=0.05)
TOPIC = "orderbook.50.BTCUSDT"
EXITS = [SystemExit(9), KeyboardInterrupt()]
OTHERS = [asyncio.CancelledError(), GeneratorExit(), BaseException("odd")]
PLACES = ["book", "state", "instrument", "stream", "topics", "raw", "tap", "on_error"]


def trade(number: int) -> dict[str, Any]:
    data = {"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "100", "L": "PlusTick", "i": str(number), "BT": False}
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": [data]}


class Scene:
    """A client of every kind of callback, on a loop that a test runs, leaves and runs again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.stack = AsyncExitStack()
        self.seen: list[int] = []
        self.errors: list[errors.DepthwireError] = []

    async def open(self) -> None:
        self.server = await self.stack.enter_async_context(v5_server())
        self.server.snapshots = lambda topic: (
            book("BTCUSDT") if topic == TOPIC else ticker("BTCUSDT", lastPrice="1") if "tickers" in topic else None
        )
        self.client = await self.stack.enter_async_context(depthwire.connect(self.server.url, settings=QUICK))
        self.book = await self.client.book("BTCUSDT")
        self.instrument = await self.client.instrument("BTCUSDT")
        self.trades = await self.client.trades("BTCUSDT")
        self.topics = await self.client.subscribe("publicTrade.BTCUSDT")
        self.raw = await self.client.subscribe_raw("publicTrade.BTCUSDT")

    def register(self, place: str, callback: Callable[..., object]) -> Callable[[], None]:
        return {
            "book": self.book.on_change,
            "state": self.book.on_state,
            "instrument": self.instrument.on_change,
            "stream": self.trades.on_event,
            "topics": self.topics.on_event,
            "raw": self.raw.on_event,
            "tap": self.client.add_tap,
            "on_error": self.client.on_error,
        }[place](callback)

    def watch(self) -> None:
        self.book.on_change(lambda book: self.seen.append(book.update_id))
        self.client.on_error(self.errors.append)

    def push(self) -> None:
        """Frames that arrive together."""
        self.server.push(book("BTCUSDT", u=2, kind="delta"))
        self.server.push(ticker("BTCUSDT", "delta", lastPrice="2"))
        self.server.push(trade(1))
        self.server.push(book("BTCUSDT", u=3, kind="delta"))

    async def caught_up(self, u: int) -> None:
        await until(lambda: self.book.update_id == u and self.trades.waiting + self.raw.waiting == 2)


@pytest.fixture(params=["asyncio", "uvloop"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    loop = (loop_factory() if request.param == "uvloop" else None or asyncio.new_event_loop)()  # type: ignore[misc]
    scene = Scene(loop)
    loop.run_until_complete(scene.open())
    try:
        yield scene
    finally:
        loop.run_until_complete(scene.stack.aclose())
        loop.close()


def causes(found: list[errors.DepthwireError]) -> list[BaseException | None]:
    return [error.__cause__ for error in found if isinstance(error, errors.CallbackError)]


def provoke(scene: Scene, place: str, error: BaseException) -> None:
    """Have a callback raise an error, once."""

    def fail(*_: object) -> None:
        remove()
        raise error

    remove = scene.register(place, fail)
    scene.watch()
    scene.push()
    if place == "state":
        scene.loop.call_soon(scene.book.mark_stale, "on purpose")
        scene.server.snapshots = lambda topic: book("BTCUSDT", u=3)
    elif place == "on_error":
        scene.server.connections[0].send({"topic": "publicTrade.NOPE", "data": []})


@pytest.mark.parametrize("error", EXITS, ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_an_exit_leaves_the_loop_and_costs_no_frame(scene: Scene, place: str, error: BaseException) -> None:
    provoke(scene, place, error)
    with pytest.raises(type(error)) as raised:
        scene.loop.run_until_complete(asyncio.wait_for(asyncio.Event().wait(), BOUND_S))
    assert raised.value is error
    # A program that catches it loses nothing: neither the frames read with that one nor the other subscribers.
    scene.loop.run_until_complete(asyncio.wait_for(scene.caught_up(3), BOUND_S))
    assert scene.book.state is BookState.LIVE
    assert scene.seen[:2] == [2, 3] or place == "state"
    assert str(scene.instrument.last_price) == "2"
    assert scene.client.status().losses == 0
    assert causes(scene.errors) == ([] if place == "on_error" else [error])


@pytest.mark.parametrize("error", OTHERS, ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_neither_is_an_error_like_any_other(scene: Scene, place: str, error: BaseException) -> None:
    provoke(scene, place, error)
    scene.loop.run_until_complete(asyncio.wait_for(scene.caught_up(3), BOUND_S))
    assert scene.book.state is BookState.LIVE
    assert scene.client.status().losses == 0
    assert causes(scene.errors) == ([] if place == "on_error" else [error])


PROGRAM = """
import sys, depthwire

async def main():
    async with depthwire.connect(LINES) as client:
        book, trades = await client.book("BTCUSD"), await client.trades("BTCUSD")
        def exit(book):
            raise KIND
        book.on_change(exit)
        try:
            async for _ in trades:
                pass
        finally:
            print("unwound")

RUN(main())
"""


@pytest.mark.parametrize("lines", ['"sim://"', '["sim://", "sim://"]'])
@pytest.mark.parametrize("runner", ["depthwire.run", "__import__('asyncio').run"])
def test_a_program_that_exits_in_a_callback_ends_with_that_code(runner: str, lines: str) -> None:
    program = PROGRAM.replace("KIND", "SystemExit(7)").replace("RUN", runner).replace("LINES", lines)
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, timeout=BOUND_S
    )
    assert (ended.returncode, ended.stdout) == (7, "unwound\n"), ended.stderr
    assert "a callback raised SystemExit: 7" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "destroyed" not in ended.stderr


GO = "priceLimit.ETHUSDT"


@pytest.fixture
def server() -> Iterator[V5Server]:
    """A server that sends a frame of everything when GO is subscribed."""

    def begin(server: V5Server) -> None:
        def frames_of(topic: str) -> dict[str, Any] | None:
            if topic == GO:
                server.push(book("BTCUSDT", u=2, kind="delta"))
                server.push({"topic": "priceLimit.BTCUSDT", "data": {}})
            return book("BTCUSDT") if topic == TOPIC else None

        server.snapshots = frames_of

    with served(begin) as found:
        yield found


def failing(client: blocking.BlockingClient, place: str, error: BaseException) -> blocking.BlockingBook:
    """A book of a client one of whose callbacks raises an error, as the server's next frames come."""

    def fail(*_: object) -> None:
        raise error

    shown, stream = client.book("BTCUSDT"), client.subscribe_raw("priceLimit.BTCUSDT")
    if place == "on_error":
        stream.on_event(lambda _: 1 / 0)
        client.on_error(fail)
    else:
        {"book": shown.on_change, "stream": stream.on_event, "tap": client.add_tap}[place](fail)
    return shown


@pytest.mark.parametrize("place", ["book", "stream", "tap", "on_error"])
@pytest.mark.parametrize("error", EXITS, ids=repr)
def test_an_exit_ends_a_blocking_client_and_is_reported(server: V5Server, place: str, error: BaseException) -> None:
    found: list[errors.DepthwireError] = []
    client = blocking.connect(server.url)
    client.on_error(found.append)
    shown = failing(client, place, error)
    with pytest.raises(errors.ClientClosed, match=type(error).__name__) as raised:
        client.subscribe_raw(GO)
        client.subscribe_raw("priceLimit.SOLUSDT")
        list(shown.changes(BOUND_S))
    assert raised.value.__cause__ is error
    assert shown.state is BookState.STALE
    assert (error in causes(found)) == (place != "on_error")
    client.close()


@pytest.mark.parametrize("place", ["book", "stream", "tap", "on_error"])
@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_a_blocking_client_goes_on_after_any_other(server: V5Server, place: str, error: BaseException) -> None:
    found: list[errors.DepthwireError] = []
    with blocking.connect(server.url) as client:
        client.on_error(found.append)
        shown = failing(client, place, error)
        client.subscribe_raw(GO)
        next(each for each in shown.changes(BOUND_S) if each.version > 1)
        client.subscribe_raw("priceLimit.SOLUSDT")
        assert shown.state is BookState.LIVE
    assert (error in causes(found)) == (place != "on_error")


@pytest.mark.parametrize("error", EXITS, ids=repr)
def test_without_a_client_an_exit_leaves_the_call_that_brought_the_frame(error: BaseException) -> None:
    offline = Offline(TOPIC, dialect=v5.LINEAR)

    def fail(book: LiveBook) -> None:
        raise error

    offline.book(TOPIC).on_change(fail)
    with pytest.raises(type(error)) as raised:
        offline.send(book("BTCUSDT"))
    assert raised.value is error
    assert offline.book(TOPIC).state is BookState.LIVE
    assert causes(offline.errors) == [error]
