"""Options: answers that list topics, frames in the exchange's format, and depthwire's client."""

import json
from decimal import Decimal as D
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.venue import Category, Dialect, PublicTopic, SyntheticMarket, V5WireBook, Venue
from tests.support.plain_client import PlainClient, run, until
from tests.support.reference_v5 import V5ReferenceBook
from tests.support.sim_client import QUICK, collected, ends

CALL, PUT, ETH = "BTC-31DEC27-60000-C", "BTC-31DEC27-60000-P", "ETH-31DEC27-2500-C"
START_NS = 1_793_000_000_000_000_000


def frames(seconds: float, *names: str) -> list[dict[str, Any]]:
    wanted = [PublicTopic(Dialect.V5, Category.OPTION, name) for name in names]
    found = []
    for frame in SyntheticMarket(4, start_ns=START_NS).frames(wanted):
        if frame.at_ns > START_NS + seconds * 10**9:
            return found
        found.append(json.loads(frame.raw))
    raise AssertionError("a market has no end")


# answers


def test_each_topic_of_a_request_is_granted_or_failed_by_itself() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1), speed=None) as venue:
            client = await PlainClient.connect(venue.v5_url("option"))
            good, bad = [f"tickers.{CALL}", f"orderbook.25.{PUT}"], ["tickers.NOPE", "orderbook.50." + CALL, "order"]
            for op in ("subscribe", "unsubscribe", "subscribe"):
                answer = await client.ask(op, *good, *bad, good[0])
                assert list(answer) == ["success", "conn_id", "data", "type"]
                assert answer["data"] == {"failTopics": bad, "successTopics": good}
                assert (answer["success"], answer["type"]) == (True, "COMMAND_RESP")
                (connection,) = venue._open
                assert list(connection.topics) == (good if op == "subscribe" else [])
            client.send({"op": "ping"})
            while (pong := await client.receive_json()).get("op") != "pong":
                assert "topic" in pong
            assert list(pong) == ["args", "op"]
            assert pong["args"][0].isdecimal()

    run(main)


def test_a_connection_holds_two_thousand_topics() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1), speed=None) as venue:
            client = await PlainClient.connect(venue.v5_url("option"))
            service = venue._services["/v5/public/option"]
            held = [f"tickers.{number}" for number in range(1999)]
            from depthwire.venue.server.requests import Request

            topics = [f"tickers.{CALL}", f"tickers.{PUT}"]
            assert service.resolve(Request("subscribe", topics), held, is_signed_in=False) == topics[:1]
            assert service.resolve(Request("subscribe", topics), topics, is_signed_in=False) == topics
            client.transport.disconnect()

    run(main)


# frames


def test_books_follow_the_rules_and_say_what_recorded_ones_do() -> None:
    for depth in (25, 100):
        told = frames(20, f"orderbook.{depth}.{CALL}")
        assert [list(frame) for frame in told] == [["id", "topic", "ts", "data", "type"]] * len(told)
        assert [frame["type"] for frame in told] == ["snapshot"] + ["delta"] * (len(told) - 1)
        assert len(told) > 20
        reference = V5ReferenceBook(CALL, depth)
        for frame in told:
            reference.receive(json.dumps(frame))
            bids, asks = reference.levels_text()
            assert len(bids) == len(asks) == depth
            assert max(D(price) for price, _ in bids) < min(D(price) for price, _ in asks)
        numbers = [frame["data"]["u"] for frame in told]
        assert numbers == list(range(numbers[0], numbers[0] + len(told)))


def test_trades_come_by_base_coin_and_tickers_are_snapshots() -> None:
    told = frames(120, "publicTrade.BTC", f"tickers.{PUT}")
    trades = [trade for frame in told if frame["topic"] == "publicTrade.BTC" for trade in frame["data"]]
    assert {trade["s"] for trade in trades} == {CALL, PUT}
    assert all({"mP", "iP", "mIv", "iv", "i", "T", "p", "v", "S"} <= trade.keys() for trade in trades)
    tickers = [frame for frame in told if frame["topic"] == f"tickers.{PUT}"]
    assert {frame["type"] for frame in tickers} == {"snapshot"}
    assert len({tuple(frame["data"]) for frame in tickers}) == 1
    assert {"bidIv", "askPrice", "underlyingPrice", "delta", "change24h"} <= tickers[0]["data"].keys()


# depthwire's client


def test_a_client_reads_books_trades_and_tickers() -> None:
    async def main() -> None:
        async with (
            Venue(SyntheticMarket(seed=2), speed=20) as venue,
            depthwire.connect(venue.v5_url("option"), settings=QUICK) as client,
        ):
            found = collected(client)
            books = [await client.book(CALL), await client.book(PUT, 100)]
            assert [len(book.snapshot().bids) for book in books] == [25, 100]
            ticker = await client.instrument(CALL)
            assert ticker.underlying_price == D("60622.5")
            trades = await client.trades("BTC")
            symbols = set()
            while symbols < {CALL, PUT}:
                symbols.add((await anext(trades)).symbol)
            await until(lambda: min(book.version for book in books) > 30)
            for book in books:
                truth = venue.books[PublicTopic(Dialect.V5, Category.OPTION, book.topic)]
                assert isinstance(truth, V5WireBook)
                await until(lambda book=book, truth=truth: book.update_id == truth.u)  # type: ignore[misc]
            await client.unsubscribe("publicTrade.BTC", books[0].topic)
            assert await ends(trades)
            with pytest.raises(errors.SubscriptionRejected) as refused:
                await client.subscribe(f"tickers.{ETH}", "tickers.NOPE-1", "tickers.NOPE-2")
            assert refused.value.topics == ("tickers.NOPE-1", "tickers.NOPE-2")
            assert books[1].state is BookState.LIVE
            assert found == []

    run(main)


def test_the_embedded_venue_has_options_behind_a_url() -> None:
    async def main() -> None:
        async with depthwire.connect("sim://v5/option") as client:
            assert (await client.book(ETH)).bbo is not None

    run(main)


def test_the_venue_names_its_options_by_symbol() -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(seed=1), speed=None) as venue:
            assert venue.served[venue.v5_url("option")] == [CALL, PUT, ETH]
            assert venue.url_for(PUT) == venue.v5_url("option")

    run(main)
