"""The client on v5 over real sockets: topics spread over connections, answers, gaps, accounts, losses."""

import asyncio
import gc
import warnings
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.dialect import Limits
from depthwire.bybit.v5 import dialect as v5
from depthwire.bybit.v5 import private as v5_private
from depthwire.bybit.v5 import public as v5_public
from depthwire.session import dial
from depthwire.session import rate_limit as pacing
from depthwire.settings import Settings
from tests.support.plain_client import cancel_at_each_await, run, until
from tests.support.v5_server import KEY, SECRET, book, private, ticker, v5_server

QUICK = Settings(timeout_s=15.0, backoff_first_s=0.01, backoff_cap_s=0.05)


def collected(client: depthwire.Client) -> list[errors.DepthwireError]:
    found: list[errors.DepthwireError] = []
    client.on_error(found.append)
    return found


# books


def test_a_book_follows_its_frames_and_tells_u_and_seq() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found = await client.book("BTCUSDT")
            assert (found.topic, found.depth, found.update_id, found.cross_seq) == ("orderbook.50.BTCUSDT", 50, 1, 1001)
            assert (found.ts_exchange_us, found.ts_matching_us) == (1_700_000_000_001_000, 1000)
            assert found is await client.book("BTCUSDT", 50)
            server.push(book("BTCUSDT", kind="delta", u=2, b=[["100.55", "3"], ["100.50", "0"]]))
            await until(lambda: found.update_id == 2)
            assert (found.best_bid, found.best_ask) == (100.55, 100.6)

    run(main)


@pytest.mark.parametrize("u", [4, 1000])
def test_a_u_that_is_not_one_more_fetches_that_book_alone_anew(u: int) -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            told = collected(client)
            found, other = await asyncio.gather(client.book("BTCUSDT"), client.book("ETHUSDT"))
            server.push(book("BTCUSDT", kind="delta", u=2, b=[["100.40", "3"]]))
            await until(lambda: found.update_id == 2)
            server.snapshots = lambda topic: book("BTCUSDT", u=u)
            server.push(book("BTCUSDT", kind="delta", u=u))
            await until(lambda: found.state is BookState.LIVE and found.update_id == u)
            assert [type(error) for error in told] == [errors.OutOfSequence]
            health = client.health()
            shown = {topic: (each.state, each.gaps, each.resyncs) for topic, each in health.items()}
            assert shown == {found.topic: (BookState.LIVE, 1, 1), other.topic: (BookState.LIVE, 0, 0)}
            assert health[found.topic].stale_ns > 0 == health[other.topic].stale_ns
            assert other.version == 1
            sent = [(request["op"], request["args"]) for request in server.connections[0].requests]
            assert sent[1:] == [("unsubscribe", [found.topic]), ("subscribe", [found.topic])]

    run(main)


def test_a_u_that_is_known_already_costs_nothing() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            told = collected(client)
            found = await client.book("BTCUSDT")
            for u in (2, 2, 1, 3):
                server.push(book("BTCUSDT", kind="delta", u=u, b=[["100.40", str(u)]]))
            await until(lambda: found.update_id == 3)
            health = client.health()[found.topic]
            assert (told, health.outdated, health.resyncs, found.version) == ([], 2, 0, 3)

    run(main)


# requests and answers


def test_what_many_ask_for_at_once_is_few_requests() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            await asyncio.gather(*(client.book(f"S{number}USDT") for number in range(250)))
            assert [len(request["args"]) for request in server.connections[0].requests] == [100, 100, 50]

    run(main)


def test_spot_gets_ten_args_a_request_and_its_answers_may_lack_the_id() -> None:
    async def main() -> None:
        async with (
            v5_server("spot", most_args=10, names_requests=False) as server,
            depthwire.connect(server.url, settings=QUICK) as client,
        ):
            books = await asyncio.gather(*(client.book(f"S{number}USDT") for number in range(35)))
            assert [len(request["args"]) for request in server.connections[0].requests] == [10, 10, 10, 5]
            await client.unsubscribe(books[0].topic)
            assert not server.held(books[0].topic)
            assert books[0].finished

    run(main)


def test_an_unknown_symbol_is_refused_alone_however_many_are_asked_for() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            bad = "orderbook.50.NOPEUSDT"
            server.refused[bad] = f"error:handler not found,topic:{bad}"
            symbols = (
                [f"S{number}USDT" for number in range(30)] + ["NOPEUSDT"] + [f"T{number}USDT" for number in range(30)]
            )
            found = await asyncio.gather(*map(client.book, symbols), return_exceptions=True)
            (refusal,) = [each for each in found if isinstance(each, Exception)]
            assert isinstance(refusal, errors.SubscriptionRejected)
            assert (refusal.topic, refusal.reason) == (bad, server.refused[bad])
            assert len(client.health()) == 60
            del server.refused[bad]
            assert (await client.book("NOPEUSDT")).state is BookState.LIVE

    run(main)


def test_a_topic_that_the_venue_says_is_subscribed_already_is_served() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            server.connections[0].topics.append("publicTrade.BTCUSDT")
            trades = await client.trades("BTCUSDT")
            server.push(trade("BTCUSDT", "100.5"))
            assert (await anext(trades)).price == Decimal("100.5")

    run(main)


def test_pings_keep_either_kind_of_connection_and_a_missing_pong_ends_it() -> None:
    settings = Settings(timeout_s=5, ping_interval_s=0.01, pong_timeout_s=0.2, backoff_first_s=0.01, backoff_cap_s=0.05)

    async def main() -> None:
        async with (
            v5_server() as server,
            depthwire.connect(server.url, settings=settings, api_key=KEY, api_secret=SECRET) as client,
        ):
            await client.orders()
            public, account = server.connections
            for connection in (public, account):
                await until(lambda here=connection: pings(here) > 5)  # type: ignore[misc]
            assert client.status().losses == 0
            server.answers_pings = False
            await until(lambda: client.status().losses >= 2)
            assert "no pong" in client.status().last_loss
            server.answers_pings = True
            await until(lambda: client.status().connected)

    def pings(connection: Any) -> int:
        return sum(request["op"] == "ping" for request in connection.requests)

    run(main)


# many connections


def test_a_thousand_books_are_spread_over_as_many_connections_as_they_need() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            symbols = [f"SYMBOL{number}USDT" for number in range(1000)]
            books = await asyncio.gather(*map(client.book, symbols))
            assert len({id(each) for each in books}) == 1000
            assert {each.state for each in books} == {BookState.LIVE}
            assert len(server.open) == 2
            status = client.status()
            assert (len(client.health()), status.connects, status.frames >= 1000) == (1000, 2, True)
            assert Counter(topic for each in server.open for topic in each.topics) == dict.fromkeys(client.health(), 1)

            seen: list[bytes] = []
            client.add_tap(lambda ts, payload: seen.append(bytes(payload)))
            for symbol in symbols:
                server.push(book(symbol, kind="delta", u=2, b=[["100.55", "1"]]))
            await until(lambda: all(each.update_id == 2 for each in books))
            assert len(seen) == 1000

    run(main)


def small() -> Any:
    """A server whose connections hold three books of four-letter symbols: what is sent fits 70 characters."""
    return v5_server(args_length=70)


@pytest.fixture
def three_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(args_length=70)
    monkeypatch.setattr(v5.LINEAR, "limits", limits)


@pytest.mark.usefixtures("three_a_connection")
def test_ending_topics_makes_room_again() -> None:
    async def main() -> None:
        async with small() as server, depthwire.connect(server.url, settings=QUICK) as client:
            books = [await client.book(symbol) for symbol in ("AAAA", "BBBB", "CCCC", "DDDD")]
            assert [len(each.topics) for each in server.open] == [3, 1]
            await client.unsubscribe(books[0].topic)
            await client.book("EEEE")
            assert [len(each.topics) for each in server.open] == [3, 1]
            await client.unsubscribe(books[3].topic)
            assert [len(each.topics) for each in server.open] == [3, 0]
            assert [each.finished for each in books] == [True, False, False, True]
            with pytest.raises(errors.TopicError, match="not subscribed"):
                await client.unsubscribe(books[3].topic)
            assert await client.book("BBBB") is books[1]

    run(main)


@pytest.mark.usefixtures("three_a_connection")
def test_each_connection_is_lost_and_found_on_its_own() -> None:
    async def main() -> None:
        async with small() as server, depthwire.connect(server.url, settings=QUICK) as client:
            told = collected(client)
            books = await asyncio.gather(*(client.book(f"{letter}{letter}AA") for letter in "ABCDEFGH"))
            assert len(server.open) == 3
            lost = server.held(books[7].topic)[0]
            theirs = [each for each in books if each.topic in lost.topics]
            assert lost.transport is not None
            lost.transport.disconnect(graceful=False)
            await until(lambda: client.status().connects == 4 and all(each.version == 2 for each in theirs))
            assert {each.version for each in books if each not in theirs} == {1}
            assert {each.state for each in books} == {BookState.LIVE}
            assert [type(error) for error in told] == [errors.ConnectionLost]
            status = client.status()
            assert (status.connected, status.losses, len(client.health())) == (True, 1, 8)

    run(main)


@pytest.mark.usefixtures("three_a_connection")
def test_a_further_connection_that_fails_is_told_to_those_who_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with small() as server, depthwire.connect(server.url, settings=QUICK) as client:
            books = await asyncio.gather(*map(client.book, ("AAAA", "BBBB", "CCCC")))
            with monkeypatch.context() as broken:
                broken.setattr(dial, "connected_socket", unreachable)
                with pytest.raises(errors.ConnectError, match="no route"):
                    await client.book("DDDD")
            assert {each.state for each in books} == {BookState.LIVE}
            assert client.status().connects == 1
            assert (await client.book("DDDD")).state is BookState.LIVE
            assert len(server.open) == 2

    async def unreachable(*_: object) -> None:
        raise OSError("no route to host")

    run(main)


@pytest.mark.usefixtures("three_a_connection")
def test_closing_while_a_further_connection_opens_ends_all() -> None:
    async def main() -> None:
        async with small() as server:
            async with depthwire.connect(server.url, settings=QUICK) as client:
                await asyncio.gather(*map(client.book, ("AAAA", "BBBB", "CCCC")))
                asking = asyncio.create_task(client.book("DDDD"))
                await asyncio.sleep(0)
            with pytest.raises(errors.ClientClosed):
                await asking
            await until(lambda: not server.open)

    run(main)


@pytest.mark.usefixtures("three_a_connection")
def test_one_stream_reads_topics_of_several_connections() -> None:
    async def main() -> None:
        async with small() as server, depthwire.connect(server.url, settings=QUICK) as client:
            stream = await client.subscribe(*(f"tickers.{letter}{letter}AA" for letter in "ABCDEFGH"))
            assert len(server.open) == 2
            for letter in "HA":
                server.push(ticker(f"{letter}{letter}AA", lastPrice="1"))
                topic, state = await anext(stream)
                assert (topic, state.last_price) == (f"tickers.{letter}{letter}AA", 1)

    run(main)


def test_connects_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def wait_s(host: str) -> float:
        asked.append(host)
        return 0.01

    monkeypatch.setattr("depthwire.session.connection.connection_wait_s", wait_s)
    assert pacing.CONNECTIONS == 500

    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            assert server.connections[0].transport is not None
            server.connections[0].transport.disconnect(graceful=False)
            await until(lambda: client.status().connects == 2)
        assert asked == ["127.0.0.1"] * 2, "a reconnect, too"

    run(main)


# trades and tickers


def trade(symbol: str, price: str) -> dict[str, Any]:
    one = {"T": 1, "s": symbol, "S": "Buy", "v": "0.004", "p": price, "i": price, "BT": False, "seq": 9}
    return {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": 1, "data": [one]}


def test_trades_come_typed_and_a_lost_connection_is_a_gap() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            trades = await client.trades("BTCUSDT")
            server.push(trade("BTCUSDT", "65114.20"))
            first = await anext(trades)
            assert isinstance(first, v5_public.Trade)
            assert (str(first.price), first.size, first.side, first.cross_seq) == (
                "65114.20",
                Decimal("0.004"),
                "Buy",
                9,
            )
            assert server.connections[0].transport is not None
            server.connections[0].transport.disconnect(graceful=False)
            with pytest.raises(errors.StreamGap):
                await anext(trades)
            server.push(trade("BTCUSDT", "65115"))
            assert (await anext(trades)).price == 65115

    run(main)


def test_an_instrument_is_the_merged_tickers() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            server.snapshots = lambda topic: ticker("BTCUSDT", lastPrice="65114.30", fundingRate="0.0001")
            instrument = await client.instrument("BTCUSDT")
            told: list[frozenset[str]] = []
            instrument.on_change(lambda _, changed: told.append(changed))
            server.push(ticker("BTCUSDT", "delta", fundingRate="0.0002"))
            await until(lambda: bool(told))
            assert told == [frozenset({"funding_rate"})]
            assert (str(instrument.last_price), str(instrument.funding_rate)) == ("65114.30", "0.0002")

    run(main)


# the account


def order(order_id: str, status: str, **other: Any) -> dict[str, Any]:
    known = {"category": "linear", "symbol": "BTCUSDT", "orderId": order_id, "side": "Buy", "orderType": "Limit"}
    return {**known, "orderStatus": status, "qty": "2", "price": "100.5", "cumExecQty": "0", "leavesQty": "2", **other}


def position(idx: int, side: str, size: str, seq: int = 1) -> dict[str, Any]:
    return {"category": "linear", "symbol": "BTCUSDT", "positionIdx": idx, "side": side, "size": size, "seq": seq}


def test_the_accounts_live_views_are_kept_by_what_the_private_endpoint_tells() -> None:
    async def main() -> None:
        async with (
            v5_server() as server,
            depthwire.connect(server.url, settings=QUICK, api_key=KEY, api_secret=SECRET) as client,
        ):
            orders, positions = await client.orders(), await client.positions()
            wallet, executions = await client.wallet(), await client.executions()
            public, account = server.connections
            assert (public.path, account.path) == ("/v5/public/linear", "/v5/private")
            assert account.topics == ["order", "position", "wallet", "execution"]
            for status in ("Untriggered", "Triggered", "New"):
                account.send(private("order", order("a", status, triggerPrice="100"), order("b", "New")))
                assert (await anext(orders)).order_status == status
                await anext(orders)
                assert orders.view["a"].order_status == status
            filled = order("a", "PartiallyFilled", cumExecQty="1", leavesQty="1")
            account.send(private("order", filled, order("b", "Cancelled", leavesQty="0")))
            await anext(orders)
            assert orders.view["a"].cum_exec_qty == 1
            account.send(private("order", order("a", "Filled", cumExecQty="2", leavesQty="0")))
            await until(lambda: not orders.view)

            account.send(private("position", position(0, "Buy", "2"), position(0, "Buy", "1", seq=0)))
            await anext(positions)
            assert {key: each.size for key, each in positions.view.items()} == {("BTCUSDT", 0): 2}
            coins = [{"coin": "BTC", "walletBalance": "0.5"}, {"coin": "USDT", "walletBalance": "10"}]
            account.send(private("wallet", {"accountType": "UNIFIED", "totalEquity": "35000", "coin": coins}))
            event = await anext(wallet)
            assert isinstance(event, v5_private.Wallet)
            assert {coin: each.wallet_balance for coin, each in wallet.view.items()} == {
                "BTC": Decimal("0.5"),
                "USDT": 10,
            }
            fill = {"category": "linear", "symbol": "BTCUSDT", "execId": "e", "execType": "Trade", "orderId": "a"}
            account.send(private("execution", {**fill, "execPrice": "1.50", "execQty": "2", "execTime": "7"}))
            assert str((await anext(executions)).exec_price) == "1.50"
            signed = [request for request in account.requests if request["op"] == "auth"]
            assert len(signed) == 1

    run(main)


def test_a_lost_private_connection_signs_in_again_and_leaves_a_gap() -> None:
    async def main() -> None:
        async with (
            v5_server() as server,
            depthwire.connect(server.url, settings=QUICK, api_key=KEY, api_secret=SECRET) as client,
        ):
            collected(client)
            orders = await client.orders()
            account = server.connections[1]
            account.send(private("order", order("a", "New")))
            await anext(orders)
            assert account.transport is not None
            account.transport.disconnect(graceful=False)
            with pytest.raises(errors.StreamGap):
                await anext(orders)
            assert isinstance(orders.view.gap, errors.StreamGap)
            assert server.connections[2].signed_in
            orders.view.reconcile()
            server.connections[2].send(private("order", order("b", "New")))
            assert (await anext(orders)).order_id == "b"
            assert (set(orders.view), orders.view.gap) == ({"b"}, None)

    run(main)


def test_a_category_of_a_private_topic_is_a_topic_of_its_own() -> None:
    async def main() -> None:
        async with (
            v5_server() as server,
            depthwire.connect(server.url, settings=QUICK, api_key=KEY, api_secret=SECRET) as client,
        ):
            stream = await client.subscribe("order.linear", "execution.fast", "greeks")
            account = server.connections[1]
            account.send(private("greeks", {"baseCoin": "ETH", "totalDelta": "0.07"}))
            account.send(private("order.linear", order("a", "New")))
            first, second = await anext(stream), await anext(stream)
            assert (first.topic, first.data.total_delta) == ("greeks", Decimal("0.07"))
            assert (second.topic, second.data.order_id) == ("order.linear", "a")

    run(main)


def test_the_private_endpoint_alone_is_a_client_of_private_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with v5_server() as server:
            url = server.url.replace("/v5/public/linear", "/v5/private")
            with pytest.raises(errors.AuthError, match="DEPTHWIRE_API_KEY"):
                async with depthwire.connect(url, settings=QUICK):
                    pass
            assert server.connections == []
            async with depthwire.connect(url, settings=QUICK, api_key=KEY, api_secret=SECRET) as client:
                orders = await client.orders()
                server.connections[0].send(private("order", order("a", "New")))
                assert (await anext(orders)).order_id == "a"
                assert len(server.connections) == 1
                with pytest.raises(errors.TopicError, match="/v5/public/"):
                    await client.book("BTCUSDT")

    monkeypatch.delenv("DEPTHWIRE_API_KEY", raising=False)
    monkeypatch.delenv("DEPTHWIRE_API_SECRET", raising=False)
    run(main)


def test_a_refused_sign_in_is_an_auth_error_that_keeps_its_secrets() -> None:
    async def main() -> None:
        async with (
            v5_server() as server,
            depthwire.connect(server.url, settings=QUICK, api_key=KEY, api_secret="wrong") as client,
        ):
            with pytest.raises(errors.AuthError, match="invalid signature") as error:
                await client.orders()
            assert "wrong" not in str(error.value)
            assert (await client.book("BTCUSDT")).state is BookState.LIVE, "the public side goes on"

    run(main)


def test_what_v5_does_not_have_is_told_before_anything_is_sent() -> None:
    async def main() -> None:
        async with (
            v5_server() as server,
            depthwire.connect(server.url, settings=QUICK, api_key=KEY, api_secret=SECRET) as client,
        ):
            with pytest.raises(errors.TopicError, match="conditional orders come on 'order'"):
                await client.stop_orders()
            with pytest.raises(errors.TopicError, match="expected one of 1, 50, 200, 1000"):
                await client.book("BTCUSDT", depth=25)
            with pytest.raises(errors.TopicError, match="pipes"):
                await client.subscribe("publicTrade.BTCUSDT|ETHUSDT")
            with pytest.raises(errors.AuthError, match="auth_way"):
                async with depthwire.connect(server.url, api_key=KEY, api_secret=SECRET, auth_way="url"):
                    pass
            assert len(server.connections) == 1
            assert server.connections[0].requests == []

    run(main)


# cancelling


@pytest.mark.usefixtures("three_a_connection")
def test_a_cancel_at_any_await_leaves_nothing_behind_on_several_connections() -> None:
    """All act as one connection: books on two of them, a sign-in on a third, and a silent topic that is refetched."""
    settings = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05, book_silence_s=0.01)

    async def conversation(url: str) -> None:
        async with depthwire.connect(url, api_key=KEY, api_secret=SECRET, settings=settings) as client:
            client.on_error(lambda error: None)
            symbols = ("AAAA", "BBBB", "CCCC", "DDDD")
            books, _ = await asyncio.gather(asyncio.gather(*map(client.book, symbols)), client.orders())
            await until(lambda: client.health()[books[0].topic].resyncs > 0)
            await client.unsubscribe(books[0].topic)

    async def main() -> None:
        async with small() as server:
            await cancel_at_each_await(lambda: conversation(server.url))
            await until(lambda: not server.open)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(main, bound_s=60)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
