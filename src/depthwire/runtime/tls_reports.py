"""What the TLS transport reports to an event loop, and no logging can print."""

import asyncio
from collections.abc import Callable
from typing import Any

Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


class TlsReports:
    """An exception handler of a loop that leaves out each TLS handshake that the other side ended.

    aiofastnet reports such a one with a class in the place of its exception, which logging cannot print. Whoever asked
    for the connection gets an error anyway. All else goes to the handler that the loop had.
    """

    def __init__(self, inner: Handler | None) -> None:
        self._inner = inner

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take one report."""
        if isinstance(context.get("exception"), type):
            return
        if self._inner is None:
            loop.default_exception_handler(context)
        else:
            self._inner(loop, context)


def leave_out_ended_handshakes() -> None:
    """Have the running loop's exception handler leave them out, until another one is set."""
    loop = asyncio.get_running_loop()
    handler: Handler | None = loop.get_exception_handler()
    if not isinstance(handler, TlsReports):
        loop.set_exception_handler(TlsReports(handler))
