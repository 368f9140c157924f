"""Connecting that fails, and how its error tells why."""

import asyncio
import math
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from picows import ws_create_server

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.settings import Settings
from depthwire.venue import SyntheticMarket, Venue
from tests.support.plain_client import run
from tests.support.sim_client import QUICK


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", "not a WebSocket URL"),
        ("stream.bybit.com/realtime", "not a WebSocket URL"),
        ("https://stream.bybit.com/realtime", "not a WebSocket URL"),
        ("ws://", "not a WebSocket URL"),
        ("ws://host:99999/realtime", "not a WebSocket URL"),
        ("wss://stream.bybit.com/", "/realtime_public"),
        ("wss://stream.bybit.com/v9/moon", "/realtime_public"),
    ],
)
def test_a_url_that_names_no_endpoint_is_refused(url: str, hint: str) -> None:
    async def main() -> None:
        with pytest.raises(errors.InvalidUrl, match=hint):
            async with depthwire.connect(url):
                pass

    run(main)


def test_a_handshake_that_is_never_answered_is_no_connection() -> None:
    """It reads the request and hangs up, as a server does that dies just then."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            with pytest.raises(errors.ConnectError, match="closed by the other side before it answered"):
                async with depthwire.connect(f"ws://127.0.0.1:{port}/realtime", settings=QUICK):
                    pass

    run(main)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refused(url: str, match: str, **options: Any) -> None:
    async def main() -> None:
        with pytest.raises(errors.ConnectError, match=match) as error:
            async with depthwire.connect(url, settings=Settings(timeout_s=0.5), **options):
                pass
        assert isinstance(error.value, ConnectionError)
        assert "secret" not in str(error.value)

    run(main)


def test_a_refused_port_is_a_connect_error() -> None:
    refused(f"ws://127.0.0.1:{free_port()}/realtime?api_key=secret", r"127\.0\.0\.1.*realtime: .*Connect")


def test_an_unknown_host_is_a_connect_error() -> None:
    refused("ws://no-such-host.invalid/realtime", r"no-such-host\.invalid")


def test_tls_to_a_plain_port_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue waits for the end of an HTTP request, and so answers nothing that is TLS."""
    monkeypatch.setattr("depthwire.session.dial.PLAIN_AFTER_S", 0.01)

    async def main() -> None:
        async with Venue(SyntheticMarket()) as venue:
            url = venue.inverse_url.replace("ws:", "wss:") + "?token=hush-hush"
            with pytest.raises(errors.ConnectError, match="the port speaks WebSocket without TLS: use ws://") as found:
                async with depthwire.connect(url, settings=Settings(timeout_s=50)):
                    pass
            assert "hush" not in str(found.value)

    run(main)


def test_a_tls_handshake_that_the_server_ends_is_not_reported_to_the_loop() -> None:
    reports: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reports.append(context["message"]))

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1000)
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/realtime"
            for _ in range(2):
                with pytest.raises(errors.ConnectError, match="does the port speak TLS"):
                    async with depthwire.connect(url, settings=Settings(timeout_s=50)):
                        pass
        loop.call_exception_handler({"message": "another"})

    run(main)
    assert reports == ["another"]


def test_tls_to_an_http_port_is_reported_at_once() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(errors.ConnectError, match="does the port speak TLS"):
                async with depthwire.connect(f"wss://127.0.0.1:{port}/realtime", settings=Settings(timeout_s=50)):
                    pass

    run(main)


def test_a_silent_port_that_speaks_nothing_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthwire.session.dial.PLAIN_AFTER_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(f"wss://127.0.0.1:{silent.getsockname()[1]}/realtime", r"no connection within 0\.5 s")


def test_a_plain_handshake_to_a_tls_port_is_reported_at_once(certificate: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    async def main() -> None:
        async with Venue(SyntheticMarket(), ssl=serving) as venue:
            with pytest.raises(errors.ConnectError, match=r"before it answered .*; it may speak TLS: try wss://"):
                async with depthwire.connect(venue.inverse_url.replace("wss:", "ws:"), settings=Settings(timeout_s=50)):
                    pass

    run(main)


def test_a_path_that_the_server_does_not_serve_is_a_connect_error() -> None:
    async def main() -> None:
        server = await ws_create_server(lambda request: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(errors.ConnectError, match="404"):
            async with depthwire.connect(f"ws://127.0.0.1:{port}/realtime", settings=QUICK):
                pass
        server.close()

    run(main)


def test_a_server_that_never_answers_the_handshake_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(f"ws://127.0.0.1:{silent.getsockname()[1]}/realtime", r"no connection within 0\.5 s")


def test_tls_is_verified(certificate: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))

    async def main() -> None:
        async with Venue(SyntheticMarket(), ssl=serving, speed=20) as venue:
            url = venue.inverse_url.replace("127.0.0.1", "localhost")
            assert url.startswith("wss://")
            with pytest.raises(TypeError, match=r"must be an ssl\.SSLContext"):
                async with depthwire.connect(url, settings=QUICK, ssl_context=False):  # type: ignore[arg-type]
                    pass
            with pytest.raises(errors.ConnectError, match="certificate"):
                async with depthwire.connect(url, settings=QUICK):
                    pass
            async with depthwire.connect(url, settings=QUICK, ssl_context=trusting) as client:
                assert (await client.book("BTCUSD")).state is BookState.LIVE

    run(main)


@pytest.mark.parametrize("name", ["timeout_s", "ping_interval_s", "backoff_first_s", "max_message_size"])
def test_settings_that_make_no_sense_are_refused(name: str) -> None:
    for value in (0, -1, math.nan):
        with pytest.raises(ValueError, match=name):
            Settings(**{name: value})


def test_secrets_in_a_url_are_not_shown() -> None:
    async def main() -> None:
        async with (
            Venue(SyntheticMarket()) as venue,
            depthwire.connect(f"{venue.inverse_url}?api_key=hush&signature=hush", settings=QUICK) as client,
        ):
            await client.book("BTCUSD")
            assert "hush" not in f"{client!r} {client.url} {client.status()}"

    run(main)
