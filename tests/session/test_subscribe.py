"""Subscribing by the topic grammar: patterns, several topics, shared readers."""

from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.feed.live_book import LiveBook
from depthwire.settings import Settings
from depthwire.venue import SyntheticMarket, Venue
from tests.support.plain_client import run, until
from tests.support.sim_client import BTC, QUICK, collected, ends, scripted, simulated


def test_a_pattern_brings_every_topic_of_its_kind_to_one_reader() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            found = collected(client)
            stream = await client.subscribe("trade.*")
            read = [await anext(stream) for _ in range(60)]
            assert {event.topic for event in read} == {"trade.BTCUSD", "trade.ETHUSD", "trade.XRPUSD"}
            assert all(event.topic == f"trade.{event.data.symbol}" for event in read)
            assert found == []
            await client.unsubscribe("trade")
            assert await ends(stream)

    run(main)


def test_the_documents_own_example_of_a_pipe() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            stream = await client.subscribe("trade.BTCUSD|XRPUSD")
            seen: set[str] = set()
            while seen != {"trade.BTCUSD", "trade.XRPUSD"}:
                seen.add((await anext(stream)).topic)
            book = await client.book("XRPUSD")
            assert book.price_decimals == 4
            assert 1 < (book.best_bid or 0) < (book.best_ask or 0) < 2
            assert (await client.instrument("XRPUSD")).snapshot().last_price_e4 > 10_000

    run(main)


def test_several_topics_share_a_stream() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (venue, client):
            stream = await client.subscribe("orderBookL2_25.BTCUSD|ETHUSD", "trade.BTCUSD")
            seen = set()
            while len(seen) < 3:
                event = await anext(stream)
                seen.add(event.topic)
                if event.topic.startswith("orderBook"):
                    assert isinstance(event.data, LiveBook)
                    assert event.data.topic == event.topic
            assert seen == {BTC, "orderBookL2_25.ETHUSD", "trade.BTCUSD"}
            assert (await client.book("BTCUSD")).topic == BTC, "a book that the stream reads already"
            await client.unsubscribe("trade.BTCUSD", BTC)
            await until(lambda: venue.connections == 1)
            await client.unsubscribe("orderBookL2_25.ETHUSD")
            assert await ends(stream)

    run(main)


def test_what_a_pattern_and_a_name_both_cover_comes_once() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            stream = await client.subscribe("trade.BTCUSD", "trade.*", "trade.BTCUSD")
            seen = [event for event in [await anext(stream) for _ in range(40)] if event.topic == "trade.BTCUSD"]
            assert len(seen) > 1
            assert len({event.data.trade_id for event in seen}) == len(seen)

    run(main)


def test_a_closed_stream_of_topics_hears_no_more_and_others_do() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            topics = "trade.*", BTC, "instrument_info.100ms.BTCUSD"
            closed, other = await client.subscribe(*topics), await client.subscribe(*topics)
            heard: list[str] = []
            closed.on_event(lambda event: heard.append(event.topic))
            await until(lambda: {"trade.BTCUSD", *topics[1:]} <= set(heard))
            closed.close()
            told, topics_after = len(heard), set[str]()
            other.on_event(lambda event: topics_after.add(event.topic))
            await until(lambda: {"trade.BTCUSD", *topics[1:]} <= topics_after)
            assert len(heard) == told
            assert await ends(closed)

    run(main)


def test_a_name_outlives_the_pattern_that_covered_it() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            every = await client.subscribe("trade.*")
            one = await client.trades("BTCUSD")
            await anext(every)
            await client.unsubscribe("trade.*")
            with pytest.raises(errors.StreamGap):
                while True:
                    await anext(one)
            assert [(await anext(one)).symbol for _ in range(10)] == ["BTCUSD"] * 10

    run(main)


@pytest.mark.parametrize("lines", [1, 2])
@pytest.mark.parametrize("pattern_first", [True, False])
@pytest.mark.parametrize("topic", ["trade.BTCUSD", BTC])
def test_a_pattern_brings_topics_that_are_also_read_by_name(topic: str, pattern_first: bool, lines: int) -> None:
    kind = topic.partition(".")[0]

    async def main() -> None:
        async with (
            Venue(SyntheticMarket(seed=1), speed=20) as venue,
            depthwire.connect(
                [venue.inverse_url] * lines if lines > 1 else venue.inverse_url, settings=QUICK
            ) as client,
        ):
            names = (f"{kind}.*", topic) if pattern_first else (topic, f"{kind}.*")
            streams = {name: await client.subscribe(name) for name in names}
            seen: set[str] = set()
            while not {topic, f"{kind}.ETHUSD"} <= seen:
                seen.add((await anext(streams[f"{kind}.*"])).topic)
            assert (await anext(streams[topic])).topic == topic

    run(main)


def test_two_patterns_bring_the_same_topic() -> None:
    async def main() -> None:
        async with simulated(speed=20) as (_, client):
            typed, raw = await client.subscribe("trade.*"), await client.subscribe_raw("trade.*")
            assert (await anext(typed)).topic.startswith("trade.")
            topic, frame = await anext(raw)
            assert topic.encode() in frame

    run(main)


def test_the_same_set_is_asked_for_once_after_a_reconnect() -> None:
    requests: list[dict[str, Any]] = []

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect(url, settings=QUICK) as client:
            await client.subscribe("trade.BTCUSD|XRPUSD", "liquidation")
            await client.subscribe("trade.XRPUSD", "trade.BTCUSD", "insurance.BTC")
            first = sorted(topic for request in requests for topic in request["args"])
            assert first == ["insurance.BTC", "liquidation.*", "trade.BTCUSD", "trade.XRPUSD"]
            requests.clear()
            client._public.connection.drop("a test")
            await until(lambda: bool(requests))
            (again,) = requests
            assert sorted(again["args"]) == first

    run(main)


def test_many_topics_go_in_batches() -> None:
    requests: list[dict[str, Any]] = []
    names = "|".join(f"S{number}USD" for number in range(250))

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect(url, settings=QUICK) as client:
            await client.subscribe(f"trade.{names}")
            assert [len(request["args"]) for request in requests] == [100, 100, 50]

    run(main)


def test_ten_thousand_topics_that_are_none_are_refused_and_the_rest_goes_on() -> None:
    async def main() -> None:
        async with simulated(Settings(timeout_s=60.0, ping_interval_s=60.0)) as (_, client):
            book = await client.book("BTCUSD")
            with pytest.raises(errors.SubscriptionRejected, match=r"trade\.X0USD.*unknown topic"):
                await client.subscribe(*(f"trade.X{number}USD" for number in range(10_000)))
            version = book.version
            await until(lambda: book.version > version)
            assert client.status().losses == 0

    run(main)


@pytest.mark.parametrize("topics", [(), ("moon.BTCUSD",), ("trade.BTCUSD", "trade.btcusd"), ("order.BTCUSD",)])
def test_a_malformed_topic_is_refused_before_anything_is_sent(topics: tuple[str, ...]) -> None:
    requests: list[dict[str, Any]] = []

    async def main() -> None:
        async with scripted([], requests) as url, depthwire.connect(url, settings=QUICK) as client:
            with pytest.raises(errors.TopicError):
                await client.subscribe(*topics)
            assert requests == []

    run(main)
