"""When a client has read what its venue sent."""

import asyncio

from depthwire.client import Client


async def caught_up(client: Client) -> None:
    """Wait until the client has read everything sent so far: the answer to a ping comes after it."""
    connections = [session.connection for session in client._sessions if session.connection.connected]
    await asyncio.gather(*(connection.catch_up() for connection in connections))
