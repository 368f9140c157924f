"""Sign-in on the v5 private path, and its topics."""

import hashlib
import hmac
import json
import time
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from depthwire.venue import Account, DemoTrader, Dialect, SyntheticMarket, Venue
from tests.support.plain_client import PlainClient, run

START_NS = 1_618_677_786_000_000_000
ALL_IN_ONE = ["order", "execution", "execution.fast", "position", "wallet", "greeks"]
LINEAR = ["order.linear", "execution.linear", "execution.fast.linear", "position.linear"]


def still(seed: int = 1) -> Venue:
    return Venue(SyntheticMarket(seed, start_ns=START_NS), speed=None)


def arguments(account: Account, *, window_s: float = 5.0, secret: str = "") -> list[Any]:
    expires = int((time.time() + window_s) * 1000)
    signed = hmac.new((secret or account.secret).encode(), f"GET/realtime{expires}".encode(), hashlib.sha256)
    return [account.key, expires, signed.hexdigest()]


async def ask(client: PlainClient, message: object) -> Any:
    client.send(message)
    return await client.receive_json()


async def signed_in(venue: Venue, account: Account, *topics: str) -> PlainClient:
    client = await PlainClient.connect(venue.v5_private_url)
    assert (await ask(client, {"op": "auth", "args": arguments(account)}))["success"]
    if topics:
        assert (await ask(client, {"op": "subscribe", "args": topics}))["success"]
    return client


# signing in


def test_the_auth_op_opens_the_private_topics() -> None:
    async def main() -> None:
        async with still() as venue:
            account = venue.account("key")
            client = await PlainClient.connect(venue.v5_private_url)
            for topic in (*ALL_IN_ONE, *LINEAR, "order.spot", "position.option"):
                answer = await ask(client, {"op": "subscribe", "args": [topic], "req_id": "1"})
                assert (answer["success"], answer["ret_msg"]) == (False, "Request not authorized")
            client.send({"op": "auth", "args": arguments(account)})
            raw = (await client.receive()).decode()
            conn_id = json.loads(raw)["conn_id"]
            assert raw == f'{{"success":true,"ret_msg":"","op":"auth","conn_id":"{conn_id}"}}'
            marked = await ask(client, {"op": "auth", "req_id": "a", "args": arguments(account)})
            assert (marked["success"], marked["req_id"]) == (True, "a")
            answer = await ask(client, {"op": "subscribe", "args": ALL_IN_ONE, "req_id": "7"})
            assert answer == {"success": True, "ret_msg": "", "conn_id": conn_id, "req_id": "7", "op": "subscribe"}
            assert account.secret.encode() not in b"".join(client.frames)

    run(main)


@pytest.mark.parametrize(
    "change",
    [
        lambda args: ["nobody", *args[1:]],
        lambda args: [*args[:2], "0" * 64],
        lambda args: [args[0], args[1] + 1, args[2]],
        lambda args: [args[0], args[1] - 3_600_000, args[2]],
        lambda args: args[:2],
        lambda args: {"api_key": args[0]},
    ],
)
def test_a_refused_sign_in_may_be_tried_again(change: Any) -> None:
    async def main() -> None:
        async with still() as venue:
            account = venue.account("key")
            client = await PlainClient.connect(venue.v5_private_url)
            answer = await ask(client, {"op": "auth", "args": change(arguments(account))})
            assert (answer["success"], answer["ret_msg"], answer["op"]) == (False, "Params Error", "auth")
            assert not (await ask(client, {"op": "subscribe", "args": ["order"]}))["success"]
            assert (await ask(client, {"op": "auth", "args": arguments(account)}))["success"]
            assert (await ask(client, {"op": "subscribe", "args": ["order"]}))["success"]

    run(main)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["orderbook.50.BTCUSDT"], "error:handler not found,topic:orderbook.50.BTCUSDT"),
        (["stop_order"], "error:handler not found,topic:stop_order"),
        (["wallet.linear"], "error:handler not found,topic:wallet.linear"),
        (["position.spot"], "error:handler not found,topic:position.spot"),
        (["order.linear", "order"], "error:all-in-one and categorised topic in one request,topic:order.linear"),
        (["order", "order.spot"], "error:all-in-one and categorised topic in one request,topic:order.spot"),
    ],
)
def test_what_is_not_served_is_refused(args: list[str], reason: str) -> None:
    async def main() -> None:
        async with still() as venue:
            client = await signed_in(venue, venue.account("key"))
            answer = await ask(client, {"op": "subscribe", "args": args})
            assert (answer["success"], answer["ret_msg"]) == (False, reason)

    run(main)


# private topics


def test_only_the_account_s_own_sockets_are_told_and_only_of_their_category() -> None:
    async def main() -> None:
        async with still() as venue:
            mine, yours = venue.account("mine"), venue.account("yours")
            everything = await signed_in(venue, mine, *ALL_IN_ONE)
            linear = await signed_in(venue, mine, *LINEAR)
            inverse = await signed_in(venue, mine, "order.inverse", "execution.inverse", "order.spot", "order.option")
            other = await signed_in(venue, yours, *ALL_IN_ONE)
            order = mine.submit("BTCUSDT", "Buy", "0.5", order_type="Market")
            told = [await everything.receive_json() for _ in range(5)]
            assert [frame["topic"] for frame in told] == ["order", "execution", "execution.fast", "position", "wallet"]
            assert [frame["topic"] for frame in [await linear.receive_json() for _ in range(4)]] == LINEAR
            for frame in told[:3]:
                for item in frame["data"]:
                    assert (item["orderId"], item["category"]) == (order.order_id, "linear")
            for client in (linear, inverse, other):
                assert (await ask(client, {"op": "ping"}))["op"] == "pong"
            mine.submit("BTCUSD", "Buy", 100, order_type="Market")
            assert (await inverse.receive_json())["topic"] == "order.inverse"
            assert (await inverse.receive_json())["topic"] == "execution.inverse"
            assert (await ask(linear, {"op": "ping"}))["op"] == "pong"

    run(main)


def test_v2_and_v5_sockets_hear_of_the_same_order() -> None:
    async def main() -> None:
        async with still() as venue:
            account = venue.account("key")
            new = await signed_in(venue, account, "order")
            old = await PlainClient.connect(venue.linear_private_url)
            assert (await ask(old, {"op": "auth", "args": arguments(account)}))["success"]
            assert (await old.ask("subscribe", "order"))["success"]
            order = account.submit("BTCUSDT", "Buy", "0.5", 50_000, order_link_id="mine")
            ((v2,), (v5,)) = [(await client.receive_json())["data"] for client in (old, new)]
            assert v2["order_id"] == v5["orderId"] == order.order_id
            assert v2["order_link_id"] == v5["orderLinkId"] == "mine"
            assert (D(str(v2["price"])), D(str(v2["qty"]))) == (D(v5["price"]), D(v5["qty"])) == (50_000, D("0.5"))

    run(main)


def test_a_conditional_order_lives_on_the_order_topic() -> None:
    async def main() -> None:
        async with still() as venue:
            account = venue.account("key")
            client = await signed_in(venue, account, "order.linear")
            engine = venue.exchange.engines["BTCUSDT"]
            stop = account.submit("BTCUSDT", "Sell", "0.1", 60_000, trigger_price=engine.last_price + 10)
            (item,) = (await client.receive_json())["data"]
            assert (item["orderId"], item["orderStatus"]) == (stop.order_id, "Untriggered")
            assert (item["stopOrderType"], item["triggerDirection"], item["triggerBy"]) == ("Stop", 1, "LastPrice")
            whale = venue.account("whale", deposits={"USDT": 10**9})
            whale.submit("BTCUSDT", "Buy", 150, order_type="Market")
            states = [item["orderStatus"] for item in (await client.receive_json())["data"]]
            assert states == ["Triggered", "Filled"]
            cancelled = account.submit("BTCUSDT", "Buy", "0.1", order_type="Market", trigger_price=90_000)
            await client.receive_json()
            account.cancel(cancelled.order_id)
            (item,) = (await client.receive_json())["data"]
            assert (item["orderStatus"], item["cancelType"]) == ("Deactivated", "CancelByUser")

    run(main)


def told_of_a_demo(steps_s: float) -> dict[str, list[Any]]:
    """Run a demo trader; return its v5 frames by topic, and the account at the end."""
    exchange = SyntheticMarket(1, start_ns=START_NS).open()
    told: dict[str, list[Any]] = {}

    def listen(frame: Any) -> None:
        if frame.topic.dialect is Dialect.V5:
            told.setdefault(frame.topic.name, []).append(json.loads(frame.raw))

    exchange.listen(listen)
    account = exchange.account("demo")
    DemoTrader(exchange, account)
    for tick in exchange.ticks():
        _ = list(tick.frames)
        if tick.at_ns > START_NS + steps_s * 10**9:
            break
    told["account"] = [account]
    return told


@pytest.fixture(scope="module")
def demo() -> dict[str, list[Any]]:
    return told_of_a_demo(40)


@pytest.mark.parametrize("topic", ["order", "execution", "execution.fast", "position", "wallet"])
def test_the_frames_have_every_documented_field(tapes: Path, demo: dict[str, list[Any]], topic: str) -> None:
    lines = (tapes / "examples-v5.jsonl").read_bytes().splitlines()
    (example,) = (frame for frame in map(json.loads, lines) if frame["topic"] == topic)
    (expected,) = example["data"]
    for frame in demo[topic]:
        assert frame.keys() == example.keys()
        for item in frame["data"]:
            assert {name: type(item.get(name)) for name in expected} == {
                name: type(value) for name, value in expected.items()
            }
    if topic == "wallet":
        (coin,) = expected["coin"]
        assert {name: type(value) for name, value in demo[topic][0]["data"][0]["coin"][0].items()} == {
            name: type(value) for name, value in coin.items()
        }


def test_the_frames_of_a_category_are_those_of_the_whole(demo: dict[str, list[Any]]) -> None:
    for kind in ("order", "execution", "execution.fast", "position"):
        for category in ("linear", "inverse"):
            whole = [item for frame in demo[kind] for item in frame["data"] if item["category"] == category]
            part = [item for frame in demo[f"{kind}.{category}"] for item in frame["data"]]
            assert whole == part != []


def test_the_frames_tell_the_whole_truth(demo: dict[str, list[Any]]) -> None:
    """A client that listens from the start knows all open orders, positions and balances."""
    (account,) = demo["account"]
    orders = {item["orderId"]: item for frame in demo["order"] for item in frame["data"]}
    is_open = {"New", "PartiallyFilled", "Untriggered"}
    found = {order_id: D(item["leavesQty"]) for order_id, item in orders.items() if item["orderStatus"] in is_open}
    assert found == {
        order.order_id: order.leaves_qty for order in (*account.orders.values(), *account.stop_orders.values())
    }
    fills = [item for frame in demo["execution"] for item in frame["data"]]
    assert len({fill["execId"] for fill in fills}) == len(fills) > 50
    assert [fill["execId"] for frame in demo["execution.fast"] for fill in frame["data"]] == [
        fill["execId"] for fill in fills
    ]
    filled: dict[str, D] = {}
    for fill in fills:
        filled[fill["orderId"]] = filled.get(fill["orderId"], D(0)) + D(fill["execQty"])
        assert D(fill["execFee"]) == pytest.approx(D(fill["execValue"]) * D(fill["feeRate"]), abs=D("1e-8"))
    assert filled == {order_id: D(item["cumExecQty"]) for order_id, item in orders.items() if D(item["cumExecQty"])}
    positions = {(item["symbol"], item["positionIdx"]): item for frame in demo["position"] for item in frame["data"]}
    held = {key: (item["side"], D(item["size"])) for key, item in positions.items() if D(item["size"])}
    assert held == {
        (position.symbol, position.index): (position.side, position.size) for position in account.positions.values()
    }
    assert {item["side"] for item in positions.values() if not D(item["size"])} <= {""}
    coins = {item["coin"]: item for frame in demo["wallet"] for data in frame["data"] for item in data["coin"]}
    assert {coin: (D(item["walletBalance"]), D(item["availableToWithdraw"])) for coin, item in coins.items()} == (
        account.wallet
    )
