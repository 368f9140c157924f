"""The TCP socket under a session: ours from the start, so that a cancelled handshake leaves nothing behind."""

import asyncio
import socket
import sys
from typing import Final

from depthwire.settings import Settings

SO_BUSY_POLL: Final = 46  # asm-generic/socket.h; Python has no name for it


async def connected_socket(host: str, port: int, settings: Settings) -> socket.socket:
    """A non-blocking TCP socket to the first address of ``host`` that answers; raises OSError where none does."""
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            set_options(sock, settings)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure or OSError(f"{host} has no address")


def set_options(sock: socket.socket, settings: Settings) -> None:
    """Set what lowers latency, before connecting, when the size of the window is agreed on; raises OSError."""
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
    """End the connection of a socket that a transport may own already; it closes when it sees the end."""
    if sock is not None and sock.fileno() >= 0:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            sock.close()
