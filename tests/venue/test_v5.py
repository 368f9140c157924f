"""The v5 paths of the venue over real sockets: requests, answers and limits."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from picows import WSHandshakeError, ws_connect

from depthwire.venue import Category, Dialect, MarketFrame, PublicTopic, SyntheticMarket, Venue
from tests.support.plain_client import PlainClient, run, until

START_NS = 1_618_677_786_000_000_000
BOOK = "orderbook.50.BTCUSDT"
CATEGORIES = ["linear", "inverse", "spot"]


def still(seed: int = 1, **market: Any) -> Venue:
    """A venue whose market advances only on request."""
    return Venue(SyntheticMarket(seed, start_ns=START_NS, **market), speed=None)


class Silence:
    """A market with many linear topics and no frames."""

    def __init__(self, names: list[str]) -> None:
        self.topics = [PublicTopic(Dialect.V5, Category.LINEAR, name) for name in names]

    def frames(self) -> Iterator[MarketFrame]:
        return iter(())


async def ask(client: PlainClient, op: str, *args: str, req_id: str | None = None) -> Any:
    """Send a request and return its answer, skipping other frames."""
    message: dict[str, Any] = {"op": op, "args": list(args)}
    client.send(message if req_id is None else {**message, "req_id": req_id})
    while "topic" in (answer := await client.receive_json()):
        pass
    return answer


# answers


@pytest.mark.parametrize(
    ("category", "req_id", "text"),
    [
        ("linear", None, '{"success":true,"ret_msg":"","conn_id":"ID","req_id":"","op":"subscribe"}'),
        ("inverse", "7", '{"success":true,"ret_msg":"","conn_id":"ID","req_id":"7","op":"subscribe"}'),
        ("spot", None, '{"success":true,"ret_msg":"subscribe","conn_id":"ID","op":"subscribe"}'),
        ("spot", "7", '{"success":true,"ret_msg":"subscribe","conn_id":"ID","req_id":"7","op":"subscribe"}'),
    ],
)
def test_answers_have_the_recorded_shape(category: str, req_id: str | None, text: str) -> None:
    async def main() -> None:
        async with still() as venue:
            client = await PlainClient.connect(venue.v5_url(category))
            topic = "orderbook.50.BTCUSD" + ("" if category == "inverse" else "T")
            await ask(client, "subscribe", topic, req_id=req_id)
            answer = client.frames[0].decode()
            conn_id = json.loads(answer)["conn_id"]
            assert answer == text.replace("ID", conn_id)
            assert (await ask(client, "unsubscribe", topic, req_id="bye"))["req_id"] == "bye"

    run(main)


def test_answers_to_recorded_requests_look_like_the_recorded_ones(tapes: Path) -> None:
    async def main() -> None:
        async with still() as venue:
            for category in ("linear", "spot"):
                raw = (tapes / f"v5-{category}-2026-08-09.frames").read_text()
                (recorded, *_) = (line.partition("\t")[2] for line in raw.splitlines() if '"op"' in line)
                client = await PlainClient.connect(venue.v5_url(category))
                made = await ask(client, "subscribe", BOOK)
                assert list({**made, "conn_id": ""}.items()) == list({**json.loads(recorded), "conn_id": ""}.items())

    run(main)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_public_ping_is_answered_as_a_success(category: str) -> None:
    async def main() -> None:
        async with still() as venue:
            client = await PlainClient.connect(venue.v5_url(category))
            client.send({"op": "ping", "req_id": "42"})
            answer = await client.receive_json()
            conn_id = answer["conn_id"]
            assert answer == {"success": True, "ret_msg": "pong", "conn_id": conn_id, "req_id": "42", "op": "ping"}

    run(main)


def test_a_private_ping_is_answered_by_a_pong_with_the_time() -> None:
    async def main() -> None:
        async with still() as venue:
            client = await PlainClient.connect(venue.v5_private_url)
            client.send({"op": "ping"})
            raw = (await client.receive()).decode()
            found = re.fullmatch(r'\{"req_id":"","op":"pong","args":\["(\d{13})"\],"conn_id":"[^"]+"\}', raw)
            assert found
            assert abs(int(found[1]) - time.time() * 1000) < 60_000

    run(main)


@pytest.mark.parametrize(
    ("category", "args", "reason"),
    [
        ("linear", ["orderbook.51.BTCUSDT"], "error:handler not found,topic:orderbook.51.BTCUSDT"),
        ("linear", ["orderbook.50.NOSUCH"], "error:handler not found,topic:orderbook.50.NOSUCH"),
        ("linear", ["orderbook.50.BTCUSD"], "error:handler not found,topic:orderbook.50.BTCUSD"),
        ("linear", [BOOK, "nothing"], "error:handler not found,topic:nothing"),
        ("linear", [""], "error:handler not found,topic:"),
        ("linear", ["orderbook.50.*"], "error:handler not found,topic:orderbook.50.*"),
        ("linear", ["orderBookL2_25.BTCUSDT"], "error:handler not found,topic:orderBookL2_25.BTCUSDT"),
        ("linear", ["order"], "error:handler not found,topic:order"),
        ("inverse", [BOOK], f"error:handler not found,topic:{BOOK}"),
        ("spot", ["allLiquidation.BTCUSDT"], "error:handler not found,topic:allLiquidation.BTCUSDT"),
        ("spot", [BOOK] * 11, "args size >10"),
    ],
)
def test_what_is_not_served_is_refused_as_a_whole(category: str, args: list[str], reason: str) -> None:
    async def main() -> None:
        async with still() as venue:
            client = await PlainClient.connect(venue.v5_url(category))
            answer = await ask(client, "subscribe", *args, req_id="r")
            assert (answer["success"], answer["ret_msg"], answer["op"]) == (False, reason, "subscribe")
            assert answer["req_id"] == "r"
            venue.advance(0.5)
            assert (await ask(client, "ping"))["ret_msg"] == "pong"
            assert len(client.frames) == 2

    run(main)


@pytest.mark.parametrize("raw", [b"hello", b"[]", b'{"op":"dance"}', b'{"op":"subscribe","args":[7]}', b'{"req_id":1}'])
def test_what_is_not_understood_is_refused_and_the_connection_lives(raw: bytes) -> None:
    async def main() -> None:
        async with still() as venue:
            client = await PlainClient.connect(venue.v5_url("linear"))
            client.send(raw)
            answer = await client.receive_json()
            assert answer["success"] is False
            assert answer["ret_msg"].startswith("error:")
            assert (await ask(client, "subscribe", BOOK))["success"]

    run(main)


def test_a_topic_is_subscribed_to_once_until_it_is_ended() -> None:
    async def main() -> None:
        async with still() as venue:
            client = await PlainClient.connect(venue.v5_url("linear"))
            assert (await ask(client, "subscribe", BOOK, BOOK))["success"]
            answer = await ask(client, "subscribe", "publicTrade.BTCUSDT", BOOK)
            assert (answer["success"], answer["ret_msg"]) == (False, f"error:already subscribed,topic:{BOOK}")
            assert (await ask(client, "subscribe", "publicTrade.BTCUSDT"))["success"]
            assert (await ask(client, "unsubscribe", BOOK))["success"]
            assert (await ask(client, "unsubscribe", BOOK))["success"]
            assert (await ask(client, "subscribe", BOOK))["success"]

    run(main)


def test_the_topics_of_a_connection_have_at_most_21000_characters() -> None:
    async def main() -> None:
        names = [f"orderbook.50.COIN{number:04d}USDT" for number in range(1, 1001)]  # 25 characters each
        async with Venue(Silence(names)) as venue:
            client, other = [await PlainClient.connect(venue.v5_url("linear")) for _ in range(2)]
            refused = await ask(client, "subscribe", *names)
            assert (refused["success"], "21000 characters" in refused["ret_msg"]) == (False, True)
            assert (await ask(client, "subscribe", *names[:500]))["success"]
            assert (await ask(client, "subscribe", *names[500:840]))["success"]
            assert not (await ask(client, "subscribe", names[840]))["success"]
            assert (await ask(client, "unsubscribe", names[0]))["success"]
            assert (await ask(client, "subscribe", names[840]))["success"]
            assert (await ask(other, "subscribe", *names[841:]))["success"]
            assert {name for connection in venue._open for name in connection.topics} == set(names[1:])

    run(main)


@pytest.mark.parametrize("path", ["/v5/public/spread", "/v5/public", "/v5/private/x", "/v5/trade"])
def test_a_path_that_is_not_served_is_not_found(path: str) -> None:
    async def main() -> None:
        async with still() as venue:
            with pytest.raises(WSHandshakeError) as refusal:
                await ws_connect(PlainClient, venue.inverse_url.removesuffix("/realtime") + path)
            assert refusal.value.response is not None
            assert refusal.value.response.status == 404
            with pytest.raises(ValueError, match="spread"):
                venue.v5_url("spread")

    run(main)


# order of frames and answers


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_answer_comes_first_then_the_snapshot_then_deltas(category: str) -> None:
    async def main() -> None:
        async with Venue(SyntheticMarket(5, start_ns=START_NS), speed=20) as venue:
            topic = "orderbook.50.BTCUSD" + ("" if category == "inverse" else "T")
            for _ in range(2):
                client = await PlainClient.connect(venue.v5_url(category))
                client.send({"op": "subscribe", "args": [topic]})
                await until(lambda client=client: len(client.frames) > 20)  # type: ignore[misc]
                answer, first, *others = map(json.loads, client.frames)
                assert answer["success"]
                assert first["type"] == "snapshot"
                assert {frame["type"] for frame in others} == {"delta"}
                numbers = [frame["data"]["u"] for frame in (first, *others)]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    run(main)


def test_a_second_reader_joins_the_topic_s_own_numbers() -> None:
    async def main() -> None:
        async with still() as venue:
            early = await PlainClient.connect(venue.v5_url("linear"))
            await ask(early, "subscribe", BOOK)
            venue.advance(5)
            late = await PlainClient.connect(venue.v5_url("linear"))
            await ask(late, "subscribe", BOOK)
            venue.advance(5)
            await until(lambda: early.frames[-1:] == late.frames[-1:])
            snapshot = json.loads(late.frames[1])
            assert snapshot["type"] == "snapshot"
            numbers = {json.loads(raw)["data"]["u"]: raw for raw in early.frames[1:]}
            assert late.frames[2:] == [raw for u, raw in numbers.items() if u > snapshot["data"]["u"]]

    run(main)


def test_a_topic_that_is_begun_again_goes_on_with_its_numbers() -> None:
    async def main() -> None:
        async with still() as venue:
            client = await PlainClient.connect(venue.v5_url("linear"))
            await ask(client, "subscribe", BOOK)
            venue.advance(1)
            await ask(client, "unsubscribe", BOOK)
            assert not any(book.is_live for book in venue.books.values())
            venue.advance(1)
            await ask(client, "subscribe", BOOK)
            venue.advance(1)
            await ask(client, "ping")
            frames = [json.loads(raw) for raw in client.frames if b'"topic"' in raw]
            assert [frame["type"] for frame in frames].count("snapshot") == 2
            numbers = [frame["data"]["u"] for frame in frames]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert sorted(sequence := [frame["data"]["seq"] for frame in frames]) == sequence

    run(main)


def test_one_market_is_told_in_both_dialects_at_once() -> None:
    async def main() -> None:
        async with still() as venue:
            v2 = await PlainClient.connect(venue.linear_url)
            v5 = await PlainClient.connect(venue.v5_url("linear"))
            spot = await PlainClient.connect(venue.v5_url("spot"))
            await v2.ask("subscribe", "orderBook_200.100ms.BTCUSDT")
            await ask(v5, "subscribe", "orderbook.200.BTCUSDT")
            await ask(spot, "subscribe", "orderbook.200.BTCUSDT")
            venue.advance(10)
            books = {
                topic.dialect: book
                for topic, book in venue.books.items()
                if book.is_live and book.topic.category == "linear"
            }
            old = {
                side: [
                    (level["price"], float(level["size"]))
                    for level in books["v2"].levels.values()
                    if level["side"] == side
                ]
                for side in ("Buy", "Sell")
            }
            new = {"Buy": books["v5"].bids, "Sell": books["v5"].asks}
            for side, levels in new.items():
                assert {price: float(size) for price, size in levels.items()} == dict(old[side])
                assert len(levels) == 200
            (other,) = (book for topic, book in venue.books.items() if topic.category == "spot" and book.is_live)
            assert other.bids.keys() != new["Buy"].keys()

    run(main)
