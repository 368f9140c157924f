"""Failed sign-ins: what they cost, who gets the error, and when they are retried."""

import asyncio
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import pytest
from picows.picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.auth import Cause, Credentials, cause_of, signature, venue_time_s
from depthwire.session import sign_in
from depthwire.session.phase import Phase
from depthwire.session.sign_in import SignInPolicy
from depthwire.settings import Backoff, Settings
from depthwire.venue import SyntheticMarket, Venue
from tests.support.plain_client import run, until
from tests.support.raw_server import Conversation, accepted, frame, raw_server
from tests.support.sim_client import collected, ends
from tests.support.v5_server import V5Connection, V5Server, v5_server

QUICK = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05)
KEY, SECRET = "demo-key", "hush-hush-demo-secret"
REFUSED = "error:invalid signature"


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def wanted(secret: str | Callable[[], str], clock: Clock) -> SignInPolicy:
    made = SignInPolicy(5.0, "op", Backoff(0.5, 30.0, clock_s=clock), clock_s=clock)
    made.credentials = Credentials(KEY, secret)
    return made


# when it is tried


def test_a_refused_key_is_tried_once_a_minute_and_five_times_in_all() -> None:
    clock = Clock()
    signing = wanted(SECRET, clock)
    tries = []
    for second in range(3600):
        clock.now_s = 1000.0 + second
        if signing.arguments() is not None:
            tries.append(second)
            error = signing.refused(REFUSED, None)
    assert tries == [0, 60, 120, 180, 240]
    assert signing.wait_s() is None
    assert "refused 5 times, and not tried again with this secret" in str(error)
    assert SECRET not in str(error)


def test_another_secret_is_tried_at_once_and_has_tries_of_its_own() -> None:
    clock, secrets = Clock(), ["one"]
    signing = wanted(lambda: secrets[-1], clock)
    for _ in range(5):
        assert signing.arguments() is not None
        signing.refused(REFUSED, None)
        assert signing.arguments() is None
        clock.now_s += 60.0
    assert signing.arguments() is None
    assert signing.wait_s() == 60.0  # the callable is asked again
    secrets.append("two")
    assert signing.arguments() is not None
    signing.refused(REFUSED, None)
    assert signing.arguments() is None
    clock.now_s += 60.0
    assert signing.arguments() is not None
    signing.accepted()
    assert signing.refusal is None
    assert signing.wait_s() == 0.0


def test_a_refused_clock_is_corrected_and_tried_once_at_once() -> None:
    clock = Clock()
    signing = wanted(SECRET, clock)
    assert signing.arguments() is not None
    signing.refused("error:request expired", -3600.0)
    assert signing.wait_s() == 0.0
    arguments = signing.arguments()
    assert arguments is not None
    _, expires_ms, signed = arguments
    assert abs(expires_ms / 1000 - time.time() - 3605.0) < 5.0
    assert signed == signature(SECRET, expires_ms)
    signing.refused("error:request expired", -3600.0)
    assert signing.wait_s() == 60.0
    assert signing.arguments() is None


def test_a_refused_clock_that_no_one_can_correct_waits_like_a_key() -> None:
    signing = wanted(SECRET, Clock())
    assert signing.arguments() is not None
    signing.refused("error:request expired", None)
    assert signing.wait_s() == 60.0


def test_the_venues_time_in_an_answer_corrects_the_clock() -> None:
    signing = wanted(SECRET, Clock())
    assert signing.arguments() is not None
    server_ms = round((time.time() + 7200) * 1000)
    reason = f"invalid request, please check your server timestamp. req_timestamp[1],server_timestamp[{server_ms}]"
    assert "-7200 s off" in str(signing.refused(reason, None))
    arguments = signing.arguments()
    assert arguments is not None
    assert abs(arguments[1] - server_ms - 5000) < 5000


def test_a_busy_venue_is_asked_once_a_minute_without_end() -> None:
    clock = Clock()
    signing = wanted(SECRET, clock)
    for _ in range(20):
        assert signing.arguments() is not None
        signing.refused("Server busy, try again later", None)
        assert signing.arguments() is None
        clock.now_s += 60.0
    assert signing.wait_s() == 0.0


def test_a_try_without_an_answer_is_repeated_with_the_backoff_and_without_end() -> None:
    clock = Clock()
    signing = wanted(SECRET, clock)
    waits = []
    for _ in range(20):
        assert signing.arguments() is not None
        error = signing.unanswered("the connection was lost")
        assert signing.arguments() is None
        wait_s = signing.wait_s()
        assert wait_s is not None
        waits.append(wait_s)
        clock.now_s += wait_s
    assert 0 < waits[0] <= 0.5
    assert waits[0] < waits[3] < waits[6]
    assert 15.0 <= max(waits) <= 30.0
    assert "refused" not in str(error)
    signing.refused(REFUSED, None)
    assert signing.wait_s() == 60.0, "none of them counts as a refusal"


def test_a_secret_that_cannot_be_fetched_is_asked_for_again_with_the_backoff() -> None:
    clock = Clock()

    def broken() -> str:
        raise OSError

    signing = wanted(broken, clock)
    with pytest.raises(errors.AuthError, match="raised OSError"):
        signing.arguments()
    wait_s = signing.wait_s()
    assert wait_s is not None
    assert 0 < wait_s <= 0.5


@pytest.mark.parametrize(("offset_s", "wait_s"), [(-3600.0, 0.0), (3600.0, 0.0), (4.0, 60.0), (None, 60.0)])
def test_a_refusal_that_names_no_cause_is_the_clocks_if_it_is_off(offset_s: float | None, wait_s: float) -> None:
    signing = wanted(SECRET, Clock())
    assert signing.arguments() is not None
    signing.refused("status 401 Unauthorized", offset_s, names_cause=False)
    assert signing.wait_s() == wait_s
    assert signing.arguments() is None or offset_s is not None
    signing.refused("status 401 Unauthorized", offset_s, names_cause=False)
    assert signing.wait_s() == 60.0, "corrected once"


@pytest.mark.parametrize(
    ("reason", "offset_s", "cause"),
    [
        ("error:request expired", None, Cause.CLOCK),
        ("Params Error", -3600.0, Cause.CLOCK),
        ("Params Error", 0.0, Cause.KEY),
        ("error:invalid api_key", -3600.0, Cause.KEY),
        ("error:permission denied", None, Cause.KEY),
        ("Too many visits!", None, Cause.BUSY),
        ("", None, Cause.KEY),
    ],
)
def test_the_cause_of_a_refusal(reason: str, offset_s: float | None, cause: Cause) -> None:
    assert cause_of(reason, 5.0, offset_s) is cause


@pytest.mark.parametrize(
    ("reason", "time_s"),
    [("server_timestamp: 1700000000123", 1_700_000_000.123), ("server_timestamp[12]", None), ("expired", None)],
)
def test_the_venues_time_is_read_where_it_is_named(reason: str, time_s: float | None) -> None:
    assert venue_time_s(reason) == time_s


# one socket for public and private topics


@pytest.mark.parametrize("way", ["op", "url"])
def test_public_topics_come_back_without_the_sign_in_and_private_readers_are_told(
    way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "RETRY_S", 0.02)
    secrets = [SECRET]

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            account = venue.account(KEY, secret=SECRET)
            async with depthwire.connect(
                venue.inverse_url, api_key=KEY, api_secret=lambda: secrets[-1], auth_way=way, settings=QUICK
            ) as client:
                found = collected(client)
                book, orders = await client.book("BTCUSD"), await client.orders()
                secrets.append("another")
                venue.drop_connections()
                with pytest.raises(errors.AuthError, match="refused the sign-in"):
                    await anext(orders)
                assert isinstance(orders.view.gap, errors.AuthError)
                await until(lambda: client.status().connects == 2 and book.state is BookState.LIVE)
                (status,) = client.status().connections
                assert status.phase in (Phase.LIVE, Phase.SIGNING_IN)
                assert "refused the sign-in" in status.sign_in_refusal
                assert status.sign_in_ns is not None
                health = client.health()
                assert "refused the sign-in" in str(health["order"].refusal)
                assert health[book.topic].refusal is None
                for _ in range(2):
                    with pytest.raises(errors.AuthError, match="refused the sign-in"):
                        await client.positions()
                with pytest.raises(errors.AuthError, match="refused the sign-in"):
                    await client.orders()
                secrets.append(SECRET)
                with pytest.raises(errors.StreamGap):
                    while True:
                        with pytest.raises(errors.AuthError):
                            await anext(orders)
                account.submit("BTCUSD", "Buy", 1, 20_000)
                assert (await anext(orders)).order_status == "New"
                (status,) = client.status().connections
                assert (status.sign_in_refusal, status.sign_in_ns, status.losses) == ("", None, 1)
                assert client.health()["order"].refusal is None
                assert client.status().connected
                assert book.state is BookState.LIVE
                assert {type(error) for error in found} == {errors.ConnectionLost, errors.AuthError}
            assert await ends(orders)

    run(main)


def test_a_fixed_secret_is_given_up_after_five_tries_and_books_live_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "RETRY_S", 0.01)

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            account = venue.account(KEY, secret=SECRET)
            async with depthwire.connect(venue.inverse_url, api_key=KEY, api_secret=SECRET, settings=QUICK) as client:
                found = collected(client)
                asked: list[Any] = []
                client.add_tap(lambda _, raw: asked.append(1) if b'"op":"auth"' in bytes(raw) else None)
                book, orders = await client.book("BTCUSD"), await client.orders()
                account.secret = "revoked"
                venue.drop_connections()
                await until(lambda: any("not tried again" in str(error) for error in found))
                assert len(asked) == 5
                (status,) = client.status().connections
                assert status.sign_in_ns is None
                assert "refused 5 times" in status.sign_in_refusal
                venue.drop_connections()
                await until(lambda: client.status().connects == 3 and book.state is BookState.LIVE)
                await until(lambda: client.status().connected)
                assert len(asked) == 5
                told = []
                while orders.waiting:
                    with pytest.raises(errors.AuthError) as error:
                        await anext(orders)
                    told.append(str(error.value))
                assert len(told) == len(set(told)) == 2

    run(main)


@pytest.mark.parametrize("way", ["op", "url"])
def test_a_clock_that_is_off_is_corrected_by_the_venues_date(way: Any) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            account = venue.account(KEY, secret=SECRET)
            venue.clock.offset_s = 3600.0
            async with depthwire.connect(
                venue.inverse_url, api_key=KEY, api_secret=SECRET, auth_way=way, settings=QUICK
            ) as client:
                await until(lambda: client._public.connection.auth.signed_in and client.status().connected)
                orders = await client.orders()
                venue.clock.offset_s = 7200.0
                venue.drop_connections()
                while True:
                    try:
                        await anext(orders)
                    except errors.AuthError:
                        continue
                    except errors.StreamGap:
                        break
                account.submit("BTCUSD", "Buy", 1, 20_000)
                assert (await anext(orders)).order_status == "New"

    run(main)


def test_a_sign_in_that_is_not_answered_costs_no_public_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(timeout_s=0.3, backoff_first_s=0.01, backoff_cap_s=0.05)

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            account = venue.account(KEY, secret=SECRET)
            async with depthwire.connect(
                venue.inverse_url, api_key=KEY, api_secret=SECRET, settings=settings
            ) as client:
                book, orders = await client.book("BTCUSD"), await client.orders()
                with monkeypatch.context() as silent:
                    silent.setattr("depthwire.venue.server.connection.Connection._sign_in", lambda *_: None)
                    venue.drop_connections()
                    await until(lambda: client.status().connects == 2 and book.state is BookState.LIVE)
                    with pytest.raises(errors.AuthError, match=r"no answer to the sign-in: none came within 0\.3 s"):
                        await anext(orders)
                    assert book.state is BookState.LIVE
                await until(lambda: client.health()["order"].refusal is None)
                assert (client.status().losses, book.state) == (1, BookState.LIVE), "tried again on the same connection"
                with pytest.raises(errors.StreamGap):
                    await anext(orders)
                account.submit("BTCUSD", "Buy", 1, 20_000)
                assert (await anext(orders)).order_status == "New"

    run(main)


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST])
def test_a_handshake_that_is_refused_for_its_key_costs_no_public_topic(
    status: HTTPStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, refused = Venue._accept, [0]
    is_refusing = False

    def strict(venue: Venue, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener | None:
        if is_refusing and b"api_key" in request.path:
            refused[0] += 1
            return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status, b"no"), None)
        return accept(venue, request)

    monkeypatch.setattr(Venue, "_accept", strict)

    async def main() -> None:
        nonlocal is_refusing
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            venue.account(KEY, secret=SECRET)
            async with depthwire.connect(
                venue.inverse_url, api_key=KEY, api_secret=SECRET, auth_way="url", settings=QUICK
            ) as client:
                found = collected(client)
                book, orders = await client.book("BTCUSD"), await client.orders()
                is_refusing = True
                venue.drop_connections()
                with pytest.raises(errors.AuthError, match=f"status {status.value}"):
                    await anext(orders)
                await until(lambda: client.status().connects == 2 and book.state is BookState.LIVE)
                (shown,) = client.status().connections
                assert f"status {status.value}" in shown.sign_in_refusal
                assert f"status {status.value}" in str(client.health()["order"].refusal)
                assert shown.phase in (Phase.LIVE, Phase.SIGNING_IN)
                assert sum(isinstance(error, errors.AuthError) for error in found) == 1
                venue.drop_connections()
                await until(lambda: client.status().connects == 3 and book.state is BookState.LIVE)
                assert refused == [1]

    run(main)


def test_a_handshake_that_is_refused_to_all_is_no_refused_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            account = venue.account(KEY, secret=SECRET)
            async with depthwire.connect(
                venue.inverse_url, api_key=KEY, api_secret=SECRET, auth_way="url", settings=QUICK
            ) as client:
                found = collected(client)
                orders = await client.orders()
                venue.faults.once("refuse")
                venue.drop_connections()
                with pytest.raises(errors.StreamGap):
                    await anext(orders)
                account.submit("BTCUSD", "Buy", 1, 20_000)
                assert (await anext(orders)).order_status == "New"
                assert {type(error) for error in found} == {errors.ConnectionLost, errors.ConnectError}

    run(main)


def test_a_connection_lost_during_the_sign_in_costs_no_minute_of_private_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = [0]

    def hang_up(connection: Any, *_: object) -> None:
        tries[0] += 1
        connection.transport.disconnect(graceful=False)

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            account = venue.account(KEY, secret=SECRET)
            async with depthwire.connect(venue.inverse_url, api_key=KEY, api_secret=SECRET, settings=QUICK) as client:
                found = collected(client)
                book, orders = await client.book("BTCUSD"), await client.orders()
                with monkeypatch.context() as strict:
                    strict.setattr("depthwire.venue.server.connection.Connection._sign_in", hang_up)
                    venue.drop_connections()
                    with pytest.raises(errors.AuthError, match="the connection was lost before one came"):
                        while True:
                            with pytest.raises(errors.StreamGap):
                                await anext(orders)
                    (status,) = client.status().connections
                    assert "the connection was lost before one came" in status.sign_in_refusal
                    assert "the connection was lost before one came" in str(client.health()["order"].refusal)
                    await until(lambda: tries[0] > 6)
                await until(lambda: client.status().connections[0].sign_in_refusal == "" and client.status().connected)
                await until(lambda: client.health()["order"].refusal is None and book.state is BookState.LIVE)
                while orders.waiting:
                    with pytest.raises((errors.AuthError, errors.StreamGap)):
                        await anext(orders)
                account.submit("BTCUSD", "Buy", 1, 20_000)
                assert (await anext(orders)).order_status == "New"
                assert not any("not tried again" in str(error) for error in found)

    run(main, bound_s=30)


def test_a_venue_that_hangs_up_on_each_sign_in_serves_public_topics_between_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(timeout_s=5.0, backoff_first_s=0.05, backoff_cap_s=3600.0)
    tries = [0]

    def hang_up(connection: Any, *_: object) -> None:
        tries[0] += 1
        connection.transport.disconnect(graceful=False)

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            venue.account(KEY, secret=SECRET)
            async with depthwire.connect(
                venue.inverse_url, api_key=KEY, api_secret=SECRET, settings=settings
            ) as client:
                book, orders = await client.book("BTCUSD"), await client.orders()
                monkeypatch.setattr("depthwire.venue.server.connection.Connection._sign_in", hang_up)
                signing = client._public.connection.auth.policy
                signing._backoff.attempts = 12  # many sign-ins have failed lately: the next wait is long
                signing._backoff._asked_s = time.monotonic()
                venue.drop_connections()
                await until(lambda: tries[0] == 1 and client.status().losses == 2)
                await until(lambda: client.status().connects == 3 and book.state is BookState.LIVE)
                assert tries == [1], "connected again without another sign-in"
                assert (signing.wait_s() or 0.0) > 30.0
                assert "lost before one came" in str(client.health()["order"].refusal)
                assert orders.waiting

    run(main)


# a handshake that signs in, refused


def clock_server(ahead_s: float, seen: list[str], connections: list[Conversation], *, dated: bool = True) -> Any:
    """Answer 401 to each signed handshake that has expired by a clock that is ahead; accept all others."""

    async def serve(each: Conversation) -> None:
        path = each.request.split(b" ")[1].decode()
        found = re.search(r"expires=(\d+)", path)
        now_s = time.time() + ahead_s
        if found is not None and not now_s < int(found[1]) / 1000 < now_s + 60.0:
            seen.append("refused")
            date = f"Date: {formatdate(now_s, usegmt=True)}\r\n" if dated else ""
            each.writer.write(f"HTTP/1.1 401 Unauthorized\r\n{date}\r\n".encode())
            return
        seen.append("accepted" if found is not None else "unsigned")
        connections.append(each)
        each.writer.write(accepted(each.request))
        if found is not None:
            each.writer.write(frame(0x81, b'{"success":true,"ret_msg":"","request":{"op":"auth","args":[]}}'))
        while True:
            await each.frame()

    return serve


@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0])
def test_a_handshake_refused_for_its_clock_is_repeated_once_with_the_servers(ahead_s: float) -> None:
    async def main() -> None:
        seen: list[str] = []
        connections: list[Conversation] = []
        async with (
            raw_server(clock_server(ahead_s, seen, connections)) as url,
            depthwire.connect(url, api_key=KEY, api_secret=SECRET, auth_way="url", settings=QUICK) as client,
        ):
            found = collected(client)
            assert seen == ["refused", "accepted"]
            await until(lambda: client._public.frames == 1)
            client._public.connection.auth.policy._clock_offset_s = 0.0  # and now its clock is set differently again
            connections[0].writer.transport.abort()
            await until(lambda: client.status().connects == 2)
            assert seen == ["refused", "accepted"] * 2
            assert {type(error) for error in found} == {errors.ConnectionLost}

    run(main)


def test_a_handshake_refused_for_its_clock_without_a_date_costs_no_public_topic() -> None:
    async def main() -> None:
        seen: list[str] = []
        connections: list[Conversation] = []
        async with raw_server(clock_server(3600.0, seen, connections, dated=False)) as url:
            with pytest.raises(errors.ConnectError, match="status 401"):
                async with depthwire.connect(url, api_key=KEY, api_secret=SECRET, auth_way="url", settings=QUICK):
                    pass
        assert seen == ["refused"]

    run(main)


# a separate private socket


def close_after_refusal(server: V5Server) -> None:
    """The venue hangs up on those whose sign-in it refused."""
    answer = server.answer

    def answer_and_close(connection: V5Connection, request: dict[str, Any]) -> None:
        answer(connection, request)
        if request["op"] == "auth" and not connection.signed_in and connection.transport is not None:
            connection.transport.disconnect()

    server.answer = answer_and_close  # type: ignore[method-assign]


def test_a_private_socket_whose_key_is_refused_is_not_hammered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "RETRY_S", 0.2)

    async def main() -> None:
        async with v5_server() as server:
            close_after_refusal(server)
            url = server.url.replace("public/linear", "private")
            async with depthwire.connect(url, api_key="a-key", api_secret="hush-hush", settings=QUICK) as client:
                found = collected(client)
                orders = await client.orders()
                monkeypatch.setattr("tests.support.v5_server.SECRET", "another")
                assert server.connections[0].transport is not None
                server.connections[0].transport.disconnect()
                await until(lambda: client.status().connections[0].phase is Phase.IDLE)
                status = client.status()
                assert not status.connected
                assert "not tried again with this secret" in status.connections[0].sign_in_refusal
                assert len(server.connections) == 1 + 5
                assert sum(isinstance(error, errors.AuthError) for error in found) == 5
                with pytest.raises(errors.AuthError, match="invalid signature"):
                    await anext(orders)
                with pytest.raises(errors.AuthError, match="not tried again"):
                    await client.positions()
                assert len(server.connections) == 6

    run(main)


def test_a_private_socket_comes_back_with_another_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "RETRY_S", 0.02)
    secrets = ["hush-hush"]

    async def main() -> None:
        async with v5_server() as server:
            close_after_refusal(server)
            async with depthwire.connect(
                server.url, api_key="a-key", api_secret=lambda: secrets[-1], settings=QUICK
            ) as client:
                found = collected(client)
                orders, book = await client.orders(), await client.book("BTCUSDT")
                secrets.append("another")
                (private,) = [each for each in server.open if each.path == "/v5/private"]
                assert private.transport is not None
                private.transport.disconnect()
                await until(lambda: any("not tried again" in str(error) for error in found))
                assert book.state is BookState.LIVE
                secrets.append("hush-hush")
                with pytest.raises(errors.StreamGap):
                    while True:
                        with pytest.raises(errors.AuthError):
                            await anext(orders)
                assert client.status().connected

    run(main)


def test_a_private_socket_whose_sign_in_is_not_answered_is_replaced() -> None:
    settings = Settings(timeout_s=0.3, backoff_first_s=0.01, backoff_cap_s=0.05)

    async def main() -> None:
        async with v5_server() as server:
            url = server.url.replace("public/linear", "private")
            async with depthwire.connect(url, api_key="a-key", api_secret="hush-hush", settings=settings) as client:
                client.on_error(lambda error: None)
                orders = await client.orders()
                answer = server.answer
                server.answer = lambda *_: None  # type: ignore[method-assign]
                assert server.connections[0].transport is not None
                server.connections[0].transport.disconnect()
                with pytest.raises(errors.AuthError, match=r"none came within 0\.3 s"):
                    await anext(orders)
                server.answer = answer  # type: ignore[method-assign]
                await until(lambda: client.status().connected and client.health()["order"].refusal is None)
                assert len(server.connections) > 2

    run(main, bound_s=30)


def test_a_clock_without_a_date_is_named_and_not_tried_again_at_once() -> None:
    async def main() -> None:
        async with v5_server() as server:
            monkey = server._refusal
            server._refusal = lambda connection, op, args: (  # type: ignore[method-assign]
                "error:request expired" if op == "auth" else monkey(connection, op, args)
            )
            url = server.url.replace("public/linear", "private")
            with pytest.raises(errors.AuthError, match=r"request expired.*clock is off, or the window of 5 s"):
                async with depthwire.connect(url, api_key="a-key", api_secret="hush-hush", settings=QUICK):
                    pass
            assert [request["op"] for request in server.connections[0].requests] == ["auth"]

    run(main)


# two lines


def test_with_two_lines_readers_meet_a_refusal_only_where_neither_line_serves_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sign_in, "RETRY_S", 3600.0)

    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=20) as one, Venue(SyntheticMarket(seed=5), speed=20) as two:
            accounts = [venue.account(KEY, secret=SECRET) for venue in (one, two)]
            async with depthwire.connect(
                [one.inverse_url, two.inverse_url], api_key=KEY, api_secret=SECRET, settings=QUICK
            ) as client:
                client.on_error(lambda error: None)
                orders = await client.orders()
                held = [each for session in client._sessions for each in session.subscriptions.values()]
                await until(lambda: client.status().connected and all(each.is_confirmed for each in held))
                accounts[0].secret = "revoked"
                one.drop_connections()
                await until(lambda: bool(client.status().connections[0].sign_in_refusal))
                assert orders.waiting == 0
                assert client.health()["order"].refusal is None
                accounts[1].secret = "revoked"
                two.drop_connections()
                with pytest.raises(errors.AuthError, match="refused the sign-in"):
                    await anext(orders)
                assert "refused the sign-in" in str(client.health()["order"].refusal)

    run(main)


def test_a_reader_that_waits_for_the_sign_in_is_told_when_it_is_refused() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            account = venue.account(KEY, secret=SECRET)
            async with depthwire.connect(venue.inverse_url, api_key=KEY, api_secret=SECRET, settings=QUICK) as client:
                client.on_error(lambda error: None)
                await client.book("BTCUSD")
                account.secret = "revoked"
                venue.drop_connections()
                await until(lambda: not client.status().connected)
                with pytest.raises(errors.AuthError, match="refused the sign-in"):
                    await asyncio.wait_for(client.orders(), 5.0)
                assert set(client.health()) == {"orderBookL2_25.BTCUSD"}

    run(main)


# a private topic that is refused after the sign-in


def test_a_private_topic_that_is_refused_after_a_reconnect_says_so_and_is_asked_for_again() -> None:
    async def main() -> None:
        async with v5_server() as server:
            url = server.url.replace("public/linear", "private")
            async with depthwire.connect(url, api_key="a-key", api_secret="hush-hush", settings=QUICK) as client:
                found = collected(client)
                orders = await client.orders()
                server.refused = {"order": "error:needs auth first"}
                assert server.connections[0].transport is not None
                server.connections[0].transport.disconnect()
                with pytest.raises(errors.SubscriptionRejected, match="needs auth first"):
                    await anext(orders)
                await until(lambda: sum(isinstance(error, errors.SubscriptionRejected) for error in found) > 2)
                assert orders.waiting == 0, "one error for one reason"
                assert "needs auth first" in str(client.health()["order"].refusal)
                server.refused = {}
                with pytest.raises(errors.StreamGap):
                    await anext(orders)
                assert client.health()["order"].refusal is None
                assert client.status().losses == 1

    run(main)


# a secret that cannot be fetched


class Aborted(BaseException):
    pass


@pytest.mark.parametrize("way", ["op", "url"])
@pytest.mark.parametrize("raised", [asyncio.CancelledError(SECRET), Aborted(SECRET)])
def test_a_secret_that_cannot_be_fetched_after_a_reconnect_is_asked_for_again(raised: BaseException, way: Any) -> None:
    tries = 0
    fails = False

    def secret() -> str:
        nonlocal tries
        tries += 1
        if fails:
            raise raised
        return SECRET

    async def main() -> None:
        nonlocal fails
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            venue.account(KEY, secret=SECRET)
            async with depthwire.connect(
                venue.inverse_url, api_key=KEY, api_secret=secret, auth_way=way, settings=QUICK
            ) as client:
                found = collected(client)
                book, orders = await client.book("BTCUSD"), await client.orders()
                fails = True
                venue.drop_connections()
                with pytest.raises(errors.AuthError, match=f"raised {type(raised).__name__}"):
                    await anext(orders)
                asked = tries
                await until(lambda: tries > asked + 2 and book.state is BookState.LIVE)
                assert "raised" in client.status().connections[0].sign_in_refusal
                assert "raised" in str(client.health()["order"].refusal)
                assert orders.waiting == 0
                assert not any(SECRET in repr(error) for error in found)
                fails = False
                with pytest.raises(errors.StreamGap):
                    await anext(orders)
                assert client.health()["order"].refusal is None

    run(main)


@pytest.mark.parametrize(("raised", "ends"), [(SystemExit(3), SystemExit), (KeyboardInterrupt(), KeyboardInterrupt)])
def test_a_secret_callable_that_ends_the_program_is_reported_first(
    raised: BaseException, ends: type[BaseException]
) -> None:
    fails = False
    found: list[errors.DepthwireError] = []

    def secret() -> str:
        if fails:
            raise raised
        return SECRET

    async def main() -> None:
        nonlocal fails
        async with Venue(SyntheticMarket(seed=5), speed=20) as venue:
            venue.account(KEY, secret=SECRET)
            async with depthwire.connect(venue.inverse_url, api_key=KEY, api_secret=secret, settings=QUICK) as client:
                client.on_error(found.append)
                await client.orders()
                fails = True
                venue.drop_connections()
                await asyncio.Event().wait()

    with pytest.raises(ends):
        run(main)
    (callback,) = [error for error in found if isinstance(error, errors.CallbackError)]
    assert f"api_secret raised {ends.__name__}" in str(callback)
    assert any(isinstance(error, errors.AuthError) for error in found)
