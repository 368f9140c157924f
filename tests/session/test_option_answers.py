"""Option's answers list topics, and neither operation nor request: each topic is confirmed or refused by its name."""

import asyncio
import json
from typing import Any

import pytest

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.auth import signature
from depthwire.bybit.v5 import dialect as v5
from depthwire.client import Client
from depthwire.settings import Settings
from tests.support.plain_client import run, until
from tests.support.sim_client import QUICK, collected, ends
from tests.support.v5_server import KEY, SECRET, V5Server, book, private, ticker, v5_server

CALL, PUT = "BTC-27MAR26-70000-C", "BTC-27MAR26-70000-P"
TICKERS = [f"tickers.BTC-27MAR26-{strike}-C" for strike in range(1000, 1100)]


SOON = Settings(timeout_s=1.0)


def option_books(server: V5Server) -> None:
    def frames_of(topic: str) -> dict[str, Any] | None:
        kind, _, symbol = topic.rpartition(".")
        return book(symbol, depth=int(kind.rpartition(".")[2])) if kind.startswith("orderbook.") else None

    server.snapshots = frames_of


def requests(server: V5Server) -> list[tuple[str, list[str]]]:
    return [(request["op"], request["args"]) for each in server.connections for request in each.requests]


def answer(**fields: Any) -> v5.Answer:
    return v5.OPTION.answer(json.dumps(fields).encode())


def lists(failed: Any = (), good: Any = (), **fields: Any) -> v5.Answer:
    data = {"failTopics": failed, "successTopics": good}
    return answer(**{"success": True, "conn_id": "x", "data": data, "type": "COMMAND_RESP", **fields})


def test_an_answer_tells_of_each_topic_whatever_its_success_says() -> None:
    told = lists(["a"], ["b"])
    assert not told.success
    assert [bool(told.refusal(topic)) for topic in "abc"] == [True, False, True]
    assert "does not name it" in told.refusal("c")
    assert lists(good=["a"]).success
    assert not lists().success
    assert lists(None, ["a"]).refusal("a") == ""
    assert lists(["a"], ["a"], ret_msg="no such symbol").refusal("a") == "no such symbol"
    assert answer(args=["1675418560633"], op="pong").key == ("ping", ())


@pytest.mark.parametrize(
    "data", [{}, {"data": None}, {"data": []}, {"data": {"failTopics": "a"}}, {"data": {"failTopics": [1]}}]
)
def test_an_answer_with_other_lists_is_malformed(data: dict[str, Any]) -> None:
    with pytest.raises(errors.MalformedFrame):
        answer(success=True, type="COMMAND_RESP", **data)


def test_a_book_of_an_option_is_subscribed_and_unsubscribed() -> None:
    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=QUICK) as client:
            option_books(server)
            found = collected(client)
            shown = await client.book(CALL)
            assert (shown.topic, shown.state) == (f"orderbook.25.{CALL}", BookState.LIVE)
            await client.unsubscribe(shown.topic)
            assert requests(server) == [("subscribe", [shown.topic]), ("unsubscribe", [shown.topic])]
            assert server.open[0].topics == []
            assert found == []

    run(main)


def test_pongs_keep_a_connection_to_option_alive() -> None:
    settings = Settings(ping_interval_s=0.02, pong_timeout_s=10.0)

    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=settings) as client:
            await until(lambda: sum(request["op"] == "ping" for request in server.connections[0].requests) > 3)
            assert client.status().losses == 0

    run(main)


def test_refused_topics_are_named_in_one_error_and_the_others_are_ended() -> None:
    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=QUICK) as client:
            bad = [TICKERS[3], TICKERS[50]]
            server.refused = dict.fromkeys(bad, "refused")
            with pytest.raises(errors.SubscriptionRejected) as refused:
                await client.subscribe(*TICKERS)
            assert sorted(refused.value.topics) == sorted(bad)
            assert all(topic in str(refused.value) for topic in bad)
            assert server.open[0].topics == []
            assert client.health() == {}
            good = [topic for topic in TICKERS if topic not in bad]
            assert requests(server) == [("subscribe", TICKERS), ("unsubscribe", good)], "no request was cut in halves"

    run(main)


async def asked(server: V5Server, count: int) -> None:
    assert server.held_answers is not None
    await until(lambda: server.held_answers is not None and len(server.held_answers) == count)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_answers_to_several_open_requests_are_told_apart_by_their_topics(order: tuple[int, ...]) -> None:
    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=QUICK) as client:
            server.held_answers, server.refused = [], {TICKERS[2]: "refused"}
            works = []
            for topics in (TICKERS[:2], TICKERS[2:5], TICKERS[1:2] + TICKERS[5:6]):
                works.append(asyncio.create_task(client.subscribe(*topics)))
                await asked(server, len(works))
            held, server.held_answers = server.held_answers, None
            for number in order:
                held[number]()
            one, two, three = await asyncio.gather(*works, return_exceptions=True)
            assert isinstance(two, errors.SubscriptionRejected)
            assert two.topics == (TICKERS[2],)
            assert not isinstance(one, BaseException)
            assert not isinstance(three, BaseException)
            assert sorted(server.open[0].topics) == sorted([*TICKERS[:2], TICKERS[5]])

    run(main)


def named(*topics: str) -> dict[str, Any]:
    return {
        "success": True,
        "conn_id": "x",
        "data": {"failTopics": [], "successTopics": topics},
        "type": "COMMAND_RESP",
    }


@pytest.mark.parametrize(
    "answers",
    [
        [(2,), (1,), (0,)],
        [(1,), (0, 2)],
        [(0, 1, 2, 7)],
        [(0, 7), (7,), (1, 2)],
    ],
    ids=["one each", "two parts", "one too many", "parts and others"],
)
def test_a_request_is_answered_once_all_of_its_topics_were_named(answers: list[tuple[int, ...]]) -> None:
    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=QUICK) as client:
            server.held_answers = []
            work = asyncio.create_task(client.subscribe(*TICKERS[:3]))
            await asked(server, 1)
            for numbers in answers:
                server.open[0].send(named(*(TICKERS[number] for number in numbers)))
            await work
            assert sorted(client.health()) == sorted(TICKERS[:3])

    run(main)


def test_topics_that_no_answer_names_in_time_are_refused_and_the_others_served() -> None:
    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=SOON) as client:
            server.held_answers = []
            works = [asyncio.create_task(client.subscribe(topic)) for topic in TICKERS[:2]]
            await asked(server, 1)
            server.open[0].send(named(TICKERS[0]))
            served, refused = await asyncio.gather(*works, return_exceptions=True)
            assert not isinstance(served, BaseException)
            assert isinstance(refused, errors.SubscriptionRejected)
            assert "does not name it" in str(refused)

    run(main)


def test_subscribing_again_while_the_end_of_a_topic_is_not_confirmed() -> None:
    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=QUICK) as client:
            await client.subscribe(TICKERS[0])
            server.held_answers = []
            ending = asyncio.create_task(client.unsubscribe(TICKERS[0]))
            await asked(server, 1)
            again = asyncio.create_task(client.subscribe(TICKERS[0]))
            await asked(server, 2)
            held, server.held_answers = server.held_answers, None
            for send in held:
                send()
            await ending
            server.push(ticker(TICKERS[0].partition(".")[2], lastPrice="5"))
            assert (await anext(await again)).topic == TICKERS[0]
            assert server.open[0].topics == [TICKERS[0]], "asked for once"

    run(main)


def test_an_end_that_is_refused_names_the_topic() -> None:
    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=QUICK) as client:
            await client.subscribe(*TICKERS[:3])
            server.refused = {TICKERS[1]: "refused"}
            with pytest.raises(errors.SubscriptionRejected) as refused:
                await client.unsubscribe(*TICKERS[:3])
            assert refused.value.topics == (TICKERS[1],)
            assert client.health() == {}

    run(main)


def test_a_topic_that_is_confirmed_and_never_pushes_is_a_timeout_that_leaves_nothing() -> None:
    settings = Settings(timeout_s=0.2)

    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=settings) as client:
            server.snapshots = lambda topic: None
            with pytest.raises(errors.SubscriptionTimeout, match="subscribed, but no usable snapshot"):
                await client.book(CALL)
            assert server.open[0].topics == []
            assert client.health() == {}

    run(main)


async def confirmed_everywhere(server: V5Server, client: Client, count: int) -> None:
    await until(lambda: sum(len(each.topics) for each in server.open) == count)
    assert len(client.health()) == count


def test_a_connection_takes_two_thousand_topics_and_the_next_one_the_rest() -> None:
    async def main() -> None:
        # Short symbols: the characters of all topics are limited, too.
        topics = [f"tickers.{number:X}" for number in range(2001)]
        settings = Settings(timeout_s=60.0)
        async with v5_server("option") as server, depthwire.connect(server.url, settings=settings) as client:
            found = collected(client)
            await client.subscribe(*topics)
            assert max(len(args) for _, args in requests(server)) <= 100
            assert max(len(each.topics) for each in server.open) <= 2000
            await confirmed_everywhere(server, client, 2001)
            count = len(requests(server))
            await client.unsubscribe(*topics)
            assert len(requests(server)) - count <= 2001 / 100 + len(server.open)
            assert found == []

    run(main)


def test_a_served_topic_that_is_listed_as_failed_without_a_reason_is_asked_for_again() -> None:
    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=QUICK) as client:
            option_books(server)
            found = collected(client)
            call, put = await client.book(CALL), await client.book(PUT)
            server.refused = {call.topic: ""}
            client._public.connection.drop("a test")
            await until(lambda: sum(isinstance(error, errors.SubscriptionRejected) for error in found) > 2)
            assert (call.state, call.finished, put.state) == (BookState.STALE, False, BookState.LIVE)
            assert any("listed as failed, no reason given" in str(error) for error in found)
            server.refused = {}
            await until(lambda: call.state is BookState.LIVE)
            server.refused = {call.topic: ""}
            found.clear()
            call.mark_stale("a test")
            await until(lambda: sum(isinstance(error, errors.SubscriptionRejected) for error in found) > 2)
            assert (call.state, call.finished) == (BookState.STALE, False)
            server.refused = {}
            await until(lambda: call.state is BookState.LIVE)

    run(main)


def test_all_comes_back_after_a_lost_connection() -> None:
    async def main() -> None:
        async with v5_server("option") as server, depthwire.connect(server.url, settings=QUICK) as client:
            option_books(server)
            shown = [await client.book(symbol) for symbol in (CALL, PUT)]
            client._public.connection.drop("a test")
            await until(lambda: client.status().connects == 2 and {each.state for each in shown} == {BookState.LIVE})
            assert requests(server)[-1] == ("subscribe", [each.topic for each in shown])

    run(main)


def test_private_topics_of_an_option_client_are_answered_by_request() -> None:
    async def main() -> None:
        async with (
            v5_server("option") as server,
            depthwire.connect(server.url, api_key=KEY, api_secret=SECRET, settings=QUICK) as client,
        ):
            assert signature(SECRET, 1)
            orders = await client.subscribe("execution")
            server.push(private("execution"))
            await client.unsubscribe("execution")
            assert await ends(orders)

    run(main)
