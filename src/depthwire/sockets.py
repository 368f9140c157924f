"""The TCP socket under a session: ours from the start, so that a cancelled handshake leaves nothing behind."""

import asyncio
import socket


async def connected_socket(host: str, port: int) -> socket.socket:
    """A non-blocking TCP socket to the first address of ``host`` that answers; raises OSError where none does."""
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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


def hang_up(sock: socket.socket | None) -> None:
    """End the connection of a socket that a transport may own already; it closes when it sees the end."""
    if sock is not None and sock.fileno() >= 0:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            sock.close()
