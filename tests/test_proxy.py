"""Connections through an HTTP proxy: a real one, that opens tunnels when it is asked with CONNECT."""

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import depthwire
from depthwire import blocking, errors
from depthwire.settings import Settings
from depthwire.values import BookState
from depthwire.venue import SyntheticMarket, Venue
from plain_client import run, until

QUICK = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05)


class ConnectProxy:
    """Tunnels for those who know the password; ``asked`` holds the targets that were asked for."""

    def __init__(self, credentials: str, status: int = 200) -> None:
        self.asked: list[str] = []
        self.port = 0
        self._wanted = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else None
        self._status = status
        self._tunnels: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tunnels.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = head.split("\r\n")
            verb, target, _ = line.split(" ")
            fields = dict(each.split(": ", 1) for each in lines if each)
            assert verb == "CONNECT"
            self.asked.append(target)
            status = self._status if fields.get("Proxy-Authorization") == self._wanted else 407
            if status != 200:
                writer.write(f"HTTP/1.1 {status} No\r\n\r\n".encode())
                return
            host, _, port = target.rpartition(":")
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            try:
                await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
            finally:
                far_writer.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tunnels.discard(task)

    async def end_tunnels(self) -> None:
        tunnels = tuple(self._tunnels)
        for tunnel in tunnels:
            tunnel.cancel()
        await asyncio.gather(*tunnels, return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def connect_proxy(credentials: str = "", status: int = 200) -> AsyncIterator[ConnectProxy]:
    proxy = ConnectProxy(credentials, status)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end_tunnels()


def test_books_come_through_the_tunnel_and_again_after_it_broke(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1), speed=20) as venue, connect_proxy("me:hu%sh") as proxy:
            url = f"http://me:hu%25sh@127.0.0.1:{proxy.port}"
            async with depthwire.connect(venue.inverse_url, settings=QUICK, proxy=url) as client:
                found: list[errors.DepthwireError] = []
                client.on_error(found.append)
                book = await client.book("BTCUSD")
                await proxy.end_tunnels()
                await until(lambda: client.status().connects == 2 and book.state is BookState.LIVE)
                target = venue.inverse_url.removeprefix("ws://").partition("/")[0]
                assert proxy.asked == [target] * 2
                assert "sh@" not in f"{client!r} {client.status()} {found} {caplog.text}"

    with caplog.at_level(logging.DEBUG):
        run(main)


def test_tls_is_verified_inside_the_tunnel(certificate: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))

    async def main() -> None:
        async with Venue(SyntheticMarket(), ssl=serving, speed=20) as venue, connect_proxy() as proxy:
            options: dict[str, Any] = {"settings": QUICK, "proxy": f"http://127.0.0.1:{proxy.port}"}
            url = venue.inverse_url.replace("127.0.0.1", "localhost")
            async with depthwire.connect(url, ssl_context=trusting, **options) as client:
                assert (await client.book("BTCUSD")).state is BookState.LIVE
            with pytest.raises(errors.ConnectError, match="certificate"):
                async with depthwire.connect(url, **options):
                    pass
            named_otherwise = venue.inverse_url
            with pytest.raises(errors.ConnectError, match="certificate"):
                async with depthwire.connect(named_otherwise, ssl_context=trusting, **options):
                    pass
            assert len(proxy.asked) == 3

    run(main)


@pytest.mark.parametrize(("credentials", "status", "shown"), [("me:other", 200, "407"), ("me:hush", 502, "502")])
def test_a_proxy_that_refuses_is_a_connect_error_that_keeps_the_password(
    credentials: str, status: int, shown: str
) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket()) as venue, connect_proxy(credentials, status) as proxy:
            with pytest.raises(errors.ConnectError, match=shown) as refused:
                async with depthwire.connect(
                    venue.inverse_url, settings=QUICK, proxy=f"http://me:hush@127.0.0.1:{proxy.port}"
                ):
                    pass
            assert f"through http://127.0.0.1:{proxy.port}" in str(refused.value)
            assert "hush" not in str(refused.value)

    run(main)


def test_a_proxy_that_is_not_there_is_a_connect_error() -> None:
    with (
        pytest.raises(errors.ConnectError, match=r"through http://127\.0\.0\.1:1: "),
        blocking.connect("ws://venue.invalid/realtime", settings=QUICK, proxy="http://127.0.0.1:1"),
    ):
        pass


def test_a_proxy_that_never_answers_is_a_connect_error() -> None:
    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(errors.ConnectError, match=r"through .* no connection within 0\.3 s"):
            async with depthwire.connect(
                "ws://venue.invalid/realtime", settings=Settings(timeout_s=0.3), proxy=f"http://127.0.0.1:{port}"
            ):
                pass
        server.close()

    run(main)


@pytest.mark.parametrize(
    "proxy",
    ["", "host:8080", "http://", "http://host", "http://host:0", "http://host:99999", "ftp://me:hush@host:1", 7,
     "http://me:hush@host:1/path"],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_before_anything_is_sent(proxy: Any) -> None:
    async def main() -> None:
        with pytest.raises(errors.InvalidUrl, match="is no proxy; one looks like") as refused:
            async with depthwire.connect("ws://venue.invalid/realtime", proxy=proxy):
                pass
        assert "hush" not in str(refused.value)

    run(main)
