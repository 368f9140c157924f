"""Taps: several callables see each message of a client, whatever one of them raises."""

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.dialect import Limits
from depthwire.bybit.v5 import dialect as v5
from tests.support.plain_client import run, until
from tests.support.sim_client import BTC, QUICK, collected, simulated
from tests.support.v5_server import v5_server


def test_several_taps_see_each_message_until_they_are_removed() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            seen: dict[str, list[bytes]] = {"first": [], "second": []}
            removers = {
                name: client.add_tap(lambda ts, payload, kept=kept: kept.append(bytes(payload)))
                for name, kept in seen.items()
            }
            await client.book("BTCUSD")
            await until(lambda: len(seen["first"]) > 10)
            assert seen["first"] == seen["second"]
            assert any(raw.startswith(b'{"success":true') for raw in seen["first"]), "answers, too"
            removers["first"]()
            removers["first"]()
            count = len(seen["first"])
            await until(lambda: len(seen["second"]) > count + 10)
            assert len(seen["first"]) == count
            removers["second"]()
            assert {session.feed.tap for session in client._sessions} == {None}

    run(main)


def test_a_tap_that_is_added_twice_is_called_twice_and_removed_once() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            seen: list[int] = []

            def tap(ts_recv_ns: int, payload: memoryview) -> None:
                seen.append(ts_recv_ns)

            remove_one, remove_other = client.add_tap(tap), client.add_tap(tap)
            await client.book("BTCUSD")
            assert seen
            assert len(seen) == 2 * len(set(seen))
            remove_one()
            seen.clear()
            await until(lambda: len(seen) > 5)
            assert len(seen) == len(set(seen))
            remove_other()

    run(main)


def test_what_a_tap_raises_is_reported_and_the_message_goes_on() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            found, seen = collected(client), list[bytes]()

            def broken(ts_recv_ns: int, payload: memoryview) -> None:
                raise ValueError("a bad tap")

            client.add_tap(broken)
            client.add_tap(lambda ts, payload: seen.append(bytes(payload)))
            book = await client.book("BTCUSD")
            await until(lambda: book.version > 10)
            assert book.state is BookState.LIVE
            assert sum(BTC.encode() in raw for raw in seen) >= 10
            assert len(found) >= len(seen)
            assert {type(error) for error in found} == {errors.CallbackError}
            assert "a tap raised ValueError: a bad tap" in str(found[0])

    run(main)


def test_connections_that_are_made_later_have_the_taps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v5.LINEAR, "limits", Limits(args_length=70))  # three books a connection

    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            seen: list[bytes] = []
            client.add_tap(lambda ts, payload: seen.append(bytes(payload)))
            symbols = [f"S{number}" for number in range(4)]
            for symbol in symbols:
                await client.book(symbol)
            assert len(server.open) == 2
            assert all(any(f'"orderbook.50.{symbol}"'.encode() in raw for raw in seen) for symbol in symbols)

    run(main)
