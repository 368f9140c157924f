"""ccxt.pro: its bybit client's own handler of messages, which keeps sorted lists and resolves futures."""

from collections.abc import Callable
from typing import Any

import ccxt.pro
from ccxt.async_support.base.ws import client as ws_client

from peers import only

wire = bytes.decode


class Connection:
    """As much of ccxt's connection as the handler touches."""

    url = "wss://stream.bybit.com/v5/public/linear"

    def resolve(self, result: Any, message_hash: str) -> Any:
        """No reader waits."""
        return result


def start(topic: str, depth: int) -> tuple[Callable[[list[str]], None], Callable[[], tuple[float, ...]]]:
    only("v5", topic)
    symbol = topic.rpartition(".")[2]
    exchange = ccxt.pro.bybit()
    base, quote = symbol.removesuffix("USDT"), "USDT"
    market = exchange.safe_market_structure(
        {"id": symbol, "symbol": f"{base}/{quote}:{quote}", "base": base, "quote": quote, "type": "swap", "swap": True}
        | {"contract": True, "linear": True, "spot": False}
    )
    exchange.set_markets([market])
    connection, loads, handle = Connection(), ws_client.json_parser.loads, exchange.handle_message

    def replay(frames: list[str]) -> None:
        for text in frames:
            handle(connection, loads(text))

    def top() -> tuple[float, ...]:
        (book,) = exchange.orderbooks.values()
        return (*book["bids"][0][:2], *book["asks"][0][:2])

    return replay, top
