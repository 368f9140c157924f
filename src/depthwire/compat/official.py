"""A drop-in for ``BybitWebsocket``, the exchange's own Python connector of 2019 to 2022."""

import logging
from typing import Any, ClassVar

from depthwire.bybit.v2.dialect import BOOK_TOPICS
from depthwire.compat.plain import Message, PlainFeed, WindowReader, is_linear, log, yield_to_feed
from depthwire.errors import TopicError

PONG = "PING success"


class Inbox(WindowReader):
    """The ``data`` of each message, oldest first."""

    def receive(self, message: Message) -> None:
        self.keep(message["data"])

    def take(self) -> Any:
        with self._lock:
            return self._window.popleft() if self._window else []


class BybitWebsocket:
    """Subscribe with the ``subscribe_…`` methods, read with :meth:`get_data`.

    ::

        ws = BybitWebsocket(wsURL="wss://stream-testnet.bybit.com/realtime", api_key=None, api_secret=None)
        ws.subscribe_orderBookL2(symbol="BTCUSD")
        while True:
            data = ws.get_data("orderBookL2_25.BTCUSD")
            if data:
                print(data)

    Connects at once, signs in if a key and its secret are given (or are in the environment), and reconnects until
    :meth:`exit` or the end of the script. ``wsURL`` is the inverse endpoint or either of the two linear ones.
    Raises InvalidUrl, ConnectError or AuthError.

    Each ``subscribe_…`` waits for the venue's answer and raises SubscriptionRejected, SubscriptionTimeout, TopicError
    (invalid topic) or AuthError (private topic without a key).
    """

    MAX_DATA_CAPACITY: ClassVar[int] = 200
    """The maximum number of waiting messages per topic."""

    def __init__(
        self,
        wsURL: str,
        api_key: str | None = None,
        api_secret: str | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self.exited = False
        self._pongs = 0
        self._feed = PlainFeed(
            wsURL,
            api_key,
            api_secret,
            lambda topic, message: Inbox(topic, message, self.MAX_DATA_CAPACITY),
            (logger or log).warning,
        )

    # ---- public topics

    def subscribe_orderBookL2(self, symbol: str, level: int | str | None = None) -> None:
        """Subscribe to the book with 25 levels per side; ``level=200`` for 200."""
        self._feed.subscribe(self._book_topic(symbol, level))

    def subscribe_kline(self, symbol: str, interval: str | int) -> None:
        """Subscribe to candles; the interval is in minutes, or D, W or M."""
        self._feed.subscribe(self._feed.dialect.kline_topic(interval, symbol))

    def subscribe_klineV2(self, interval: str | int, symbol: str) -> None:
        """Subscribe to candles, with the arguments in the order of earlier versions."""
        self.subscribe_kline(symbol, interval)

    def subscribe_trade(self, symbol: str | None = None) -> None:
        """Subscribe to the trades of a symbol, or of all symbols (inverse only)."""
        self._feed.subscribe(f"trade.{symbol}" if symbol else "trade")

    def subscribe_insurance(self) -> None:
        """Subscribe to the insurance funds of all coins (inverse only)."""
        self._feed.subscribe("insurance")

    def subscribe_instrument_info(self, symbol: str) -> None:
        """Subscribe to a symbol's prices, funding, volumes and open interest."""
        self._feed.subscribe(self._feed.dialect.instrument_topic(symbol))

    def subscribe_liquidation(self, symbol: str | None = None) -> None:
        """Subscribe to the liquidations of a symbol, or of all symbols (inverse only). The original lacks this."""
        self._feed.subscribe(f"liquidation.{symbol}" if symbol else "liquidation")

    # ---- private topics

    def subscribe_position(self) -> None:
        """Subscribe to changes of positions."""
        self._feed.subscribe("position")

    def subscribe_execution(self) -> None:
        """Subscribe to executions."""
        self._feed.subscribe("execution")

    def subscribe_order(self) -> None:
        """Subscribe to changes of orders."""
        self._feed.subscribe("order")

    def subscribe_stop_order(self) -> None:
        """Subscribe to changes of conditional orders."""
        self._feed.subscribe("stop_order")

    def subscribe_wallet(self) -> None:
        """Subscribe to changes of the wallet."""
        self._feed.subscribe("wallet")

    # ---- reading

    def get_data(self, topic: str) -> Any:
        """Return a topic's new data; an empty list if there is none. Never waits.

        For books and ``instrument_info``: the current state in the form of a snapshot's ``data``, once after each
        change; empty while the state is not LIVE. A book is a list of levels, lowest price first. For all other topics:
        the ``data`` of the oldest waiting message. For ``"pong"``: ``"PING success"``, once for each :meth:`ping`.

        Raises TopicError if the topic is not subscribed. If messages are missing, raises the reason once, then returns
        the following messages: ReaderOverflow (more than :attr:`MAX_DATA_CAPACITY` waited; the oldest were dropped),
        StreamGap (the connection was lost) or MalformedFrame. Raises ConnectError or AuthError if reconnecting fails.
        """
        if topic == "pong":
            return self._get_pong()
        for reader in self._feed.readers(topic):
            reader.check()
            if data := reader.take():
                return data
        yield_to_feed()
        return []

    def get_orderBookL2(self, symbol: str, level: int | str | None = None) -> Any:
        """Return the symbol's book, as :meth:`get_data` does."""
        return self.get_data(self._book_topic(symbol, level))

    def get_kline(self, symbol: str, interval: str | int) -> Any:
        """Return the symbol's candles, as :meth:`get_data` does."""
        return self.get_data(self._feed.dialect.kline_topic(interval, symbol))

    def get_trade(self, symbol: str) -> Any:
        """Return the symbol's trades, as :meth:`get_data` does."""
        return self.get_data(f"trade.{symbol}")

    def get_insurance(self, coin: str) -> Any:
        """Return the coin's insurance fund, as :meth:`get_data` does."""
        return self.get_data(f"insurance.{coin}")

    def get_instrument_info(self, symbol: str) -> Any:
        """Return the symbol's instrument info, as :meth:`get_data` does."""
        return self.get_data(self._feed.dialect.instrument_topic(symbol))

    def get_liquidation(self, symbol: str) -> Any:
        """Return the symbol's liquidations, as :meth:`get_data` does."""
        return self.get_data(f"liquidation.{symbol}")

    def get_position(self) -> Any:
        """Return the positions, as :meth:`get_data` does."""
        return self.get_data("position")

    def get_execution(self) -> Any:
        """Return the executions, as :meth:`get_data` does."""
        return self.get_data("execution")

    def get_order(self) -> Any:
        """Return the orders, as :meth:`get_data` does."""
        return self.get_data("order")

    def get_stop_order(self) -> Any:
        """Return the conditional orders, as :meth:`get_data` does."""
        return self.get_data("stop_order")

    def get_wallet(self) -> Any:
        """Return the wallet, as :meth:`get_data` does."""
        return self.get_data("wallet")

    # ---- the connection

    def ping(self) -> None:
        """Ask whether the venue is there; raises ConnectionLost or TimeoutError if it is not.

        Optional: the connection sends its own pings.
        """
        self._feed.ping()
        self._pongs += 1

    def exit(self) -> None:
        """End the connection. Calling it twice is fine."""
        self.exited = True
        self._feed.close()

    @staticmethod
    def is_inverse(symbol: str) -> bool:
        """Return whether a symbol is inverse; symbols that end in USDT are linear."""
        return not is_linear(symbol)

    def _get_pong(self) -> Any:
        self._feed.check()
        if not self._pongs:
            return []
        self._pongs -= 1
        return PONG

    def _book_topic(self, symbol: str, level: int | str | None) -> str:
        try:
            depth = 25 if level is None else int(level)
        except ValueError:
            raise TopicError(f"invalid level {level!r}; expected one of {', '.join(map(str, BOOK_TOPICS))}") from None
        return self._feed.dialect.book_topic(symbol, depth)
