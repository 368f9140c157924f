"""Frames that arrived and cannot be attributed: whatever they may have concerned is STALE, or has an error in its place.

The table of damage is held against each dialect, on one line and on one of two.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from picows import WSMsgType

import depthwire
from depthwire import errors
from depthwire.arbitration.events import LATEST_NS
from depthwire.arbitration.states import LineTally
from depthwire.arbitration.topic import MergedEvents, MergedState, MergedTopic
from depthwire.book.types import BookState
from depthwire.bybit.accounts import View
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.errors import DamagedFrame, StreamGap
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel
from depthwire.feed.damage import DAMAGE_WINDOW_S, MOST_DAMAGED, DamageCount, Suspects, is_answer, suspects
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.feed.streams import EventStream, TopicEvent
from depthwire.session.session import Session
from depthwire.settings import Settings
from tests.support.clock import Clock
from tests.support.offline import Offline
from tests.support.plain_client import run, until
from tests.support.sim_client import BTC, QUICK, collected, scripted, simulated
from tests.support.two_lines import two_lines
from tests.support.v5_server import V5Server, book, private, ticker, v5_server
from tests.support.watched_venue import KEY, SECRET
from tests.support.wire import BIDS, delta, encode, snapshot

# which topics a frame may be of

TOPICS = ("orderBookL2_25.BTCUSD", "orderBookL2_25.ETHUSD", "trade.BTCUSD", "order", "orderbook.50.BTCUSDT")
ALL = TOPICS


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", ALL),
        (b"\x00\x01", ALL),
        (b"hello", ALL),
        (b"[1,2]", ALL),
        (b"{", ALL),
        (b'{"', ALL),
        (b'{"t', ALL),
        (b'{"topic', ALL),
        (b'{"topic":', ALL),
        (b'{"topic":7}', ALL),
        (b'{"topic":"', ALL),
        (b'{"to"ic":"trade.BTCUSD"}', ALL),
        (b'{"x":{"topic":"trade.BTCUSD"}}', ALL),
        (b'{"id":"1","topic":"order', ("orderBookL2_25.BTCUSD", "orderBookL2_25.ETHUSD", "order", "orderbook.50.BTCUSDT")),
        (b'{"topic":"orderBookL2_25.', ("orderBookL2_25.BTCUSD", "orderBookL2_25.ETHUSD")),
        (b' { "topic" : "orderBookL2_25.E', ("orderBookL2_25.ETHUSD",)),
        (b'{"topic":"orderBookL2_25.BTCUSD"', ("orderBookL2_25.BTCUSD",)),
        (b'{"topik":"trade.BTCUSD","data":[]}', ("trade.BTCUSD",)),
        (b'{"a":[1,{"b":"]"}],"c":-1e5,"d":null,"topic":"trade.BTCUSD",', ("trade.BTCUSD",)),
        (b'{"id":"a\\"b","topic":"order","data"', ("order",)),
        (b'{"topic":"orderBookL2_25.BTC\xffSD","type"', ("orderBookL2_25.BTCUSD",)),
        (b'{"topic":"orderBookL2_25.BTC"SD","type"', ("orderBookL2_25.BTCUSD",)),
        (b'{"topic":"orderBookL2_25.BTCUSD#,"type":"delta"', ("orderBookL2_25.BTCUSD",)),
        (b'{"topic":"orderBookL2_25.BTCSD","type":"delta"', ("orderBookL2_25.BTCUSD",)),
        (b'{"topic":"orderBookL2_25.BTTCUSD","type":"delta"', ("orderBookL2_25.BTCUSD", "orderBookL2_25.ETHUSD")),
        (b'{"topic":"orderBookL2_25.BTCUtype":"delta","data"', ("orderBookL2_25.BTCUSD",)),
        (b'{"topic":"order":"delta","data"', ("orderBookL2_25.BTCUSD", "orderBookL2_25.ETHUSD", "order", "orderbook.50.BTCUSDT")),
        (b'{"topic":"order","data":[]}{"topic":"trade.BTCUSD","data":[]}', ("trade.BTCUSD", "order")),
        (b'{"topic":"order","data":[]}SD","type":"delta"}', ALL),
        (b'{"topic":"order","da{"topic":"trade.BTCUSD","data":[]}', ("trade.BTCUSD", "order")),
        (b'{"topic":"zzz","data":[]}{"topic":"trade.BTCUSD","data":[]}', ALL),
        (b'{"success":true,"ret{"topic":"trade.BTCUSD","data":[]}', ALL),
        (b'{"success":true,"ret_msg":"","data":{"topic":"trade.BTCUSD","data":[]}}', ALL),
        (b'{"op":"x","topic":"trade.BTC', ("trade.BTCUSD",)),
        (b'{"topic":"trade.BTCUSD","data":[]}' * 20, ALL),
        (b'binary: {"topic":"trade.BTCUSD","data":[]}', ("trade.BTCUSD",)),
        (b'{"topic":"\xff\xfe\xfd\xfc","type":"delta"', ALL),
        (b'{"topic":"liquidation.XRPUSD","data":{"pri', ALL),
        (b'{"topic":"liquid', ALL),
        (b'{"success":true,"ret_m', ()),
        (b'{"success":tr', ()),
        (b'{"su', ()),
        (b'{"re', ()),
        (b'{"op":"pong","args":["16', ()),
        (b'{"sucxess":true,"ret_msg":"","request":{}}', ()),
        (b'{"ret_msg":"x"}', ()),
    ],
)  # fmt: skip
def test_what_the_readable_part_excludes_is_spared(raw: bytes, expected: tuple[str, ...]) -> None:
    assert suspects(raw, TOPICS).topics == expected


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b'{"topic":"trade.BTCUSD",', "trade.BTCUSD"),
        (b'{"topic":"trade.EOSUSD",', ""),
        (b'{"topic":"trade.EOSUSD', ""),
        (b'{"topic":"trade.BTCUSE",', ""),
    ],
)
def test_a_topic_that_is_written_in_full_is_named(raw: bytes, name: str) -> None:
    assert suspects(raw, TOPICS).name == name


def test_no_cut_and_no_damaged_byte_spares_the_topic_that_it_hit() -> None:
    """One byte damaged, or all bytes from one on lost, anywhere in the frame's head."""
    good = encode(delta(update=[("Buy", BIDS[0][0], 5)]))
    topic = "orderBookL2_25.BTCUSD"
    for at in range(60):
        assert at > 32 or topic in suspects(good[:at], TOPICS).topics
        for byte in range(256):
            raw = good[:at] + bytes((byte,)) + good[at + 1 :]
            found = suspects(raw, TOPICS)
            assert topic in found.topics, raw[:60]


@pytest.mark.parametrize("raw", [b"{" * 5000, b'{"a":"' + b"\\" * 5000, b'{"a":' + b"[" * 100_000, b'{"a":1' * 10_000])
def test_hostile_frames_exclude_nothing(raw: bytes) -> None:
    assert suspects(raw, TOPICS) == Suspects(TOPICS)
    assert not is_answer(raw)


def test_damaged_frames_are_counted_within_a_window() -> None:
    clock = Clock()
    count = DamageCount(clock_s=clock)
    assert [count.add() for _ in range(MOST_DAMAGED + 1)] == [False, False, True, True]
    clock.now_s += DAMAGE_WINDOW_S
    assert [count.add(), count.add(), count.add()] == [False, False, True]
    count.clear()
    assert [count.add(), count.add()] == [False, False]


# what it does to a topic's readers, in each dialect


class Speech(NamedTuple):
    """Topics of a dialect, each with a frame that makes it LIVE or brings an event, and a frame to be damaged."""

    dialect: Any
    frames: dict[str, bytes]

    @property
    def topics(self) -> list[str]:
        return list(self.frames)

    def of(self, topic: str) -> bytes:
        return self.frames[topic]


def trade(topic: str, **fields: Any) -> bytes:
    symbol = topic.rpartition(".")[2]
    item = {"symbol": symbol, "side": "Buy", "price": "5.5", "size": 1, "trade_id": "a", "tick_direction": "PlusTick"}
    return encode({"topic": topic, "data": [{**item, **fields}]})


def speech_of(name: str) -> Speech:
    if name.startswith("v2"):
        linear = name == "v2 linear"
        btc, eth = ("BTCUSDT", "ETHUSDT") if linear else ("BTCUSD", "ETHUSD")
        frames = {f"orderBookL2_25.{symbol}": encode(snapshot(symbol, linear=linear)) for symbol in (btc, eth)}
        frames |= {f"trade.{symbol}": trade(f"trade.{symbol}") for symbol in (btc, eth)}
        return Speech(v2.LINEAR if linear else v2.INVERSE, frames)
    if name == "v5 public":
        frames = {f"orderbook.50.{symbol}": encode(book(symbol)) for symbol in ("BTCUSDT", "ETHUSDT")}
        frames["tickers.BTCUSDT"] = encode(ticker("BTCUSDT", lastPrice="1"))
        one = {"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "100", "i": "x", "BT": False}
        frames["publicTrade.BTCUSDT"] = encode(
            {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": [one]}
        )
        return Speech(v5.LINEAR, frames)
    return Speech(v5.PRIVATE_ONLY, {topic: encode(private(topic)) for topic in ("order", "execution", "position", "wallet")})  # fmt: skip


SPEECHES = pytest.mark.parametrize("name", ["v2 inverse", "v2 linear", "v5 public", "v5 private"])
Damage = Callable[[bytes, str], bytes]


def at_topic(raw: bytes, topic: str) -> int:
    return raw.index(b'"topic":"') + len(b'"topic":"') + len(topic)


EVERY = "every"
SAME = "same beginning"
ONE = "one"
NONE = "none"
KINDS: dict[str, tuple[Damage, str]] = {
    "empty": (lambda raw, topic: b"", EVERY),
    "not JSON": (lambda raw, topic: b"\x1f\x8b\x08" + raw[::-1], EVERY),
    "not an object": (lambda raw, topic: b"[" + raw + b"]", EVERY),
    "no object's begin": (lambda raw, topic: raw[1:], EVERY),
    "an object without a topic": (lambda raw, topic: b'{"data":[]}', EVERY),
    "a topic of another type": (lambda raw, topic: b'{"topic":null}', EVERY),
    "cut in its key": (lambda raw, topic: raw[: raw.index(b'"topic"') + 4], EVERY),
    "cut before its topic": (lambda raw, topic: raw[: at_topic(raw, "")], EVERY),
    "cut in its topic": (lambda raw, topic: raw[: at_topic(raw, topic[:-3])], SAME),
    "a damaged key": (lambda raw, topic: raw.replace(b'"topic"', b'"topik"'), ONE),
    "a damaged topic": (lambda raw, topic: raw.replace(topic.encode(), topic[:-2].encode() + b"\xff" + topic[-1:].encode()), ONE),
    "another topic": (lambda raw, topic: raw.replace(topic.encode(), topic[:-1].encode() + b"#"), ONE),
    "a damaged quote": (lambda raw, topic: raw.replace(topic.encode() + b'"', topic.encode() + b"#"), ONE),
}  # fmt: skip
KIND = pytest.mark.parametrize("kind", KINDS)


def concerned(topics: Iterable[str], topic: str, reach: str) -> list[str]:
    return [
        each for each in topics if reach == EVERY or each == topic or (reach == SAME and each.startswith(topic[:-3]))
    ]


def offline_of(speech: Speech) -> tuple[Offline, dict[str, EventStream[Any]]]:
    """A feed with all topics LIVE, and a stream of each topic of events."""
    offline = Offline(*speech.topics, dialect=speech.dialect)
    streams = {topic: offline.stream(topic) for topic in speech.topics if is_events(offline, topic)}
    for number, raw in enumerate(speech.frames.values()):
        offline.send(raw, 100 + number)
    assert offline.errors == []
    for stream in streams.values():
        stream._queue.clear()
    return offline, streams


def is_events(offline: Offline, topic: str) -> bool:
    return isinstance(offline.feed.channels.get(topic), EventChannel)


def states_of(offline: Offline) -> dict[str, BookState]:
    return {
        channel.topic: channel.state.state
        for channel in offline.feed.channels
        if isinstance(channel, BookChannel | StateChannel)
    }


@SPEECHES
@KIND
def test_damage_costs_all_that_it_may_have_concerned_and_no_more(kind: str, name: str) -> None:
    speech = speech_of(name)
    damage, reach = KINDS[kind]
    for topic in speech.topics:
        offline, streams = offline_of(speech)
        offline.send(damage(speech.of(topic), topic), 777)
        expected = concerned(speech.topics, topic, reach)
        error = offline.errors[0]
        assert len(offline.errors) == 1
        if isinstance(error, DamagedFrame):
            assert sorted(error.topics) == sorted(expected)
        else:
            assert (kind, error.topic) == ("a damaged key", topic)  # type: ignore[attr-defined]
        for each, state in states_of(offline).items():
            assert state is (BookState.STALE if each in expected else BookState.LIVE), each
        for number, each in enumerate(speech.topics):
            if each in streams:
                check_stream(offline, each, streams[each], number, each in expected, error)


def check_stream(
    offline: Offline, topic: str, stream: EventStream[Any], number: int, is_concerned: bool, error: Exception
) -> None:
    view = offline.events(topic).view
    if not is_concerned:
        assert list(stream._queue) == []
        assert view is None or view.gap is None
        return
    (met,) = stream._queue
    if isinstance(error, DamagedFrame):
        assert isinstance(met, StreamGap)
        assert (met.topic, met.since_ns, met.until_ns) == (topic, 100 + number, 777)
        assert "damaged" in met.reason
    else:
        assert met is error
    if isinstance(view, View):
        assert view.gap is met


@SPEECHES
@pytest.mark.parametrize("behind", range(9))
def test_a_frame_cut_right_after_its_topic_costs_that_topic_alone(behind: int, name: str) -> None:
    """The fast route wants eight bytes after the topic."""
    speech = speech_of(name)
    for topic in speech.topics:
        offline, streams = offline_of(speech)
        raw = speech.of(topic)
        offline.send(raw[: at_topic(raw, topic) + 1 + behind])
        (error,) = offline.errors
        assert isinstance(error, errors.MalformedFrame)
        assert not isinstance(error, DamagedFrame)
        assert error.topic == topic
        assert [each for each, state in states_of(offline).items() if state is not BookState.LIVE] == (
            [] if topic in streams else [topic]
        )
        assert {each: list(stream._queue) for each, stream in streams.items() if stream._queue} == (
            {topic: [error]} if topic in streams else {}
        )


@SPEECHES
@pytest.mark.parametrize("raw", [b'{"success":true,"ret_', b'{"success":tr', b'{"op":"pong","ar', b'{"req_id":"7","su'])
def test_an_answer_that_is_cut_concerns_no_topic(raw: bytes, name: str) -> None:
    offline, streams = offline_of(speech_of(name))
    offline.send(raw)
    (error,) = offline.errors
    assert isinstance(error, DamagedFrame)
    assert error.topics == ()
    assert set(states_of(offline).values()) <= {BookState.LIVE}
    assert all(not stream._queue for stream in streams.values())


@SPEECHES
def test_a_topic_that_was_served_before_is_late_and_not_damaged(name: str) -> None:
    speech = speech_of(name)
    for topic in speech.topics:
        offline, _ = offline_of(speech)
        offline.feed.end(topic)
        offline.send(speech.of(topic))
        offline.send(speech.of(topic)[: at_topic(speech.of(topic), topic) + 3])
        late, cut = offline.errors
        assert isinstance(late, errors.UnexpectedTopic)
        assert isinstance(cut, DamagedFrame)
        assert cut.topics == ()
        assert set(states_of(offline).values()) <= {BookState.LIVE}


def test_a_damaged_topic_that_reads_like_an_ended_one_is_damage() -> None:
    """The symbol in its data is not that of the ended topic."""
    served = ("orderBookL2_25.BTCUSD", "trade.BTCUSD")
    offline = Offline(*served, "orderBookL2_25.BTCUSE", "trade.BTCUSE")
    stream = offline.stream("trade.BTCUSD")
    for symbol in ("BTCUSD", "BTCUSE"):
        offline.send(snapshot(symbol))
    offline.feed.end("orderBookL2_25.BTCUSE")
    offline.feed.end("trade.BTCUSE")
    offline.send(encode(delta("BTCUSD", update=[("Buy", BIDS[0][0], 5)])).replace(b"L2_25.BTCUSD", b"L2_25.BTCUSE"))
    offline.send({"topic": "trade.BTCUSE", "data": [{"symbol": "BTCUSD", "side": "Buy"}]})
    assert [type(error) for error in offline.errors] == [DamagedFrame] * 2
    assert offline.book("orderBookL2_25.BTCUSD").state is BookState.STALE
    assert [type(item) for item in stream._queue] == [StreamGap] * len(stream._queue) != []
    offline.send(encode(delta("BTCUSE", update=[("Buy", BIDS[0][0], 5)])))
    assert isinstance(offline.errors[-1], errors.UnexpectedTopic), "sent before its topic ended"


def test_a_level_of_another_symbol_on_a_topic_like_it_is_that_topics_loss() -> None:
    """A byte of the topic was damaged into another one that is served."""
    offline = Offline("orderBookL2_25.BTCUSD", "orderBookL2_25.BTCUSE", "orderBookL2_25.ETHUSD")
    for symbol in ("BTCUSD", "BTCUSE", "ETHUSD"):
        offline.send(snapshot(symbol))
    raw = encode(delta("BTCUSD", update=[("Buy", BIDS[0][0], 5)])).replace(b"L2_25.BTCUSD", b"L2_25.BTCUSE")
    offline.send(raw)
    (error,) = offline.errors
    assert isinstance(error, DamagedFrame)
    assert error.topics == ("orderBookL2_25.BTCUSE", "orderBookL2_25.BTCUSD")
    assert list(states_of(offline).values()) == [BookState.STALE, BookState.STALE, BookState.LIVE]


def test_damage_while_the_connection_is_lost_is_one_gap() -> None:
    offline, streams = offline_of(speech_of("v5 private"))
    channel = offline.events("order")
    channel.connection_lost("connection lost", 5)
    offline.send(b"{")
    channel.connection_back(9)
    (gap,) = streams["order"]._queue
    assert isinstance(gap, StreamGap)
    assert gap.reason == "connection lost"


# two lines


class Pair:
    """Two lines of feeds without sockets, and what readers see of them."""

    def __init__(self, speech: Speech) -> None:
        self.speech = speech
        self.lines = [Offline(*speech.topics, dialect=speech.dialect) for _ in range(2)]
        self.pongs: list[bool] = []
        self.merged: dict[str, MergedTopic] = {}
        self.streams: dict[str, EventStream[Any]] = {}
        tallies = LineTally(), LineTally()
        for topic in speech.topics:
            shown: Channel = speech.dialect.channel(topic)
            merge = MergedEvents if isinstance(shown, EventChannel) else MergedState
            self.merged[topic] = merge(shown, tallies, Settings(), lambda topic: None)  # type: ignore[arg-type]
            if isinstance(shown, EventChannel):
                self.streams[topic] = EventStream(topic, 1000, on_close=shown.leave)
                shown.join(self.streams[topic])
            for number, line in enumerate(self.lines):
                channel = line.feed.channels.get(topic)
                assert channel is not None
                self.merged[topic].feed(number, channel, self)  # type: ignore[arg-type]
                channel.asked()
                channel.connection_back(1)
        for topic in speech.topics:
            for line in self.lines:
                line.send(speech.of(topic), 100)
        self.pongs = [True] * len(self.pongs)
        self.clear()

    last_recv_ns = 100

    def probe(self) -> Callable[[], bool]:
        number = len(self.pongs)
        self.pongs.append(False)
        return lambda: self.pongs[number]

    def on_frame_error(self, error: errors.FrameError) -> None:
        raise error

    def clear(self) -> None:
        for stream in self.streams.values():
            stream._queue.clear()

    def shown(self) -> set[BookState]:
        return {each.channel.state.state for each in self.merged.values() if isinstance(each, MergedState)}  # type: ignore[attr-defined]

    def met(self) -> list[Any]:
        return [item for stream in self.streams.values() for item in stream._queue if isinstance(item, Exception)]


@SPEECHES
@KIND
def test_readers_of_two_lines_do_not_notice_damage_on_one(kind: str, name: str) -> None:
    speech = speech_of(name)
    damage, reach = KINDS[kind]
    for topic in speech.topics:
        pair = Pair(speech)
        for round_, number in enumerate((0, 1, 0)):
            pair.last_recv_ns = 200 + round_ * LATEST_NS
            pair.lines[number].send(damage(speech.of(topic), topic), pair.last_recv_ns)
            pair.pongs = [True] * len(pair.pongs)
            assert pair.shown() <= {BookState.LIVE}
            assert [item for item in pair.met() if isinstance(item, StreamGap)] == []
            stale = [each for each, state in states_of(pair.lines[number]).items() if state is BookState.STALE]
            assert stale == [
                each for each in concerned(speech.topics, topic, reach) if each in states_of(pair.lines[number])
            ]
            for each in stale:
                pair.lines[number].feed.channels.get(each).asked()  # type: ignore[union-attr]
                pair.lines[number].send(speech.of(each), pair.last_recv_ns)  # its resync's snapshot


@SPEECHES
def test_damage_on_both_lines_at_once_is_a_gap_and_stale(name: str) -> None:
    pair = Pair(speech_of(name))
    for line in pair.lines:
        line.send(b"{", 200)
    assert pair.shown() <= {BookState.STALE}
    assert {type(item) for item in pair.met()} <= {StreamGap}
    assert len(pair.met()) == len(pair.streams)


@SPEECHES
@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize("after_ns", [1, LATEST_NS - 1])
def test_damage_on_the_other_line_before_it_made_up_is_a_gap(name: str, is_answered: bool, after_ns: int) -> None:
    """Its server may have answered a ping before the venue told it the event that the first line lost."""
    speech = speech_of(name)
    for cut in (False, True):
        pair = Pair(speech)
        pair.lines[0].send(b"", 200)
        assert pair.met() == []
        if is_answered:
            pair.pongs = [True] * len(pair.pongs)
        pair.last_recv_ns = 200 + after_ns
        for topic in pair.streams:
            pair.lines[1].send(speech.of(topic)[:-3] if cut else b"", 200 + after_ns)
        for topic, stream in pair.streams.items():
            errors_met = [item for item in stream._queue if isinstance(item, Exception)]
            assert errors_met, topic


def test_a_line_that_is_lost_before_it_made_up_for_the_other_leaves_a_gap() -> None:
    pair = Pair(speech_of("v5 private"))
    pair.lines[0].send(b"{", 200)
    assert pair.met() == []
    pair.lines[1].events("order").connection_lost("connection lost", 250)
    (gap,) = pair.streams["order"]._queue
    assert isinstance(gap, StreamGap)
    assert (gap.since_ns, gap.until_ns) == (100, 200)
    assert not pair.streams["wallet"]._queue


def test_a_line_alone_leaves_a_gap_at_once() -> None:
    pair = Pair(speech_of("v5 private"))
    for topic in pair.speech.topics:
        pair.lines[1].events(topic).connection_lost("connection lost", 150)
    pair.lines[0].send(b"{", 200)
    assert len(pair.met()) == len(pair.streams)


@pytest.mark.parametrize("dialect", ["v2", "v5"])
def test_a_line_that_is_damaged_a_thousand_times_is_not_noticed(dialect: str) -> None:
    async def main() -> None:
        async with two_lines(dialect) as lines:
            clock = Clock()
            for session in lines.client._served._lines[0].sessions:  # type: ignore[union-attr]
                session.connection.damage = DamageCount(clock_s=clock)
            raws = (b"", b"hello", b'{"topic":"or', b'{"topic":"pub', b'{"id":"7","to', b'{"topic":"tr')
            for number in range(1000):
                clock.now_s += DAMAGE_WINDOW_S
                for session in lines.client._served._lines[0].sessions:  # type: ignore[union-attr]
                    session.feed.receive(raws[number % len(raws)], session.feed.last_recv_ns + 1)
                if number % 10 == 0:
                    await lines.step()
                if number % 250 == 0:
                    await lines.healed()
            await lines.healed()
            lines.check()
            topic = lines.books[0].book.topic
            assert lines.client.health()[topic].damaged > 300
            assert lines.client.status().losses == 0

    run(main, 120)


# a topic that is readable, and wrong

COINS = tuple(f"{kind}.COIN{number:04}USDT" for kind in ("orderbook.50", "publicTrade") for number in (1, 2, 33))


@pytest.mark.parametrize("lost", [1, 3, 5, 8, 16, 40])
def test_no_lost_or_overwritten_part_spares_the_topic_that_it_hit(lost: int) -> None:
    """Lose or overwrite part of a frame at each place of its head: an error for invalid JSON must name the topic."""
    for topic in COINS:
        good = encode({"topic": topic, "type": "delta", "ts": 1, "data": {"s": topic.rpartition(".")[2], "b": []}})
        for at in range(70):
            for part in (b"", b"#" * lost, b'"' * lost, b"A" * lost):
                raw = good[:at] + part + good[at + lost :]
                offline = Offline(*COINS, dialect=v5.LINEAR)
                offline.send(raw)
                if raw[10 : len(topic) + 11] == good[10 : len(topic) + 11] or not offline.errors:
                    continue
                (error,) = offline.errors
                assert topic in getattr(error, "topics", (error.topic,)), raw  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name",
    ["", "D", "2_25.BTCUSD", "orderBookL2_25.BTCXYZ", "QQQQQQQQ", "orderBookL2_25.", "XXXXBookL2_25.BTCUSD", "trade.EOSUSD",
     "orderBookL2_25.BTCUSDABCDEF", "orderBook.BTCUSD"],
)  # fmt: skip
def test_a_good_frame_under_a_topic_that_was_not_asked_for_concerns_what_it_names(name: str) -> None:
    topic = "orderBookL2_25.BTCUSD"
    offline = Offline(topic, "orderBookL2_25.XRPUSD")
    for symbol in ("BTCUSD", "XRPUSD"):
        offline.send(snapshot(symbol))
    offline.send(encode(delta(update=[("Buy", BIDS[0][0], 5)])).replace(topic.encode(), name.encode()))
    (error,) = offline.errors
    assert isinstance(error, DamagedFrame)
    assert topic in error.topics
    assert offline.book(topic).state is BookState.STALE
    is_unclear = name in ("", "D", "orderBookL2_25.")
    assert offline.book("orderBookL2_25.XRPUSD").state is (BookState.STALE if is_unclear else BookState.LIVE)


def test_a_venue_that_pushes_what_nobody_asked_for_costs_nobody_a_state() -> None:
    offline = Offline("orderbook.50.BTCUSDT", dialect=v5.LINEAR)
    offline.send(encode(book("BTCUSDT")))
    trades = encode({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": [{"s": "BTCUSDT"}]})
    for _ in range(1200):
        offline.send(trades)
    assert {type(error) for error in offline.errors} == {errors.UnexpectedTopic}
    assert offline.book("orderbook.50.BTCUSDT").state is BookState.LIVE


EVENTS = {
    "v2": (v2.INVERSE, "trade.BTCUSD", "trade.QWEUSD", trade("trade.BTCUSD")),
    "v2 candles": (v2.LINEAR, "candle.1.BTCUSDT", "candle.240.BTCUSDT", encode({"topic": "candle.1.BTCUSDT", "data": [
        {"start": 1, "end": 2, "period": "1", "open": 1, "close": 1, "high": 1, "low": 1, "volume": "1", "turnover": "1",
         "confirm": False, "cross_seq": 1, "timestamp": 1}]})),
    "v5": (v5.LINEAR, "publicTrade.COIN0001USDT", "publicTrade.COIN0002USDT", encode(
        {"topic": "publicTrade.COIN0001USDT", "type": "snapshot", "ts": 1,
         "data": [{"T": 1, "s": "COIN0001USDT", "S": "Buy", "v": "1", "p": "100", "i": "x", "BT": False}]})),
    "v5 candles": (v5.LINEAR, "kline.1.BTCUSDT", "kline.240.BTCUSDT", encode({"topic": "kline.1.BTCUSDT", "ts": 1, "data": [
        {"start": 1, "end": 2, "interval": "1", "open": "1", "close": "1", "high": "1", "low": "1", "volume": "1",
         "turnover": "1", "confirm": False, "timestamp": 1}]})),
}  # fmt: skip


@pytest.mark.parametrize("name", EVENTS)
def test_events_under_another_topic_than_their_own_are_a_gap_in_both(name: str) -> None:
    dialect, own, other, raw = EVENTS[name]
    offline = Offline(own, other, dialect=dialect)
    streams = [offline.stream(topic) for topic in (own, other)]
    offline.send(raw)
    offline.send(raw.replace(own.encode(), other.encode()))
    (error,) = offline.errors
    assert isinstance(error, DamagedFrame)
    assert set(error.topics) == {own, other}
    assert [[type(item).__name__ for item in stream._queue][-1] for stream in streams] == ["StreamGap"] * 2
    assert [len(stream._queue) for stream in streams] == [2, 1]


@pytest.mark.parametrize("name", ["v2 inverse", "v2 linear", "v5 public"])
def test_levels_under_another_books_topic_cost_both_books(name: str) -> None:
    speech = speech_of(name)
    own, other = speech.topics[:2]
    offline, _ = offline_of(speech)
    offline.send(speech.of(own).replace(own.encode(), other.encode()))
    assert isinstance(offline.errors[0], DamagedFrame)
    assert [states_of(offline)[topic] for topic in (own, other)] == [BookState.STALE] * 2


@pytest.mark.parametrize("name", ["v2 inverse", "v2 linear", "v5 public"])
def test_two_frames_in_one_message_cost_both_topics(name: str) -> None:
    speech = speech_of(name)
    own, other = speech.topics[:2]
    for cut in (60, 100_000):
        offline, _ = offline_of(speech)
        offline.send(speech.of(own)[:cut] + speech.of(other))
        assert [states_of(offline)[topic] for topic in (own, other)] == [BookState.STALE] * 2


# over sockets


def requests_of(server: V5Server, op: str) -> list[list[str]]:
    return [
        request["args"] for connection in server.connections for request in connection.requests if request["op"] == op
    ]


def damage_all(server: V5Server, raw: bytes) -> None:
    for connection in server.open:
        assert connection.transport is not None
        connection.transport.send(WSMsgType.TEXT, raw)


def test_all_that_damage_concerns_is_refetched_with_one_request_each() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found = collected(client)
            names = [f"{letter}USDT" for letter in "ABCDEFGHIJ"]
            books = await asyncio.gather(*(client.book(name) for name in names))
            trades = await client.trades("AUSDT")
            for raw in (b'{"topic":"orderb', b"{"):
                versions = [each.version for each in books]
                damage_all(server, raw)
                await until(lambda versions=versions: [each.version for each in books] == [v + 1 for v in versions])
            with pytest.raises(StreamGap, match="damaged"):
                await anext(trades)
            assert trades.waiting == 0
            topics = [each.topic for each in books]
            assert requests_of(server, "unsubscribe") == [topics, topics]
            assert requests_of(server, "subscribe")[-2:] == [topics, topics]
            assert [type(error) for error in found] == [DamagedFrame] * 2
            health = client.health()
            assert {health[topic].damaged for topic in topics} == {2}
            assert health["publicTrade.AUSDT"].damaged == 1
            assert client.status().losses == 0

    run(main)


def test_the_third_damaged_frame_replaces_the_connection() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found = collected(client)
            btc = await client.book("BTCUSDT")
            for _ in range(MOST_DAMAGED):
                damage_all(server, b"")
            await until(lambda: client.status().connects == 2 and btc.state is BookState.LIVE)
            assert client.status().last_loss == "3 damaged frames within 60 s"
            assert sum(isinstance(error, DamagedFrame) for error in found) == MOST_DAMAGED

    run(main)


def mismatch() -> bytes:
    return encode(book("BTCUSDT", b=[["100.50", "7"]]))


@pytest.mark.parametrize(
    ("raw", "replaces"),
    [
        (encode(book("BTCUSDT", u=2, kind="delta"))[:-9], True),
        (encode(book("BTCUSDT", u=2, kind="delta")).replace(b'"u"', b'"u'), True),
        (mismatch(), True),
        (encode(book("BTCUSDT", u=7, kind="delta")), False),
        (encode(book("BTCUSDT", u=2, kind="delta", b=[["100.50", "odd"]])), False),
    ],
    ids=["cut", "broken", "other levels", "gap", "odd value"],
)
def test_damage_inside_a_topics_frame_counts_as_damage_and_a_gap_does_not(raw: bytes, replaces: bool) -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found = collected(client)
            btc = await client.book("BTCUSDT")
            for number in range(MOST_DAMAGED):
                await until(lambda: btc.state is BookState.LIVE)
                damage_all(server, raw)
                await until(lambda number=number: len(found) > number)
                assert found[number].is_damage is replaces  # type: ignore[attr-defined]
            await until(lambda: btc.state is BookState.LIVE and client.status().connects == 1 + replaces)
            assert client.health()[btc.topic].damaged == MOST_DAMAGED * replaces
            if replaces:
                assert client.status().last_loss == "3 damaged frames within 60 s"

    run(main)


def test_doubts_of_one_turn_are_settled_by_one_ping() -> None:
    def pings(server: V5Server) -> int:
        return sum(request["op"] == "ping" for each in server.connections for request in each.requests)

    async def main() -> None:
        async with (
            v5_server() as server,
            v5_server() as other,
            depthwire.connect([server.url, other.url], settings=QUICK) as client,
        ):
            found = collected(client)
            names = [f"{letter}USDT" for letter in "ABCDEFGHIJ"]
            await asyncio.gather(*(client.trades(name) for name in names))
            await until(lambda: all(len(each.held("publicTrade.JUSDT")) == 1 for each in (server, other)))
            before = pings(other)
            for number in range(2):
                damage_all(server, b"")
                await until(lambda number=number: len(found) == number + 1)
            await until(lambda: pings(other) > before)
            await asyncio.gather(*(line.public.connection.catch_up() for line in client._served._lines))  # type: ignore[union-attr]
            assert pings(other) <= before + 3, "one for each damaged frame, and the one of catch_up"

    run(main)


def test_a_backoff_is_calm_only_five_minutes_after_the_last_damaged_frame() -> None:
    clock = Clock()
    backoff = depthwire.settings.Backoff(0.5, 8.0, jitter=lambda: 0.0, clock_s=clock)
    for expected in (0.5, 1.0):
        backoff.disturb(300.0)
        assert backoff.next_s() == expected
    clock.now_s += 299.0
    assert backoff.next_s() == 2.0
    clock.now_s += 17.0
    assert backoff.next_s() == 0.5


@pytest.mark.parametrize("url", ["inverse_url", "linear_url", "v5"])
def test_a_damaged_frame_of_an_account_is_met_by_its_readers(url: str) -> None:
    async def main() -> None:
        async with simulated() as (venue, _):
            venue.account(KEY, secret=SECRET)
            at = venue.v5_url("linear") if url == "v5" else getattr(venue, url)
            async with depthwire.connect(at, api_key=KEY, api_secret=SECRET, settings=QUICK) as client:
                client.on_error(lambda error: None)
                orders, executions = await client.orders(), await client.executions()
                assert orders.view.gap is None
                venue.send_raw("order", b'{"id":"7","topic":"or' if url == "v5" else b'{"topic":"or')
                with pytest.raises(StreamGap, match="damaged"):
                    await anext(orders)
                assert isinstance(orders.view.gap, StreamGap)
                assert executions.waiting == 0
                venue.send_raw("order", b"\x00\x01", binary=True)
                with pytest.raises(StreamGap, match="binary"):
                    await anext(executions)

    run(main)


@pytest.mark.parametrize("binary", [False, True])
def test_books_recover_from_damage_by_themselves(binary: bool) -> None:
    async def main() -> None:
        async with simulated(speed=20) as (venue, client):
            found = collected(client)
            books = await asyncio.gather(client.book("BTCUSD"), client.book("ETHUSD"))
            states: list[tuple[str, BookState]] = []
            for each in books:
                each.on_state(lambda changed: states.append((changed.symbol, changed.state)))
            venue.send_raw(BTC, b"\x00\x01\x02" if binary else b"hello", binary=binary)
            await until(lambda: len(states) == 4)
            assert sorted(states) == [(symbol, state) for symbol in ("BTCUSD", "ETHUSD") for state in ("LIVE", "STALE")]
            assert [type(error) for error in found] == [DamagedFrame]
            assert client.status().losses == 0

    run(main)


def test_a_binary_message_in_fragments_is_binary_all_the_same() -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found = collected(client)
            btc = await client.book("BTCUSDT")
            raw = encode(book("BTCUSDT", u=9))
            transport = server.open[0].transport
            assert transport is not None
            transport.send(WSMsgType.BINARY, raw[:50], fin=False)
            transport.send(WSMsgType.CONTINUATION, raw[50:], fin=True)
            await until(lambda: bool(found) and btc.version == 2)
            assert [(type(error), error.topic) for error in found] == [(errors.MalformedFrame, btc.topic)]
            assert btc.update_id == 1

    run(main)


@pytest.mark.parametrize("fragments", [1, 2])
def test_a_tape_holds_a_binary_message_as_damage(fragments: int) -> None:
    async def main() -> None:
        async with v5_server() as server, depthwire.connect(server.url, settings=QUICK) as client:
            found = collected(client)
            btc = await client.book("BTCUSDT")
            taped: list[bytes] = []
            client.add_tap(lambda recv_ns, payload: taped.append(bytes(payload)))
            raw = encode(book("BTCUSDT", u=9))
            transport = server.open[0].transport
            assert transport is not None
            if fragments == 1:
                transport.send(WSMsgType.BINARY, raw)
            else:
                transport.send(WSMsgType.BINARY, raw[:50], fin=False)
                transport.send(WSMsgType.CONTINUATION, raw[50:], fin=True)
            await until(lambda: bool(found))
            offline = Offline(btc.topic, dialect=v5.LINEAR)
            offline.send(encode(book("BTCUSDT")))
            offline.send(taped[0])
            assert taped[0].endswith(raw)
            assert offline.book(btc.topic).state is BookState.STALE

    run(main)


def test_damage_on_a_connection_that_is_to_take_over_leaves_the_old_one_in_its_place() -> None:
    async def main() -> None:
        settings = replace(QUICK, max_connection_age_s=0.2)
        async with v5_server() as server, depthwire.connect(server.url, settings=settings) as client:
            found = collected(client)
            btc, trades = await asyncio.gather(client.book("BTCUSDT"), client.trades("BTCUSDT"))
            states: list[BookState] = []
            btc.on_state(lambda changed: states.append(changed.state))
            good = server.snapshots
            spoilt = [b"{", b""]

            def snapshots(topic: str) -> dict[str, Any] | None:
                if spoilt and len(server.open) == 2:
                    server.open[-1].transport.send(WSMsgType.TEXT, spoilt.pop())  # type: ignore[union-attr]
                return good(topic)

            server.snapshots = snapshots
            await until(lambda: client.status().connections[0].connects >= 2)
            assert {type(error) for error in found} == {errors.ConnectionLost}
            assert "damaged" in str(found[0])
            assert states == []
            assert trades.waiting == 0

    run(main)


# patterns


def receive(session: Session, raw: bytes) -> None:
    session.feed.receive(raw, time.time_ns())


async def met_before(stream: AsyncIterator[TopicEvent], count: int) -> list[StreamGap]:
    """The gaps that a stream brings before its next so many events."""
    gaps: list[StreamGap] = []
    while count:
        try:
            async with asyncio.timeout(10):
                await anext(stream)
            count -= 1
        except StreamGap as gap:
            gaps.append(gap)
    return gaps


@pytest.mark.parametrize("is_raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("raw", [b"", b"garbage", b'{"topic":"trade.ETHU', b'{"topic":"trxde.ETHUSD","data":[]}',
    b'{"topic":"trade.}THUSD","data":[]}'])  # fmt: skip
@pytest.mark.parametrize("known", [[], ["BTCUSD"], ["BTCUSD", "XRPUSD"]], ids=len)
def test_damage_is_one_gap_to_a_pattern_whatever_of_its_topics_are_known(
    known: list[str], raw: bytes, is_raw: bool
) -> None:
    async def main() -> None:
        good = [trade(f"trade.{symbol}") for symbol in known]
        frames = [*good, raw, trade("trade.ETHUSD")]
        async with scripted([frames]) as url, depthwire.connect(url, settings=QUICK) as client:
            stream = await (client.subscribe_raw if is_raw else client.subscribe)("trade.*")
            assert await met_before(stream, len(good)) == []
            (gap,) = await met_before(stream, 1)
            assert gap.topic == "trade.*"
            assert "damaged" in gap.reason

    run(main)


def test_damage_that_is_none_of_a_patterns_topics_is_no_gap_to_it() -> None:
    async def main() -> None:
        frames = [b'{"topic":"insurance.BT', trade("trade.BTCUSD")]
        async with scripted([frames]) as url, depthwire.connect(url, settings=QUICK) as client:
            stream = await client.subscribe("trade.*", "insurance.*")
            (gap,) = await met_before(stream, 1)
            assert gap.topic == "insurance.*"

    run(main)


@pytest.mark.parametrize("known", [[], ["BTCUSD"], ["BTCUSD", "XRPUSD"]], ids=len)
def test_a_lost_connection_is_one_gap_to_a_pattern_whatever_of_its_topics_are_known(known: list[str]) -> None:
    async def main() -> None:
        good = [trade(f"trade.{symbol}") for symbol in known]
        after = [trade("trade.ETHUSD"), *good]
        async with scripted([good, after]) as url, depthwire.connect(url, settings=QUICK) as client:
            stream = await client.subscribe("trade.*")
            assert await met_before(stream, len(good)) == []
            client._sessions[0].connection.drop("by the test")
            (gap,) = await met_before(stream, len(after))
            assert gap.topic == "trade.*"
            await client.unsubscribe("trade.*")
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    run(main)


def test_a_pattern_on_two_lines_has_one_gap_only_if_both_were_lost() -> None:
    async def main() -> None:
        async with scripted([]) as url, depthwire.connect([url, url], settings=QUICK) as client:
            stream = await client.subscribe("trade.*")
            lines = client._sessions

            async def drop(*dropped: Session) -> None:
                connects = [line.connection.status.connects + (line in dropped) for line in lines]
                for line in dropped:
                    line.connection.drop("by the test")
                await until(lambda: [line.connection.status.connects for line in lines] == connects)
                await until(lambda: all(each.is_confirmed for line in lines for each in line.subscriptions.values()))

            await drop()
            await drop(lines[0])
            receive(lines[1], trade("trade.BTCUSD"))
            assert await met_before(stream, 1) == []
            await drop(*lines)
            receive(lines[0], trade("trade.ETHUSD"))
            (gap,) = await met_before(stream, 1)
            assert gap.topic == "trade.*"

    run(main)


def test_a_pattern_of_books_has_no_gaps() -> None:
    async def main() -> None:
        async with scripted([]) as url, depthwire.connect(url, settings=QUICK) as client:
            stream = await client.subscribe("orderBookL2_25.*")
            client._sessions[0].feed.receive(b"garbage", time.time_ns())
            client._sessions[0].connection.drop("by the test")
            await until(lambda: client.status().connections[0].connects == 2)
            assert not stream.has_next

    run(main)


@pytest.mark.parametrize("is_raw", [False, True], ids=["typed", "raw"])
def test_damage_is_a_gap_to_a_pattern_on_two_lines_only_where_both_had_it(is_raw: bool) -> None:
    async def main() -> None:
        async with (
            scripted([]) as url,
            depthwire.connect([url, url], settings=QUICK) as client,
        ):
            stream = await (client.subscribe_raw if is_raw else client.subscribe)("trade.*")
            lines = client._sessions
            await until(lambda: all(each.is_confirmed for line in lines for each in line.subscriptions.values()))
            receive(lines[0], trade("trade.BTCUSD"))
            receive(lines[1], trade("trade.BTCUSD"))
            topics = client._served._topics | client._served._raw_topics  # type: ignore[union-attr]
            await until(lambda: all(each.has_caught_up() for topic in topics.values() for each in topic._lines))  # type: ignore[attr-defined]
            receive(lines[0], b"")
            receive(lines[0], trade("trade.ETHUSD"))
            receive(lines[1], trade("trade.ETHUSD"))
            assert [item for item in stream._queue if isinstance(item, Exception)] == []
            receive(lines[1], b"garbage")
            (gap,) = [item for item in stream._queue if isinstance(item, Exception)]
            assert isinstance(gap, StreamGap)
            assert gap.topic == "trade.*"

    run(main)


def test_a_pattern_meets_damage_on_the_connection_that_took_over() -> None:
    async def main() -> None:
        settings = replace(QUICK, max_connection_age_s=0.2)
        async with scripted([]) as url, depthwire.connect(url, settings=settings) as client:
            stream = await client.subscribe("trade.*")
            (session,) = client._sessions
            await until(lambda: client.status().connections[0].connects >= 2)
            receive(session, b"")
            receive(session, trade("trade.ETHUSD"))
            assert [gap.topic for gap in await met_before(stream, 1)] == ["trade.*"]

    run(main)
