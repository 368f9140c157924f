"""Lost connections over real sockets: what is reported, and that many at once do not cause a storm."""

import asyncio
import heapq
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from copy import copy
from itertools import pairwise

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.session import rate_limit as pacing
from depthwire.session.connection import Connection
from depthwire.session.phase import Phase
from depthwire.session.rate_limit import RateLimiter
from depthwire.settings import Backoff, Settings
from tests.support.plain_client import run, until
from tests.support.v5_server import V5Server, v5_server

QUICK = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def phases(client: depthwire.Client) -> list[Phase]:
    return [connection.phase for connection in client.status().connections]


# the budget


def test_an_hour_of_fifty_connections_that_fail_stays_under_the_budget() -> None:
    """Each drops at the same moment and never comes back; the clock is the test's."""
    clock = Clock()
    pace = RateLimiter(pacing.CONNECTIONS, pacing.WINDOW_S, clock_s=clock)
    settings = Settings()
    backoffs = [Backoff(settings.backoff_first_s, settings.backoff_cap_s, clock_s=clock) for _ in range(50)]
    attempts: list[tuple[float, int]] = []
    due = [(clock.now_s + backoff.next_s(), number) for number, backoff in enumerate(backoffs)]
    heapq.heapify(due)
    while due[0][0] < 1000.0 + 3600:
        clock.now_s, number = heapq.heappop(due)
        turn_s = clock.now_s + pace.wait_s()
        attempts.append((turn_s, number))
        # It is refused the moment it is made; the backoff is asked at that time.
        asked_s, clock.now_s = clock.now_s, turn_s
        heapq.heappush(due, (turn_s + backoffs[number].next_s(), number))
        clock.now_s = asked_s
    times = sorted(turn for turn, _ in attempts)
    assert len(times) > 6 * pacing.CONNECTIONS
    windows = zip(times, times[pacing.CONNECTIONS :], strict=False)
    assert all(later - earlier > pacing.WINDOW_S - 1e-6 for earlier, later in windows)
    assert max(later - earlier for earlier, later in pairwise(times)) < 15.0, "there is always one that tries soon"
    within_a_second = [sum(moment <= each < moment + 0.05 for each in times[:50]) for moment in times[:50]]
    assert max(within_a_second) < 40, "the first attempts are spread"
    last = {number: turn for turn, number in attempts}
    assert len(last) == 50
    assert min(last.values()) > 1000.0 + 3600 - pacing.WINDOW_S, "none gives up"


def test_fifty_connections_that_drop_at_once_come_back_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over real sockets, with a budget of 60 in 2 s."""
    window_s = 2.0
    pace = RateLimiter(60, window_s)
    monkeypatch.setattr("depthwire.session.connection.connection_wait_s", lambda host: pace.wait_s())

    async def main() -> None:
        async with v5_server() as server, AsyncExitStack() as stack:
            begun_s = time.monotonic()
            connects = (stack.enter_async_context(depthwire.connect(server.url, settings=QUICK)) for _ in range(50))
            clients = [await connect for connect in connects]
            found: list[errors.DepthwireError] = []
            for client in clients:
                client.on_error(found.append)
            books = await asyncio.gather(*(client.book("BTCUSDT") for client in clients))
            for connection in server.open:
                assert connection.transport is not None
                connection.transport.disconnect(graceful=False)
            await until(lambda: any(Phase.WAITING in phases(client) for client in clients))
            await until(lambda: all(client.status().connects == 2 for client in clients))
            await until(lambda: all(book.state is BookState.LIVE for book in books))
            assert time.monotonic() - begun_s >= window_s, "40 of the 50 had to wait for the next window"
            assert len(server.connections) == 100, "no attempt more than one each"
            assert {type(error) for error in found} == {errors.ConnectionLost}

    run(main)


# what is reported


@pytest.mark.parametrize(
    ("code", "reason", "shown"),
    [
        (1000, None, "code 1000: no reason given"),
        (1001, b"24 hours are over", "code 1001: 24 hours are over"),
        (1012, b"service restart", "code 1012: service restart"),
        (4001, "später".encode(), "code 4001: später"),
    ],
)
def test_a_close_frame_is_a_loss_that_tells_its_code_and_reason(code: int, reason: bytes | None, shown: str) -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            book = await client.book("BTCUSDT")
            transport = server.connections[0].transport
            assert transport is not None
            transport.send_close(code, reason)  # type: ignore[arg-type]  # any code may come
            await until(lambda: client.status().connects == 2 and book.state is BookState.LIVE)
            (error,) = found
            assert isinstance(error, errors.ConnectionLost)
            text = reason.decode() if reason else ""
            assert (error.code, error.reason) == (code, text)
            assert shown in str(error)
            assert str(copy(error)) == str(error)
            (status,) = client.status().connections
            assert (status.close_code, status.close_reason, status.losses) == (code, text, 1)
            assert shown in status.last_loss

    run(main)


@pytest.mark.parametrize(("code", "at_once"), [(1000, True), (1001, True), (1012, False), (1013, False), (None, False)])
def test_a_goodbye_is_followed_at_once_and_a_second_one_is_not(
    code: int | None, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits_s: list[float] = []
    wait = Connection._wait

    async def noted(connection: Connection, wait_s: float) -> None:
        waits_s.append(wait_s)
        await wait(connection, wait_s)

    monkeypatch.setattr(Connection, "_wait", noted)
    settings = Settings(timeout_s=5.0, backoff_first_s=0.1, backoff_cap_s=10.0)

    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            client.on_error(lambda error: None)
            book = await client.book("BTCUSDT")
            for connects in (2, 3):
                transport = server.connections[-1].transport
                assert transport is not None
                if code is None:
                    transport.disconnect(graceful=False)
                else:
                    transport.send_close(code, b"24 hours are over")  # type: ignore[arg-type]  # as above
                await until(lambda connects=connects: client.status().connects == connects)
                await until(lambda: book.state is BookState.LIVE)
            first_s, second_s = waits_s
            assert 0.0 <= first_s <= 0.02 if at_once else 0.05 <= first_s <= 0.1
            assert 0.1 <= second_s <= 0.2

    run(main)


def test_a_connection_that_breaks_has_no_code() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found: list[errors.DepthwireError] = []
            client.on_error(found.append)
            assert server.connections[0].transport is not None
            server.connections[0].transport.disconnect(graceful=False)
            await until(lambda: client.status().connects == 2)
            assert [(getattr(error, "code", 0), getattr(error, "reason", 0)) for error in found] == [(None, "")]

    run(main)


def test_the_status_tells_the_truth_in_each_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(timeout_s=5.0, backoff_first_s=0.2, backoff_cap_s=0.2)
    seen: list[tuple[Phase, bool]] = []

    def watch(client: depthwire.Client) -> Callable[[], bool]:
        def look() -> bool:
            (connection,) = client.status().connections
            if (connection.phase, client.status().connected) not in seen:
                seen.append((connection.phase, client.status().connected))
            if connection.phase is Phase.WAITING and connection.until_ns is not None:
                assert abs(connection.until_ns - time.time_ns()) < 60e9
            assert connection.phase is Phase.WAITING or connection.until_ns is None
            return connection.connects >= 3

        return look

    async def main() -> None:
        async with v5_server("linear") as server:
            url = server.url.replace("public/linear", "private")
            answers = server.answer
            async with depthwire.connect(url, api_key="a-key", api_secret="hush-hush", settings=settings) as client:
                client.on_error(lambda error: None)
                look = watch(client)
                assert not look()
                held: list[Callable[[], None]] = []
                monkeypatch.setattr(server, "answer", lambda *request: held.append(lambda: answers(*request)))
                drop(server)
                await until(lambda: look() or Phase.SIGNING_IN in [phase for phase, _ in seen])
                assert client.status().connected is False
                await until(lambda: bool(held))
                monkeypatch.setattr(server, "answer", answers)
                held[0]()
                await until(lambda: look() or client.status().connected)
                drop(server)
                await until(look)
                await until(lambda: client.status().connected)
            assert phases(client) == [Phase.CLOSED]
            assert client.status().connected is False
        assert (Phase.LIVE, True) in seen
        assert {connected for phase, connected in seen if phase is not Phase.LIVE} == {False}
        assert {Phase.WAITING, Phase.SIGNING_IN, Phase.LIVE} <= {phase for phase, _ in seen}

    def drop(server: V5Server) -> None:
        for connection in server.open:
            assert connection.transport is not None
            connection.transport.disconnect(graceful=False)

    run(main)


def test_a_venue_that_stays_away_is_tried_and_told_of_for_ever() -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            async with v5_server() as server:
                client = await stack.enter_async_context(depthwire.connect(server.url, settings=QUICK))
                found: list[errors.DepthwireError] = []
                client.on_error(found.append)
            await until(lambda: sum(isinstance(error, errors.ConnectError) for error in found) >= 5)
            (status,) = client.status().connections
            assert status.phase in (Phase.WAITING, Phase.CONNECTING)
            assert status.attempts >= 6
            assert (status.connects, status.losses) == (1, 1)
            assert client.status().last_error

    run(main)


def test_a_first_attempt_that_fails_is_not_tried_again_nor_counted_as_wanted() -> None:
    """The private endpoint refuses; public topics are served all the same."""

    async def main() -> None:
        async with (
            v5_server() as server,
            depthwire.connect(server.url, api_key="a-key", api_secret="wrong", settings=QUICK) as client,
        ):
            with pytest.raises(errors.AuthError):
                await client.orders()
            await until(lambda: client.status().connected)
            assert [connection.url.rpartition("/")[2] for connection in client.status().connections] == ["linear"]

    run(main)


def test_a_waiting_connection_says_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    waits_s = [0.0, 3600.0]
    monkeypatch.setattr("depthwire.session.connection.connection_wait_s", lambda host: waits_s.pop(0))

    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            client.on_error(lambda error: None)
            assert server.connections[0].transport is not None
            server.connections[0].transport.disconnect(graceful=False)
            await until(lambda: not waits_s)
            await until(lambda: phases(client) == [Phase.WAITING])
            (status,) = client.status().connections
            assert status.until_ns is not None
            assert 3000 < (status.until_ns - time.time_ns()) / 1e9 <= 3600
            assert (status.attempts, client.status().connected) == (1, False)

    run(main)


def test_a_secret_that_cannot_be_fetched_is_an_auth_error_and_fetched_again() -> None:
    failing = [False, True, True, False]

    def fetch() -> str:
        if failing and failing.pop(0):
            raise OSError("hush-hush: the vault is sealed")
        return "hush-hush"

    async def main() -> None:
        async with v5_server() as server:
            url = server.url.replace("public/linear", "private")
            async with depthwire.connect(url, api_key="a-key", api_secret=fetch, settings=QUICK) as client:
                found: list[errors.DepthwireError] = []
                client.on_error(found.append)
                assert server.connections[0].transport is not None
                server.connections[0].transport.disconnect(graceful=False)
                await until(lambda: not failing and client.status().connected)
                refused = [error for error in found if isinstance(error, errors.AuthError)]
                assert len(refused) == 2
                assert "OSError" in str(refused[0])
                assert "hush" not in str(refused[0])

    run(main)
