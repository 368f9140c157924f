"""The options of a session's sockets, on real ones."""

import asyncio
import socket
import sys
from collections.abc import Callable

import pytest

import depthwire
from depthwire import errors
from depthwire.settings import Settings
from depthwire.sockets import SO_BUSY_POLL, connected_socket


def option(settings: Settings, level: int, name: int) -> int:
    """What the kernel says of a connected socket."""

    async def main() -> int:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            await connected_socket("127.0.0.1", server.getsockname()[1], settings) as sock,
        ):
            return sock.getsockopt(level, name)

    return asyncio.run(main())


def test_sockets_send_at_once() -> None:
    assert option(Settings(), socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_receive_buffer_is_the_kernels_unless_given() -> None:
    own = option(Settings(), socket.SOL_SOCKET, socket.SO_RCVBUF)
    small = option(Settings(receive_buffer_bytes=8192), socket.SOL_SOCKET, socket.SO_RCVBUF)
    assert 8192 <= small <= 2 * 8192 < own  # Linux reserves as much again


def busy_poll_allowed() -> bool:
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL, 50)
        except OSError:
            return False
    return sys.platform == "linux"


@pytest.mark.skipif(not busy_poll_allowed(), reason="SO_BUSY_POLL needs Linux and perhaps CAP_NET_ADMIN")
def test_the_kernel_may_poll_too() -> None:
    with socket.socket() as plain:
        assert option(Settings(), socket.SOL_SOCKET, SO_BUSY_POLL) == plain.getsockopt(socket.SOL_SOCKET, SO_BUSY_POLL)
    assert option(Settings(kernel_busy_poll_us=50), socket.SOL_SOCKET, SO_BUSY_POLL) == 50


def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    set_option: Callable[..., None] = socket.socket.setsockopt

    def setsockopt(sock: socket.socket, level: int, name: int, value: int) -> None:
        if name == SO_BUSY_POLL:
            raise PermissionError(1, "Operation not permitted")
        set_option(sock, level, name, value)

    monkeypatch.setattr(socket.socket, "setsockopt", setsockopt)
    monkeypatch.setattr(sys, "platform", "linux")


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (refused, r"kernel_busy_poll_us=50 was refused \(Operation not permitted\); it may need CAP_NET_ADMIN"),
        (elsewhere, "kernel_busy_poll_us=50 needs Linux; leave it out"),
    ],
)
def test_an_option_that_is_refused_fails_the_connection(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None], told: str
) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, monkeypatch.context() as changed:
            change(changed)
            url = f"ws://127.0.0.1:{server.getsockname()[1]}/realtime"
            async with depthwire.connect(url, settings=Settings(kernel_busy_poll_us=50)):
                pytest.fail("connected")

    with pytest.raises(errors.ConnectError, match=told):
        asyncio.run(main())


@pytest.mark.parametrize("name", ["receive_buffer_bytes", "kernel_busy_poll_us"])
@pytest.mark.parametrize(("value", "told"), [(0, "above 0, not 0"), (-1, "above 0"), (2**31, "at most 2147483647")])
def test_an_option_is_a_positive_c_int(name: str, value: int, told: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be {told}"):
        Settings(**{name: value})  # type: ignore[arg-type]
