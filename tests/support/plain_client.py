"""A bare WebSocket client for the venue's tests, which shares no code with depthwire."""

import asyncio
import json
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, ClassVar

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

BOUND_S = 60


def run(main: Callable[[], Coroutine[Any, Any, None]], bound_s: float = BOUND_S) -> None:
    """Run an async test, which fails instead of hanging, and must leave no socket open."""

    async def bounded() -> None:
        try:
            await asyncio.wait_for(main(), bound_s)
        finally:
            clients, PlainClient.connected = PlainClient.connected, []
            for client in clients:
                client.transport.disconnect(graceful=False)
            await asyncio.gather(*(client.transport.wait_disconnected() for client in clients))

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that other tasks of the loop fulfil; `run` bounds the time."""
    while not condition():  # noqa: ASYNC110  # it may come from anywhere
        await asyncio.sleep(0.001)


async def cancel_at_each_await(conversation: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it repeatedly, cancelled one step later each time, until it completes; no task may remain."""
    await conversation()
    before = asyncio.all_tasks()
    steps, finished = 0, False
    while not finished:
        task = asyncio.create_task(conversation())
        for _ in range(steps):
            await asyncio.sleep(0)
        finished = task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await until(lambda: asyncio.all_tasks() <= before)
        steps = steps + 1 if steps < 60 else steps * 2
    assert steps > 20


class PlainClient(WSListener):
    """Keeps every frame it receives, in order."""

    connected: ClassVar[list["PlainClient"]] = []
    transport: WSTransport

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[bytes] = []
        self.kinds: list[WSMsgType] = []
        self._read = 0
        self._arrived = asyncio.Event()

    @classmethod
    async def connect(cls, url: str, context: ssl.SSLContext | None = None) -> "PlainClient":
        transport, client = await ws_connect(cls, url, ssl_context=context, enable_auto_pong=False)
        if not isinstance(client, cls):
            raise ConnectionError(f"{url}: closed before the handshake was answered")
        client.transport = transport
        cls.connected.append(client)
        return client

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            return
        self.frames.append(frame.get_payload_as_bytes())
        self.kinds.append(frame.msg_type)
        self._arrived.set()

    async def receive(self) -> bytes:
        """The next frame not yet taken."""
        while self._read == len(self.frames):
            self._arrived.clear()
            await self._arrived.wait()
        self._read += 1
        return self.frames[self._read - 1]

    async def receive_json(self) -> Any:
        return json.loads(await self.receive())

    def send(self, message: object) -> None:
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.transport.send(WSMsgType.TEXT, raw)

    async def ask_behind_data(self, op: str, *args: str) -> Any:
        """The same where data may arrive before the answer."""
        self.send({"op": op, "args": list(args)})
        while True:
            raw = await self.receive()
            if raw.startswith(b'{"success"'):
                return json.loads(raw)

    async def ask(self, op: str, *args: str) -> Any:
        """Sends a request and returns the next frame, which must be its answer."""
        self.send({"op": op, "args": list(args)})
        answer = await self.receive_json()
        assert "success" in answer, answer
        return answer

    @property
    def close_code(self) -> WSCloseCode | None:
        """The code and reason of the venue's close frame; None if there was none."""
        handshake = self.transport.close_handshake
        return handshake.recv.code if handshake and handshake.recv else None

    def stop_reading(self) -> None:
        self.transport.underlying_transport.pause_reading()

    def go_on_reading(self) -> None:
        self.transport.underlying_transport.resume_reading()
