"""TCP sockets, created here so that a cancelled handshake leaves none open."""

import asyncio
import socket
import sys
from typing import Final

from aiohappyeyeballs import start_connection

from depthwire.settings import Settings

SO_BUSY_POLL: Final = 46  # asm-generic/socket.h; Python has no name for it
NEXT_ADDRESS_AFTER_S: Final = 0.25  # the delay that RFC 8305 recommends


async def connected_socket(host: str, port: int, settings: Settings) -> socket.socket:
    """Connect a non-blocking TCP socket to the first address of ``host`` that answers; raises OSError if none does.

    After a quarter of a second without an answer the next address is tried as well (RFC 8305).
    """
    addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not addresses:
        raise OSError(f"{host} has no address")
    try:
        return await start_connection(
            addresses,
            happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S,
            socket_factory=lambda address: new_socket(address[0], address[1], address[2], settings),
        )
    except RuntimeError as error:  # uvloop raises it for an unusable address
        raise OSError(str(error)) from None


def new_socket(family: int, kind: int, protocol: int, settings: Settings) -> socket.socket:
    """Return a socket with its options set, not connected; raises OSError."""
    sock = socket.socket(family, kind, protocol)
    try:
        set_options(sock, settings)
    except BaseException:
        sock.close()
        raise
    return sock


def set_options(sock: socket.socket, settings: Settings) -> None:
    """Set the options; before connecting, which fixes the window's scale. Raises OSError."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if settings.receive_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, settings.receive_buffer_bytes)
    if settings.kernel_busy_poll_us is not None:
        asked = f"kernel_busy_poll_us={settings.kernel_busy_poll_us}"
        if sys.platform != "linux":
            raise OSError(f"{asked} needs Linux; leave it out")
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL, settings.kernel_busy_poll_us)
        except OSError as error:
            raise OSError(f"{asked} was refused ({error.strerror}); it may need CAP_NET_ADMIN") from None


def hang_up(sock: socket.socket | None) -> None:
    """Shut down a socket; if a transport owns it already, that closes it."""
    if sock is not None and sock.fileno() >= 0:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            sock.close()
