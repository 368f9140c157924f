"""Today's clients of others against the venue on v5: pybit 5 and ccxt.pro, each a process in an environment of its own.
Their books are held against the oracle's and a depthwire client's, at the same u (ccxt tells the time alone).

``DEPTHWIRE_INTEROP_V5`` names that environment's Python, which ci/interop makes; they are skipped without.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

import depthwire
from depthwire.channel import LiveBook
from depthwire.venue import Account, Category, Dialect, PublicTopic, SyntheticMarket, Venue
from plain_client import PlainClient, run, until
from reference_v5 import V5ReferenceBook

PYTHON = os.environ.get("DEPTHWIRE_INTEROP_V5", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="needs DEPTHWIRE_INTEROP_V5, a Python with the extra interop-v5")
SCRIPTS = Path(__file__).parent / "interop"
SYMBOLS = {Category.LINEAR: "BTCUSDT", Category.INVERSE: "BTCUSD", Category.SPOT: "BTCUSDT"}
KEY, SECRET = "trader", "trader-secret"
BOUND_S = 60


def topics(*kinds: str) -> list[PublicTopic]:
    return [
        PublicTopic(Dialect.V5, category, f"{kind}.{symbol}") for category, symbol in SYMBOLS.items() for kind in kinds
    ]


@asynccontextmanager
async def running(script: str, venue: Venue) -> AsyncIterator[list[Any]]:
    """A client at work; gives what it printed so far."""
    config = {
        "base": venue.inverse_url.removesuffix("/realtime"),
        "symbols": SYMBOLS,
        "key": KEY,
        "secret": SECRET,
    }
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        SCRIPTS / script,
        json.dumps(config),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
        limit=1 << 24,
    )
    assert process.stdout is not None
    printed: list[Any] = []

    async def read(stdout: asyncio.StreamReader) -> None:
        async for line in stdout:
            printed.append(json.loads(line))  # noqa: PERF401  # seen while it grows

    reading = asyncio.create_task(read(process.stdout))
    try:
        yield printed
    finally:
        process.kill()
        await process.wait()
        await reading


class Oracle:
    """What the venue sent to a reader of its own: the reference book after each frame, the trades."""

    def __init__(self, client: PlainClient, category: Category) -> None:
        self._client = client
        self.symbol = SYMBOLS[category]
        self._book = V5ReferenceBook(self.symbol, 50)
        self.by_u: dict[int, Any] = {}
        self.by_ts: dict[int, Any] = {}
        self.trades: list[Any] = []
        self._read = 1

    def read(self) -> list[Any]:
        """Takes in what has come; returns all trades."""
        for raw in self._client.frames[self._read :]:
            frame = json.loads(raw)
            if frame["topic"].startswith("orderbook"):
                self._book.receive(raw)
                assert frame["ts"] not in self.by_ts
                self.by_u[self._book.u] = self.by_ts[frame["ts"]] = self._book.levels_text()
            else:
                self.trades += frame["data"]
        self._read = len(self._client.frames)
        return self.trades


async def oracles(venue: Venue) -> dict[Category, Oracle]:
    found = {}
    for category, symbol in SYMBOLS.items():
        client = await PlainClient.connect(venue.v5_url(category))
        assert (await client.ask("subscribe", f"orderbook.50.{symbol}", f"publicTrade.{symbol}"))["success"]
        found[category] = Oracle(client, category)
    return found


async def trade(venue: Venue, account: Account, told: Callable[[], bool]) -> None:
    """Lets the market go on, and the account trade, until something was told."""
    for number in range(100_000):
        for symbol, lot in (("BTCUSDT", "0.01"), ("BTCUSD", 10)):
            if number % 10 == 0:
                account.submit(symbol, "Buy" if number % 20 else "Sell", lot, order_type="Market")
            elif number % 10 == 5:
                account.cancel(account.submit(symbol, "Buy", lot, 50_000).order_id)
        venue.advance(0.1)
        await asyncio.sleep(0.005)
        if number > 100 and told():
            return


class Ours:
    """A depthwire client's book after each frame, in the oracle's form."""

    def __init__(self, book: LiveBook) -> None:
        self.by_u: dict[int, Any] = {}
        self.by_ts: dict[int, Any] = {}
        self.keep(book)
        book.on_change(self.keep)

    def keep(self, book: LiveBook) -> None:
        """How the book is now."""
        snapshot = book.snapshot()
        scale = -(snapshot.price_decimals or 0)
        shown = tuple(
            [(str(D(price_id).scaleb(scale)), size) for price_id, size in side]
            for side in (snapshot.bids, snapshot.asks)
        )
        self.by_u[book.update_id] = self.by_ts[book.ts_exchange_us // 1000] = shown


@asynccontextmanager
async def our_books(venue: Venue) -> AsyncIterator[dict[Category, Ours]]:
    venue.advance(0.1)  # a market that has not opened has no snapshots
    async with AsyncExitStack() as stack:
        found = {}
        for category, symbol in SYMBOLS.items():
            client = await stack.enter_async_context(depthwire.connect(venue.v5_url(category)))
            found[category] = Ours(await client.book(symbol, 50))
        yield found


def heard(venue: Venue, *wanted: PublicTopic) -> Callable[[], bool]:
    """Whether the client listens beside the oracle (and on books our client), and on private topics too."""
    private = ("order", "execution")
    return lambda: (
        all(len(venue._subscribers[topic]) == (3 if topic.name.startswith("orderbook") else 2) for topic in wanted)
        and set(private) <= {name for connection in venue._open for name in connection.topics}
    )


def levels(pairs: list[Any], sign: int) -> list[tuple[D, float]]:
    return sorted(((D(str(price)), float(size)) for price, size in pairs), key=lambda level: sign * level[0])


def same(found: Any, expected: Any) -> bool:
    """Bids and asks of a client, in any order, against the oracle's."""
    bids, asks = ([(D(price), size) for price, size in side] for side in expected)
    return (levels(found[0], -1), levels(found[1], 1)) == (bids, asks)


def test_pybits_books_trades_and_account_are_the_venues() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=8), speed=None) as venue:
            account = venue.account(KEY, secret=SECRET)
            truth = await oracles(venue)
            async with our_books(venue) as ours, running("pybit_v5.py", venue) as printed:
                await until(heard(venue, *topics("orderbook.50", "publicTrade")))
                await until(lambda: sum("greeks" in connection.topics for connection in venue._open) == 1)
                executed: list[tuple[str, str]] = []
                venue.exchange.listen(
                    lambda frame: (
                        executed.extend((item["execId"], item["category"]) for item in json.loads(frame.raw)["data"])
                        if frame.topic.name == "execution" and frame.topic.dialect is Dialect.V5
                        else None
                    )
                )
                await trade(venue, account, lambda: all(len(oracle.read()) > 30 for oracle in truth.values()))
                await until(lambda: settled(printed, account, truth))
            executions = told(printed, "private", "execution")
            for topic in ("execution", "execution.fast.linear"):
                fills = [item for message in executions if message["topic"] == topic for item in message["data"]]
                linear_only = topic.endswith("linear")
                assert [fill["execId"] for fill in fills] == [
                    exec_id for exec_id, category in executed if category == "linear" or not linear_only
                ]
            books = 0
            for category, oracle in truth.items():
                messages = [line["message"] for line in printed if line["category"] == category]
                for message in messages:
                    if message["topic"].startswith("orderbook"):
                        data = message["data"]
                        for book in (oracle.by_u, ours[category].by_u):
                            assert same((data["b"], data["a"]), book[data["u"]])
                        books += 1
                assert {m["topic"].partition(".")[0] for m in messages} == {
                    "orderbook", "publicTrade", "tickers", "kline",
                }  # fmt: skip
            assert books > 500
            states = {item["orderStatus"] for m in told(printed, "private", "order") for item in m["data"]}
            assert states == {"New", "Filled", "Cancelled"}

    run(main, bound_s=BOUND_S)


def told(printed: list[Any], category: str, topic: str) -> list[Any]:
    """The messages of a topic that pybit gave its callbacks."""
    messages = (line["message"] for line in printed if line["category"] == category)
    return [message for message in messages if message["topic"].startswith(topic)]


def settled(printed: list[Any], account: Account, truth: dict[Category, Oracle]) -> bool:
    """Whether the client knows what the venue knows: all trades, balances and positions."""
    for category, oracle in truth.items():
        if [t for message in told(printed, category, "publicTrade") for t in message["data"]] != oracle.read():
            return False
    wallets = told(printed, "private", "wallet")
    coins = {item["coin"]: D(item["walletBalance"]) for message in wallets for item in message["data"][0]["coin"]}
    items = [item for message in told(printed, "private", "position") for item in message["data"]]
    held = {(item["symbol"], item["positionIdx"]): D(item["size"]) for item in items}
    return coins == {coin: account.wallet[coin].wallet for coin in ("BTC", "USDT")} and (
        {key: size for key, size in held.items() if size}
        == {(position.symbol, position.index): position.size for position in account.positions.values()}
    )


def test_ccxts_books_trades_and_orders_are_the_venues() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=9), speed=None) as venue:
            account = venue.account(KEY, secret=SECRET)
            truth = await oracles(venue)
            async with our_books(venue) as ours, running("ccxt_v5.py", venue) as printed:
                await until(heard(venue, *topics("orderbook.50", "publicTrade")))

                def found(what: str) -> list[Any]:
                    return [line["found"] for line in printed if line["what"] == what]

                await trade(
                    venue,
                    account,
                    lambda: (
                        all(len(found(f"{what} {category}")) > 20 for what in ("book", "trades") for category in truth)
                        and len(found("my trades")) > 10 < len(found("orders"))
                    ),
                )
            for category, oracle in truth.items():
                oracle.read()
                for book in found(f"book {category}"):
                    for mine in (oracle.by_ts, ours[category].by_ts):
                        assert same((book["bids"], book["asks"]), mine[book["ts"]])
                ids = {trade["i"]: trade for trade in oracle.trades}
                for trade_ in (each for batch in found(f"trades {category}") for each in batch):
                    sent = ids[trade_["id"]]
                    assert (trade_["price"], trade_["amount"]) == (float(sent["p"]), float(sent["v"]))
                    assert (trade_["side"], trade_["timestamp"]) == (sent["S"].lower(), sent["T"])
            filled = [each for batch in found("my trades") for each in batch]
            assert {each["symbol"] for each in filled} == {"BTC/USDT:USDT", "BTC/USD:BTC"}
            assert {(each["takerOrMaker"], each["type"]) for each in filled} == {("taker", "market")}
            statuses = {each["status"] for batch in found("orders") for each in batch}
            assert statuses == {"open", "closed", "canceled"}

    run(main, bound_s=BOUND_S)
