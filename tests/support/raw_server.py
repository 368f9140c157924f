"""A server that answers the WebSocket handshake, and all that follows, with the bytes a test wrote."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accepted(request: bytes, *headers: str) -> bytes:
    """The answer that opens a WebSocket, with more headers."""
    key = next(
        line.partition(b":")[2].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    proof = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()  # noqa: S324 - the protocol's
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {proof}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(first: int, payload: bytes, mask: bytes = b"") -> bytes:
    """A frame whose first byte is given: FIN, reserved bits and opcode. Short payloads only."""
    assert len(payload) < 126
    if mask:
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([first, len(payload) | (0x80 if mask else 0)]) + mask + payload


class Conversation:
    """One client's connection: ``requests`` are the handshakes so far, of all connections."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        self.reader, self.writer, self.request = reader, writer, request

    async def frame(self) -> tuple[int, bytes]:
        """The client's next frame: its first byte, and its payload unmasked."""
        first, length = await self.reader.readexactly(2)
        size = length & 0x7F
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(size)
        return first, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@asynccontextmanager
async def raw_server(answer: Callable[[Conversation], object], path: str = "/realtime") -> AsyncIterator[str]:
    """Calls ``answer`` with each connection, once its request for a WebSocket is in; awaits what that returns."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            answered = answer(Conversation(reader, writer, await reader.readuntil(b"\r\n\r\n")))
            if asyncio.iscoroutine(answered):
                await answered
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
