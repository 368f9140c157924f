"""A handover between servers that are not level: readers see each event once, in order, without a gap."""

import asyncio
import dataclasses
from collections import Counter, deque
from itertools import count
from typing import Any

import pytest
from picows import WSMsgType

from depthwire import errors
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2.dialect import INVERSE
from depthwire.bybit.v5.dialect import LINEAR
from depthwire.session.twins import EventTwin, overlap
from depthwire.venue.server import connection
from tests.session.test_handover import DIALECTS, is_part, market, read
from tests.session.test_handover_losses import YOUNG, Handed, handed, odd, trade
from tests.support.offline import Offline
from tests.support.plain_client import run
from tests.support.v5_server import V5Connection
from tests.support.wire import encode

TOPICS = {INVERSE: "trade.BTCUSD", LINEAR: "publicTrade.BTCUSDT"}
BRIEF = dataclasses.replace(YOUNG, timeout_s=0.4)


def let_every_other_connection_lag(lag_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delay the data, but no answer, of each endpoint's first, third, … connection."""
    send, counts = connection.Connection.send, Counter[Any]()
    waiting: dict[connection.Connection, deque[Any]] = {}

    def send_late(self: connection.Connection, raw: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        if self not in waiting:
            number = counts[self._service.endpoint]
            counts[self._service.endpoint] += 1
            waiting[self] = deque(maxlen=0 if number % 2 else None)
        if b'"topic"' not in raw or waiting[self].maxlen == 0:
            send(self, raw, kind)
            return
        waiting[self].append((raw, kind))
        asyncio.get_running_loop().call_later(lag_s, lambda: send(self, *waiting[self].popleft()))

    monkeypatch.setattr(connection.Connection, "send", send_late)


@DIALECTS
@pytest.mark.parametrize("lag_s", [0.02, 0.3])
def test_readers_miss_nothing_if_one_server_is_behind(
    names: dict[str, str], lag_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections take turns, so each role has the late server in some handover."""
    let_every_other_connection_lag(lag_s, monkeypatch)

    async def main() -> None:
        async with market(names) as at:
            trades = read(await at.client.trades(names["symbol"], 100_000))
            orders = read(await at.client.orders(100_000))
            await at.until(lambda: trades and orders)
            await at.goes_on(6)
            events = len(trades), len(orders)
            await at.until(lambda: len(trades) > events[0] and len(orders) > events[1])
            assert at.errors == []
            assert is_part([each.trade_id for each in trades], at.venue.truth.events[names["trades"]])
            told = [(each.order_id, each.order_status, float(each.cum_exec_qty or 0)) for each in orders]
            assert is_part(told, at.venue.truth.events[names["orders"]])

    run(main)


def after_pong(at: Handed, *frames: bytes) -> None:
    """Let the old connection send frames 50 ms after the pong that follows the new one's subscription."""

    def script(old: V5Connection, new: V5Connection) -> None:
        def before_answer(connection: V5Connection, request: dict[str, Any]) -> None:
            if connection is old and request["op"] == "ping":
                at.server.before_answer = lambda connection, request: None
                asyncio.get_running_loop().call_later(0.05, lambda: [old.send(frame) for frame in frames])

        at.server.before_answer = before_answer

    at.meanwhile(script)


def test_the_old_connection_is_read_until_it_has_been_silent_for_a_while() -> None:
    """The new connection brings nothing, so only time can tell that the old one has nothing more to bring."""

    async def main() -> None:
        async with handed() as at:
            await at.read(await at.client.trades("BTCUSDT"))
            after_pong(at, trade(2), trade(3))
            await at.over()
            await at.ends_with(4)
            assert at.seen == ["1", "2", "3", "4"]
            assert at.errors == []

    run(main)


def test_a_gap_is_reported_if_the_old_connection_never_brings_the_new_ones_events() -> None:
    async def main() -> None:
        async with handed(BRIEF) as at:
            await at.read(await at.client.trades("BTCUSDT"))
            at.meanwhile(lambda old, new: [new.send(trade(number)) for number in (3, 4)])
            await at.over()
            await at.ends_with(5)
            assert at.seen == ["1", "StreamGap", "3", "4", "5"]

    run(main)


def test_a_new_connection_that_brings_nothing_does_not_take_over_a_busy_topic() -> None:
    async def main() -> None:
        async with handed(BRIEF) as at:
            await at.read(await at.client.trades("BTCUSDT"))
            old, numbers = at.server.connections[0], count(2)
            while not at.errors:
                old.send(trade(next(numbers)))
                await asyncio.sleep(0.005)
            assert "the connections differ in publicTrade.BTCUSDT" in str(at.errors[0])
            await at.over()
            last = next(numbers)
            await at.ends_with(last)
            assert at.seen == [str(number) for number in range(1, last + 1)]

    run(main)


@pytest.mark.parametrize(
    ("brought", "expected"),
    [
        ((odd(2), trade(3), trade(4)), ["1", "MalformedEvent", "3", "4", "5"]),
        ((trade(3),), ["1", "3", "StreamGap", "4", "5"]),
    ],
    ids=["garbled", "lost"],
)
def test_events_come_once_if_the_old_connection_lacks_the_first_of_the_new_one(
    brought: tuple[bytes, ...], expected: list[str]
) -> None:
    async def main() -> None:
        async with handed(BRIEF) as at:
            await at.read(await at.client.trades("BTCUSDT"))

            def script(old: V5Connection, new: V5Connection) -> None:
                for raw in brought:
                    old.send(raw)
                for number in (2, 3, 4):
                    new.send(trade(number))

            at.meanwhile(script)
            await at.over()
            await at.ends_with(5)
            assert at.seen == expected

    run(main)


# two channels of one topic


def trades_of(dialect: Dialect, *numbers: int) -> bytes:
    """A frame of trades with those numbers as ids."""
    if dialect is LINEAR:
        data: list[Any] = [
            {"T": each, "s": "BTCUSDT", "S": "Buy", "v": "0.1", "p": "1.5", "i": f"id{each}", "BT": False, "seq": each}
            for each in numbers
        ]
        return encode({"topic": TOPICS[dialect], "type": "snapshot", "ts": 1, "data": data})
    data = [
        {
            "trade_time_ms": each,
            "timestamp": "2021-01-01T00:00:00.000Z",
            "symbol": "BTCUSD",
            "side": "Buy",
            "size": 1,
            "price": 1.5,
            "tick_direction": "PlusTick",
            "trade_id": f"id{each}",
            "cross_seq": each,
        }
        for each in numbers
    ]
    return encode({"topic": TOPICS[dialect], "data": data})


@pytest.mark.parametrize("dialect", [INVERSE, LINEAR], ids=["v2", "v5"])
@pytest.mark.parametrize(("old_behind", "new_behind"), [(0, 0), (0, 1), (0, 4), (1, 0), (4, 0), (4, 1), (1, 4)])
@pytest.mark.parametrize("begins", [3, 6, 9])
def test_each_event_comes_once_whichever_server_is_behind(
    dialect: Dialect, old_behind: int, new_behind: int, begins: int
) -> None:
    """The venue sends one trade per turn; the new connection is subscribed in turn ``begins``, as its server sees it."""
    seen: list[str] = []

    async def main() -> None:
        old, new = (Offline(TOPICS[dialect], dialect=dialect) for _ in range(2))
        old.events(TOPICS[dialect]).join(Ids(seen))
        twin = None
        for turn in range(1, 20):
            if turn == begins:
                twin = Twin(old.events(TOPICS[dialect]), new.events(TOPICS[dialect]), new.feed)
                twin.served()
            if turn > old_behind and not (twin and twin.has_joined):
                old.send(trades_of(dialect, turn - old_behind))
            if turn > new_behind and twin:
                new.send(trades_of(dialect, turn - new_behind))
            if twin:
                twin.join_if_ready()
        assert twin is not None
        assert twin.has_joined
        assert seen == [f"id{each}" for each in range(1, 20 - new_behind)]
        assert old.errors == new.errors == []

    run(main)


class Ids:
    """A reader of trades' ids, and of errors by their class."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def push(self, events: list[Any], report: object) -> None:
        self.seen += [event.trade_id for event in events]

    def break_off(self, error: errors.DepthwireError) -> None:
        self.seen.append(type(error).__name__)

    def finish(self) -> None:
        """Do nothing."""


class Twin(EventTwin):
    """Joins when it is ready."""

    def __init__(self, channel: Any, twin: Any, feed: Any) -> None:
        super().__init__(channel, twin)
        self.feed, self.has_joined = feed, False

    def join_if_ready(self) -> None:
        if self.is_ready and not self.has_joined:
            self.has_joined = True
            self.join(self.feed)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("abc", "zabc", (3, 4, 3)),  # the new one begins earlier
        ("abxde", "cde", (5, 3, 2)),  # one of them lacks or garbled an event
        ("abde", "bcdef", (4, 4, 2)),
        ("abcde", "axcd", (4, 4, 2)),
        ("abab", "aba", (3, 3, 3)),
        ("axb", "ayc", None),
    ],
)
def test_two_parts_of_a_stream_are_aligned_by_their_longest_common_run(
    old: str, new: str, expected: tuple[int, int, int] | None
) -> None:
    assert overlap(list(old), list(new)) == expected
