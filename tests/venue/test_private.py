"""Sign-in and private topics over real sockets."""

import hashlib
import hmac
import json
import math
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from depthwire.venue import Account, DemoTrader, Dialect, SyntheticMarket, TapeMarket, Venue
from tests.support.plain_client import PlainClient, run, until

START_NS = 1_618_677_786_000_000_000
PRIVATE = ["position", "execution", "order", "stop_order", "wallet"]


def still(seed: int = 1) -> Venue:
    """A venue whose market advances only on request."""
    return Venue(SyntheticMarket(seed, start_ns=START_NS), speed=None)


def arguments(account: Account, *, window_s: float = 5.0, secret: str = "") -> list[Any]:
    expires = int((time.time() + window_s) * 1000)
    payload = f"GET/realtime{expires}".encode()
    return [
        account.key,
        expires,
        hmac.new((secret or account.secret).encode(), payload, hashlib.sha256).hexdigest(),
    ]


def signed(url: str, args: list[Any]) -> str:
    return f"{url}?api_key={args[0]}&expires={args[1]}&signature={args[2]}"


async def ask_auth(client: PlainClient, args: object) -> Any:
    client.send({"op": "auth", "args": args})
    return await client.receive_json()


async def signed_in(url: str, account: Account, *topics: str) -> PlainClient:
    client = await PlainClient.connect(url)
    assert (await ask_auth(client, arguments(account)))["success"]
    if topics:
        assert (await client.ask("subscribe", *topics))["success"]
    return client


# signing in


def test_the_auth_op_opens_the_private_topics() -> None:
    async def main() -> None:
        async with still() as venue:
            account = venue.account("key")
            for url in (venue.inverse_url, venue.linear_private_url):
                client = await PlainClient.connect(url)
                for topic in PRIVATE:
                    answer = await client.ask("subscribe", topic)
                    assert (answer["success"], answer["ret_msg"]) == (
                        False,
                        f"error:topic:{topic} needs auth first",
                    )
                args = arguments(account)
                answer = await ask_auth(client, args)
                assert (answer["success"], answer["ret_msg"]) == (True, "")
                assert answer["request"] == {"op": "auth", "args": args}
                assert (await client.ask("subscribe", *PRIVATE))["success"]
                assert account.secret.encode() not in b"".join(client.frames)

    run(main)


def test_the_url_signs_in_and_is_answered_too() -> None:
    async def main() -> None:
        async with still() as venue:
            account = venue.account("key")
            args = arguments(account)
            client = await PlainClient.connect(signed(venue.inverse_url, args))
            answer = await client.receive_json()
            assert (answer["success"], answer["request"]) == (True, {"op": "auth", "args": args})
            assert (await client.ask("subscribe", "order"))["success"]

    run(main)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda args: ["nobody", *args[1:]], "error:invalid api_key"),
        (lambda args: [*args[:2], "0" * 64], "error:invalid signature"),
        (lambda args: [args[0], args[1] + 1, args[2]], "error:invalid signature"),
        (lambda args: [args[0], args[1] - 3_600_000, args[2]], "error:request expired"),
        (lambda args: args[:2], "error:invalid args"),
        (lambda args: [args[0], "soon", args[2]], "error:invalid args"),
        (lambda args: [args[0], -1, args[2]], "error:invalid args"),
        (lambda args: [args[0], True, args[2]], "error:invalid args"),
        (lambda args: [None, args[1], args[2]], "error:invalid args"),
        (lambda args: {"api_key": args[0]}, "error:invalid args"),
        (lambda args: "key", "error:invalid args"),
        (lambda args: [], "error:invalid args"),
    ],
)
def test_a_refused_sign_in_says_why_and_may_be_tried_again(change: Any, reason: str) -> None:
    async def main() -> None:
        async with still() as venue:
            account = venue.account("key")
            client = await PlainClient.connect(venue.inverse_url)
            answer = await ask_auth(client, change(arguments(account)))
            assert answer["success"] is False
            assert answer["ret_msg"].startswith(reason)
            assert not (await client.ask("subscribe", "order"))["success"]
            assert (await client.ask("subscribe", "trade.BTCUSD"))["success"]
            assert (await ask_auth(client, arguments(account)))["success"]
            assert (await client.ask("subscribe", "order"))["success"]

    run(main)


def test_a_refused_url_leaves_the_connection_open_for_public_topics() -> None:
    async def main() -> None:
        async with still() as venue:
            account = venue.account("key")
            for query, reason in (
                (signed("", [account.key, arguments(account)[1], "wrong"]), "error:invalid signature"),
                (signed("", ["nobody", *arguments(account)[1:]]), "error:invalid api_key"),
                (signed("", arguments(account, window_s=-1)), "error:request expired"),
                (f"?api_key={account.key}", "error:invalid args"),
                ("?signature=%ff&expires=%FF", "error:invalid args"),
            ):
                client = await PlainClient.connect(venue.inverse_url + query)
                answer = await client.receive_json()
                assert answer["success"] is False
                assert answer["ret_msg"].startswith(reason)
                assert (await client.ask("subscribe", "trade"))["success"]
                assert not (await client.ask("subscribe", "wallet"))["success"]
                assert (await ask_auth(client, arguments(account)))["success"]

    run(main)


@pytest.mark.parametrize(("offset_s", "expired"), [(3600, True), (-3600, False)])
def test_expiry_is_judged_by_the_venue_s_clock_which_the_handshake_tells(offset_s: float, expired: bool) -> None:
    async def main() -> None:
        async with still() as venue:
            account = venue.account("key")
            venue.clock.offset_s = offset_s
            client = await PlainClient.connect(venue.inverse_url)
            answer = await ask_auth(client, arguments(account))
            assert answer["ret_msg"] == ("error:request expired" if expired else "")
            date = parsedate_to_datetime(client.transport.response.headers["Date"]).timestamp()
            assert abs(date - time.time() - offset_s) < 5

    run(main)


def test_signing_in_twice_is_fine_as_the_same_account_only() -> None:
    async def main() -> None:
        async with still() as venue:
            account, other = venue.account("key"), venue.account("other")
            client = await signed_in(venue.inverse_url, account, "order")
            assert (await ask_auth(client, arguments(account)))["success"]
            answer = await ask_auth(client, arguments(other))
            assert (answer["success"], answer["ret_msg"]) == (False, "error:signed in with another api_key")
            assert not (await ask_auth(client, arguments(account, secret="wrong")))["success"]
            order = account.submit("BTCUSD", "Buy", 1, 50_000)
            assert (await client.receive_json())["data"][0]["order_id"] == order.order_id

    run(main)


@pytest.mark.parametrize(
    ("url", "args", "reason"),
    [
        ("linear_private_url", ["trade.BTCUSDT"], "error:unknown topic:trade.BTCUSDT"),
        ("linear_private_url", ["trade.BTCUSD"], "error:unknown topic:trade.BTCUSD"),
        ("linear_private_url", ["order.BTCUSDT"], "error:unknown topic:order.BTCUSDT"),
        ("linear_url", ["order"], "error:unknown topic:order: served on /realtime_private"),
        ("inverse_url", ["order.*"], "error:unknown topic:order.*"),
        ("inverse_url", ["order", "nothing"], "error:unknown topic:nothing"),
    ],
)
def test_each_path_serves_its_own_topics(url: str, args: list[str], reason: str) -> None:
    async def main() -> None:
        async with still() as venue:
            client = await signed_in(getattr(venue, url), venue.account("key"))
            answer = await client.ask("subscribe", *args)
            assert (answer["success"], answer["ret_msg"]) == (False, reason)

    run(main)


def test_a_recording_has_no_accounts(tapes: Path) -> None:
    async def main() -> None:
        async with Venue(TapeMarket(tapes / "inverse-2021-04-17.frames")) as venue:
            with pytest.raises(TypeError, match="TapeMarket takes no orders"):
                venue.account("key")
            client = await PlainClient.connect(venue.inverse_url)
            answer = await ask_auth(client, ["key", 9_999_999_999_999, "0"])
            assert answer["ret_msg"] == "error:invalid api_key"

    run(main)


# private topics


def test_only_the_account_s_own_sockets_are_told_and_only_of_what_changes() -> None:
    async def main() -> None:
        async with still() as venue:
            mine, yours = venue.account("mine"), venue.account("yours")
            mine.submit("BTCUSD", "Buy", 1, 50_000)  # not published: there is no subscriber, and no snapshot later
            listeners = [await signed_in(venue.inverse_url, mine, *PRIVATE) for _ in range(2)]
            other = await signed_in(venue.inverse_url, yours, *PRIVATE)
            unsubscribed = await signed_in(venue.inverse_url, mine, "order")
            await unsubscribed.ask("unsubscribe", "order", "wallet")
            linear = await signed_in(venue.linear_private_url, mine, *PRIVATE)
            order = mine.submit("BTCUSD", "Sell", 7, order_type="Market")
            for client in listeners:
                told = [await client.receive_json() for _ in range(4)]
                assert [frame["topic"] for frame in told] == ["order", "execution", "position", "wallet"]
                assert told[0]["data"][0]["order_id"] == order.order_id == told[1]["data"][0]["order_id"]
                assert told[2]["data"][0]["size"] == 7
            for client in (other, unsubscribed, linear):
                assert (await client.ask("ping"))["ret_msg"] == "pong"
            mine.submit("BTCUSDT", "Sell", "0.007", order_type="Market")
            told = [await linear.receive_json() for _ in range(4)]
            assert told[3]["data"][0].keys() == {"wallet_balance", "available_balance"}
            assert len(told[2]["data"]) == 2
            for client in listeners:
                assert (await client.ask("ping"))["ret_msg"] == "pong"

    run(main)


def test_a_new_subscriber_of_instrument_info_gets_the_merged_state() -> None:
    async def main() -> None:
        async with still() as venue:
            for url, symbol in ((venue.inverse_url, "BTCUSD"), (venue.linear_url, "BTCUSDT")):
                topic = f"instrument_info.100ms.{symbol}"
                early = await PlainClient.connect(url)
                await early.ask("subscribe", topic)
                venue.advance(5)
                late = await PlainClient.connect(url)
                await late.ask("subscribe", topic)
                venue.advance(1)
                snapshot = await late.receive_json()
                state: dict[str, Any] = {}
                while True:
                    frame = await early.receive_json()
                    state |= frame["data"] if frame["type"] == "snapshot" else frame["data"]["update"][0]
                    if frame["cross_seq"] == snapshot["cross_seq"]:
                        break
                assert snapshot["type"] == "snapshot"
                assert snapshot["data"] == state
                assert list(snapshot["data"]) == list(state)
                assert (await late.receive_json())["type"] == "delta"

    run(main)


def test_an_advanced_market_tells_the_same_as_a_played_one() -> None:
    async def main() -> None:
        frames = []
        for speed in (None, math.inf):
            async with Venue(SyntheticMarket(4, start_ns=START_NS), speed=speed) as venue:
                client = await PlainClient.connect(venue.inverse_url)
                await client.ask("subscribe", "orderBookL2_25.BTCUSD", "klineV2.1.BTCUSD", "trade")
                if speed is None:
                    venue.advance(20)
                else:
                    with pytest.raises(ValueError, match="speed"):
                        venue.advance(1)
                await until(lambda client=client: len(client.frames) > 300)  # type: ignore[misc]
                frames.append(client.frames[1:300])
        assert frames[0] == frames[1]

    run(main)


def test_raw_frames_reach_the_subscribers_of_a_private_topic() -> None:
    async def main() -> None:
        async with still() as venue:
            client = await signed_in(venue.inverse_url, venue.account("key"), "wallet")
            venue.send_raw("order", b"to nobody")
            venue.send_raw("wallet", b"to all accounts")
            assert await client.receive() == b"to all accounts"

    run(main)


# shapes


def keys_and_types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys_and_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return keys_and_types(value[0])
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


# Fields in which the inverse examples of 2022 differ from the tables of the same document.
NEWER = {"tp_sl_mode", "tp_order_num", "sl_order_num", "tp_free_size_x", "sl_free_size_x"}
OTHERWISE = {"take_profit", "stop_loss"}


@pytest.mark.parametrize("category", ["inverse", "linear"])
@pytest.mark.parametrize("topic", PRIVATE)
def test_the_frames_have_the_documented_shape(tapes: Path, topic: str, category: str) -> None:
    exchange = SyntheticMarket(1, start_ns=START_NS).open()
    told: dict[tuple[Any, ...], Any] = {}
    exchange.listen(lambda frame: told.update({frame.topic[1:]: json.loads(frame.raw)}))
    DemoTrader(exchange, exchange.account("demo"))
    for tick in exchange.ticks():
        _ = list(tick.frames)
        if sum(dialect is Dialect.V2 for dialect, *_ in told) == 10:
            break
    made = told[Dialect.V2, category, topic]
    for name in (f"examples-{category}.jsonl", "private-linear-2021-07-22.jsonl"):
        for line in (tapes / name).read_bytes().splitlines():
            frame = json.loads(line)
            if frame.get("topic") != topic or (category == "inverse") != name.startswith("examples-inverse"):
                continue
            assert frame.keys() <= made.keys()
            expected, found = keys_and_types(frame["data"]), keys_and_types(made["data"])
            skipped = NEWER | (OTHERWISE if topic == "stop_order" else set())
            assert {key: found.get(key) for key in expected if key not in skipped} == {
                key: kind for key, kind in expected.items() if key not in skipped
            }


def test_the_first_subscriber_of_linear_trades_is_told_the_last_one() -> None:
    async def main() -> None:
        async with still() as venue:
            linear, inverse = [await PlainClient.connect(url) for url in (venue.linear_url, venue.inverse_url)]
            venue.advance(1)
            venue.account("key").submit("BTCUSDT", "Buy", "0.007", order_type="Market")
            venue.advance(0.02)
            last = venue.exchange.engines["BTCUSDT"].last_price
            await linear.ask("subscribe", "trade.BTCUSDT")
            (trade,) = (await linear.receive_json())["data"]
            assert float(trade["price"]) == float(last)
            await inverse.ask("subscribe", "trade.BTCUSD")
            assert (await inverse.ask("ping"))["ret_msg"] == "pong"

    run(main)
