"""pybit 1.3.6: its WebSocket's own handler of messages, which keeps a list of dicts."""

from collections.abc import Callable
from typing import Any

from pybit import WebSocket

from peers import only

wire = bytes.decode


class Offline(WebSocket):
    """All of it but the connection."""

    def _connect(self, url: str) -> None:
        self.data: dict[str, Any] = {}


def start(topic: str, depth: int) -> tuple[Callable[[list[str]], None], Callable[[], tuple[float, ...]]]:
    only("v2", topic)
    client = Offline("wss://stream.bybit.com/realtime", subscriptions=[topic])
    on_message = client._on_message

    def replay(frames: list[str]) -> None:
        for text in frames:
            on_message(text)

    def top() -> tuple[float, ...]:
        levels: list[dict[str, Any]] = client.data[topic]
        sides = {
            side: [(float(level["price"]), float(level["size"])) for level in levels if level["side"] == side]
            for side in ("Buy", "Sell")
        }
        return (*max(sides["Buy"]), *min(sides["Sell"]))

    return replay, top
