"""The options of a session's sockets, on real ones."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.session.sockets import SO_BUSY_POLL, connected_socket, new_socket
from depthwire.settings import Settings


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


# several addresses


def addresses(*hosts: str) -> Callable[..., Any]:
    """A name server that knows one host."""

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in hosts]

    return getaddrinfo


@contextmanager
def swallower() -> Iterator[socket.socket]:
    """A port of 127.0.0.1 whose SYNs are dropped: its queue is full, and no connection is accepted."""
    with socket.socket() as server, ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server


def opened_sockets(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    made: list[socket.socket] = []

    def kept(*arguments: Any) -> socket.socket:
        made.append(new_socket(*arguments))
        return made[-1]

    monkeypatch.setattr("depthwire.session.sockets.new_socket", kept)
    return made


@pytest.mark.skipif(sys.platform != "linux", reason="Linux drops what a full queue has no room for")
def test_a_host_whose_first_address_swallows_syns_is_reached_through_the_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("depthwire.session.sockets.NEXT_ADDRESS_AFTER_S", 0.01)
    made = opened_sockets(monkeypatch)

    async def main() -> None:
        with swallower() as deaf:
            port = deaf.getsockname()[1]
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses("127.0.0.1", "127.0.0.2"))
            with socket.create_server(("127.0.0.2", port)):
                sock = await connected_socket("venue.test", port, Settings(receive_buffer_bytes=8192))
                with sock:
                    assert sock.getpeername() == ("127.0.0.2", port)
                    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * 8192
                    assert [each.fileno() >= 0 for each in made] == [False, True]

    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="Linux drops what a full queue has no room for")
def test_addresses_that_all_swallow_syns_meet_the_deadline_and_leave_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthwire.session.sockets.NEXT_ADDRESS_AFTER_S", 0.01)
    made = opened_sockets(monkeypatch)

    async def main() -> None:
        with swallower() as deaf:
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses("127.0.0.1", "127.0.0.1"))
            url = f"ws://venue.test:{deaf.getsockname()[1]}/realtime"
            with pytest.raises(errors.ConnectError, match=r"no connection within 0\.2 s"):
                async with depthwire.connect(url, settings=Settings(timeout_s=0.2)):
                    pytest.fail("connected")
            assert [each.fileno() for each in made] == [-1, -1]

    asyncio.run(main())


def test_an_address_that_refuses_is_followed_by_the_next_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthwire.session.sockets.NEXT_ADDRESS_AFTER_S", 3600.0)

    async def main() -> None:
        with socket.create_server(("127.0.0.2", 0)) as server:
            port = server.getsockname()[1]
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses("127.0.0.1", "127.0.0.2"))
            with await connected_socket("venue.test", port, Settings()) as sock:
                assert sock.getpeername() == ("127.0.0.2", port)

    asyncio.run(main())
