"""pybit 5: its WebSocket's own handler of messages, which keeps lists and hands copies to a callback."""

from collections.abc import Callable

from pybit._websocket_stream import _V5WebSocketManager

from peers import only

wire = bytes.decode


def start(topic: str, depth: int) -> tuple[Callable[[list[str]], None], Callable[[], tuple[float, ...]]]:
    only("v5", topic)
    client = _V5WebSocketManager("offline", testnet=False)
    client._set_callback(topic, lambda message: None)
    on_message = client._on_message

    def replay(frames: list[str]) -> None:
        for text in frames:
            on_message(text)

    def top() -> tuple[float, ...]:
        book = client.data[topic]
        bids, asks = ([(float(price), float(size)) for price, size in book[side]] for side in "ba")
        return (*max(bids), *min(asks))

    return replay, top
