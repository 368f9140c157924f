"""The v5 public topics: formats as recorded, the rules of books, and agreement with the trades."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from depthwire.venue import Category, Dialect, PublicTopic, SyntheticMarket
from tests.support.reference_v5 import V5ReferenceBook

START_NS = 1_618_677_786_000_000_000
SYMBOLS = {Category.LINEAR: "BTCUSDT", Category.INVERSE: "BTCUSD", Category.SPOT: "BTCUSDT"}
DEPTHS = (1, 50, 200, 1000)
PACE_MS = {1: 10, 50: 20, 200: 100, 1000: 200}


def topic(category: Category, kind: str) -> PublicTopic:
    return PublicTopic(Dialect.V5, category, f"{kind}.{SYMBOLS[category]}")


def told(seconds: float, *topics: PublicTopic, seed: int = 1) -> Iterator[tuple[int, PublicTopic, bytes]]:
    """Return the frames of the first seconds."""
    for frame in SyntheticMarket(seed, start_ns=START_NS).frames(topics):
        if frame.at_ns > START_NS + seconds * 10**9:
            return
        yield frame


# shapes


def keys(value: Any) -> Any:
    """Return keys in order, and types; for a list, of its first element."""
    if isinstance(value, dict):
        return [(key, keys(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize("category", [Category.LINEAR, Category.SPOT])
@pytest.mark.parametrize("kind", ["orderbook.200", "publicTrade", "tickers", "kline.1"])
def test_snapshots_have_the_recorded_keys_in_the_recorded_order(tapes: Path, category: Category, kind: str) -> None:
    wanted = topic(category, kind)
    made = next(json.loads(raw) for _, _, raw in told(60, wanted))
    lines = (tapes / f"v5-{category}-2026-08-09.frames").read_bytes().splitlines()
    frames = (json.loads(line.partition(b"\t")[2]) for line in lines)
    recorded = next(frame for frame in frames if frame.get("topic") == wanted.name)
    if kind == "tickers" and category is Category.LINEAR:
        for name in ("singleOpenInterest", "singleOpenInterestValue"):  # undocumented
            del recorded["data"][name]
    assert keys(made) == keys(recorded)


def test_the_top_of_the_book_has_the_recorded_shape(tapes: Path) -> None:
    made = next(json.loads(raw) for _, _, raw in told(1, topic(Category.LINEAR, "orderbook.1")))
    line = (tapes / "v5-linear-ob1-2025-06-13.frames").read_bytes().splitlines()[0]
    assert keys(made) == keys(json.loads(line.partition(b"\t")[2]))


@pytest.mark.parametrize("category", list(SYMBOLS))
def test_numbers_are_written_as_on_the_path(category: Category) -> None:
    pairs = [
        pair
        for _, _, raw in told(10, topic(category, "orderbook.50"))
        for side in "ba"
        for pair in json.loads(raw)["data"][side]
    ]
    for price, size in pairs:
        if category is Category.SPOT:
            assert price == f"{D(price).normalize():f}"
            assert size == f"{D(size).normalize():f}"
        else:
            assert price[-3] == "."
            decimals = len(size.partition(".")[2])
            assert size == "0" or decimals == (3 if category is Category.LINEAR else 0)
    assert any(size == "0" for _, size in pairs)


# books


@pytest.mark.parametrize("seed", [0, 1, 20210417])
def test_every_frame_keeps_the_rules_of_the_recorded_books(seed: int) -> None:
    """u increases by one, seq and ts never decrease, the oracle accepts every level, and a side has exactly depth levels."""
    topics = [topic(category, f"orderbook.{depth}") for category in SYMBOLS for depth in DEPTHS[1:]]
    books: dict[PublicTopic, V5ReferenceBook] = {}
    frames: dict[PublicTopic, int] = defaultdict(int)
    last: dict[PublicTopic, tuple[int, int]] = {}
    for _, name, raw in told(10, *topics, seed=seed):
        depth = int(name.name.split(".")[1])
        book = books.setdefault(name, V5ReferenceBook(SYMBOLS[name.category], depth))
        book.receive(raw)
        assert [len(book.bids), len(book.asks)] == [depth, depth]
        frame = json.loads(raw)
        stamps = frame["data"]["seq"], frame["ts"]
        assert stamps >= last.get(name, (0, 0))
        last[name] = stamps
        frames[name] += 1
    assert frames.keys() == set(topics)
    assert min(frames.values()) > 20


def test_all_depths_show_the_same_book() -> None:
    topics = [topic(Category.LINEAR, f"orderbook.{depth}") for depth in DEPTHS]
    books = {name: V5ReferenceBook("BTCUSDT", int(name.name.split(".")[1])) for name in topics}
    compared = 0
    for _, name, raw in told(15, *topics):
        books[name].receive(raw)
        if name == topics[3] and all(book.version for book in books.values()):
            compared += 1
            *shallower, (bids, asks) = (books[name].levels_text() for name in topics)
            for depth, sides in zip(DEPTHS, shallower, strict=False):
                assert sides == (bids[:depth], asks[:depth])
    assert compared > 50


@pytest.mark.parametrize("depth", DEPTHS)
def test_frames_come_at_the_topic_s_pace(depth: int) -> None:
    times = [at_ns for at_ns, _, _ in told(20, topic(Category.LINEAR, f"orderbook.{depth}"))]
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert min(steps) > 0.95 * PACE_MS[depth] * 1_000_000


def test_the_top_is_told_again_after_three_seconds_of_the_same() -> None:
    market = SyntheticMarket(2, start_ns=START_NS, more=1)
    name = PublicTopic(Dialect.V5, Category.LINEAR, "orderbook.1.COIN0001USDT")
    frames = [json.loads(frame.raw) for frame in itertools.islice(market.frames([name]), 60)]
    repeated = 0
    for before, after in itertools.pairwise(frames):
        assert after["type"] == "snapshot"
        old, new = ({**frame["data"], "seq": 0} for frame in (before, after))
        if new["u"] == old["u"]:
            repeated += 1
            assert new == old
            assert after["ts"] - before["ts"] >= 3000
        else:
            assert new["u"] == old["u"] + 1
            assert (new["b"], new["a"]) != (old["b"], old["a"])
            assert after["ts"] - before["ts"] <= 3020
        assert after["data"]["seq"] >= before["data"]["seq"]
    assert repeated > 3


# the others


@pytest.mark.parametrize("category", list(SYMBOLS))
def test_candles_and_tickers_say_what_the_trades_say(category: Category) -> None:
    names = [topic(category, kind) for kind in ("publicTrade", "kline.1", "tickers")]
    volume, prices, numbers = D(0), [], []
    ticker: dict[str, str] = {}
    candles = tickers = 0
    for _, name, raw in told(50, *names):
        frame = json.loads(raw)
        if name == names[0]:
            for trade in frame["data"]:
                assert trade["S"] in ("Buy", "Sell")
                assert abs(frame["ts"] - trade["T"]) < 1000
                volume += D(trade["v"])
                prices.append(D(trade["p"]))
                numbers.append((trade["seq"], trade["i"]))
        elif name == names[1]:
            (candle,) = frame["data"]
            assert (candle["end"] - candle["start"], candle["interval"]) == (59_999, "1")
            seen = [D(candle["open"]), *prices]
            assert (D(candle["high"]), D(candle["low"]), D(candle["close"])) == (max(seen), min(seen), seen[-1])
            assert D(candle["volume"]) == volume
            candles += 1
        else:
            ticker |= frame["data"]
            assert D(ticker["lastPrice"]) == (prices or [D(ticker["prevPrice24h"])])[-1]
            assert D(ticker["volume24h"]) == volume
            tickers += 1
    assert min(len(prices), candles, tickers) > 10
    assert sorted(seq for seq, _ in numbers) == [seq for seq, _ in numbers]
    assert len({trade_id for _, trade_id in numbers}) == len(numbers)


def test_a_ticker_delta_has_what_changed_and_quotes_whole() -> None:
    frames = [json.loads(raw) for _, _, raw in told(20, topic(Category.LINEAR, "tickers"))]
    assert [frame["type"] for frame in frames] == ["snapshot"] + ["delta"] * (len(frames) - 1)
    state = frames[0]["data"]
    for frame in frames[1:]:
        delta = frame["data"]
        changed = {name for name, value in delta.items() if state[name] != value}
        assert changed
        assert delta.keys() - changed <= {"symbol", "bid1Price", "bid1Size", "ask1Price", "ask1Size"}
        assert ("bid1Price" in delta) == ("bid1Size" in delta)
        state = state | delta


def test_liquidations_are_told() -> None:
    market = SyntheticMarket(3, start_ns=START_NS)
    exchange = market.open()
    name = topic(Category.LINEAR, "allLiquidation")
    exchange.publish(name)
    ticks = exchange.ticks()
    list(next(ticks).frames)
    account = exchange.account("small", deposits={"USDT": 5_000})
    account.set_leverage("BTCUSDT", 100)
    account.submit("BTCUSDT", "Buy", "1", order_type="Market")
    whale = exchange.account("whale", deposits={"USDT": 10**10})
    frames: list[Any] = []
    for number, tick in enumerate(ticks):
        if account.positions:
            whale.submit("BTCUSDT", "Sell", 100, order_type="Market")
        frames += [json.loads(frame.raw) for frame in tick.frames]
        if frames or number > 1000:
            break
    (frame,) = frames
    assert [*frame] == ["topic", "type", "ts", "data"]
    (item,) = frame["data"]
    assert [*item] == ["T", "s", "S", "v", "p"]
    assert (item["s"], item["S"], D(item["v"])) == ("BTCUSDT", "Buy", 1)


def test_what_is_wanted_changes_nothing_of_what_happens() -> None:
    name = topic(Category.SPOT, "orderbook.50")
    alone = list(told(5, name))
    among = [frame for frame in told(5, *SyntheticMarket().topics) if frame[1] == name]
    assert alone == among
