"""Two lines' events as one stream, without a socket: each once, and a gap only where both lines have one."""

import asyncio
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from depthwire.arbitration.events import MOST_AWAITED, EventArbiter, LineEvents
from depthwire.arbitration.states import LineTally
from depthwire.arbitration.topic import MergedEvents
from depthwire.bybit.accounts import Balances, OpenOrders
from depthwire.bybit.v2.messages import TradeMessage
from depthwire.bybit.v2.private import OrderMessage, WalletMessage
from depthwire.errors import DepthwireError, MalformedFrame, StreamGap
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.streams import EventStream
from depthwire.settings import Settings


class Told(NamedTuple):
    """An event without an id."""

    number: int


class Trade(NamedTuple):
    """An event with one; ``copy`` is not what tells it apart."""

    trade_id: str
    copy: int = 0


class Source:
    """A line's clock, and whether each of its pings has been answered."""

    def __init__(self) -> None:
        self.last_recv_ns = 1
        self.connection = SimpleNamespace(closed=False)
        self.pongs: list[bool] = []

    def probe(self) -> Callable[[], bool]:
        number = len(self.pongs)
        self.pongs.append(False)
        return lambda: self.pongs[number]

    def pong(self) -> None:
        """The oldest that is not."""
        self.pongs[self.pongs.index(False)] = True


class Pair:
    """Two lines that serve a topic, and a reader."""

    def __init__(self, *, is_account: bool = False) -> None:
        view = OpenOrders() if is_account else None
        self.channel = EventChannel("topic", OrderMessage if is_account else TradeMessage, view)
        if view is not None:
            view.push = lambda events, report: None  # type: ignore[method-assign]
        self.stream: EventStream[Any] = EventStream("topic", 1_000_000, on_close=self.channel.leave)
        self.channel.join(self.stream)
        self.arbiter = EventArbiter(self.channel)
        self.tallies = LineTally(), LineTally()
        self.sources = Source(), Source()
        self.arbiter.lines = [LineEvents(self.arbiter, line, tally) for line, tally in enumerate(self.tallies)]
        for number, line in enumerate(self.arbiter.lines):
            line.begin(self.sources[number], lambda: None)
            line.asked()
            line.back(1)
        self.sources[0].pong()

    def bring(self, line: int, *events: Any) -> None:
        self.arbiter.lines[line].push(list(events), None)

    def told(self, line: int, *numbers: int) -> None:
        for number in numbers:
            self.bring(line, Told(number))

    def fail(self, line: int) -> None:
        self.arbiter.lines[line].break_off(MalformedFrame("cut", "topic"))

    def damage(self, line: int) -> None:
        self.arbiter.lines[line].damaged(StreamGap("topic", "a damaged frame", 1, 2))

    def lose(self, line: int, at_ns: int) -> None:
        self.arbiter.lines[line].lost("connection lost", at_ns)

    def back(self, line: int, at_ns: int) -> None:
        self.arbiter.lines[line].asked()
        self.arbiter.lines[line].back(at_ns)

    @property
    def seen(self) -> list[Any]:
        return seen_by(self.stream)


def seen_by(stream: EventStream[Any]) -> list[Any]:
    """What a reader got since the last look: events, and errors in their places."""

    async def read() -> list[Any]:
        found: list[Any] = []
        while stream.waiting:
            try:
                found.append(await anext(stream))
            except DepthwireError as error:
                found.append(error)
        return found

    return [item.number if isinstance(item, Told) else item for item in asyncio.run(read())]


def span(gap: Any) -> tuple[int, int]:
    """Since and until when events may be missing, as a gap tells."""
    assert isinstance(gap, StreamGap)
    return gap.since_ns, gap.until_ns


def test_the_first_copy_counts() -> None:
    pair = Pair()
    pair.told(0, 1, 2)
    pair.told(1, 1, 2, 3, 4)
    pair.told(0, 3, 4)
    assert pair.seen == [1, 2, 3, 4]
    assert [(tally.wins, tally.losses, sum(tally.lags)) for tally in pair.tallies] == [(2, 0, 2), (2, 0, 2)]


def test_what_one_line_lost_the_other_brings() -> None:
    pair = Pair()
    pair.told(0, 1, 3)
    pair.told(1, 1, 2, 3)
    assert pair.seen == [1, 3, 2]
    pair.told(0, 4, 5)
    pair.told(1, 5)
    assert pair.seen == [4, 5]
    assert [tally.losses for tally in pair.tallies] == [1, 1]


def test_equal_events_that_are_not_the_same_each_count() -> None:
    pair = Pair()
    pair.told(0, 1, 1, 2, 1)
    pair.told(1, 1, 1, 2, 1)
    assert pair.seen == [1, 1, 2, 1]


def test_an_id_tells_events_apart_and_nothing_else() -> None:
    pair = Pair()
    pair.bring(0, Trade("a"), Trade("b"))
    pair.bring(1, Trade("a", copy=1), Trade("b", copy=1), Trade("b", copy=2))
    pair.lose(1, 5)
    pair.back(1, 6)
    pair.bring(1, Trade("b", copy=3))  # what the linear dialect repeats after a subscription
    assert pair.seen == [Trade("a"), Trade("b")]


def test_an_accounts_frame_told_twice_on_one_line_is_one() -> None:
    pair = Pair(is_account=True)
    pair.told(0, 1, 1, 2, 1)
    pair.told(1, 1, 2, 2, 1)
    assert pair.seen == [1, 2, 1]


def test_a_late_frame_of_a_line_is_no_second_event() -> None:
    pair = Pair()
    pair.told(0, 2, 1, 3)
    pair.told(1, 1, 2, 3)
    assert pair.seen == [2, 1, 3]
    pair.told(1, 5, 4)
    pair.told(0, 4, 5)
    assert pair.seen == [5, 4]
    assert [tally.losses for tally in pair.tallies] == [0, 0]


@pytest.mark.parametrize("leads", [0, 1])
def test_an_unreadable_frame_is_filled_by_the_other_line(leads: int) -> None:
    pair = Pair()

    def first() -> None:
        pair.told(0, 1)
        pair.fail(0)  # it was 2
        pair.told(0, 3)

    def second() -> None:
        pair.told(1, 1, 2, 3)

    for bring in (second, first) if leads else (first, second):
        bring()
    assert sorted(pair.seen) == [1, 2, 3]


@pytest.mark.parametrize("leads", [0, 1])
def test_an_unreadable_frame_that_the_other_line_lost_is_told(leads: int) -> None:
    pair = Pair()

    def first() -> None:
        pair.told(0, 1)
        pair.fail(0)
        pair.told(0, 3)

    def second() -> None:
        pair.told(1, 1, 3)

    for bring in (second, first) if leads else (first, second):
        bring()
    one, *others = pair.seen
    assert one == 1
    assert sorted(type(item) for item in others if not isinstance(item, int)) == [MalformedFrame]


def test_a_frame_that_neither_line_could_read_is_told_before_the_next_one() -> None:
    pair = Pair()
    for line in (0, 1):
        pair.told(line, 1)
    pair.fail(0)
    assert pair.seen == [1]
    pair.fail(1)
    (error,) = pair.seen
    assert isinstance(error, MalformedFrame)
    for line in (0, 1):
        pair.told(line, 3)
    assert pair.seen == [3]


def test_a_frame_that_one_line_could_not_read_and_that_came_damaged_on_the_other_is_told_at_once() -> None:
    for first in (0, 1):
        pair = Pair()
        pair.sources[1 - first].pongs.clear()
        pair.fail(first)
        assert pair.seen == []
        pair.damage(1 - first)
        (error,) = pair.seen
        assert span(error) == (1, 2)
        pair.damage(first)
        assert pair.seen == []
        pair.fail(1 - first)
        (error,) = pair.seen
        assert isinstance(error, MalformedFrame)


def test_an_unreadable_frame_is_told_at_once_where_no_other_line_serves_the_topic() -> None:
    pair = Pair()
    pair.lose(1, 5)
    pair.fail(0)
    (error,) = pair.seen
    assert isinstance(error, MalformedFrame)


def test_an_unreadable_frame_is_told_where_the_other_line_ends_before_it_could_fill_it() -> None:
    pair = Pair()
    pair.fail(0)
    pair.lose(1, 5)
    (error,) = pair.seen
    assert isinstance(error, MalformedFrame)


def test_a_line_that_comes_and_goes_is_no_gap_while_the_other_one_stays() -> None:
    pair = Pair()
    pair.told(0, 1)
    pair.lose(1, 5)
    pair.told(0, 2, 3)
    pair.back(1, 8)
    pair.told(1, 4)
    pair.told(0, 4)
    pair.sources[0].pong()
    pair.lose(0, 9)
    pair.told(1, 5)
    assert pair.seen == [1, 2, 3, 4, 5]


def test_what_a_line_missed_while_it_was_away_is_no_copy_when_it_is_back() -> None:
    pair = Pair()
    pair.lose(1, 5)
    pair.told(0, 1, 2)
    pair.back(1, 8)
    pair.told(1, 1)
    pair.told(0, 1)
    assert pair.seen == [1, 2, 1]


def test_what_comes_between_the_request_and_its_answer_is_a_copy() -> None:
    pair = Pair()
    pair.lose(1, 5)
    pair.arbiter.lines[1].asked()
    pair.told(0, 1, 2, 3)
    pair.told(1, 2)  # data before the answer; 1 was sent before the venue had read the request
    pair.arbiter.lines[1].back(7)
    pair.told(1, 3)
    assert pair.seen == [1, 2, 3]


def test_both_lines_lost_are_one_gap_from_the_last_frame_to_the_first_line_back() -> None:
    pair = Pair()
    pair.told(0, 1)
    pair.lose(0, 5)
    pair.lose(1, 7)
    pair.back(0, 20)
    pair.back(1, 30)
    one, gap = pair.seen
    assert one == 1
    assert span(gap) == (7, 20)
    assert gap.reason == "line 1: connection lost; line 2: connection lost"


def test_a_line_that_was_silent_before_the_other_one_came_back_has_left_a_gap() -> None:
    pair = Pair()
    pair.lose(0, 5)  # line 2 has been silent since 3, which is not detected yet
    pair.back(0, 20)
    pair.told(0, 9)
    pair.lose(1, 3)
    nine, gap = pair.seen
    assert nine == 9
    assert span(gap) == (5, 20)


def test_a_line_that_was_late_when_the_other_one_came_back_has_left_a_gap_if_it_ends_too_soon() -> None:
    """Its latest events were sent long ago, and those sent during the other line's absence have not arrived yet."""
    pair = Pair()
    pair.lose(0, 5)
    pair.told(1, 1)
    pair.back(0, 20)
    pair.told(0, 9)
    pair.told(1, 2)
    pair.lose(1, 30)
    *numbers, gap = pair.seen
    assert numbers == [1, 9, 2]
    assert span(gap) == (5, 20)


def test_a_late_line_owes_what_was_told_since_the_other_one_was_away_first() -> None:
    pair = Pair()
    pair.lose(0, 5)
    pair.back(0, 20)
    pair.lose(0, 25)
    pair.back(0, 40)
    pair.sources[1].pong()  # to the first question, not to the second
    pair.lose(0, 50)
    pair.lose(1, 60)
    pair.back(1, 70)
    (gap,) = pair.seen
    assert span(gap) == (5, 70)


class Ending(NamedTuple):
    """How a topic ends on its first line, while the second, which was away, serves it again."""

    has_caught_up: bool
    is_closed: bool
    gaps: list[tuple[int, int]]


@pytest.mark.parametrize(
    "ending",
    [
        Ending(has_caught_up=True, is_closed=False, gaps=[]),
        Ending(has_caught_up=False, is_closed=False, gaps=[(5, 20)]),
        Ending(has_caught_up=False, is_closed=True, gaps=[]),  # and the client is closed, so no reader is left
    ],
)
def test_a_topic_that_ends_on_one_line_goes_on_and_lacks_only_what_that_line_owed(ending: Ending) -> None:
    shown, *lines = (EventChannel("topic", TradeMessage, None) for _ in range(3))
    stream: EventStream[Any] = EventStream("topic", 10, on_close=shown.leave)
    shown.join(stream)
    ended: list[str] = []
    merged = MergedEvents(shown, (LineTally(), LineTally()), Settings(), ended.append)
    sources = Source(), Source()
    for number, (channel, source) in enumerate(zip(lines, sources, strict=True)):
        merged.feed(number, channel, source)  # type: ignore[arg-type]  # all that is asked of a session
        channel.connection_back(1)
    sources[0].pong()
    lines[1].connection_lost("cut", 5)
    lines[1].connection_back(20)
    if ending.has_caught_up:
        sources[0].pong()
    sources[0].connection.closed = ending.is_closed
    lines[0].finish("unsubscribed")
    assert ended == []
    lines[1].hand([Told(1)])
    lines[1].finish("unsubscribed")
    assert ended == ["topic"]
    *gaps, one = seen_by(stream)
    assert ([span(gap) for gap in gaps], one) == (ending.gaps, 1)


def test_the_account_is_kept_once_for_both_lines() -> None:
    shown, *lines = (EventChannel("wallet", WalletMessage, Balances()) for _ in range(3))
    merged = MergedEvents(shown, (LineTally(), LineTally()), Settings(), lambda topic: None)
    for number, channel in enumerate(lines):
        merged.feed(number, channel, Source())  # type: ignore[arg-type]  # all that is asked of a session
        channel.connection_back(1)
    for channel in lines:
        channel.hand([SimpleNamespace(coin="BTC"), SimpleNamespace(coin="ETH")])
    assert [set(channel.view) for channel in (shown, *lines)] == [{"BTC", "ETH"}, set(), set()]


def test_what_a_line_is_awaited_to_bring_is_bounded() -> None:
    pair = Pair()
    pair.told(0, *range(MOST_AWAITED + 10))
    assert len(pair.arbiter.lines[1].awaited) == MOST_AWAITED
    pair.told(1, MOST_AWAITED)
    assert pair.seen == [*range(MOST_AWAITED + 10)]


@pytest.mark.parametrize("kind", [Told, Trade])
def test_in_any_order_of_arrival_each_event_counts_once(kind: Any) -> None:
    """Each line loses some; nothing that one line brought is lost, nothing counts twice."""
    for seed in range(30):
        chance, pair = random.Random(seed), Pair()
        true = [kind(number) for number in range(300)]
        lines = [[event for event in true if chance.random() > 0.05] for _ in range(2)]
        brought = [event for event in true if event in lines[0] or event in lines[1]]
        while any(lines):
            line = chance.choice([number for number in range(2) if lines[number]])
            pair.bring(line, *[lines[line].pop(0) for _ in range(min(len(lines[line]), chance.randrange(1, 4)))])
        seen = pair.seen
        assert sorted(map(str, seen)) == sorted(str(event[0] if kind is Told else event) for event in brought)
