"""What one connection loses while it hands over to another: nothing is lost without an error."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.client import Client
from depthwire.settings import Settings
from tests.support.plain_client import BOUND_S, run, until
from tests.support.v5_server import KEY, SECRET, V5Connection, V5Server, book, private, v5_server
from tests.support.wire import encode

TRADES = "publicTrade.BTCUSDT"
YOUNG = Settings(timeout_s=2.0, backoff_first_s=0.01, backoff_cap_s=0.05, max_connection_age_s=0.2)


def trade(number: int, **fields: Any) -> bytes:
    """A frame with one trade, whose id is ``number``."""
    event = {"T": number, "s": "BTCUSDT", "S": "Buy", "v": "0.1", "p": "100.5", "L": "PlusTick", "i": str(number)}
    event |= {"BT": False, "RPI": False, "seq": number, **fields}
    return encode({"topic": TRADES, "type": "snapshot", "ts": number, "data": [event]})


def cut(number: int) -> bytes:
    """The beginning of a trade's frame, with its topic."""
    return trade(number)[:-20]


def odd(number: int) -> bytes:
    """A trade whose price is unreadable."""
    return trade(number, p="x")


def foreign(number: int) -> bytes:
    """A trade of another symbol."""
    return trade(number, s="XRPUSDT")


def no_list(number: int) -> bytes:
    """A frame without a list of trades."""
    return encode({"topic": TRADES, "type": "snapshot", "ts": number, "data": number})


def unreadable(number: int) -> bytes:
    """A frame whose topic is cut."""
    return trade(number)[:20]


class Handed:
    """A server, a client of it, and what its reader sees: trade ids, and errors by their class."""

    def __init__(self, server: V5Server, client: Client) -> None:
        self.server, self.client = server, client
        self.seen: list[str] = []
        self.errors: list[errors.DepthwireError] = []
        client.on_error(self.errors.append)

    async def read(self, stream: Any, id_of: Callable[[Any], str] = lambda event: str(event.trade_id)) -> None:
        """Begin to read, and receive trade 1."""

        async def reading() -> None:
            while True:
                try:
                    async for event in stream:
                        self.seen.append(id_of(event))
                    return
                except errors.DepthwireError as error:
                    self.seen.append(type(error).__name__)

        self.task = asyncio.create_task(reading())
        self.server.connections[0].send(trade(1))
        await until(lambda: self.seen == ["1"])

    def meanwhile(self, script: Callable[[V5Connection, V5Connection], object]) -> None:
        """Call ``script(old, new)`` in the first handover, before the new connection's subscriptions are answered."""

        def before_answer(connection: V5Connection, request: dict[str, Any]) -> None:
            if request["op"] == "subscribe" and connection in self.server.connections[1:]:
                self.server.before_answer = lambda connection, request: None
                script(self.server.connections[0], connection)

        self.server.before_answer = before_answer

    async def over(self) -> None:
        """Wait until a handover succeeds."""
        await until(lambda: self.server.is_gone(self.server.connections[0]))

    def last(self, topic: str) -> None:
        """Let all further handovers fail: drop each connection that subscribes a topic that another one has."""

        def before_answer(connection: V5Connection, request: dict[str, Any]) -> None:
            if request["op"] == "subscribe" and self.server.held(topic) not in ([], [connection]):
                assert connection.transport is not None
                connection.transport.disconnect(graceful=False)

        self.server.before_answer = before_answer

    async def ends_with(self, number: int) -> None:
        """Send one more trade on the connection that is in use, and wait for it."""
        await until(lambda: len(self.server.held(TRADES)) == 1)
        self.server.held(TRADES)[0].send(trade(number))
        await until(lambda: bool(self.seen) and self.seen[-1] == str(number))


@asynccontextmanager
async def handed(settings: Settings = YOUNG) -> AsyncIterator[Handed]:
    async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
        yield Handed(server, client)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [(odd, "typed"), *product([cut, foreign, no_list, unreadable], ["typed", "by topic", "typed and raw"])],
)
def test_what_only_the_new_connection_lost_comes_from_the_old_one(damage: Callable[[int], bytes], kind: str) -> None:
    """The handover fails and is tried again; on_error receives the reason."""

    async def main() -> None:
        async with handed() as at:
            if kind == "typed and raw":
                await at.client.subscribe_raw(TRADES)
            if kind == "by topic":
                await at.read(await at.client.subscribe(TRADES), lambda event: str(event.data.trade_id))
            else:
                await at.read(await at.client.trades("BTCUSDT"))
            at.meanwhile(lambda old, new: new.send(damage(2)))
            await until(lambda: bool(at.errors))
            assert not at.server.is_gone(at.server.connections[0])
            at.server.connections[0].send(trade(2))
            await until(lambda: len(at.seen) > 1)
            await at.over()
            await at.ends_with(3)
            assert at.seen == ["1", "2", "3"]
            assert "no handover" in str(at.errors[0])
            assert damage is unreadable or TRADES in str(at.errors[0])

    run(main)


@pytest.mark.parametrize("damage", [cut, foreign, no_list, unreadable])
def test_what_only_the_old_connection_lost_is_reported_once_in_its_place(damage: Callable[[int], bytes]) -> None:
    async def main() -> None:
        async with handed() as at:
            await at.read(await at.client.trades("BTCUSDT"))

            def script(old: V5Connection, new: V5Connection) -> None:
                for number in (2, 3):
                    new.send(trade(number))
                old.send(damage(2))
                old.send(trade(3))

            at.meanwhile(script)
            await at.over()
            await at.ends_with(4)
            error = at.seen[1]
            assert issubclass(getattr(errors, error), errors.FrameError | errors.StreamGap)
            assert at.seen == ["1", error, "3", "4"]
            assert "no handover" in str(at.errors[1])

    run(main)


def test_an_event_that_both_connections_refuse_is_reported_once() -> None:
    """The handover succeeds, since neither connection has lost anything."""

    async def main() -> None:
        async with handed() as at:
            await at.read(await at.client.trades("BTCUSDT"))

            def script(old: V5Connection, new: V5Connection) -> None:
                old.send(odd(2))
                for raw in (odd(2), trade(3), odd(4)):
                    new.send(raw)

            at.meanwhile(script)
            await at.over()
            assert len(at.server.connections) == 2
            await at.ends_with(5)
            assert at.seen == ["1", "MalformedEvent", "3", "MalformedEvent", "5"]
            assert [type(error) for error in at.errors] == [errors.MalformedEvent] * 2
            assert at.client.health()[TRADES].refused_events == 2

    run(main)


def test_an_event_that_the_new_connection_repeats_after_the_switch_is_refused_once() -> None:
    async def main() -> None:
        async with handed() as at:
            await at.read(await at.client.trades("BTCUSDT"))
            at.meanwhile(lambda old, new: [old.send(raw) for raw in (trade(2), odd(3), trade(4))])
            await at.over()
            new = at.server.connections[-1]
            for raw in (trade(2), odd(3), trade(4), odd(5), trade(6)):
                new.send(raw)
            await at.ends_with(7)
            assert at.seen == ["1", "2", "MalformedEvent", "4", "MalformedEvent", "6", "7"]
            assert [type(error) for error in at.errors] == [errors.MalformedEvent] * 2

    run(main)


def test_raw_readers_receive_a_gap_for_a_damaged_frame_after_the_switch() -> None:
    """Until the typed events are aligned, raw frames take the same detour."""

    async def main() -> None:
        async with handed() as at:
            stream = await at.client.subscribe_raw(TRADES)
            await at.read(await at.client.trades("BTCUSDT"))
            at.meanwhile(lambda old, new: old.send(trade(2)))
            await at.over()
            at.server.connections[-1].send(unreadable(3))
            await until(lambda: at.seen[1:] == ["2", "StreamGap"])
            at.server.connections[-1].send(trade(4))
            await until(lambda: at.seen[-1] == "4")
            found = [type(stream.pop()).__name__ for _ in range(stream.waiting)]
            # The first gap is the handover's: frames of two connections cannot be aligned.
            assert found == ["TopicEvent", "TopicEvent", "StreamGap", "StreamGap", "TopicEvent"]

    run(main)


def test_a_book_that_the_new_connection_cannot_follow_stays_on_the_old_one() -> None:
    """A delta that crosses the book: it is well-formed, so only the twin can refuse it."""

    async def main() -> None:
        async with handed() as at:
            live = await at.client.book("BTCUSDT")
            states: list[BookState] = []
            live.on_state(lambda live: states.append(live.state))
            await at.client.trades("BTCUSDT")

            def script(old: V5Connection, new: V5Connection) -> None:
                at.server.snapshots = lambda topic: None
                new.send(book("BTCUSDT"))
                new.send(book("BTCUSDT", u=2, kind="delta", b=[["100.70", "1"]]))

            at.meanwhile(script)
            await until(lambda: bool(at.errors))
            assert "no handover: orderbook.50.BTCUSDT" in str(at.errors[0])
            at.server.connections[0].send(book("BTCUSDT", u=2, kind="delta", b=[["100.40", "5"]]))
            await until(lambda: live.update_id == 2)
            assert states == []
            assert live.size_at("100.40") == 5.0

    run(main)


def test_a_stale_book_is_refetched_on_the_new_connection() -> None:
    """Neither connection has its snapshot at the switch."""

    async def main() -> None:
        async with handed(dataclasses.replace(YOUNG, timeout_s=3 * BOUND_S)) as at:
            live = await at.client.book("BTCUSDT")

            def script(old: V5Connection, new: V5Connection) -> None:
                at.server.snapshots = lambda topic: None
                old.send(book("BTCUSDT", u=9, kind="delta"))

            at.meanwhile(script)
            await at.over()
            at.last(live.topic)
            assert live.state is BookState.STALE
            at.server.snapshots = lambda topic: book("BTCUSDT", u=20)
            await until(lambda: live.state is BookState.LIVE)
            assert live.update_id == 20

    run(main)


def test_a_new_connection_that_is_lost_before_the_book_has_joined_it() -> None:
    """What it had brought for the book is dropped, and the next connection's snapshot counts."""

    async def main() -> None:
        async with handed(dataclasses.replace(YOUNG, timeout_s=3 * BOUND_S)) as at:
            live = await at.client.book("BTCUSDT")
            at.meanwhile(lambda old, new: old.send(book("BTCUSDT", u=2, kind="delta", b=[["100.50", "7"]])))
            await at.over()
            at.last(live.topic)
            assert live.update_id == 2  # and the new connection's is 1
            at.server.connections[-1].transport.disconnect(graceful=False)
            await until(lambda: len(at.server.connections) > 2 and live.state is BookState.LIVE)
            assert live.size_at("100.50") == 1.0

    run(main)


def test_a_refused_sign_in_of_the_new_connection_keeps_the_old_one() -> None:
    async def main() -> None:
        async with (
            v5_server() as server,
            depthwire.connect(server.url, api_key=KEY, api_secret=SECRET, settings=YOUNG) as client,
        ):
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            stream = await client.subscribe_raw("order")
            (old,) = [each for each in server.connections if each.path == "/v5/private"]

            def before_answer(connection: V5Connection, request: dict[str, Any]) -> None:
                if request["op"] == "auth":
                    request["args"][-1] = "not the signature"

            server.before_answer = before_answer
            await until(lambda: any(isinstance(error, errors.AuthError) for error in found))
            old.send(private("order"))
            await anext(stream)
            assert not server.is_gone(old)

    run(main)
