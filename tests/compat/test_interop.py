"""Real clients of others against the venue: scripts on websocket-client and on the drop-ins, and pybit 1.3.6 itself.

They need the extra ``interop``, and skip without it.
"""

import hashlib
import hmac
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from depthwire import blocking
from depthwire.compat import WebSocket
from depthwire.venue import SyntheticMarket
from tests.support.venue_thread import BOUND_S, VenueThread, poll, venue_thread

REASON = "needs websocket-client and pybit 1.3.6: pip install 'depthwire[interop]'"
KEY, SECRET = "trader", "trader-secret"


# scripts on the drop-in


SCRIPT = """
from depthwire.compat import BybitWebsocket
ws = BybitWebsocket(wsURL={url!r},
                    api_key={key!r}, api_secret={secret!r})
ws.{subscribe}
while True:
    data = ws.get_data({topic!r})
    if data:
        print(data)
"""


@contextmanager
def running(script: str) -> Iterator["queue.Queue[str]"]:
    """Run a script in a separate process; yield the lines that it prints."""
    lines: queue.Queue[str] = queue.Queue()
    with subprocess.Popen([sys.executable, "-u", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        stdout = process.stdout
        assert stdout is not None
        reader = threading.Thread(target=lambda: [lines.put(line) for line in stdout])
        reader.start()
        try:
            yield lines
        finally:
            process.kill()
            reader.join(BOUND_S)


@contextmanager
def trading(speed: float | None = 5, **market: Any) -> Iterator[VenueThread]:
    """A venue where the account of KEY buys and sells all the time, unless the market is paused."""
    with venue_thread(SyntheticMarket(seed=8, **market), speed=speed) as thread:
        account = thread.call(lambda: thread.venue.account(KEY, secret=SECRET))
        sides = iter(["Buy", "Sell"] * 1_000_000)
        if speed is not None:
            act: Callable[[], object] = lambda: account.submit("BTCUSD", next(sides), 10, order_type="Market")  # noqa: E731
            thread.call(lambda: thread.venue.exchange.every(100, act))
        yield thread


@pytest.fixture(scope="module")
def venue() -> Iterator[VenueThread]:
    with trading() as thread:
        yield thread


@pytest.mark.parametrize(
    ("subscribe", "topic", "fields"),
    [
        ('subscribe_orderBookL2(symbol="BTCUSD")', "orderBookL2_25.BTCUSD", {"price", "symbol", "id", "side", "size"}),
        ("subscribe_trade()", "trade.BTCUSD", {"trade_time_ms", "trade_id", "price", "size", "tick_direction"}),
        (
            'subscribe_instrument_info(symbol="BTCUSD")',
            "instrument_info.100ms.BTCUSD",
            {"last_price_e4", "funding_rate_e6", "open_value_e8"},
        ),
        ("subscribe_position()", "position", {"position_value", "entry_price", "liq_price", "position_seq"}),
        ("subscribe_execution()", "execution", {"exec_id", "exec_type", "exec_fee", "leaves_qty", "is_maker"}),
        ("subscribe_order()", "order", {"order_id", "order_status", "cum_exec_value", "reduce_only"}),
        ("subscribe_wallet()", "wallet", {"wallet_balance", "available_balance"}),
    ],
)
def test_the_documents_examples_run(venue: VenueThread, subscribe: str, topic: str, fields: set[str]) -> None:
    url = venue.venue.inverse_url
    with running(SCRIPT.format(url=url, key=KEY, secret=SECRET, subscribe=subscribe, topic=topic)) as lines:
        for _ in range(2):
            data = eval(lines.get(timeout=BOUND_S))  # noqa: S307  # what print wrote of plain objects
            assert fields <= (data[0] if isinstance(data, list) else data).keys()


def test_the_documents_insurance_example_runs() -> None:
    before_its_hour_ns = int(datetime(2021, 4, 17, 19, 59, 57, tzinfo=UTC).timestamp()) * 10**9
    with venue_thread(SyntheticMarket(start_ns=before_its_hour_ns), speed=2) as thread:
        script = SCRIPT.format(
            url=thread.venue.inverse_url,
            key=None,
            secret=None,
            subscribe="subscribe_insurance()",
            topic="insurance.BTC",
        )
        with running(script) as lines:
            (fund,) = eval(lines.get(timeout=BOUND_S))  # noqa: S307
            assert (fund["currency"], fund["timestamp"]) == ("BTC", "2021-04-17T20:00:00Z")


# scripts on websocket-client


class App:
    """What a script makes of ``websocket.WebSocketApp``: it runs in a thread, and keeps what comes."""

    def __init__(self, url: str) -> None:
        websocket = pytest.importorskip("websocket", reason=REASON)
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        opened, self._over = threading.Event(), threading.Event()
        self.ws = websocket.WebSocketApp(url=url, on_open=lambda ws: opened.set(), on_message=self._on_message)
        self._thread = threading.Thread(target=self.ws.run_forever, daemon=True)
        self._thread.start()
        assert opened.wait(BOUND_S)

    def _on_message(self, ws: Any, message: str) -> None:
        if self._over.is_set():
            ws.close()
        self.messages.put(json.loads(message))

    def close(self) -> None:
        # Closed by another thread, its own would wait for as long as 10 s in a select.
        self._over.set()
        self.ws.send('{"op":"ping"}')
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()

    def answer(self) -> dict[str, Any]:
        """The next answer to a request; data that comes before it is passed over."""
        return self.next(lambda message: "success" in message)

    def data(self, topic: str) -> dict[str, Any]:
        return self.next(lambda message: message.get("topic") == topic)

    def next(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not fits(message := self.messages.get(timeout=BOUND_S)):
            pass
        return message


@contextmanager
def app(url: str) -> Iterator[App]:
    made = App(url)
    try:
        yield made
    finally:
        made.close()


def signed(api_secret: str) -> tuple[int, str]:
    """As the document computes it."""
    expires = int((time.time() + 1) * 1000)
    message = f"GET/realtime{expires}".encode()
    return expires, hmac.new(api_secret.encode(), message, digestmod=hashlib.sha256).hexdigest()


def test_authentication_on_the_url(venue: VenueThread) -> None:
    expires, signature = signed(SECRET)
    with app(f"{venue.venue.inverse_url}?api_key={KEY}&expires={expires}&signature={signature}") as script:
        script.ws.send('{"op": "subscribe", "args": ["position"]}')
        assert script.next(lambda message: message.get("request", {}).get("op") == "subscribe")["success"]
        assert script.data("position")["data"][0]["symbol"] == "BTCUSD"


def test_authentication_by_op(venue: VenueThread) -> None:
    with app(venue.venue.inverse_url) as script:
        script.ws.send('{"op": "subscribe", "args": ["order"]}')
        refused = script.answer()
        assert (refused["success"], refused["ret_msg"]) == (False, "error:topic:order needs auth first")
        expires, signature = signed(SECRET)
        script.ws.send(json.dumps({"op": "auth", "args": [KEY, expires, signature]}))
        accepted = script.answer()
        assert (accepted["success"], accepted["ret_msg"], accepted["request"]["op"]) == (True, "", "auth")
        script.ws.send('{"op": "subscribe", "args": ["order", "execution", "wallet"]}')
        assert script.answer()["success"]
        assert {script.data(topic)["topic"] for topic in ("order", "execution", "wallet")}


def test_ping(venue: VenueThread) -> None:
    with app(venue.venue.inverse_url) as script:
        script.ws.send('{"op":"ping"}')
        answer = script.answer()
        assert answer.pop("conn_id")
        assert answer == {"success": True, "ret_msg": "pong", "request": {"op": "ping", "args": None}}


@pytest.mark.parametrize(
    ("args", "topics"),
    [
        (["trade.BTCUSD"], {"trade.BTCUSD"}),
        (["trade.BTCUSD|XRPUSD"], {"trade.BTCUSD", "trade.XRPUSD"}),
        (["trade.*"], {"trade.BTCUSD", "trade.ETHUSD", "trade.XRPUSD"}),
        (["trade"], {"trade.BTCUSD", "trade.ETHUSD", "trade.XRPUSD"}),
        (["orderBook_200.100ms.BTCUSD", "klineV2.1.BTCUSD"], {"orderBook_200.100ms.BTCUSD", "klineV2.1.BTCUSD"}),
        (["instrument_info.100ms.BTCUSD"], {"instrument_info.100ms.BTCUSD"}),
    ],
)
def test_every_kind_of_filter(venue: VenueThread, args: list[str], topics: set[str]) -> None:
    with app(venue.venue.inverse_url) as script:
        script.ws.send(json.dumps({"op": "subscribe", "args": args}))
        answer = script.answer()
        assert (answer["success"], answer["ret_msg"]) == (True, "")
        assert answer["request"] == {"op": "subscribe", "args": args}
        seen: set[str] = set()
        while seen != topics:
            seen.add(script.messages.get(timeout=BOUND_S)["topic"])
            assert seen <= topics


def test_unsubscribing(venue: VenueThread) -> None:
    with app(venue.venue.inverse_url) as script:
        script.ws.send('{"op":"subscribe","args":["trade.BTCUSD","orderBookL2_25.ETHUSD"]}')
        assert script.answer()["success"]
        script.data("trade.BTCUSD")
        script.ws.send('{"op":"unsubscribe","args":["trade.BTCUSD"]}')
        assert script.answer()["success"]
        after = [script.messages.get(timeout=BOUND_S)["topic"] for _ in range(20)]
        assert set(after) == {"orderBookL2_25.ETHUSD"}


# pybit 1.3.6


PUBLIC = ("orderBookL2_25", "orderBook_200.100ms", "instrument_info.100ms")
PRIVATE = ("position", "order", "stop_order", "execution", "wallet")


@contextmanager
def pair(url: str, *topics: str) -> Iterator[tuple[Any, WebSocket]]:
    """pybit's connector and ours, with the same arguments."""
    pybit = pytest.importorskip("pybit", reason=REASON)
    theirs = pybit.WebSocket(url, api_key=KEY, api_secret=SECRET, subscriptions=list(topics))
    try:
        ours = WebSocket(url, api_key=KEY, api_secret=SECRET, subscriptions=list(topics))
        try:
            yield theirs, ours
        finally:
            ours.exit()
    finally:
        theirs.exit()


def by_id(levels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(levels, key=lambda level: int(level["id"]))


def agree(theirs: Any, ours: WebSocket, topics: tuple[str, ...]) -> bool:
    """Both say the same, and something; their books are in no order."""
    for topic in topics:
        mine, other = ours.fetch(topic), theirs.fetch(topic)
        if not mine or mine != (by_id(other) if topic.startswith("orderBook") else other):
            return False
    return True


@pytest.mark.parametrize("symbol", ["BTCUSD", "ETHUSD", "BTCUSDT"])
def test_pybits_books_equal_ours(symbol: str) -> None:
    topics = tuple(f"{kind}.{symbol}" for kind in PUBLIC)
    with trading(speed=None) as thread:
        url = thread.venue.url_for(symbol)
        thread.call(thread.venue.advance, 0.1)
        with pair(url, *topics) as (theirs, ours), blocking.connect(url) as client:
            book = client.book(symbol)
            for _ in range(5):
                thread.call(thread.venue.advance, 2.0)
                poll(lambda: agree(theirs, ours, topics))
                levels = poll(lambda: same_levels(ours.fetch(topics[0]), book.snapshot()))
                assert len(levels) == 50


def same_levels(levels: list[dict[str, Any]], snapshot: Any) -> list[tuple[int, float]]:
    """The levels, by ascending price, where the typed book has the same."""
    typed = [*reversed(snapshot.bids), *snapshot.asks]
    return typed if [(int(level["id"]), float(level["size"])) for level in levels] == typed else []


@pytest.mark.parametrize("symbol", ["BTCUSD", "BTCUSDT"])
def test_pybits_account_equals_ours_and_the_venues(symbol: str) -> None:
    is_linear = symbol.endswith("USDT")
    lot, coin = (0.01, "USDT") if is_linear else (100, "BTC")
    with trading(speed=None) as thread:
        account = thread.call(thread.venue.account, KEY)
        url = thread.venue.url_for(symbol).replace("realtime_public", "realtime_private")
        thread.call(thread.venue.advance, 0.1)

        def trade() -> None:
            account.submit(symbol, "Buy", lot, order_type="Market")
            account.submit(symbol, "Buy", lot, 50_000)
            account.cancel(account.submit(symbol, "Sell", lot, 70_000).order_id)
            account.submit(symbol, "Buy", lot, order_type="Market", trigger_price=70_000)

        with pair(url, *PRIVATE) as (theirs, ours):
            # Their subscription has no answer that a script could see: wait for the first news.
            poll(lambda: thread.call(account.deposit, coin, 1) or (theirs.fetch("wallet") and ours.fetch("wallet")))
            executions: tuple[list[Any], list[Any]] = [], []
            for number in range(1, 4):
                thread.call(trade)
                thread.call(thread.venue.advance, 1.0)
                poll(lambda: agree(theirs, ours, ("position", "order", "stop_order", "wallet")))
                for side, ws in zip(executions, (theirs, ours), strict=True):
                    side.extend(ws.fetch("execution"))
                assert executions[0] == executions[1]
                assert sum(order["order_status"] == "New" for order in ours.fetch("order")) == number
            positions = ours.fetch("position")[symbol]
            position = positions["Buy"] if is_linear else positions
            held = account.positions[symbol, "Buy"]
            assert float(position["size"]) == pytest.approx(3 * lot) == pytest.approx(float(held.size))
            assert {order["order_id"] for order in ours.fetch("order") if order["order_status"] == "New"} == set(
                account.orders
            )
            assert len(ours.fetch("stop_order")) == len(account.stop_orders) == 3
