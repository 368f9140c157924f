"""Backpressure: an unpaced market waits for its readers, but not for a stalled one."""

import asyncio
from collections.abc import Collection

from depthwire.venue.server.connection import Connection

STALL_LIMIT_S = 60.0
"""An unpaced market closes a connection that has read nothing for this long."""


class Backpressure:
    """Makes an unpaced market wait while a subscriber's socket is full, or while there is no subscriber."""

    def __init__(self, connections: Collection[Connection]) -> None:
        self._connections = connections
        self._drained = asyncio.Event()

    def update(self) -> None:
        """Check the subscribers again, because a socket's state or a subscription changed."""
        readers = [connection for connection in self._connections if connection.topics]
        if readers and all(connection.full_since is None for connection in readers):
            self._drained.set()
        else:
            self._drained.clear()

    async def wait(self) -> None:
        """Wait until all subscribers have drained; close the connections that stall."""
        while not self._drained.is_set():
            try:
                async with asyncio.timeout(STALL_LIMIT_S / 10):
                    await self._drained.wait()
            except TimeoutError:
                self._close_stalled()

    def _close_stalled(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._connections):
            if connection.full_since is not None and now - connection.full_since > STALL_LIMIT_S:
                connection.cut_off(f"nothing read for {STALL_LIMIT_S:g} s")
