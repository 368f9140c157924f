"""Raw frames of any topic: as they came, next to what the topic means, over reconnects, handovers and two lines."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.settings import Settings
from tests.support.plain_client import run, until
from tests.support.sim_client import QUICK, collected, ends, scripted, simulated
from tests.support.v5_server import KEY, SECRET, V5Server, book, private, ticker, v5_server
from tests.support.wire import encode

RPI, LIMIT, STATUS = "orderbook.rpi.BTCUSDT", "priceLimit.BTCUSDT", "system.status"
BOOK = "orderbook.50.BTCUSDT"


def frame(topic: str, **data: Any) -> dict[str, Any]:
    return {"topic": topic, "ts": 1, "data": data}


async def taken(stream: AsyncIterator[Any], count: int) -> list[tuple[str, bytes]]:
    return [tuple(await anext(stream)) for _ in range(count)]


def test_topics_without_a_type_bring_the_bytes_that_came() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found = collected(client)
            raw = await client.subscribe_raw(RPI, LIMIT, "orderbook.25.SOLUSDT_SOL/USDT")
            odd = b'{ "ts" : 1.50e3, "topic":"system.status" ,"data":[ ] }\n'
            status = await client.subscribe_raw(STATUS)
            messages = [frame(RPI, a=1), frame(LIMIT, b=2), frame("orderbook.25.SOLUSDT_SOL/USDT", c="ü")]
            for message in messages:
                server.push(message)
            server.open[0].send(odd)
            assert await taken(raw, 3) == [(message["topic"], encode(message)) for message in messages]
            assert await taken(status, 1) == [(STATUS, odd)]
            await client.unsubscribe(RPI, LIMIT, "orderbook.25.SOLUSDT_SOL/USDT")
            assert await ends(raw)
            assert server.open[0].topics == [STATUS]
            assert list(client.health()) == [STATUS]
            assert client.health()[STATUS].frames == 1
            assert found == []

    run(main)


@pytest.mark.parametrize("raw_first", [True, False])
def test_a_typed_topic_gives_its_frames_to_both(raw_first: bool) -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            if raw_first:
                raw = await client.subscribe_raw(BOOK)
                assert (await taken(raw, 1))[0] == (BOOK, encode(book("BTCUSDT")))
                shown = await client.book("BTCUSDT")
                assert server.connections[0].topics == [BOOK]
            else:
                shown = await client.book("BTCUSDT")
                raw = await client.subscribe_raw(BOOK)
            while raw.waiting:
                await anext(raw)
            other = await client.subscribe_raw(BOOK)
            delta = book("BTCUSDT", u=2, kind="delta", b=[["100.50", "7"]])
            server.push(delta)
            for stream in (raw, other):
                assert await taken(stream, 1) == [(BOOK, encode(delta))]
            assert (shown.state, shown.update_id) == (BookState.LIVE, 2)
            assert shown.bbo is not None
            assert shown.bbo.bid_size == 7
            await client.unsubscribe(BOOK)
            assert await ends(raw)
            assert shown.state is BookState.STALE

    run(main)


def test_raw_frames_alone_are_not_decoded_or_fetched_again() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found = collected(client)
            raw = await client.subscribe_raw(BOOK, "tickers.BTCUSDT")
            bad = [book("BTCUSDT", u=9, kind="delta"), ticker("BTCUSDT", lastPrice="x"), {"topic": BOOK, "data": 7}]
            for message in bad:
                server.push(message)
            assert [json.loads(data) for _, data in await taken(raw, 4)] == [book("BTCUSDT"), *bad]
            assert [request["op"] for request in server.connections[0].requests] == ["subscribe"]
            assert client.lanes == {"scanner": 0, "msgspec": 0, "rejected": 0}
            assert found == []

    run(main)


def test_a_frame_that_the_typed_reader_refuses_still_reaches_the_raw_one() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found = collected(client)
            trades = await client.trades("BTCUSDT")
            raw = await client.subscribe_raw("publicTrade.BTCUSDT")
            bad = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": 7}
            server.push(bad)
            assert await taken(raw, 1) == [("publicTrade.BTCUSDT", encode(bad))]
            with pytest.raises(errors.MalformedFrame):
                await anext(trades)
            assert raw.waiting == 0
            assert [type(error) for error in found] == [errors.MalformedFrame]

    run(main)


def test_each_call_has_a_stream_and_a_capacity_of_its_own() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            small, large = await client.subscribe_raw(LIMIT, capacity=2), await client.subscribe_raw(LIMIT)
            seen: list[bytes] = []
            small.on_event(lambda event: seen.append(event.data))
            messages = [encode(frame(LIMIT, n=number)) for number in range(5)]
            for message in messages:
                server.open[0].send(message)
            assert [data for _, data in await taken(large, 5)] == messages
            assert [data for _, data in await taken(small, 2)] == messages[:2]
            with pytest.raises(errors.ReaderOverflow) as overflow:
                await anext(small)
            assert overflow.value.lost == 3
            assert seen == messages
            small.close()
            server.open[0].send(messages[0])
            assert len(await taken(large, 1)) == 1
            assert len(seen) == 5

    run(main)


@pytest.mark.parametrize("topics", [(LIMIT,), (BOOK,)])
def test_a_lost_connection_is_a_gap_in_raw_frames(topics: tuple[str, ...]) -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            server.snapshots = lambda topic: book("BTCUSDT") if topic == BOOK else frame(topic)
            if topics == (BOOK,):
                await client.book("BTCUSDT")
            raw = await client.subscribe_raw(*topics)
            server.push(frame(topics[0], n=1) if topics == (LIMIT,) else book("BTCUSDT", u=2, kind="delta"))
            await taken(raw, 2 if topics == (LIMIT,) else 1)
            client._public.connection.drop("a test")
            with pytest.raises(errors.StreamGap, match="a test") as gap:
                await anext(raw)
            assert gap.value.topic == topics[0]
            assert gap.value.since_ns < gap.value.until_ns
            assert (await taken(raw, 1))[0][0] == topics[0]

    run(main)


def test_patterns_and_pipes_of_the_grammar_bring_raw_frames() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            found = collected(client)
            raw = await client.subscribe_raw("trade.*", "orderBookL2_25.BTCUSD|ETHUSD")
            wanted = {"trade.BTCUSD", "trade.ETHUSD", "orderBookL2_25.BTCUSD", "orderBookL2_25.ETHUSD"}
            seen = set()
            while seen < wanted:
                topic, data = await anext(raw)
                assert data.startswith(b'{"topic":"%s"' % topic.encode())
                seen.add(topic)
            kinds = {type(channel).__name__ for channel in client._public.channels.values()}
            assert kinds == {"PatternChannel", "RawChannel"}
            typed = await client.subscribe("trade.*")
            assert (await anext(typed)).data.symbol
            assert (await anext(raw)).topic in wanted
            await client.unsubscribe("trade.*", "orderBookL2_25.BTCUSD|ETHUSD")
            assert await ends(raw)
            assert await ends(typed)
            assert found == []

    run(main)


def test_an_unknown_pattern_of_v2_brings_the_topics_that_it_covers() -> None:
    async def main() -> None:
        message = {"topic": "moon.BTCUSD", "data": []}
        async with (
            scripted([[encode(message)]]) as url,
            depthwire.connect(url, settings=QUICK) as client,
        ):
            raw = await client.subscribe_raw("moon.*")
            assert await taken(raw, 1) == [("moon.BTCUSD", encode(message))]

    run(main)


@pytest.mark.parametrize("text", ["strategy", "spread.order", "dcp.future", "rfq.open.quotes", "order"])
def test_raw_private_topics_are_asked_for_after_a_sign_in(text: str) -> None:
    async def main() -> None:
        async with (
            v5_server() as server,
            depthwire.connect(server.url, api_key=KEY, api_secret=SECRET, settings=QUICK) as client,
        ):
            raw = await client.subscribe_raw(text)
            (held,) = server.held(text)
            assert (held.path, held.signed_in) == ("/v5/private", True)
            server.push(private(text, {"odd": 1}))
            assert await taken(raw, 1) == [(text, encode(private(text, {"odd": 1})))]

    run(main)


@pytest.mark.parametrize("text", ["", "a\nb", "\ud800", 7, "x" * 100_001])
def test_what_no_request_can_carry_is_refused_before_it_is_sent(text: Any) -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            with pytest.raises(errors.TopicError, match="printable characters"):
                await client.subscribe_raw(LIMIT, text)
            with pytest.raises(errors.TopicError, match="at least one topic"):
                await client.subscribe_raw()
            assert server.connections[0].requests == []

    run(main)


def test_a_refused_raw_topic_is_an_error_that_names_it() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            server.refused = {LIMIT: "error:handler not found"}
            with pytest.raises(errors.SubscriptionRejected, match="handler not found"):
                await client.subscribe_raw(LIMIT, RPI)
            assert server.open[0].topics == []

    run(main)


# two lines


async def both_serve(server: V5Server, topic: str) -> None:
    await until(lambda: len(server.held(topic)) == 2)


def test_two_lines_bring_each_raw_frame_once() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect([server.url] * 2, settings=QUICK) as client:
            raw = await client.subscribe_raw(LIMIT)
            await both_serve(server, LIMIT)
            messages = [encode(frame(LIMIT, n=number)) for number in range(6)]
            one, other = server.held(LIMIT)
            for message in messages[:4]:
                one.send(message)
            await until(lambda: raw.waiting == 4)
            for message in messages[:2] + messages[3:]:  # this line lacks one
                other.send(message)
            await until(lambda: raw.waiting == 6)
            one.send(messages[5])
            await client._public.connection.catch_up()
            assert raw.waiting == 6
            assert [data for _, data in await taken(raw, 6)] == messages
            assert list(client.health()) == [LIMIT]
            await client.unsubscribe(LIMIT)
            assert await ends(raw)
            assert client.health() == {}

    run(main)


def test_a_line_that_ends_is_no_gap_in_raw_frames_and_both_are() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect([server.url] * 2, settings=QUICK) as client:
            shown = await client.book("BTCUSDT")
            raw = await client.subscribe_raw(BOOK, LIMIT)
            await both_serve(server, LIMIT)
            for session in [each for each in client._sessions if each.connection.connected]:
                await session.connection.catch_up()
            client._sessions[0].connection.drop("a test")
            (left,) = [each for each in server.open if not server.is_gone(each)][-1:]
            left.send(frame(LIMIT, n=1))
            while (event := await anext(raw)).topic != LIMIT:
                assert event.topic == BOOK
            assert json.loads(event.data) == frame(LIMIT, n=1)
            assert shown.state is BookState.LIVE
            await until(lambda: len(server.open) == 2)
            for session in [each for each in client._sessions if each.connection.connected]:
                session.connection.drop("a test")
            with pytest.raises(errors.StreamGap):
                while True:
                    await anext(raw)

    run(main)


# a handover


@pytest.mark.parametrize("typed", [True, False])
def test_after_a_handover_all_frames_of_the_new_connection_follow_a_gap(typed: bool) -> None:
    settings = Settings(timeout_s=5.0, backoff_first_s=0.01, backoff_cap_s=0.05, max_connection_age_s=0.2)

    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            if typed:
                await client.book("BTCUSDT")
            raw = await client.subscribe_raw(BOOK)
            connects = client.status().connects
            await until(lambda: client.status().connects > connects and len(server.open) == 1)
            gaps: list[errors.StreamGap] = []
            while not gaps:
                try:
                    await anext(raw)
                except errors.StreamGap as gap:
                    gaps.append(gap)
            assert "replaced by a new one" in gaps[0].reason
            assert json.loads((await taken(raw, 1))[0][1])["type"] == "snapshot"
            delta = book("BTCUSDT", u=2, kind="delta")
            server.push(delta)
            for _ in range(2):
                try:
                    assert (await taken(raw, 1))[0][1]
                    break
                except errors.StreamGap:
                    continue  # it was handed over again meanwhile

    run(main)


# topics that no type is known of, asked for as what they mean


@pytest.mark.parametrize(
    ("dialect", "topic", "nearest"),
    [
        (v5.LINEAR, "publictrade.BTCUSDT", "did you mean 'publicTrade.BTCUSDT'?"),
        (v5.LINEAR, "ticker.BTCUSDT", "did you mean 'tickers.BTCUSDT'?"),
        (v5.LINEAR, "orderbook.500.BTCUSDT", "'orderbook.50.SYMBOL'"),
        (v5.LINEAR, "orderbook.rpi.BTCUSDT", "'orderbook.50.SYMBOL'"),
        (v5.LINEAR, "kline.7.BTCUSDT", "'kline.1.SYMBOL'"),
        (v5.LINEAR, "trade.BTCUSDT", "trades are publicTrade.SYMBOL"),
        (v5.LINEAR, "priceLimit.BTCUSDT", "which has orderbook"),
        (v5.LINEAR, "adlAlert", "greeks. client.subscribe_raw()"),
        (v5.LINEAR, "walet", "did you mean 'wallet'?"),
        (v5.PRIVATE_ONLY, "strategy", "which has execution"),
        (v5.OPTION, "kline.1.BTC-27MAR26-70000-C", "which has orderbook"),
        (v2.INVERSE, "trades.BTCUSD", "did you mean 'trade.BTCUSD'?"),
        (v2.INVERSE, "klineV2.2.BTCUSD", "'klineV2.1.BTCUSD'"),
        (v2.LINEAR, "moon", "which has orderBookL2_25"),
        (v2.INVERSE, "x" * 90_000, "which has orderBookL2_25"),
    ],
)
def test_an_unknown_topic_names_the_nearest_one_and_what_takes_any(dialect: Any, topic: str, nearest: str) -> None:
    with pytest.raises(errors.UnknownTopic) as refused:
        dialect.parse(topic)
    assert isinstance(refused.value, errors.TopicError)
    assert nearest in str(refused.value)
    assert "subscribe_raw" in str(refused.value)
    assert len(str(refused.value)) < 500


def test_subscribing_to_an_unknown_topic_sends_nothing() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            with pytest.raises(errors.UnknownTopic, match=r"priceLimit\.BTCUSDT.*subscribe_raw"):
                await client.subscribe(BOOK, LIMIT)
            assert server.connections[0].requests == []

    run(main)
