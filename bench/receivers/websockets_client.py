"""websockets alone: its asyncio client, messages as text, not read by anything."""

import asyncio
import ssl
from collections.abc import Callable

import uvloop
from websockets.asyncio.client import connect

from receivers import SUBSCRIPTION


def run(url: str, stamp: Callable[..., None], certificate: str, busy: bool) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(receive(url, stamp, certificate))


async def receive(url: str, stamp: Callable[..., None], certificate: str) -> None:
    options = {"ssl": ssl.create_default_context(cafile=certificate)} if certificate else {}
    async with connect(url, compression=None, **options) as connection:
        await connection.send(SUBSCRIPTION)
        await connection.recv()  # the answer
        async for _ in connection:
            stamp()
