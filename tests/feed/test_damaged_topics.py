"""JSON frames whose topic is damaged into a text that is not a topic, or into another topic."""

import json
import random
from typing import Any

import pytest

from depthwire.book.types import BookState
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.errors import DamagedFrame, UnexpectedTopic
from depthwire.feed.damage import similar_topics
from depthwire.feed.event_channel import EventChannel, RawChannel
from depthwire.feed.streams import EventStream
from tests.support.offline import Offline
from tests.support.v5_server import book, private, ticker
from tests.support.wire import ASKS, delta, encode, snapshot

BURSTS = 600
HEAD = 70


def candle(topic: str, name: str) -> bytes:
    prices = dict.fromkeys(("open", "high", "low", "close", "volume", "turnover"), "1")
    rest = {name: topic.split(".")[1], "confirm": False, "cross_seq": 1, "timestamp": 1}
    return encode({"topic": topic, "data": [{"start": 1, "end": 2, **prices, **rest}], "ts": 1})


def trade(topic: str) -> bytes:
    symbol = topic.rpartition(".")[2]
    old = {"symbol": symbol, "side": "Buy", "price": "5.5", "size": 1, "trade_id": "a", "tick_direction": "PlusTick"}
    new = {"T": 1, "s": symbol, "S": "Buy", "v": "1", "p": "100", "i": "x", "BT": False}
    return encode({"topic": topic, "data": [new if topic.startswith("public") else old]})


class Line:
    """The topics of one connection, all LIVE, with a good frame of each that comes next."""

    def __init__(self, name: str) -> None:
        self.frames = v5_frames() if name == "v5" else v2_frames(linear=name == "v2 linear")
        dialect = {"v2 inverse": v2.INVERSE, "v2 linear": v2.LINEAR, "v5": v5.LINEAR}[name]
        self.offline = Offline(*self.frames, dialect=dialect)
        self.streams = {
            topic: self.offline.stream(topic)
            for topic in self.frames
            if isinstance(self.offline.feed.channels.get(topic), EventChannel)
        }
        for first, _ in self.frames.values():
            if first:
                self.offline.send(first)
        assert self.offline.errors == []

    def version(self, topic: str) -> int:
        """The number of frames that a topic took."""
        if topic in self.streams:
            return sum(not isinstance(item, Exception) for item in self.streams[topic]._queue)
        return self._state(topic).version  # type: ignore[no-any-return]

    def has_noticed(self, topic: str) -> bool:
        """Whether a reader of the topic meets a loss."""
        if topic in self.streams:
            return any(isinstance(item, Exception) for item in self.streams[topic]._queue)
        return self._state(topic).state is BookState.STALE

    def noticed(self) -> set[str]:
        return {topic for topic in self.frames if self.has_noticed(topic)}

    def _state(self, topic: str) -> Any:
        return self.offline.feed.channels.get(topic).state  # type: ignore[union-attr]


def v2_frames(*, linear: bool) -> dict[str, tuple[bytes, bytes]]:
    """The first frame of each topic, b"" if it needs none, and the next one."""
    btc, eth = ("BTCUSDT", "ETHUSDT") if linear else ("BTCUSD", "ETHUSD")
    books = [("orderBookL2_25", btc), ("orderBook_200.100ms", btc), ("orderBookL2_25", eth)]
    frames = {
        f"{kind}.{symbol}": (
            encode(snapshot(symbol, linear=linear, kind=kind)),
            encode(delta(symbol, update=[("Sell", ASKS[0][0], 5)], linear=linear, kind=kind)),
        )
        for kind, symbol in books
    }
    candles = f"{'candle' if linear else 'klineV2'}.5.{btc}"
    return frames | {
        f"trade.{btc}": (b"", trade(f"trade.{btc}")),
        f"trade.{eth}": (b"", trade(f"trade.{eth}")),
        candles: (b"", candle(candles, "period")),
    }


def v5_frames() -> dict[str, tuple[bytes, bytes]]:
    books = [("BTCUSDT", 50), ("BTCUSDT", 200), ("ETHUSDT", 50), ("BTCUSD", 50)]
    frames = {
        f"orderbook.{depth}.{symbol}": (
            encode(book(symbol, depth=depth)),
            encode(book(symbol, u=2, kind="delta", depth=depth, b=[["100.50", "9"]])),
        )
        for symbol, depth in books
    }
    return frames | {
        "tickers.BTCUSDT": (
            encode(ticker("BTCUSDT", lastPrice="1")),
            encode({**ticker("BTCUSDT", "delta", lastPrice="2"), "cs": 2}),
        ),
        "publicTrade.BTCUSDT": (b"", trade("publicTrade.BTCUSDT")),
        "publicTrade.ETHUSDT": (b"", trade("publicTrade.ETHUSDT")),
        "kline.1.BTCUSDT": (b"", candle("kline.1.BTCUSDT", "interval")),
        "kline.15.BTCUSDT": (b"", candle("kline.15.BTCUSDT", "interval")),
    }


LINES = pytest.mark.parametrize("name", ["v2 inverse", "v2 linear", "v5"])


def renamed(line: Line, topic: str, text: str) -> bytes:
    return line.frames[topic][1].replace(f'"{topic}"'.encode(), f'"{text}"'.encode())


@LINES
@pytest.mark.parametrize(
    "form",
    [
        "{head}>PWR5IX0o^;/WldT{tail}",
        "{head}0)84mU;Re^6m{tail}",
        "{topic}Br*mknRAR^}}$p~E4qBQC",
        ">PWR5IX0o^;/WldT.{symbol}",
        "{kind}.{topic}",
        "{topic}.{topic}",
        "{kind}.{half}{topic}",
        "{kind}.{symbol}r{topic}",
        "{kind}.BT|IqD;",
        "[Co{{]6ccdSe6CUSD",
        "QQQQQQQQQQQQQQ",
    ],
)
def test_a_text_that_is_not_a_topic_excludes_nothing_but_the_symbols_of_the_data_do(name: str, form: str) -> None:
    for topic in Line(name).frames:
        line = Line(name)
        kind, _, symbol = topic.rpartition(".")
        half = len(topic) // 2
        text = form.format(topic=topic, kind=kind, symbol=symbol, half=symbol[:3], head=topic[:half], tail=topic[half:])
        line.offline.send(renamed(line, topic, text))
        (error,) = line.offline.errors
        assert isinstance(error, DamagedFrame), text
        is_named = not topic.startswith(("kline.", "klineV2.", "candle."))  # a candle does not repeat its symbol
        expected = {each for each in line.frames if not is_named or each.endswith(f".{symbol}")}
        assert set(error.topics) == line.noticed() == expected, text


@LINES
def test_a_burst_in_a_frames_head_never_costs_a_topic_its_frame_unnoticed(name: str) -> None:
    chance = random.Random(7)
    line = Line(name)
    topics = list(line.frames)
    for _ in range(BURSTS):
        topic = chance.choice(topics)
        good = line.frames[topic][1]
        at, size = chance.randrange(min(HEAD, good.index(b'"data"'))), chance.randint(5, 20)
        part = bytes(chance.randrange(32, 127) for _ in range(size))
        raw = chance.choice(
            [
                good[:at] + part + good[at:],
                good[:at] + part + good[at + size :],
                good[:at] + good[max(0, at - size) :],
            ]
        )
        before = line.version(topic)
        line.offline.send(raw)
        is_taken = line.version(topic) > before
        if not line.has_noticed(topic):
            assert is_taken, raw
            for key in ("topic", "type", "data"):
                assert json.loads(raw).get(key) == json.loads(good).get(key), raw
        if is_taken or line.noticed():
            line = Line(name)


@pytest.mark.parametrize(
    ("name", "head", "text", "tail"),
    [
        ("v2 inverse", "orderBook_200.100ms.BTCUSD", "orderBook_200.100ade.ETHUSD", "trade.ETHUSD"),
        ("v2 inverse", "klineV2.5.BTCUSD", "klineV2.5.ook_200.100ms.BTCUSD", "orderBook_200.100ms.BTCUSD"),
        ("v2 linear", "trade.ETHUSDT", "trade.ETHUTCUSDT", "orderBookL2_25.BTCUSDT"),
        ("v5", "orderbook.200.BTCUSDT", "orderbook.20de.ETHUSDT", "publicTrade.ETHUSDT"),
        ("v5", "publicTrade.ETHUSDT", "publicTrade.ETHook.50.BTCUSD", "orderbook.50.BTCUSD"),
    ],
)
def test_one_frames_beginning_and_anothers_end_cost_both_topics(name: str, head: str, text: str, tail: str) -> None:
    line = Line(name)
    line.offline.send(renamed(line, tail, text))
    assert {head, tail} <= line.noticed()


@pytest.mark.parametrize(
    ("name", "topic", "text"),
    [
        ("v5", "kline.1.BTCUSDT", "kline.1.BTCUSDTCUSDT"),
        ("v5", "kline.15.BTCUSDT", "kline.15.BTCUBTCUSDT"),
        ("v2 linear", "candle.5.BTCUSDT", "candle.5.BTCUSDTBTCUSDT"),
        ("v2 inverse", "trade.BTCUSD", "trade.BTCUSDTCUSD"),
    ],
)
def test_a_repeated_part_of_a_symbol_is_damage_though_it_makes_a_symbol(name: str, topic: str, text: str) -> None:
    line = Line(name)
    line.offline.send(renamed(line, topic, text))
    assert line.noticed() == {topic}


@LINES
def test_data_of_a_topic_that_is_not_subscribed_is_not_damage(name: str) -> None:
    unasked = ["liquidation.XRPUSDT", "trade.XRPUSDT"] if name.startswith("v2") else ["publicTrade.XRPUSDT", "wallet"]
    line = Line(name)
    for topic in unasked:
        line.offline.send(private(topic) if topic == "wallet" else trade(topic))
    assert [type(error) for error in line.offline.errors] == [UnexpectedTopic] * 2
    assert line.noticed() == set()


@LINES
@pytest.mark.parametrize("ended", ["adlAlert.USDT", "adlAlert.*", "price_limit.x|y"])
def test_a_frame_that_was_under_way_when_its_topic_ended_is_late_even_if_depthwire_does_not_know_it(
    name: str, ended: str
) -> None:
    line = Line(name)
    line.offline.feed.channels.add(RawChannel(ended))
    line.offline.feed.end(ended)
    raw = encode({"topic": ended.replace("*", "USDT"), "data": [{"s": "BTCUSDT"}]})
    for _ in range(2):
        line.offline.send(raw)
    assert [type(error) for error in line.offline.errors] == [UnexpectedTopic] * 2
    assert line.noticed() == set()


def test_a_pattern_that_ended_does_not_cover_a_text_that_is_not_a_topic_of_it() -> None:
    line = Line("v2 inverse")
    line.offline.feed.end("trade.*")
    line.offline.send(renamed(line, "trade.BTCUSD", "trade.B;}|^{TCUSD"))
    assert line.noticed() == {topic for topic in line.frames if topic.endswith(".BTCUSD")}


def test_a_raw_topic_of_any_name_is_served() -> None:
    line = Line("v5")
    channel = RawChannel("no topic; at all")
    stream: EventStream[Any] = EventStream(channel.topic, 10, on_close=channel.leave)
    channel.join(stream)
    line.offline.feed.channels.add(channel)
    line.offline.send(encode({"topic": channel.topic, "data": []}))
    assert line.offline.errors == []
    assert len(stream._queue) == 1


def test_topics_without_a_symbol_and_of_a_coin_are_not_excluded_by_symbols() -> None:
    topics = ("order", "order.linear", "adlAlert.USDT", "trade.*", "orderbook.50.BTCUSDT", "orderbook.50.ETHUSD")
    assert similar_topics("####################", ("BTCUSDT",), topics, is_topic=False) == topics[:-1]
    assert similar_topics("####################", (), topics, is_topic=False) == topics
    assert similar_topics("trade.####", (), topics, is_topic=False) == ("trade.*",)
