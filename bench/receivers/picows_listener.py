"""picows alone: a listener in Python that looks at no frame."""

import asyncio
import ssl
from collections.abc import Callable

import picows

import depthwire
from receivers import SUBSCRIPTION


class Listener(picows.WSListener):
    def __init__(self, stamp: Callable[..., None]) -> None:
        self.stamp: Callable[..., object] = self.skip
        self.next = stamp

    def skip(self) -> None:
        """The answer to the subscription."""
        self.stamp = self.next

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        transport.send(picows.WSMsgType.TEXT, SUBSCRIPTION.encode())

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self.stamp()


def run(url: str, stamp: Callable[..., None], certificate: str, busy: bool) -> None:
    depthwire.run(receive(url, stamp, certificate, busy))


async def receive(url: str, stamp: Callable[..., None], certificate: str, busy: bool) -> None:
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    transport, _ = await picows.ws_connect(lambda: Listener(stamp), url, ssl_context=context)
    loop = asyncio.get_running_loop()

    def turn() -> None:
        loop.call_soon(turn)

    if busy:
        turn()
    await transport.wait_disconnected()
