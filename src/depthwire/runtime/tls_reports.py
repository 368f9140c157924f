"""TLS errors that the transport reports to the event loop in a form that logging cannot print."""

import asyncio
from collections.abc import Callable
from typing import Any

Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


class TlsReports:
    """An exception handler of a loop that ignores TLS handshakes that the other side ended.

    aiofastnet reports them with a class instead of an exception, which logging cannot print. The caller that connects
    gets an error anyway. Everything else goes to the loop's previous handler.
    """

    def __init__(self, inner: Handler | None) -> None:
        self._inner = inner

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle one report."""
        if isinstance(context.get("exception"), type):
            return
        if self._inner is None:
            loop.default_exception_handler(context)
        else:
            self._inner(loop, context)


def leave_out_ended_handshakes() -> None:
    """Ignore ended handshakes in the running loop, until another exception handler is set."""
    loop = asyncio.get_running_loop()
    handler: Handler | None = loop.get_exception_handler()
    if not isinstance(handler, TlsReports):
        loop.set_exception_handler(TlsReports(handler))
