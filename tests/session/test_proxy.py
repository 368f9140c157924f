"""Connections through proxies, real ones: HTTP, HTTPS and SOCKS5."""

import asyncio
import logging
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

import depthwire
from depthwire import blocking, errors
from depthwire.book.types import BookState
from depthwire.session.phase import Phase
from depthwire.session.proxies import proxy_for
from depthwire.settings import Settings
from depthwire.venue import SyntheticMarket, Venue
from tests.support.plain_client import run, until
from tests.support.proxy_servers import ConnectProxy, Proxy, SocksProxy, connect_proxy, joined, running
from tests.support.raw_server import Conversation, raw_server
from tests.support.sim_client import collected

QUICK = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05)


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


@pytest.mark.parametrize("status", [403, 407, 429])
def test_a_proxy_that_refuses_is_shown_with_its_status_wait_and_body(status: int) -> None:
    async def main() -> None:
        async def refuse(each: Conversation) -> None:
            each.writer.write(b"HTTP/1.1 %d Not now\r\nRetry-After: 1.5\r\n\r\nmind hush" % status)

        async with raw_server(refuse) as url:
            proxy = f"http://me:hush@{url.removeprefix('ws://').partition('/')[0]}"
            with pytest.raises(errors.ConnectError) as refused:
                async with depthwire.connect("ws://venue.test/realtime", settings=QUICK, proxy=proxy):
                    pass
        assert (refused.value.status, refused.value.retry_after_s) == (status, 1.5)
        text = f"the proxy refused the tunnel with status {status} Not now, retry after 1.5 s: mind …"
        assert str(refused.value).endswith(text)

    run(main)


@pytest.mark.parametrize("status", [429, 503])
def test_a_reconnect_waits_as_long_as_the_proxy_asks(status: int) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket()) as venue:
            tunnels: list[str] = []

            async def answer(each: Conversation) -> None:
                if tunnels:
                    each.writer.write(b"HTTP/1.1 %d Not now\r\nRetry-After: 600\r\n\r\n" % status)
                    return
                target = each.request.split(b" ")[1].decode()
                host, _, port = target.rpartition(":")
                tunnels.append(target)
                await joined(each.reader, each.writer, host, int(port), b"HTTP/1.1 200 Connected\r\n\r\n")

            async with raw_server(answer) as url:
                proxy = f"http://{url.removeprefix('ws://').partition('/')[0]}"
                async with depthwire.connect(venue.inverse_url, settings=QUICK, proxy=proxy) as client:
                    found = collected(client)
                    venue.drop_connections()
                    await until(lambda: any(getattr(error, "status", 0) == status for error in found))
                    await until(lambda: client.status().connections[0].phase is Phase.WAITING)
                    (shown,) = client.status().connections
                    assert shown.until_ns is not None
                    assert 590 < (shown.until_ns - time.time_ns()) / 1e9 <= 660

    run(main)


def test_tls_to_a_plain_proxy_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthwire.session.dial.PLAIN_AFTER_S", 0.01)

    async def main() -> None:
        async with raw_server(lambda each: each.writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")) as url:
            proxy = f"https://{url.removeprefix('ws://').partition('/')[0]}"
            with pytest.raises(errors.ConnectError, match="proxy speaks HTTP without TLS: use http://"):
                async with depthwire.connect("ws://venue.test/realtime", settings=Settings(timeout_s=50), proxy=proxy):
                    pass

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
        with pytest.raises(
            errors.InvalidUrl, match=r"invalid proxy: .*expected one of 'http://host:port', 'https:"
        ) as refused:
            async with depthwire.connect("ws://venue.invalid/realtime", proxy=proxy):
                pass
        assert "hush" not in str(refused.value)

    run(main)


# SOCKS5 and HTTPS


def tls_of(certificate: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and a client's that trusts it."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return serving, ssl.create_default_context(cafile=str(certificate / "cert.pem"))


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("credentials", ["", "me:hu%sh"])
def test_books_come_through_a_socks_proxy_that_looks_up_the_name(
    scheme: str, credentials: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1), speed=20) as venue, running(SocksProxy(credentials)) as proxy:
            user = "me:hu%25sh@" if credentials else ""
            url = venue.inverse_url.replace("127.0.0.1", "venue.test")
            options: dict[str, Any] = {"settings": QUICK, "proxy": f"{scheme}://{user}127.0.0.1:{proxy.port}"}
            async with depthwire.connect(url, **options) as client:
                found: list[errors.DepthwireError] = []
                client.on_error(found.append)
                book = await client.book("BTCUSD")
                await proxy.end_tunnels()
                await until(lambda: client.status().connects == 2 and book.state is BookState.LIVE)
                assert proxy.asked == [url.removeprefix("ws://").partition("/")[0]] * 2
                assert "sh@" not in f"{client!r} {client.status()} {found} {caplog.text}"

    with caplog.at_level(logging.DEBUG):
        run(main)


@pytest.mark.parametrize(
    ("proxy", "user", "shown"),
    [
        (SocksProxy("me:other"), "me:hush@", "authentication failure"),
        (SocksProxy("me:other"), "", "No acceptable authentication methods"),
        (SocksProxy("", reply=5), "me:hush@", "refused"),
        (SocksProxy("", reply=99), "me:hush@", "0x63"),
    ],
)
def test_a_socks_proxy_that_refuses_is_a_connect_error_that_keeps_the_password(
    proxy: Proxy, user: str, shown: str
) -> None:
    async def main() -> None:
        async with running(proxy):
            with pytest.raises(
                errors.ConnectError, match=rf"through socks5://127\.0\.0\.1:\d+: (?i:.*{shown})"
            ) as refused:
                async with depthwire.connect(
                    "ws://venue.test/realtime", settings=QUICK, proxy=f"socks5://{user}127.0.0.1:{proxy.port}"
                ):
                    pass
            assert "hush" not in str(refused.value)

    run(main)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_hangs_up_is_a_connect_error(scheme: str) -> None:
    async def main() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(errors.ConnectError, match=f"through {scheme}://"):
                async with depthwire.connect(
                    "ws://venue.test/realtime", settings=QUICK, proxy=f"{scheme}://127.0.0.1:{port}"
                ):
                    pass

    run(main)


@pytest.mark.parametrize("is_secure", [False, True], ids=["ws", "wss"])
def test_an_https_proxy_is_verified_and_so_is_the_venue_behind_it(certificate: Path, is_secure: bool) -> None:
    serving, trusting = tls_of(certificate)

    async def main() -> None:
        async with (
            Venue(SyntheticMarket(), ssl=serving if is_secure else None, speed=20) as venue,
            running(ConnectProxy("me:hush"), tls=serving) as proxy,
        ):
            url = venue.inverse_url.replace("127.0.0.1", "localhost")
            options: dict[str, Any] = {"settings": QUICK, "proxy": f"https://me:hush@localhost:{proxy.port}"}
            async with depthwire.connect(url, ssl_context=trusting, **options) as client:
                assert (await client.book("BTCUSD")).state is BookState.LIVE
            assert proxy.asked == [url.partition("://")[2].partition("/")[0]]
            with pytest.raises(errors.ConnectError, match="certificate") as refused:
                async with depthwire.connect(url, **options):
                    pass
            assert "hush" not in str(refused.value)
            assert len(proxy.asked) == 1

    run(main)


# the environment's


VARIABLES = [f"{name}_PROXY" for name in ("WS", "WSS", "HTTP", "HTTPS", "ALL", "NO")]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        ("wss://venue.test/x", {}, None),
        ("wss://venue.test/x", {"HTTPS_PROXY": "http://one:1"}, "http://one:1"),
        ("wss://venue.test/x", {"HTTPS_PROXY": "http://one:1", "https_proxy": "http://two:2"}, "http://two:2"),
        ("wss://venue.test/x", {"HTTPS_PROXY": "http://one:1", "WSS_PROXY": "http://two:2"}, "http://two:2"),
        ("wss://venue.test/x", {"HTTP_PROXY": "http://one:1"}, None),
        ("wss://venue.test/x", {"ALL_PROXY": "socks5h://one:1", "HTTP_PROXY": "http://two:2"}, "socks5://one:1"),
        ("ws://venue.test/x", {"HTTPS_PROXY": "http://one:1", "http_proxy": "two:2"}, "http://two:2"),
        ("ws://venue.test/x", {"all_proxy": "socks://one"}, "socks5://one:1080"),
        ("wss://venue.test/x", {"HTTPS_PROXY": "https://me:pass@one"}, "https://me:pass@one:443"),
        ("wss://venue.test/x", {"HTTPS_PROXY": "one"}, "http://one:80"),
        ("wss://venue.test/x", {"HTTPS_PROXY": ""}, None),
        ("wss://venue.test/x", {"HTTPS_PROXY": "one:1", "NO_PROXY": "venue.test"}, None),
        ("wss://a.venue.test/x", {"HTTPS_PROXY": "one:1", "no_proxy": "x, .venue.test"}, None),
        ("wss://venue.test/x", {"HTTPS_PROXY": "one:1", "NO_PROXY": "venue.test:444"}, "http://one:1"),
        ("wss://venue.test:444/x", {"HTTPS_PROXY": "one:1", "NO_PROXY": "venue.test:444"}, None),
        ("wss://venue.test/x", {"HTTPS_PROXY": "one:1", "NO_PROXY": "*"}, None),
        ("wss://localhost:5/x", {"HTTPS_PROXY": "one:1"}, None),
        ("ws://127.0.0.1:5/x", {"ALL_PROXY": "one:1"}, None),
    ],
)
def test_the_environment_names_a_proxy(
    url: str, variables: dict[str, str], expected: str | None, environment: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for(url, True) == expected
    assert proxy_for(url, None) is None
    assert proxy_for(url, False) is None


@pytest.mark.parametrize("value", ["ftp://me:hush@one:1", "http://me:hush@one:port", "http://me:hush@one:1/path"])
def test_a_proxy_of_the_environment_that_is_none_is_refused_without_its_password(
    value: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("HTTPS_PROXY", value)
    with pytest.raises(errors.InvalidUrl, match="invalid proxy") as refused:
        proxy_for("wss://venue.test/realtime", True)
    assert "hush" not in str(refused.value)


def test_a_client_goes_through_the_environments_proxy(environment: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1), speed=20) as venue, running(SocksProxy("")) as proxy:
            environment.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
            url = venue.inverse_url.replace("127.0.0.1", "venue.test")
            async with depthwire.connect(url, settings=QUICK, proxy=True) as client:
                await client.book("BTCUSD")
            assert len(proxy.asked) == 1
            async with depthwire.connect(venue.inverse_url, settings=QUICK, proxy=True) as client:
                await client.book("BTCUSD")
            assert len(proxy.asked) == 1

    run(main)
