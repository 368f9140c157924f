"""The drop-ins against venues over real sockets: what their users read, as on the wire, and which errors they get."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from depthwire import errors
from depthwire.compat import BybitWebsocket, WebSocket
from depthwire.compat.official import Inbox
from depthwire.compat.pybit import Orders, Positions
from depthwire.settings import Settings
from depthwire.tape import TapeWriter
from depthwire.venue import SyntheticMarket, TapeMarket
from tests.support.offline import Offline
from tests.support.reference import frames, play
from tests.support.venue_thread import BOUND_S, VenueThread, poll, venue_thread
from tests.support.wire import BIDS, delta, encode, level, snapshot

BOOK, DEEP, TRADE, INFO = (
    f"{kind}.BTCUSD" for kind in ("orderBookL2_25", "orderBook_200.100ms", "trade", "instrument_info.100ms")
)
SECRET = "known-to-both"
LIQUIDATION = {
    "topic": "liquidation.ETHUSD",
    "data": {"symbol": "ETHUSD", "side": "Sell", "price": "3384.15", "qty": "3655", "time": 1631608881954},
}
INSURANCE = {
    "topic": "insurance.BTC",
    "data": [{"currency": "BTC", "timestamp": "2020-01-11T20:00:00Z", "wallet_balance": 98786916569}],
}
KLINE = {
    "topic": "klineV2.1.BTCUSD",
    "data": [
        {
            "start": 1572425640,
            "end": 1572425700,
            "open": 9200,
            "close": 9202.5,
            "high": 9202.5,
            "low": 9196,
            "volume": 81790,
            "turnover": 8.889247899999999,
            "confirm": False,
            "cross_seq": 297503466,
            "timestamp": 1572425676958323,
        }
    ],
    "timestamp_e6": 1572425677047994,
}
INSTRUMENT = {
    "topic": INFO,
    "type": "snapshot",
    "data": {"id": 1, "symbol": "BTCUSD", "last_price_e4": 81165000, "total_turnover_e8": 220614611978549345},
    "cross_seq": 9267002,
    "timestamp_e6": 1615794861826248,
}
INSTRUMENT_DELTA = {
    "topic": INFO,
    "type": "delta",
    "data": {"delete": [], "update": [{"id": 1, "symbol": "BTCUSD", "last_price_e4": 81170000}], "insert": []},
    "cross_seq": 9267003,
    "timestamp_e6": 1615794861926248,
}


def trade(number: int, symbol: str = "BTCUSD") -> dict[str, Any]:
    return {
        "topic": f"trade.{symbol}",
        "data": [
            {
                "timestamp": "2020-01-12T16:59:59.000Z",
                "trade_time_ms": 1582793344685 + number,
                "symbol": symbol,
                "side": "Sell",
                "size": 328,
                "price": 8098,
                "tick_direction": "MinusTick",
                "trade_id": f"00c706e1-ba52-5bb0-98d0-{number:012d}",
                "cross_seq": 1052816407,
            }
        ],
    }


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[VenueThread]:
    """A venue that knows every kind of topic, and from then on says only what the test makes it say."""
    path = tmp_path / "topics.frames"
    books = [snapshot(kind=kind) for kind in ("orderBookL2_25", "orderBook_200.100ms")]
    with TapeWriter(path) as tape:
        for number, message in enumerate(
            [trade(0), trade(0, "ETHUSD"), INSTRUMENT, INSURANCE, KLINE, LIQUIDATION, snapshot("ETHUSD"), *books]
        ):
            tape.write(number + 1, encode(message))
    with venue_thread(TapeMarket(path), speed=1e9) as thread:
        yield thread


@pytest.fixture(scope="module")
def busy() -> Iterator[VenueThread]:
    with venue_thread(SyntheticMarket(seed=5), speed=10) as thread:
        yield thread


@contextlib.contextmanager
def official(url: str, **arguments: Any) -> Iterator[BybitWebsocket]:
    ws = BybitWebsocket(wsURL=url, **arguments)
    try:
        yield ws
    finally:
        ws.exit()


@contextlib.contextmanager
def pybit(url: str, *subscriptions: str, **arguments: Any) -> Iterator[WebSocket]:
    ws = WebSocket(url, subscriptions=list(subscriptions), **arguments)
    try:
        yield ws
    finally:
        ws.exit()


def say(venue: VenueThread, *messages: Any) -> None:
    for message in messages:
        venue.call(venue.venue.send_raw, message["topic"], encode(message))


# books


@pytest.mark.parametrize("name", ["inverse-2021-04-17.frames", "linear-2021-04-17.frames"])
def test_books_end_as_the_oracles(tapes: Path, name: str) -> None:
    with venue_thread(TapeMarket(tapes / name), speed=float("inf")) as thread:
        books = dict(play(frames(tapes / name)))
        url = thread.venue.url_for(next(iter(books)).rpartition(".")[2])
        with official(url) as ours, pybit(url, *books) as theirs:
            for topic in books:
                ours.subscribe_orderBookL2(topic.rpartition(".")[2], 200 if "200" in topic else None)
            seen: dict[str, Any] = {}

            def done() -> bool:
                seen.update({topic: data for topic in books if (data := ours.get_data(topic))})
                return all(
                    as_sides(seen.get(topic, [])) == as_sides(theirs.fetch(topic)) == oracle(books[topic])
                    for topic in books
                )

            poll(done)
            for levels in seen.values():
                prices = [float(each["price"]) for each in levels]
                assert prices == sorted(prices)


def as_sides(levels: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    sides: dict[str, dict[int, float]] = {"Buy": {}, "Sell": {}}
    for each in levels:
        sides[each["side"]][int(each["id"])] = float(each["size"])
    return sides


def oracle(book: Any) -> dict[str, dict[int, float]]:
    return {
        side: {price_id: float(each.size) for price_id, each in levels.items()} for side, levels in book.sides.items()
    }


def test_a_book_keeps_the_wires_own_words(quiet: VenueThread) -> None:
    with official(quiet.venue.inverse_url) as ours, pybit(quiet.venue.inverse_url, BOOK) as theirs:
        ours.subscribe_orderBookL2(symbol="BTCUSD")
        assert poll(lambda: ours.get_data(BOOK)) == snapshot()["data"]
        assert ours.get_data(BOOK) == [], "nothing new"
        assert poll(lambda: theirs.fetch(BOOK)) == snapshot()["data"]
        assert theirs.fetch(BOOK) == snapshot()["data"], "fetched again"
        say(
            quiet,
            delta(delete=[("Buy", BIDS[0][0])], update=[("Buy", BIDS[1][0], 7)], insert=[("Buy", 606_210_000, 5)]),
        )
        expected = [level("Buy", 606_210_000, 5), level("Buy", BIDS[2][0], 30), level("Buy", BIDS[1][0], 7)]
        assert poll(lambda: ours.get_orderBookL2("BTCUSD"))[:3] == expected
        assert poll(lambda: theirs.fetch(BOOK)[2]["size"] == 7)
        assert theirs.fetch(BOOK)[:3] == expected
        theirs.fetch(BOOK)[0]["size"] = 0
        assert theirs.fetch(BOOK)[:3] == expected, "what a script does to its copy stays with it"


def test_an_unknown_id_is_not_fatal(quiet: VenueThread, caplog: pytest.LogCaptureFixture) -> None:
    with official(quiet.venue.inverse_url) as ours, pybit(quiet.venue.inverse_url, BOOK) as theirs:
        ours.subscribe_orderBookL2("BTCUSD")
        poll(lambda: ours.get_data(BOOK))
        poll(lambda: theirs.fetch(BOOK))
        say(quiet, delta(delete=[("Buy", 600_000_000)]))
        assert poll(lambda: ours.get_data(BOOK)) == snapshot()["data"], "a new snapshot"
        assert poll(lambda: theirs.fetch(BOOK)) == snapshot()["data"]
    assert "is not in the book" in caplog.text or "unknown" in caplog.text.lower()


def test_a_book_is_empty_while_it_is_not_known(quiet: VenueThread) -> None:
    with official(quiet.venue.inverse_url) as ours, pybit(quiet.venue.inverse_url, BOOK) as theirs:
        ours.subscribe_orderBookL2("BTCUSD")
        poll(lambda: ours.get_data(BOOK))
        poll(lambda: theirs.fetch(BOOK))
        quiet.venue.mute_answers = True
        say(quiet, delta(delete=[("Buy", 600_000_000)]))
        poll(lambda: theirs.fetch(BOOK) == [])
        assert ours.get_data(BOOK) == []
        quiet.venue.mute_answers = False


# all other topics


def test_official_gives_each_messages_data_in_order(quiet: VenueThread) -> None:
    with official(quiet.venue.inverse_url) as ws:
        ws.subscribe_orderBookL2("BTCUSD", level=200)
        poll(lambda: ws.get_orderBookL2("BTCUSD", 200))
        ws.subscribe_trade()
        ws.subscribe_trade("BTCUSD")
        ws.subscribe_trade()
        ws.subscribe_insurance()
        ws.subscribe_kline("BTCUSD", "1")
        ws.subscribe_klineV2("1", "BTCUSD")
        ws.subscribe_liquidation()
        assert ws.get_trade("ETHUSD") == []
        say(quiet, trade(1), trade(1, "ETHUSD"), trade(2), INSURANCE, KLINE, LIQUIDATION)
        assert poll(lambda: ws.get_liquidation("ETHUSD")) == LIQUIDATION["data"]
        ws.subscribe_trade("BTCUSD")  # takes nothing away
        assert [ws.get_data(TRADE), ws.get_trade("BTCUSD"), ws.get_data(TRADE)] == [
            trade(1)["data"],
            trade(2)["data"],
            [],
        ], "each once, even if several calls requested it"
        assert ws.get_data("trade.ETHUSD") == trade(1, "ETHUSD")["data"]
        assert ws.get_insurance("BTC") == INSURANCE["data"]
        assert ws.get_kline("BTCUSD", "1") == KLINE["data"]


def test_instrument_info_is_merged(quiet: VenueThread) -> None:
    merged = {**INSTRUMENT["data"], "last_price_e4": 81170000}
    with (
        official(quiet.venue.inverse_url) as ours,
        pybit(quiet.venue.inverse_url, INFO) as theirs,
        pybit(quiet.venue.inverse_url, INFO, BOOK, trim_data=False) as whole,
    ):
        ours.subscribe_instrument_info("BTCUSD")
        poll(lambda: whole.fetch(BOOK))
        say(quiet, INSTRUMENT)
        assert poll(lambda: ours.get_instrument_info("BTCUSD")) == INSTRUMENT["data"]
        say(quiet, INSTRUMENT_DELTA)
        # The snapshot came twice, on subscribing and by hand: the second may still be on its way.
        poll(lambda: ours.get_data(INFO) == merged)
        assert ours.get_data(INFO) == []
        poll(lambda: theirs.fetch(INFO)["last_price_e4"] == 81170000)
        assert theirs.fetch(INFO) == merged
        poll(lambda: whole.fetch(INFO)["data"] == merged)
        assert whole.fetch(INFO) == {**INSTRUMENT_DELTA, "type": "snapshot", "data": merged}
        assert whole.fetch(BOOK) == snapshot()


def test_pybits_shapes(quiet: VenueThread) -> None:
    topics = [BOOK, "trade.*", "liquidation.ETHUSD", "insurance.BTC", "klineV2.1.BTCUSD"]
    with (
        pybit(quiet.venue.inverse_url, *topics) as ws,
        pybit(quiet.venue.inverse_url, *topics, trim_data=False) as whole,
    ):
        poll(lambda: ws.fetch(BOOK) and whole.fetch(BOOK))
        for each in (ws, whole):
            each.fetch("trade.*"), each.fetch("liquidation.ETHUSD")
        say(quiet, trade(1), trade(1, "ETHUSD"), trade(2), INSURANCE, KLINE, LIQUIDATION)
        assert poll(lambda: ws.fetch("liquidation.ETHUSD")) == [LIQUIDATION["data"]]
        assert ws.fetch("liquidation.ETHUSD") == []
        assert ws.fetch("trade.*") == [*trade(1)["data"], *trade(1, "ETHUSD")["data"], *trade(2)["data"]]
        assert ws.fetch("insurance.BTC") == INSURANCE["data"][0]
        assert ws.fetch("klineV2.1.BTCUSD") == KLINE["data"][0]
        poll(lambda: whole.fetch("liquidation.ETHUSD"))
        assert whole.fetch("insurance.BTC") == INSURANCE
        assert whole.fetch("klineV2.1.BTCUSD") == KLINE
        say(quiet, trade(3))
        assert poll(lambda: ws.fetch(TRADE)) == trade(3)["data"], "a name that the star covers"


def test_pipes_and_stars_join_what_they_cover(quiet: VenueThread) -> None:
    both = "orderBookL2_25.BTCUSD|ETHUSD"
    with pybit(quiet.venue.inverse_url, both, "instrument_info.100ms.*", "trade.BTCUSD|ETHUSD") as ws:
        poll(lambda: len(ws.fetch(both)) == 12)
        assert ws.fetch(both) == snapshot()["data"] + snapshot("ETHUSD")["data"]
        say(quiet, INSTRUMENT)
        assert poll(lambda: ws.fetch("instrument_info.100ms.*")) == {INFO: INSTRUMENT["data"]}
        assert ws.fetch(INFO) == INSTRUMENT["data"]
        assert ws.fetch("trade.ETHUSD") == trade(0, "ETHUSD")["data"]


def test_without_purging_the_latest_rows_stay(quiet: VenueThread) -> None:
    with pybit(quiet.venue.inverse_url, TRADE, max_data_length=2, purge_on_fetch=False) as ws:
        say(quiet, trade(1), trade(2), trade(3))
        poll(lambda: ws.fetch(TRADE)[-1:] == trade(3)["data"])
        assert ws.fetch(TRADE) == trade(2)["data"] + trade(3)["data"]


def test_lost_messages_are_told_once_and_the_latest_kept(quiet: VenueThread) -> None:
    class Small(BybitWebsocket):
        MAX_DATA_CAPACITY = 2

    ours = Small(quiet.venue.inverse_url)
    with pybit(quiet.venue.inverse_url, TRADE, "liquidation.*", BOOK, max_data_length=2) as theirs:
        poll(lambda: theirs.fetch(BOOK))
        theirs.fetch(TRADE), theirs.fetch("liquidation.*")
        ours.subscribe_trade("BTCUSD")
        ours.subscribe_liquidation("ETHUSD")
        say(quiet, *(trade(number) for number in range(5)), LIQUIDATION)
        poll(lambda: ours.get_data("liquidation.ETHUSD"))
        poll(lambda: theirs.fetch("liquidation.*"))
        with pytest.raises(errors.ReaderOverflow, match="3 events were lost"):
            ours.get_data(TRADE)
        assert [ours.get_data(TRADE) for _ in range(3)] == [trade(3)["data"], trade(4)["data"], []]
        with pytest.raises(errors.ReaderOverflow, match="3 events were lost"):
            theirs.fetch(TRADE)
        assert theirs.fetch(TRADE) == trade(3)["data"] + trade(4)["data"]
    ours.exit()


# private topics, offline: their frames through the typed channels


def fed(reader: Any, *messages: dict[str, Any]) -> Any:
    offline = Offline(reader.topic)
    stream = offline.stream(reader.topic)
    stream.on_event(reader.push)
    for message in messages:
        reader._message = lambda message=message: message
        offline.send(message)
    assert offline.errors == []
    return reader.take()


def order(number: int, status: str, **more: Any) -> dict[str, Any]:
    stands = {
        "order_id": f"id-{number}",
        "order_link_id": "",
        "symbol": "BTCUSD",
        "side": "Sell",
        "order_type": "Limit",
        "price": "8579.5",
        "qty": 1,
        "time_in_force": "GoodTillCancel",
        "create_type": "CreateByUser",
        "cancel_type": "",
        "order_status": status,
        "leaves_qty": 1,
        "cum_exec_qty": 0,
        "cum_exec_value": "0",
        "cum_exec_fee": "0",
        "timestamp": "2020-01-14T14:09:31.778Z",
        "take_profit": "0",
        "stop_loss": "0",
        "trailing_stop": "0",
        "trailing_active": "0",
        "last_exec_price": "0",
        "reduce_only": False,
        "close_on_trigger": False,
    }
    return {**stands, **more}


def test_orders_are_kept_by_id_and_finished_ones_go_first() -> None:
    messages = [
        {"topic": "order", "data": [order(1, "New"), order(2, "New")]},
        {"topic": "order", "data": [order(1, "PartiallyFilled"), order(3, "Filled"), order(4, "Cancelled")]},
        {"topic": "order", "data": [order(5, "New")]},
    ]
    kept = fed(Orders("order", dict, capacity=3), *messages)
    assert kept == [order(1, "PartiallyFilled"), order(2, "New"), order(5, "New")]
    assert len(fed(Orders("order", dict, capacity=2), *messages)) == 3, "what may still be filled stays"


def test_positions_by_symbol_and_linear_ones_by_side(tapes: Path) -> None:
    for name, expected in (
        ("examples-inverse.jsonl", lambda data: {each["symbol"]: each for each in data}),
        ("examples-linear.jsonl", lambda data: {each["symbol"]: {each["side"]: each} for each in data}),
    ):
        found = [json.loads(line) for line in (tapes / name).read_text().splitlines() if '"topic":"position"' in line]
        assert found
        assert fed(Positions("position", dict), *found) == expected(found[-1]["data"])


def test_private_messages_come_as_they_are(tapes: Path) -> None:
    for line in (tapes / "examples-inverse.jsonl").read_text().splitlines():
        message = json.loads(line)
        if message.get("topic") in ("position", "execution", "order", "stop_order", "wallet"):
            assert fed(Inbox(message["topic"], dict, 10), message) == message["data"]


# errors, where the caller is


def test_refusals_meet_the_caller(quiet: VenueThread) -> None:
    url = quiet.venue.inverse_url
    with pytest.raises(errors.InvalidUrl):
        BybitWebsocket("nowhere")
    with pytest.raises(errors.InvalidUrl, match=r"for v5 use depthwire\.connect"):
        BybitWebsocket("ws://127.0.0.1:1/v5/public/linear")
    with pytest.raises(errors.ConnectError):
        BybitWebsocket("ws://127.0.0.1:1/realtime")
    with pytest.raises(errors.AuthError, match="key"):
        BybitWebsocket(url, api_key="key")
    with official(url) as ws:
        with pytest.raises(errors.AuthError):
            ws.subscribe_order()
        with pytest.raises(errors.SubscriptionRejected, match="NOPEUSD"):
            ws.subscribe_trade("NOPEUSD")
        with pytest.raises(errors.TopicError, match="not subscribed"):
            ws.get_trade("NOPEUSD")
        with pytest.raises(errors.TopicError, match="depth"):
            ws.subscribe_orderBookL2("BTCUSD", level=7)
        with pytest.raises(errors.TopicError, match="level"):
            ws.subscribe_orderBookL2("BTCUSD", level="deep")
        with pytest.raises(errors.TopicError, match="not subscribed"):
            ws.get_data(TRADE)
    for subscriptions, expected in (
        ([], errors.TopicError),
        (["nonsense"], errors.TopicError),
        (["order"], errors.AuthError),
        (["trade.NOPEUSD"], errors.SubscriptionRejected),
    ):
        with pytest.raises(expected):
            WebSocket(url, subscriptions=subscriptions)
    with pytest.raises(ValueError, match="max_data_length"):
        WebSocket(url, subscriptions=[TRADE], max_data_length=0)
    with pytest.raises(ValueError, match="ping_interval"):
        WebSocket(url, subscriptions=[TRADE], ping_interval=0)
    assert client_threads() == 0


def test_a_refused_sign_in_meets_the_caller_and_shows_no_secret(busy: VenueThread) -> None:
    busy.call(lambda: busy.venue.account("mine", secret=SECRET))
    for make in (BybitWebsocket, lambda *given: WebSocket(*given, subscriptions=["order"])):
        with pytest.raises(errors.AuthError, match="refused the sign-in") as refused:
            make(busy.venue.inverse_url, "mine", SECRET[::-1])
        assert SECRET[::-1] not in str(refused.value)
    assert client_threads() == 0


@pytest.mark.parametrize("symbol", ["BTCUSD", "BTCUSDT"])
def test_an_account_tells_its_orders_and_after_a_loss_that_some_may_be_missing(busy: VenueThread, symbol: str) -> None:
    qty = 0.01 if symbol.endswith("USDT") else 10
    account = busy.call(lambda: busy.venue.account(f"of-{symbol}", secret=SECRET))
    url = busy.venue.url_for(symbol)
    with official(url, api_key=account.key, api_secret=SECRET) as ws:
        ws.subscribe_order()
        ws.subscribe_position()
        ws.subscribe_execution()
        ws.subscribe_stop_order()
        ws.subscribe_wallet()
        sent = busy.call(lambda: account.submit(symbol, "Buy", qty, 30_000))
        assert poll(ws.get_order)[0]["order_id"] == sent.order_id
        busy.call(lambda: account.submit(symbol, "Buy", qty, order_type="Market"))
        assert poll(ws.get_execution)[0]["exec_qty"] == qty
        assert poll(lambda: [each for each in ws.get_position() if each["size"] == qty])
        assert poll(ws.get_wallet)[0].keys() >= {"wallet_balance", "available_balance"}
        assert ws.get_stop_order() == []
        busy.call(busy.venue.drop_connections)
        with pytest.raises(errors.StreamGap, match="stop_order"):
            poll(ws.get_stop_order)
        busy.call(lambda: account.submit(symbol, "Buy", qty, order_type="Market", trigger_price=90_000))
        assert float(poll(ws.get_stop_order)[0]["trigger_price"]) == 90_000


def client_threads() -> int:
    return sum(thread.name == "depthwire" for thread in threading.enumerate())


def test_exit_is_final_and_idempotent(quiet: VenueThread) -> None:
    ours, theirs = BybitWebsocket(quiet.venue.inverse_url), WebSocket(quiet.venue.inverse_url, subscriptions=[TRADE])
    ours.subscribe_trade("BTCUSD")
    for ws in (ours, theirs):
        assert not ws.exited
        ws.exit()
        ws.exit()
        assert ws.exited
        with pytest.raises(errors.ClientClosed):
            ws.ping()
    with pytest.raises(errors.ClientClosed):
        ours.get_data(TRADE)
    with pytest.raises(errors.ClientClosed):
        ours.get_data("pong")
    with pytest.raises(errors.ClientClosed):
        theirs.fetch(TRADE)
    assert client_threads() == 0


def test_pings(quiet: VenueThread) -> None:
    with official(quiet.venue.inverse_url) as ws:
        assert ws.get_data("pong") == []
        ws.ping()
        ws.ping()
        assert [ws.get_data("pong") for _ in range(3)] == ["PING success", "PING success", []]
        ws._feed._client._settings = ws._feed._client._public.connection._settings = Settings(timeout_s=0.01)
        quiet.venue.mute_pongs = True
        with pytest.raises(TimeoutError, match="no pong"):
            ws.ping()


def test_a_lost_connection_comes_back_and_event_readers_are_told(busy: VenueThread) -> None:
    with official(busy.venue.inverse_url) as ours, pybit(busy.venue.inverse_url, BOOK, TRADE) as theirs:
        ours.subscribe_orderBookL2("BTCUSD")
        ours.subscribe_trade()
        poll(lambda: ours.get_data(BOOK) and theirs.fetch(BOOK))
        poll(lambda: ours.get_data(TRADE))
        busy.call(busy.venue.drop_connections)
        with pytest.raises(errors.StreamGap, match=r"trade\.BTCUSD"):
            poll(lambda: read_to_the_end(ours))
        with pytest.raises(errors.StreamGap, match=r"trade\.BTCUSD"):
            poll(lambda: not theirs.fetch(TRADE) and None)
        assert poll(lambda: ours.get_data(TRADE))
        assert poll(lambda: theirs.fetch(TRADE))
        assert len(poll(lambda: ours.get_data(BOOK))) == len(poll(lambda: theirs.fetch(BOOK))) == 50


def read_to_the_end(ws: BybitWebsocket) -> None:
    while ws.get_data(TRADE):
        pass


def test_without_restart_the_end_is_told(busy: VenueThread) -> None:
    with pybit(busy.venue.inverse_url, TRADE, restart_on_error=False) as ws:
        poll(lambda: ws.fetch(TRADE))
        busy.call(busy.venue.drop_connections)
        for _ in range(2):
            with pytest.raises(errors.ConnectionLost):
                poll(lambda: ws.fetch(TRADE) and None)
        assert poll(lambda: ws._feed._client._public.connection.closed), "it does not go on in the background"
    assert client_threads() == 0


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)"])
def test_a_script_may_end_without_exit(busy: VenueThread, ending: str) -> None:
    script = f"""
import atexit, threading
atexit.register(lambda: print("threads:", threading.active_count()))  # the first to come is the last to be called
from depthwire.compat import BybitWebsocket, WebSocket
ws = BybitWebsocket({busy.venue.inverse_url!r})
ws.subscribe_orderBookL2("BTCUSD")
other = WebSocket({busy.venue.inverse_url!r}, subscriptions=["trade.BTCUSD"])
while not ws.get_data("orderBookL2_25.BTCUSD"):
    pass
print("read")
{ending}
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=BOUND_S
    )
    assert (done.stdout, done.stderr, done.returncode) == ("read\nthreads: 1\n", "", 3 if ending else 0)


def test_many_threads_read_one_client(busy: VenueThread) -> None:
    with pybit(busy.venue.inverse_url, BOOK, TRADE) as ws:
        rows: list[Any] = []
        faults: list[Any] = []

        def read() -> None:
            for _ in range(300):
                rows.extend(ws.fetch(TRADE))
                levels = ws.fetch(BOOK)
                if levels and (len(levels) != 50 or [each["side"] for each in levels] != ["Buy"] * 25 + ["Sell"] * 25):
                    faults.append(levels)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert faults == []
        assert len({row["trade_id"] for row in rows}) == len(rows), "each row once"
