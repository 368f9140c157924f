"""Frames that break the WebSocket protocol end the connection, and are reported as what they are."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.client import Client
from depthwire.settings import Settings
from tests.support.plain_client import run, until
from tests.support.raw_server import Conversation, accepted, frame, raw_server
from tests.support.sim_client import collected
from tests.support.v5_server import book
from tests.support.wire import encode

QUICK = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05)
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A


def long_frame(message: Any) -> bytes:
    payload = encode(message)
    return bytes([TEXT, 126]) + len(payload).to_bytes(2, "big") + payload


class BookServer:
    """Serves one v5 book; on its first connection it sends ``wrong`` after the snapshot, when the test asks for it.

    What the client sends after that is in ``answers``; its close frame is answered by ``after_close``.
    """

    def __init__(self, wrong: bytes, after_close: bytes = b"") -> None:
        self.wrong, self.after_close = wrong, after_close
        self.answers: dict[int, bytes] = {}
        self.go = asyncio.Event()
        self.connections = 0
        self.closes: list[bytes] = []

    async def __call__(self, each: Conversation) -> None:
        self.connections += 1
        each.writer.write(accepted(each.request))
        request: dict[str, Any] = json.loads((await each.frame())[1])
        each.writer.write(
            frame(TEXT, encode({"success": True, "ret_msg": "", "op": "subscribe", "req_id": request["req_id"]}))
        )
        each.writer.write(long_frame(book("BTCUSDT")))
        if self.connections == 1:
            await self.go.wait()
            each.writer.write(self.wrong)
        while True:
            first, payload = await each.frame()
            if first == CLOSE:
                self.closes.append(payload)
                each.writer.write(self.after_close)
                return
            self.answers[first] = payload


def broken_by(wrong: bytes, check: Callable[[BookServer, Client, errors.ConnectionLost], object]) -> None:
    """A client's book is LIVE, the server sends the bytes, and the book is LIVE again on a new connection."""

    async def main() -> None:
        server = BookServer(wrong)
        async with raw_server(server, "/v5/public/linear") as url, depthwire.connect(url, settings=QUICK) as client:
            found = collected(client)
            live = await client.book("BTCUSDT")
            states: list[BookState] = []
            live.on_state(lambda _: states.append(live.state))
            server.go.set()
            await until(lambda: client.status().connects == 2 and live.state is BookState.LIVE)
            assert states == [BookState.STALE, BookState.LIVE]
            await until(lambda: bool(server.closes))
            (error,) = found
            assert isinstance(error, errors.ConnectionLost)
            check(server, client, error)

    run(main)


def as_violation(shown: str) -> Callable[[BookServer, Client, errors.ConnectionLost], object]:
    def check(server: BookServer, client: Client, error: errors.ConnectionLost) -> None:
        assert f"closed by the client with code 1002: {shown}" in str(error)
        assert error.code == 1002
        assert server.closes[0][:2] == (1002).to_bytes(2, "big")
        assert client.status().connections[0].close_code == 1002

    return check


LATE = frame(TEXT, b"this is not JSON")


@pytest.mark.parametrize("bit", [0x40, 0x20, 0x10], ids=["rsv1", "rsv2", "rsv3"])
@pytest.mark.parametrize("opcode", [0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0x01])
def test_a_reserved_bit_ends_the_connection_and_nothing_after_it_is_read(bit: int, opcode: int) -> None:
    broken_by(frame(opcode | bit, b"{}") + LATE, as_violation("a reserved bit is set"))


def test_a_masked_frame_ends_the_connection() -> None:
    broken_by(frame(TEXT, b"{}", mask=b"abcd"), as_violation("Received masked frame"))


@pytest.mark.parametrize("wrong", [frame(0x80, b"{}"), frame(0x01, b"{") + frame(0x81, b"{}")])
def test_a_broken_fragmentation_ends_the_connection(wrong: bytes) -> None:
    broken_by(wrong + LATE, as_violation("a "))


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535])
def test_an_invalid_close_code_is_a_violation(code: int) -> None:
    shown = f"invalid (close )?code:? {code}"

    def check(server: BookServer, client: Client, error: errors.ConnectionLost) -> None:
        as_violation("")(server, client, error)
        assert re.search(shown, str(error))

    broken_by(frame(CLOSE, code.to_bytes(2, "big") + b"bye"), check)


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xe8\xff\xfe"], ids=["one byte", "no UTF-8"])
def test_a_close_frame_that_cannot_be_read_is_a_violation(payload: bytes) -> None:
    def check(server: BookServer, client: Client, error: errors.ConnectionLost) -> None:
        assert "closed by the client with code 100" in str(error)
        assert "Received CLOSE with invalid" in str(error)
        assert error.code in (1002, 1007)

    broken_by(frame(CLOSE, payload), check)


INVALID_CLOSES = [code.to_bytes(2, "big") + b"why" for code in (1, 999, 1004, 1005, 1015, 2999, 5000)]


@pytest.mark.parametrize("payload", [*INVALID_CLOSES, b"\x03", b"\x03\xe8\xff\xfe"])
def test_nothing_after_an_invalid_close_is_applied(payload: bytes) -> None:
    """Neither what came with it, nor what comes before the connection is over."""

    async def main() -> None:
        deltas = [long_frame(book("BTCUSDT", u=u, kind="delta", b=[["100.51", "1"]])) for u in (2, 3)]
        server = BookServer(frame(CLOSE, payload) + deltas[0], after_close=deltas[1] + frame(PING, b"?"))
        async with raw_server(server, "/v5/public/linear") as url, depthwire.connect(url, settings=QUICK) as client:
            live = await client.book("BTCUSDT")
            applied: list[int] = []
            live.on_change(lambda _: applied.append(live.update_id))
            server.go.set()
            await until(lambda: client.status().connects == 2 and live.state is BookState.LIVE)
            assert applied == [1]
            assert PONG not in server.answers

    run(main)


def test_a_ping_is_answered_with_its_payload() -> None:
    async def main() -> None:
        server = BookServer(frame(PING, b"are you there?"))
        async with raw_server(server, "/v5/public/linear") as url, depthwire.connect(url, settings=QUICK) as client:
            await client.book("BTCUSDT")
            server.go.set()
            await until(lambda: bool(server.answers))
            assert server.answers == {PONG: b"are you there?"}
            assert client.status().losses == 0

    run(main)


def test_an_empty_close_is_reported_as_one_without_a_code_and_is_answered() -> None:
    def check(server: BookServer, client: Client, error: errors.ConnectionLost) -> None:
        assert "closed by the venue with no status code (1005): no reason given" in str(error)
        assert (error.code, error.reason) == (1005, "")
        assert client.status().connections[0].close_code == 1005
        assert server.closes[0] == (1000).to_bytes(2, "big")

    broken_by(frame(CLOSE, b"") + LATE, check)


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_valid_close_code_is_the_venues_and_is_echoed(code: int) -> None:
    def check(server: BookServer, client: Client, error: errors.ConnectionLost) -> None:
        assert f"closed by the venue with code {code}: bye" in str(error)
        assert server.closes[0] == code.to_bytes(2, "big") + b"bye"

    broken_by(frame(CLOSE, code.to_bytes(2, "big") + b"bye") + LATE, check)


def test_a_venue_that_complains_of_the_client_is_not_contradicted() -> None:
    def check(server: BookServer, client: Client, error: errors.ConnectionLost) -> None:
        assert "closed by the venue with code 1002: you" in str(error)

    broken_by(frame(CLOSE, (1002).to_bytes(2, "big") + b"you"), check)
