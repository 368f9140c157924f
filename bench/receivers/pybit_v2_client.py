"""pybit 1.3.6: websocket-client in a thread, and its own book."""

import os
import threading
from collections.abc import Callable

from pybit import WebSocket

from receivers import TOPIC


def run(url: str, stamp: Callable[..., None], certificate: str, busy: bool) -> None:
    if certificate:
        os.environ["WEBSOCKET_CLIENT_CA_BUNDLE"] = certificate

    class Client(WebSocket):
        def _on_message(self, message: str) -> None:
            super()._on_message(message)
            if TOPIC in message[:40]:
                stamp()

    Client(url, subscriptions=[TOPIC])
    threading.Event().wait()
