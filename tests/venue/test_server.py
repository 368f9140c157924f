import asyncio
import json
import math
import shutil
import ssl
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from picows import WSCloseCode, WSHandshakeError, WSMsgType, ws_connect

from depthwire.errors import TapeError, TopicError
from depthwire.tape import Pace
from depthwire.venue import Category, Dialect, MarketFrame, PublicTopic, SyntheticMarket, V2WireBook, Venue
from depthwire.venue.server import backpressure, connection, server
from tests.support.plain_client import PlainClient, run, until
from tests.support.reference import BUY, SELL, ReferenceBook

START_NS = 1_618_677_786_000_000_000
L2 = "orderBookL2_25.BTCUSD"


class ListMarket:
    """A finite market of given frames; `released` counts the frames that the venue consumed."""

    def __init__(self, frames: list[tuple[str, bytes]], topics: Mapping[str, Category]) -> None:
        self._frames = frames
        self._topics = {name: PublicTopic(Dialect.V2, category, name) for name, category in topics.items()}
        self.topics = self._topics.values()
        self.released = 0

    def frames(self) -> Iterator[MarketFrame]:
        for number, (topic, raw) in enumerate(self._frames):
            self.released += 1
            yield MarketFrame(number * 1_000_000, self._topics[topic], raw)


def trades(count: int, size: int = 0) -> list[tuple[str, bytes]]:
    return [
        ("trade.BTCUSD", b'{"topic":"trade.BTCUSD","data":[{"n":%d,"pad":"%b"}]}' % (n, b"x" * size))
        for n in range(count)
    ]


def quiet_venue(**options: Any) -> Venue:
    """A market with every kind of topic and few frames, for requests and answers."""
    topics = {
        f"{channel}.{symbol}": category
        for symbol, category in {
            "BTCUSD": Category.INVERSE,
            "XRPUSD": Category.INVERSE,
            "BTCUSDT": Category.LINEAR,
        }.items()
        for channel in ("trade", "orderBookL2_25", "orderBook_200.100ms")
    }
    return Venue(ListMarket([], topics), **options)


def synthetic(speed: float = math.inf, **options: Any) -> Venue:
    return Venue(SyntheticMarket(5, start_ns=START_NS), speed=speed, **options)


def plain_levels(book: ReferenceBook) -> dict[str, list[tuple[int, float]]]:
    return {side: book.levels(side) for side in (BUY, SELL)}


# requests and answers


def test_answers_have_the_recorded_shape() -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            client = await PlainClient.connect(venue.inverse_url)
            client.send(b'{"op":"subscribe","args":["trade.BTCUSD"]}')
            raw = await client.receive()
            conn_id = json.loads(raw)["conn_id"]
            assert str(uuid.UUID(conn_id)) == conn_id
            assert raw.decode() == (
                f'{{"success":true,"ret_msg":"","conn_id":"{conn_id}",'
                '"request":{"op":"subscribe","args":["trade.BTCUSD"]}}'
            )
            client.send(b'{"op":"ping"}')
            assert (await client.receive()).decode() == (
                f'{{"success":true,"ret_msg":"pong","conn_id":"{conn_id}","request":{{"op":"ping","args":null}}}}'
            )
            other = await PlainClient.connect(venue.inverse_url)
            assert (await other.ask("ping"))["conn_id"] != conn_id

    run(main)


@pytest.mark.parametrize(
    ("args", "topics"),
    [
        (["trade.BTCUSD"], ["trade.BTCUSD"]),
        (["trade.BTCUSD|XRPUSD"], ["trade.BTCUSD", "trade.XRPUSD"]),
        (["trade.*"], ["trade.BTCUSD", "trade.XRPUSD"]),
        (["trade"], ["trade.BTCUSD", "trade.XRPUSD"]),
        (["trade.*", "trade.BTCUSD", "trade"], ["trade.BTCUSD", "trade.XRPUSD"]),
        (["orderBook_200.100ms.*"], ["orderBook_200.100ms.BTCUSD", "orderBook_200.100ms.XRPUSD"]),
        (["orderBookL2_25"], ["orderBookL2_25.BTCUSD", "orderBookL2_25.XRPUSD"]),
    ],
)
def test_the_inverse_path_takes_pipe_star_and_bare_topics(args: list[str], topics: list[str]) -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            client = await PlainClient.connect(venue.inverse_url)
            answer = await client.ask("subscribe", *args)
            assert answer["success"]
            assert answer["request"]["args"] == args
            for topic in venue._market.topics:
                venue.send_raw(topic.name, topic.name.encode())
            answer = await client.ask_behind_data("ping")
            assert sorted(client.frames[1:-1]) == sorted(topic.encode() for topic in topics)

    run(main)


@pytest.mark.parametrize(
    ("path", "args", "reason"),
    [
        ("inverse", ["klineV2.1.BTCUSD"], "error:unknown topic:klineV2.1.BTCUSD"),
        ("inverse", ["trade.NOSUCH"], "error:unknown topic:trade.NOSUCH"),
        ("inverse", ["trade.BTCUSD|NOSUCH"], "error:unknown topic:trade.BTCUSD|NOSUCH"),
        ("inverse", ["trade.BTCUSDT"], "error:unknown topic:trade.BTCUSDT"),
        ("inverse", ["trade.BTCUSD", "trade.NOSUCH"], "error:unknown topic:trade.NOSUCH"),
        ("inverse", ["*"], "error:unknown topic:*"),
        ("inverse", [""], "error:unknown topic:"),
        ("inverse", ["|"], "error:unknown topic:|"),
        ("linear", ["trade.*"], "error:unknown topic:trade.*"),
        ("linear", ["trade"], "error:unknown topic:trade"),
        ("linear", ["trade.BTCUSDT|BTCUSDT"], "error:unknown topic:trade.BTCUSDT|BTCUSDT"),
        ("linear", ["trade.BTCUSD"], "error:unknown topic:trade.BTCUSD"),
        ("inverse", ["order"], "error:topic:order needs auth first"),
        ("linear", ["stop_order"], "error:topic:stop_order needs auth first"),
    ],
)
def test_what_is_not_served_is_refused_as_a_whole(path: str, args: list[str], reason: str) -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            client = await PlainClient.connect(getattr(venue, f"{path}_url"))
            answer = await client.ask("subscribe", *args)
            assert (answer["success"], answer["ret_msg"]) == (False, reason)
            assert answer["request"] == {"op": "subscribe", "args": args}
            for topic in venue._market.topics:
                venue.send_raw(topic.name, b"to nobody")
            assert (await client.ask("ping"))["ret_msg"] == "pong"

    run(main)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"hello", "not JSON"),
        (b"", "not JSON"),
        (b'{"op":"subscribe","args":["trade', "not JSON"),
        (b'"\xff"', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'["subscribe"]', "not an object"),
        (b"null", "not an object"),
        (b"{}", "no op"),
        (b'{"op":17}', "no op"),
        (b'{"op":"dance"}', "unknown op:dance"),
        (b'{"op":"auth","args":["key",1,"sig"]}', "invalid api_key"),
        (b'{"op":"auth"}', "invalid args"),
        (b'{"op":"subscribe"}', "not a list of topics"),
        (b'{"op":"subscribe","args":[]}', "not a list of topics"),
        (b'{"op":"subscribe","args":"trade.BTCUSD"}', "not a list of topics"),
        (b'{"op":"unsubscribe","args":["trade.BTCUSD",7]}', "not a list of topics"),
        (b'{"op":"subscribe","args":[123456789012345678901234567890]}', "not a list of topics"),
    ],
)
def test_a_request_that_is_not_understood_is_told_why_and_the_connection_lives(raw: bytes, reason: str) -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            client = await PlainClient.connect(venue.inverse_url)
            client.send(raw)
            answer = await client.receive_json()
            assert answer["success"] is False
            assert reason in answer["ret_msg"]
            assert set(answer["request"]) == {"op", "args"}
            assert (await client.ask("subscribe", "trade.BTCUSD"))["success"]

    run(main)


def test_a_binary_request_is_refused() -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            client = await PlainClient.connect(venue.inverse_url)
            client.transport.send(WSMsgType.BINARY, b'{"op":"ping"}')
            assert "binary" in (await client.receive_json())["ret_msg"]
            assert (await client.ask("ping"))["success"]

    run(main)


def test_a_request_in_fragments_is_one_request() -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            client = await PlainClient.connect(venue.inverse_url)
            client.transport.send(WSMsgType.TEXT, b'{"op":', fin=False)
            client.transport.send_ping(b"in between")
            client.transport.send(WSMsgType.CONTINUATION, b'"ping"', fin=False)
            client.transport.send(WSMsgType.CONTINUATION, b"}")
            await until(lambda: len(client.frames) == 2)
            assert client.frames[0] == b"in between"
            assert json.loads(client.frames[1])["ret_msg"] == "pong"

    run(main)


def test_huge_requests_are_answered() -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            client = await PlainClient.connect(venue.inverse_url)
            topic = "t" * (1 << 20)
            answer = await client.ask("subscribe", topic)
            assert answer["ret_msg"] == f"error:unknown topic:{topic}"
            assert (await client.ask("subscribe", *["trade.*"] * 10_000))["success"]
            assert not (await client.ask("subscribe", "trade." + "|" * (1 << 20)))["success"]
            client.send(b"[" + b" " * (11 << 20))
            await client.transport.wait_disconnected()
            assert client.close_code == WSCloseCode.MESSAGE_TOO_BIG
            fragments = await PlainClient.connect(venue.inverse_url)
            fragments.transport.send(WSMsgType.TEXT, b" " * (6 << 20), fin=False)
            fragments.transport.send(WSMsgType.CONTINUATION, b" " * (6 << 20), fin=False)
            await fragments.transport.wait_disconnected()
            assert fragments.close_code == WSCloseCode.MESSAGE_TOO_BIG
            await until(lambda: venue.connections == 0)

    run(main)


@pytest.mark.parametrize(
    "path", ["", "/", "/realtim", "/realtime/x", "/realtime_privat", "/v5/public/spread", "/v5/public"]
)
def test_an_unknown_path_is_not_found(path: str) -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            with pytest.raises(WSHandshakeError) as refusal:
                await ws_connect(PlainClient, venue.inverse_url.removesuffix("/realtime") + path)
            assert refusal.value.response is not None
            assert refusal.value.response.status == 404

    run(main)


def test_a_query_in_the_url_is_no_hindrance() -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            client = await PlainClient.connect(venue.inverse_url + "?tick=1")
            assert (await client.ask("ping"))["success"]

    run(main)


def test_urls_follow_the_symbol_s_dialect() -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            assert venue.url_for("XRPUSD") == venue.inverse_url
            assert venue.url_for("BTCUSDT") == venue.linear_url
            assert venue.inverse_url.startswith("ws://127.0.0.1:")
            assert venue.linear_url == venue.inverse_url + "_public"
            with pytest.raises(TopicError, match=r"NOSUCH: .* BTCUSD, BTCUSDT, XRPUSD"):
                venue.url_for("NOSUCH")

    run(main)


# order of frames and answers


def test_the_answer_comes_first_then_the_snapshot_then_deltas() -> None:
    async def main() -> None:
        async with synthetic() as venue:
            for url, symbol, as_type in (
                (venue.inverse_url, "BTCUSD", int),
                (venue.linear_url, "BTCUSDT", str),
            ):
                client = await PlainClient.connect(url)
                topics = [f"orderBookL2_25.{symbol}", f"orderBook_200.100ms.{symbol}", f"trade.{symbol}"]
                await client.ask("subscribe", *topics)
                books = {topics[0]: ReferenceBook(symbol, 25), topics[1]: ReferenceBook(symbol, 200)}
                while any(book.version < 50 for book in books.values()):
                    raw = await client.receive()
                    frame = json.loads(raw)
                    assert frame["topic"] in topics
                    if frame["topic"] in books:
                        books[frame["topic"]].receive(raw)  # raises for a delta before the snapshot
                        assert type(frame["cross_seq"]) is as_type
                client.transport.disconnect()

    run(main)


def test_a_late_subscriber_gets_the_book_as_it_is() -> None:
    async def main() -> None:
        async with synthetic(speed=30) as venue:
            for topic, depth in (("orderBookL2_25.{}", 25), ("orderBook_200.100ms.{}", 200)):
                for url, symbol in ((venue.inverse_url, "BTCUSD"), (venue.linear_url, "BTCUSDT")):
                    await compare_late(url, topic.format(symbol), symbol, depth)

    async def compare_late(url: str, topic: str, symbol: str, depth: int) -> None:
        early, late = await PlainClient.connect(url), await PlainClient.connect(url)
        await early.ask("subscribe", topic)
        await until(lambda: len(early.frames) > 20)
        await late.ask("subscribe", topic)
        await until(lambda: len(late.frames) > 20)
        early.transport.disconnect()
        late.transport.disconnect()

        raw = late.frames[1]
        frame = json.loads(raw)
        assert frame["type"] == "snapshot"
        levels = frame["data"] if isinstance(frame["data"], list) else frame["data"]["order_book"]
        order = [(level["side"] != BUY, float(level["price"])) for level in levels]
        assert order == sorted(order)
        late_book, early_book = ReferenceBook(symbol, depth), ReferenceBook(symbol, depth)
        late_book.receive(raw)
        following = iter(late.frames[2:])
        compared = 0
        for raw in early.frames[1:]:
            early_book.receive(raw)
            if early_book.cross_seq > late_book.cross_seq and (delta := next(following, None)):
                assert delta == raw
                late_book.receive(delta)
            if early_book.cross_seq == late_book.cross_seq:
                compared += 1
                assert early_book.timestamp_e6 == late_book.timestamp_e6
                assert plain_levels(early_book) == plain_levels(late_book)
        assert compared > 3

    run(main)


def test_subscribing_twice_is_answered_and_changes_nothing() -> None:
    async def main() -> None:
        async with synthetic() as venue:
            client = await PlainClient.connect(venue.inverse_url)
            assert (await client.ask("subscribe", L2))["success"]
            client.send({"op": "subscribe", "args": [L2, L2]})
            await until(lambda: len(client.frames) > 500)
            frames = [json.loads(raw) for raw in client.frames]
            assert sum(frame.get("success") is True for frame in frames) == 2
            assert sum(frame.get("type") == "snapshot" for frame in frames) == 1
            deltas = [frame["cross_seq"] for frame in frames if "topic" in frame]
            assert len(set(deltas)) == len(deltas)

    run(main)


def test_unsubscribing_ends_the_frames_and_subscribing_again_begins_with_a_snapshot() -> None:
    async def main() -> None:
        async with synthetic(speed=50) as venue:
            client = await PlainClient.connect(venue.inverse_url)
            assert (await client.ask("unsubscribe", L2))["success"]  # although there was no subscription
            await client.ask("subscribe", L2, "trade.BTCUSD")
            await until(lambda: len(client.frames) > 100)
            assert (await client.ask_behind_data("unsubscribe", L2))["success"]
            for _ in range(5):
                assert b'"topic":"trade.BTCUSD"' in await client.receive()
            assert (await client.ask_behind_data("subscribe", L2))["success"]
            while b'"topic":"orderBook' not in (raw := await client.receive()):
                assert b'"topic":"trade' in raw
            assert b'"snapshot"' in raw

    run(main)


def test_a_linear_trade_subscription_begins_with_the_last_trade() -> None:
    first, second = (
        b'{"topic":"trade.BTCUSDT","data":[%b]}'
        % b",".join(b'{"symbol":"BTCUSDT","price":"%d.00","size":1}' % n for n in prices)
        for prices in ((1, 2), (3, 4, 5))
    )
    topics = {"trade.BTCUSDT": Category.LINEAR, "trade.BTCUSD": Category.INVERSE}
    market = ListMarket([("trade.BTCUSDT", first), ("trade.BTCUSDT", second), *trades(1)], topics)

    async def main() -> None:
        async with Venue(market, speed=math.inf) as venue:
            early = await PlainClient.connect(venue.linear_url)
            await early.ask("subscribe", "trade.BTCUSDT")
            await venue.finished.wait()
            assert [await early.receive(), await early.receive()] == [first, second]
            late = await PlainClient.connect(venue.linear_url)
            await late.ask("subscribe", "trade.BTCUSDT")
            assert await late.receive() == (
                b'{"topic":"trade.BTCUSDT","data":[{"symbol":"BTCUSDT","price":"5.00","size":1}]}'
            )
            inverse = await PlainClient.connect(venue.inverse_url)
            await inverse.ask("subscribe", "trade.BTCUSD")
            assert (await inverse.ask("ping"))["success"]  # no frame in between

    run(main)


def test_the_market_begins_with_the_first_subscription_and_tells_its_end() -> None:
    market = ListMarket(trades(100), {"trade.BTCUSD": Category.INVERSE})

    async def main() -> None:
        async with Venue(market, speed=math.inf) as venue:
            client = await PlainClient.connect(venue.inverse_url)
            await client.ask("ping")
            assert market.released == 0
            await client.ask("subscribe", "trade")
            await venue.finished.wait()
            assert [await client.receive() for _ in range(100)] == [raw for _, raw in trades(100)]
            assert (await client.ask("ping"))["success"]

    run(main)


def test_a_market_that_fails_is_told_at_close() -> None:
    class Broken(ListMarket):
        def frames(self) -> Iterator[MarketFrame]:
            yield from super().frames()
            raise TapeError("the disk is gone")

    async def main() -> None:
        venue = Venue(Broken(trades(1), {"trade.BTCUSD": Category.INVERSE}), speed=math.inf)
        await venue.start()
        client = await PlainClient.connect(venue.inverse_url)
        await client.ask("subscribe", "trade")
        await venue.finished.wait()
        with pytest.raises(TapeError, match="disk is gone"):
            await venue.close()
        await client.transport.wait_disconnected()

    run(main)


# fast and slow readers


def test_the_pace_follows_the_market_s_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[tuple[float, int]] = []

    class RecordedPace(Pace):
        def __init__(self, speed: float) -> None:
            super().__init__(speed)
            self.speed = speed

        async def wait_until(self, at_ns: int) -> None:
            waits.append((self.speed, at_ns))
            await super().wait_until(at_ns)

    monkeypatch.setattr(server, "Pace", RecordedPace)

    async def main() -> None:
        async with Venue(ListMarket(trades(5), {"trade.BTCUSD": Category.INVERSE}), speed=0.5) as venue:
            client = await PlainClient.connect(venue.inverse_url)
            await client.ask("subscribe", "trade")
            await venue.finished.wait()
        assert waits == [(0.5, number * 1_000_000) for number in range(5)]

    run(main)


def test_without_pace_the_market_waits_for_its_slowest_reader() -> None:
    count = 1500
    market = ListMarket(trades(count, size=1 << 16), {"trade.BTCUSD": Category.INVERSE})

    async def main() -> None:
        async with Venue(market, speed=math.inf) as venue:
            slow, fast = (
                await PlainClient.connect(venue.inverse_url),
                await PlainClient.connect(venue.inverse_url),
            )
            await slow.ask("subscribe", "trade")
            slow.stop_reading()
            await fast.ask("subscribe", "trade")
            await until(lambda: any(connection.full_since is not None for connection in venue._open))
            await asyncio.sleep(0)
            assert 0 < market.released < count
            slow.go_on_reading()
            await venue.finished.wait()
            await until(lambda: len(slow.frames) == count + 1)
            assert slow.frames[1:] == [raw for _, raw in trades(count, size=1 << 16)]
            assert market.released == count

    run(main)


def test_a_reader_who_leaves_does_not_hold_the_market_up() -> None:
    count = 1500
    market = ListMarket(trades(count, size=1 << 16), {"trade.BTCUSD": Category.INVERSE})

    async def main() -> None:
        async with Venue(market, speed=math.inf) as venue:
            slow, fast = (
                await PlainClient.connect(venue.inverse_url),
                await PlainClient.connect(venue.inverse_url),
            )
            await slow.ask("subscribe", "trade")
            slow.stop_reading()
            await fast.ask("subscribe", "trade")
            await until(lambda: any(c.full_since is not None for c in venue._open))
            assert market.released < count
            slow.transport.disconnect(graceful=False)
            await venue.finished.wait()
            assert market.released == count

    run(main)


def test_a_reader_who_takes_nothing_is_cut_off_from_an_unpaced_market(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backpressure, "STALL_LIMIT_S", 0.1)
    monkeypatch.setattr(connection, "CLOSE_GRACE_S", 0.05)
    count = 1500
    market = ListMarket(trades(count, size=1 << 16), {"trade.BTCUSD": Category.INVERSE})

    async def main() -> None:
        async with Venue(market, speed=math.inf) as venue:
            slow, fast = (
                await PlainClient.connect(venue.inverse_url),
                await PlainClient.connect(venue.inverse_url),
            )
            await slow.ask("subscribe", "trade")
            slow.stop_reading()
            await fast.ask("subscribe", "trade")
            await venue.finished.wait()
            await until(lambda: venue.connections == 1)
            assert (await fast.ask_behind_data("ping"))["success"]

    run(main)


@pytest.mark.parametrize("reads_again", [True, False])
def test_a_paced_market_cuts_a_slow_reader_off(
    reads_again: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not reads_again:
        monkeypatch.setattr(connection, "CLOSE_GRACE_S", 0.05)
    frame = b"x" * (1 << 20)

    async def main() -> None:
        async with quiet_venue() as venue:
            slow, fast = (
                await PlainClient.connect(venue.inverse_url),
                await PlainClient.connect(venue.inverse_url),
            )
            for client in (slow, fast):
                await client.ask("subscribe", "trade.BTCUSD")
            slow.stop_reading()
            for n in range(60):
                venue.send_raw("trade.BTCUSD", frame)
                await until(lambda n=n: len(fast.frames) == n + 2)  # type: ignore[misc]
            assert "closing slow connection" in caplog.text
            if reads_again:
                slow.go_on_reading()
                await slow.transport.wait_disconnected()
                assert slow.close_code == WSCloseCode.POLICY_VIOLATION
                assert 17 <= len(slow.frames) - 1 < 60
            await until(lambda: venue.connections == 1)
            assert (await fast.ask_behind_data("ping"))["success"]
            slow.transport.disconnect(graceful=False)

    run(main)


# faults


def test_dropped_connections_end_without_a_close_frame_and_may_come_back() -> None:
    async def main() -> None:
        async with synthetic(speed=10) as venue:
            clients = [await PlainClient.connect(venue.inverse_url) for _ in range(3)]
            for client in clients:
                await client.ask("subscribe", L2)
            assert venue.connections == 3
            venue.drop_connections()
            for client in clients:
                await client.transport.wait_disconnected()
                assert client.close_code is None
            await until(lambda: venue.connections == 0)
            client = await PlainClient.connect(venue.inverse_url)
            await client.ask("subscribe", L2)
            assert (await client.receive_json())["type"] == "snapshot"

    run(main)


def test_who_has_gone_is_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Venue(ListMarket([], {})) as venue:
            client = await PlainClient.connect(venue.inverse_url)
            for _ in range(3000):
                client.send({"op": "ping"})
            client.transport.disconnect(graceful=False)
            await until(lambda: not venue.connections)

    run(main)
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_raw_frames_reach_the_subscribers_of_their_topic_alone() -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            subscriber, other = (
                await PlainClient.connect(venue.inverse_url),
                await PlainClient.connect(venue.inverse_url),
            )
            await subscriber.ask("subscribe", "trade.BTCUSD")
            await other.ask("subscribe", "trade.XRPUSD")
            venue.send_raw("trade.BTCUSD", b"no JSON at all")
            venue.send_raw("trade.BTCUSD", b"\x00\xff", binary=True)
            assert [await subscriber.receive(), await subscriber.receive()] == [
                b"no JSON at all",
                b"\x00\xff",
            ]
            assert subscriber.kinds[-2:] == [WSMsgType.TEXT, WSMsgType.BINARY]
            assert (await other.ask("ping"))["success"]
            with pytest.raises(TopicError, match="NOSUCH"):
                venue.send_raw("trade.NOSUCH", b"")

    run(main)


def test_muted_pongs_and_answers() -> None:
    async def main() -> None:
        async with quiet_venue() as venue:
            client = await PlainClient.connect(venue.inverse_url)
            venue.mute_pongs = True
            client.send({"op": "ping"})
            client.transport.send_ping(b"ping")
            assert (await client.ask("subscribe", "trade.BTCUSD"))["success"]
            venue.mute_answers, venue.mute_pongs = True, False
            client.send({"op": "subscribe", "args": ["trade.XRPUSD"]})
            client.transport.send_ping(b"a pong is not an answer")
            assert await client.receive() == b"a pong is not an answer"
            venue.mute_answers = False
            venue.send_raw("trade.XRPUSD", b"no subscriber")
            assert (await client.ask("ping"))["ret_msg"] == "pong"

    run(main)


def test_an_unusable_frame_is_passed_on_and_the_book_waits_for_a_snapshot() -> None:
    snapshot = b'{"topic":"%b","type":"snapshot","data":[],"cross_seq":%%d,"timestamp_e6":1}' % L2.encode()
    frames = [(L2, snapshot % 1), (L2, b'{"topic":"orderBookL2_25.BTCUSD"'), (L2, snapshot % 2)]
    market = ListMarket(frames, {L2: Category.INVERSE})

    async def main() -> None:
        async with Venue(market, speed=math.inf) as venue:
            client = await PlainClient.connect(venue.inverse_url)
            await client.ask("subscribe", L2)
            await venue.finished.wait()
            assert [await client.receive() for _ in frames] == [raw for _, raw in frames]
            (book,) = venue.books.values()
            assert isinstance(book, V2WireBook)
            assert (book.is_live, book.cross_seq) == (True, 2)

    run(main)


# start and close


def test_closing_says_good_bye_and_frees_the_port() -> None:
    async def main() -> None:
        venue = synthetic()
        await venue.start()
        port = int(venue.inverse_url.split(":")[2].removesuffix("/realtime"))
        client = await PlainClient.connect(venue.inverse_url)
        await client.ask("subscribe", L2)
        await venue.close()
        await venue.close()
        await client.transport.wait_disconnected()
        assert client.close_code == WSCloseCode.GOING_AWAY
        assert venue.connections == 0
        async with Venue(SyntheticMarket(), port=port) as again:
            await PlainClient.connect(again.inverse_url)
            with pytest.raises(OSError, match="address already in use"):
                await Venue(SyntheticMarket(), port=port).start()

    run(main)


def test_closing_does_not_wait_for_a_reader_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_CLOSE_TIMEOUT_S", 0.05)

    async def main() -> None:
        venue = quiet_venue()
        await venue.start()
        client = await PlainClient.connect(venue.inverse_url)
        await client.ask("subscribe", "trade.BTCUSD")
        client.stop_reading()
        for _ in range(10):
            venue.send_raw("trade.BTCUSD", b"x" * (1 << 20))
        await venue.close()
        assert venue.connections == 0
        client.transport.disconnect(graceful=False)

    run(main)


@pytest.mark.parametrize("speed", [0, -1, math.nan])
def test_a_speed_must_be_above_zero(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        quiet_venue(speed=speed)


def test_tls(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at_server.load_cert_chain(certificate, key)

    async def main() -> None:
        async with synthetic(ssl=at_server) as venue:
            assert venue.linear_url.startswith("wss://")
            client = await PlainClient.connect(venue.linear_url, ssl.create_default_context(cafile=certificate))
            assert (await client.ask("subscribe", "orderBookL2_25.BTCUSDT"))["success"]
            book = ReferenceBook("BTCUSDT", 25)
            while book.version < 200:
                book.receive(await client.receive())

    run(main)


def test_the_wire_book_forgives_levels_that_it_does_not_know() -> None:
    book = V2WireBook(PublicTopic(Dialect.V2, Category.INVERSE, L2))
    delta = (
        b'{"type":"delta","data":{"delete":[{"id":5}],"update":[{"id":6,"side":"Buy"}],"insert":[]},'
        b'"cross_seq":9,"timestamp_e6":8}'
    )
    assert not book.apply(delta)
    assert book.levels == {}
    assert book.apply(b'{"type":"snapshot","data":[{"id":7,"side":"Sell"}],"cross_seq":1,"timestamp_e6":2}')
    assert book.apply(delta)
    assert list(book.levels) == [7, 6]
    assert json.loads(book.snapshot()) == {
        "topic": L2,
        "type": "snapshot",
        "data": [{"id": 6, "side": "Buy"}, {"id": 7, "side": "Sell"}],
        "cross_seq": 9,
        "timestamp_e6": 8,
    }
