"""depthwire's client: a live book, and a callback on its changes."""

import asyncio
import ssl
from collections.abc import Callable

import depthwire
from receivers import SYMBOL


def run(url: str, stamp: Callable[..., None], certificate: str, busy: bool) -> None:
    depthwire.run(receive(url, stamp, certificate, busy))


async def receive(url: str, stamp: Callable[..., None], certificate: str, busy: bool) -> None:
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    async with depthwire.connect(url, ssl_context=context, busy_poll=busy) as client:
        book = await client.book(SYMBOL)
        book.on_change(stamp)
        stamp()  # the snapshot; the sender waits for it
        await asyncio.Event().wait()
