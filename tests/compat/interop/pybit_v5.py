"""pybit 5's WebSocket on the venue: prints what its callbacks get, one JSON object per line.

Run by test_interop_v5.py, in a separate environment, because this pybit and the one of 2021 cannot be installed in one.
"""

import json
import sys
import threading
import time
from typing import Any

from pybit import unified_trading

config = json.loads(sys.argv[1])
base = config["base"]
unified_trading.PUBLIC_WSS = base + "/v5/public/{CHANNEL_TYPE}"
unified_trading.PRIVATE_WSS = base + "/v5/private"
lock = threading.Lock()


def tell(about: dict[str, Any]) -> None:
    with lock:
        print(json.dumps(about), flush=True)


def told_by(category: str) -> Any:
    return lambda message: tell({"category": category, "message": message})


class Socket(unified_trading.WebSocket):
    """pybit sends a request first and notes it afterwards: on a loopback, its answer and data may come in between."""

    def _process_subscription_message(self, message: dict[str, Any]) -> None:
        while message.get("req_id") not in self.subscriptions and not self._lists_topics(message):
            time.sleep(0.001)
        super()._process_subscription_message(message)

    def _lists_topics(self, message: dict[str, Any]) -> bool:
        """Whether it is an answer of option, which repeats no request: any that was noted will do."""
        return message.get("type") == "COMMAND_RESP" and bool(self.subscriptions)

    def _process_normal_message(self, message: dict[str, Any]) -> None:
        while message["topic"] not in self.callback_directory:
            time.sleep(0.001)
        super()._process_normal_message(message)


sockets = []
for category, symbol in config["symbols"].items():
    socket = Socket(channel_type=category, testnet=False)
    socket.orderbook_stream(50, symbol, told_by(category))
    socket.trade_stream(symbol, told_by(category))
    socket.ticker_stream(symbol, told_by(category))
    socket.kline_stream(1, symbol, told_by(category))
    sockets.append(socket)

for symbol in config.get("options", ()):
    socket = Socket(channel_type="option", testnet=False)
    socket.orderbook_stream(25, symbol, told_by("option"))
    socket.trade_stream(symbol.partition("-")[0], told_by("option"))
    socket.ticker_stream(symbol, told_by("option"))
    sockets.append(socket)
if "options" in config:
    sys.stdin.read()
    sys.exit()

private = Socket(channel_type="private", testnet=False, api_key=config["key"], api_secret=config["secret"])
private.order_stream(told_by("private"))
private.position_stream(told_by("private"))
private.execution_stream(told_by("private"))
private.fast_execution_stream(told_by("private"), "linear")
private.wallet_stream(told_by("private"))
private.greek_stream(told_by("private"))
sys.stdin.read()  # until the test is over
