"""Other current clients against the venue on v5: pybit 5 and ccxt.pro, each a process in a separate environment.

``DEPTHWIRE_INTEROP_V5`` names that environment's Python, which ci/interop makes; without it the tests are skipped.
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
from depthwire.feed.live_book import LiveBook
from depthwire.venue import Account, Category, Dialect, PublicTopic, SyntheticMarket, V5WireBook, Venue
from tests.support.plain_client import PlainClient, run, until

PYTHON = os.environ.get("DEPTHWIRE_INTEROP_V5", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="needs DEPTHWIRE_INTEROP_V5, a Python with the extra interop-v5")
SCRIPTS = Path(__file__).parent / "interop"
SYMBOLS = {Category.LINEAR: "BTCUSDT", Category.INVERSE: "BTCUSD", Category.SPOT: "BTCUSDT"}
OPTIONS = "BTC-31DEC27-60000-C", "BTC-31DEC27-60000-P"
KEY, SECRET = "trader", "trader-secret"
BOUND_S = 60
Sides = tuple[list[tuple[D, float]], list[tuple[D, float]]]


def topics(*kinds: str) -> list[PublicTopic]:
    return [
        PublicTopic(Dialect.V5, category, f"{kind}.{symbol}") for category, symbol in SYMBOLS.items() for kind in kinds
    ]


@asynccontextmanager
async def running(script: str, venue: Venue, options: tuple[str, ...] = ()) -> AsyncIterator[list[Any]]:
    """A client at work, of the symbols or of some options; gives what it printed so far."""
    config = {
        "base": venue.inverse_url.removesuffix("/realtime"),
        "symbols": {} if options else SYMBOLS,
        "key": KEY,
        "secret": SECRET,
        **({"options": options} if options else {}),
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


class Ours:
    """What depthwire's client knew, of each frame, and the trades that a plain reader was sent."""

    def __init__(self, client: PlainClient, book: LiveBook) -> None:
        self._client = client
        self.by_u: dict[int, Sides] = {}
        self.by_ts: dict[int, Sides] = {}
        self.trades: list[Any] = []
        self._read = 1
        self._keep(book)
        book.on_change(self._keep)

    def _keep(self, book: LiveBook) -> None:
        shown = book.snapshot()
        bids, asks = ([(book.price(price_id), size) for price_id, size in side] for side in (shown.bids, shown.asks))
        self.by_u[book.update_id] = self.by_ts[book.ts_exchange_us // 1000] = bids, asks

    def read(self) -> list[Any]:
        """Takes in what has come; returns all trades."""
        for raw in self._client.frames[self._read :]:
            self.trades += json.loads(raw)["data"]
        self._read = len(self._client.frames)
        return self.trades


@asynccontextmanager
async def ours(venue: Venue) -> AsyncIterator[dict[Category, Ours]]:
    async with AsyncExitStack() as stack:
        plain, asked = [], []
        for category, symbol in SYMBOLS.items():
            client = await stack.enter_async_context(depthwire.connect(venue.v5_url(category)))
            asked.append(asyncio.ensure_future(client.book(symbol)))
            plain.append(await PlainClient.connect(venue.v5_url(category)))
            assert (await plain[-1].ask("subscribe", f"publicTrade.{symbol}"))["success"]
        await until(lambda: all(len(venue._subscribers[topic]) == 1 for topic in topics("orderbook.50")))
        venue.advance(0.02)
        books = await asyncio.gather(*asked)
        yield {category: Ours(*each) for category, *each in zip(SYMBOLS, plain, books, strict=True)}


async def trade(venue: Venue, account: Account, told: Callable[[], bool]) -> None:
    """Run the market, and let the account trade, until something was printed."""
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


def heard(venue: Venue, *wanted: PublicTopic) -> Callable[[], bool]:
    """Return a function: whether the client has subscribed as we have, and to private topics too."""
    private = ("order", "execution")
    return lambda: (
        all(len(venue._subscribers[topic]) == 2 for topic in wanted)
        and set(private) <= {name for connection in venue._open for name in connection.topics}
    )


def caught_up(venue: Venue, truth: dict[Category, Ours]) -> bool:
    """Whether we know the venue's books of this moment."""
    books = {topic.category: book for topic, book in venue.books.items() if book.is_live}
    return all(isinstance(book, V5WireBook) and book.u in truth[category].by_u for category, book in books.items())


def levels(pairs: list[Any], sign: int) -> list[tuple[D, float]]:
    return sorted(((D(str(price)), float(size)) for price, size in pairs), key=lambda level: sign * level[0])


def same(found: Any, expected: Sides) -> bool:
    """Bids and asks of a client, in any order, against ours."""
    return (levels(found[0], -1), levels(found[1], 1)) == expected


def test_pybits_books_trades_and_account_are_the_venues() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=8), speed=None) as venue:
            account = venue.account(KEY, secret=SECRET)
            async with ours(venue) as truth, running("pybit_v5.py", venue) as printed:
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
                await trade(venue, account, lambda: all(len(known.read()) > 30 for known in truth.values()))
                await until(lambda: settled(printed, account, truth) and caught_up(venue, truth))
            executions = told(printed, "private", "execution")
            for topic in ("execution", "execution.fast.linear"):
                fills = [item for message in executions if message["topic"] == topic for item in message["data"]]
                linear_only = topic.endswith("linear")
                assert [fill["execId"] for fill in fills] == [
                    exec_id for exec_id, category in executed if category == "linear" or not linear_only
                ]
            books = 0
            for category, known in truth.items():
                messages = [line["message"] for line in printed if line["category"] == category]
                for message in messages:
                    if message["topic"].startswith("orderbook"):
                        data = message["data"]
                        assert same((data["b"], data["a"]), known.by_u[data["u"]])
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


def settled(printed: list[Any], account: Account, truth: dict[Category, Ours]) -> bool:
    """Whether the client knows what the venue knows: all trades, balances and positions."""
    for category, known in truth.items():
        if [t for message in told(printed, category, "publicTrade") for t in message["data"]] != known.read():
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
            async with ours(venue) as truth, running("ccxt_v5.py", venue) as printed:
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
                await until(lambda: caught_up(venue, truth))
            for category, known in truth.items():
                known.read()
                for book in found(f"book {category}"):
                    assert same((book["bids"], book["asks"]), known.by_ts[book["ts"]])
                ids = {trade["i"]: trade for trade in known.trades}
                for trade_ in (each for batch in found(f"trades {category}") for each in batch):
                    mine = ids[trade_["id"]]
                    assert (trade_["price"], trade_["amount"]) == (float(mine["p"]), float(mine["v"]))
                    assert (trade_["side"], trade_["timestamp"]) == (mine["S"].lower(), mine["T"])
            filled = [each for batch in found("my trades") for each in batch]
            assert {each["symbol"] for each in filled} == {"BTC/USDT:USDT", "BTC/USD:BTC"}
            assert {(each["takerOrMaker"], each["type"]) for each in filled} == {("taker", "market")}
            statuses = {each["status"] for batch in found("orders") for each in batch}
            assert statuses == {"open", "closed", "canceled"}

    run(main, bound_s=BOUND_S)


# options


class OurOption:
    """The levels that depthwire's client knew of an option after each of the venue's times, and the client's errors."""

    def __init__(self, book: LiveBook) -> None:
        self.by_ts: dict[int, Sides] = {}
        book.on_change(self._keep)
        self._keep(book)

    def _keep(self, book: LiveBook) -> None:
        shown = book.snapshot()
        bids, asks = ([(book.price(price_id), size) for price_id, size in side] for side in (shown.bids, shown.asks))
        self.by_ts[book.ts_exchange_us // 1000] = bids, asks


@asynccontextmanager
async def our_options(venue: Venue) -> AsyncIterator[dict[str, OurOption]]:
    async with depthwire.connect(venue.v5_url("option")) as client:
        asked = [asyncio.ensure_future(client.book(symbol)) for symbol in OPTIONS]
        books = [PublicTopic(Dialect.V5, Category.OPTION, f"orderbook.25.{symbol}") for symbol in OPTIONS]
        await until(lambda: all(venue._subscribers[book] for book in books))
        venue.advance(0.02)
        yield {symbol: OurOption(await book) for symbol, book in zip(OPTIONS, asked, strict=True)}


async def play(venue: Venue, condition: Callable[[], bool]) -> None:
    while not condition():
        venue.advance(0.1)
        await asyncio.sleep(0.005)


def test_pybit_reads_options() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=8), speed=None) as venue:
            async with our_options(venue) as truth, running("pybit_v5.py", venue, OPTIONS) as printed:

                def messages(topic: str) -> list[Any]:
                    return [line["message"] for line in printed if line["message"]["topic"] == topic]

                wanted = [f"{kind}.{symbol}" for kind in ("orderbook.25", "tickers") for symbol in OPTIONS]
                await play(venue, lambda: all(len(messages(topic)) > 20 for topic in (*wanted, "publicTrade.BTC")))
                for symbol, known in truth.items():
                    for message in messages(f"orderbook.25.{symbol}"):
                        await until(lambda message=message, known=known: message["ts"] in known.by_ts)  # type: ignore[misc]
                        assert same((message["data"]["b"], message["data"]["a"]), known.by_ts[message["ts"]])
            traded = {trade["s"] for message in messages("publicTrade.BTC") for trade in message["data"]}
            assert traded == set(OPTIONS)

    run(main, bound_s=BOUND_S)


def test_ccxt_reads_books_of_options() -> None:
    async def main() -> None:
        async with (
            Venue(SyntheticMarket(seed=9), speed=None) as venue,
            our_options(venue) as truth,
            running("ccxt_v5.py", venue, OPTIONS) as printed,
        ):

            def found(symbol: str) -> list[Any]:
                return [line["found"] for line in printed if line["what"] == f"book {symbol}"]

            await play(venue, lambda: all(len(found(symbol)) > 20 for symbol in OPTIONS))
            for symbol, known in truth.items():
                for book in found(symbol):
                    await until(lambda book=book, known=known: book["ts"] in known.by_ts)  # type: ignore[misc]
                    assert same((book["bids"], book["asks"]), known.by_ts[book["ts"]])

    run(main, bound_s=BOUND_S)
