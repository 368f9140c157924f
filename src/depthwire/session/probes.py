"""Short connections that find out what a port speaks."""

import asyncio
import logging
import socket

import picows

from depthwire.runtime.socket_log import SocketLog
from depthwire.session.sockets import connected_socket, hang_up
from depthwire.settings import Settings

socket_log = SocketLog(logging.getLogger("depthwire.socket"))


async def opens_websocket(url: str, settings: Settings) -> bool:
    """Return whether a server accepts a WebSocket at a URL; the connection is ended at once."""
    sock: socket.socket | None = None

    async def make_socket(parsed: picows.WSParsedURL) -> socket.socket:
        nonlocal sock
        sock = await connected_socket(parsed.host, parsed.port, settings)
        return sock

    try:
        transport, listener = await picows.ws_connect(
            picows.WSListener,
            url,
            socket_factory=make_socket,
            websocket_handshake_timeout=settings.timeout_s,
            max_redirects=0,
            logger_name=socket_log,
        )
    except (OSError, picows.WSError, ValueError):
        return False
    finally:
        hang_up(sock)
    transport.disconnect(graceful=False)
    return listener is not None


async def answers_http(host: str, port: int, settings: Settings) -> bool:
    """Return whether a server answers HTTP without TLS; the connection is ended at once."""
    try:
        async with asyncio.timeout(settings.timeout_s):
            reader, writer = await asyncio.open_connection(sock=await connected_socket(host, port, settings))
            try:
                writer.write(b"OPTIONS * HTTP/1.0\r\n\r\n")
                return await reader.read(5) == b"HTTP/"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
