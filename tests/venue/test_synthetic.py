import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from depthwire.venue import Category, Dialect, SyntheticMarket
from tests.support.reference import BUY, SELL, ReferenceBook
from tests.support.venue_frames import topics_of, v2_frames

START_NS = 1_618_677_786_000_000_000
SYMBOLS = {
    "BTCUSD": Category.INVERSE,
    "ETHUSD": Category.INVERSE,
    "BTCUSDT": Category.LINEAR,
    "XRPUSD": Category.INVERSE,
}
DEPTHS = {"orderBookL2_25": 25, "orderBook_200.100ms": 200}
SEEDS = [0, 1, 20210417]


def frames(seed: int, count: int) -> Iterator[tuple[int, str, bytes]]:
    return itertools.islice(v2_frames(SyntheticMarket(seed, start_ns=START_NS)), count)


def book_and_trade_frames(seed: int, count: int) -> Iterator[tuple[int, str, bytes]]:
    told = v2_frames(SyntheticMarket(seed, start_ns=START_NS))
    return itertools.islice((frame for frame in told if frame[1].startswith(("orderBook", "trade"))), count)


INTERVALS = ["1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M"]
CANDLES = {Category.INVERSE: "klineV2", Category.LINEAR: "candle"}


def test_the_topics_are_told_with_their_dialects() -> None:
    told = {
        f"{channel}.{symbol}": category
        for symbol, category in SYMBOLS.items()
        for channel in (
            *DEPTHS,
            "trade",
            "instrument_info.100ms",
            *(f"{CANDLES[category]}.{interval}" for interval in INTERVALS),
        )
    }
    rare = {f"liquidation.{symbol}": category for symbol, category in SYMBOLS.items()}
    rare |= {f"insurance.{coin}": Category.INVERSE for coin in ("BTC", "ETH", "XRP")}
    assert {t.name: t.category for t in topics_of(SyntheticMarket(), Dialect.V2)} == told | rare
    assert {topic for _, topic, _ in frames(0, 5000)} - rare.keys() == set(told)


def test_equal_seeds_give_equal_bytes() -> None:
    market = SyntheticMarket(7, start_ns=START_NS)
    first = list(itertools.islice(v2_frames(market), 1500))
    assert list(itertools.islice(v2_frames(market), 1500)) == first
    assert list(frames(7, 1500)) == first
    assert list(frames(8, 1500)) != first


def test_without_a_start_the_market_begins_now(monkeypatch: pytest.MonkeyPatch) -> None:
    market = SyntheticMarket(7)
    monkeypatch.setattr("depthwire.venue.market.exchange.time.time_ns", lambda: START_NS)
    assert list(itertools.islice(v2_frames(market), 500)) == list(frames(7, 500))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_frame_keeps_the_rules_of_the_recorded_books(seed: int) -> None:
    """The strict oracle rejects unknown and duplicate levels, crossed books and decreasing sequence numbers."""
    books: dict[str, ReferenceBook] = {}
    changes: defaultdict[str, int] = defaultdict(int)
    for _, topic, raw in book_and_trade_frames(seed, 2500):
        channel, _, symbol = topic.rpartition(".")
        if channel == "trade":
            continue
        depth = DEPTHS[channel]
        book = books.setdefault(topic, ReferenceBook(symbol, depth, 4))
        before = book.cross_seq, book.timestamp_e6
        book.receive(raw)
        assert {side: len(levels) for side, levels in book.sides.items()} == {BUY: depth, SELL: depth}
        assert (book.cross_seq, book.timestamp_e6) > before
        assert book.cross_seq > before[0]
        frame = json.loads(raw)
        if frame["type"] == "delta":
            changes[topic] += 1
            for side in (BUY, SELL):
                deleted, inserted = (
                    sum(level["side"] == side for level in frame["data"][action]) for action in ("delete", "insert")
                )
                assert deleted == inserted
    assert len(books) == 2 * len(SYMBOLS)
    assert min(changes.values()) > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_both_depths_show_the_same_book(seed: int) -> None:
    books = {
        (channel, symbol): ReferenceBook(symbol, depth, 4) for channel, depth in DEPTHS.items() for symbol in SYMBOLS
    }
    compared = 0
    for _, topic, raw in book_and_trade_frames(seed, 2500):
        channel, _, symbol = topic.rpartition(".")
        if channel == "trade":
            continue
        books[channel, symbol].receive(raw)
        shallow, deep = (books[name, symbol] for name in DEPTHS)
        if channel == "orderBook_200.100ms" and shallow.version > 0:
            compared += 1
            for side in (BUY, SELL):
                assert deep.best_first(side)[:25] == shallow.best_first(side)
    assert compared > 100


@pytest.mark.parametrize("seed", SEEDS)
def test_frames_come_in_order_and_at_the_topics_intervals(seed: int) -> None:
    previous_ns = START_NS
    last: dict[str, int] = {}
    for at_ns, topic, raw in book_and_trade_frames(seed, 3000):
        assert at_ns >= previous_ns
        previous_ns = at_ns
        if topic in last:
            interval_ns = 20_000_000 if topic.startswith("orderBookL2_25") else 100_000_000
            assert at_ns - last[topic] > 0.95 * interval_ns
        last[topic] = at_ns
        if not topic.startswith("trade"):
            assert int(json.loads(raw)["timestamp_e6"]) == at_ns // 1000


def shape(value: Any) -> Any:
    """Return types and key order of a JSON value; for a list, those of its elements without duplicates."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [kind for kind, _ in itertools.groupby(sorted(repr(shape(item)) for item in value))]
    return "number" if isinstance(value, int | float) else type(value).__name__


GONE = '{"price":"7.943","symbol":"S","id":1,"side":"Buy"}'
LEVEL = '{"price":"7.943","symbol":"S","id":1,"side":"Buy","size":1}'
GONE_LINEAR, LEVEL_LINEAR = (level.replace("1,", '"1",', 1) for level in (GONE, LEVEL))
EXPECTED = {
    Category.INVERSE: [
        f'{{"topic":"t","type":"snapshot","data":[{LEVEL}],"cross_seq":1,"timestamp_e6":1}}',
        f'{{"topic":"t","type":"delta","data":{{"delete":[{GONE}],"update":[{LEVEL}],"insert":[{LEVEL}],'
        '"transactTimeE6":0},"cross_seq":1,"timestamp_e6":1}',
        '{"topic":"t","data":[{"trade_time_ms":1,"timestamp":"2021-04-17T16:43:06.000Z","symbol":"S",'
        '"side":"Sell","size":4,"price":60621.5,"tick_direction":"PlusTick","trade_id":"u","cross_seq":1}]}',
    ],
    Category.LINEAR: [
        f'{{"topic":"t","type":"snapshot","data":{{"order_book":[{LEVEL_LINEAR}]}},'
        '"cross_seq":"1","timestamp_e6":"1"}',
        f'{{"topic":"t","type":"delta","data":{{"delete":[{GONE_LINEAR}],"update":[{LEVEL_LINEAR}],'
        f'"insert":[{LEVEL_LINEAR}]}},"cross_seq":"1","timestamp_e6":"1"}}',
        '{"topic":"t","data":[{"symbol":"S","tick_direction":"MinusTick","price":"1053.90","size":0.14,'
        '"timestamp":"2021-04-17T16:43:05.000Z","trade_time_ms":"1618677785116","side":"Buy","trade_id":"u"}]}',
    ],
}


def test_the_frames_have_the_recorded_shape() -> None:
    """Key order, and which values are text, match the recordings of each dialect."""
    for category, examples in EXPECTED.items():
        expected = {str(shape(json.loads(example))) for example in examples}
        seen = set()
        for _, topic, raw in book_and_trade_frames(3, 4000):
            if SYMBOLS[topic.rpartition(".")[2]] is not category:
                continue
            frame = json.loads(raw)
            data = frame["data"]
            if frame.get("type") == "delta" and not all(data[a] for a in ("delete", "update", "insert")):
                continue  # an empty list cannot be compared
            assert b" " not in raw
            seen.add(str(shape(frame)))
        assert seen == expected


def test_prices_sizes_and_ids_are_written_like_the_exchange_s() -> None:
    ticks = {"BTCUSD": 5000, "ETHUSD": 500, "BTCUSDT": 5000, "XRPUSD": 1}
    for _, topic, raw in book_and_trade_frames(4, 3000):
        channel, _, symbol = topic.rpartition(".")
        frame = json.loads(raw)
        if channel == "trade":
            for trade in frame["data"]:
                assert round(float(trade["price"]) * 10_000) % ticks[symbol] == 0
                assert trade["size"] > 0
                assert trade["trade_id"][14] == "5"
            continue
        data = frame["data"]
        levels = data if isinstance(data, list) else [level for group in data.values() if group for level in group]
        for level in levels:
            whole, _, decimals = level["price"].partition(".")
            assert len(decimals) == (4 if symbol == "XRPUSD" else 2)
            assert int(level["id"]) == int(whole + decimals.ljust(4, "0"))
            assert int(level["id"]) % ticks[symbol] == 0
            size = level.get("size", 1)
            assert size > 0
            assert isinstance(size, int) or (symbol == "BTCUSDT" and round(size, 3) == size)


def test_trades_take_the_best_price_and_tell_their_tick_direction() -> None:
    directions = set()
    last: dict[str, tuple[float, str]] = {}
    for _, topic, raw in frames(5, 4000):
        if not topic.startswith("trade."):
            continue
        for trade in json.loads(raw)["data"]:
            price, direction = float(trade["price"]), trade["tick_direction"]
            if topic in last:
                before, before_direction = last[topic]
                if price != before:
                    assert direction == ("PlusTick" if price > before else "MinusTick")
                else:
                    assert direction == "Zero" + before_direction.removeprefix("Zero")
            last[topic] = price, direction
            directions.add(direction)
    assert directions == {"PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick"}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_market_moves_like_the_recorded_ones(seed: int) -> None:
    """The measures in SyntheticMarket's docstring hold, with a tolerance for the seed."""
    seconds = 60
    count: defaultdict[str, int] = defaultdict(int)
    updates: defaultdict[str, int] = defaultdict(int)
    replaced: defaultdict[str, int] = defaultdict(int)
    replacing: defaultdict[str, int] = defaultdict(int)
    flips = 0
    for at_ns, topic, raw in v2_frames(SyntheticMarket(seed, start_ns=START_NS)):
        if at_ns > START_NS + seconds * 1_000_000_000:
            break
        if not topic.startswith("orderBookL2_25") or b'"snapshot"' in raw:
            continue
        data = json.loads(raw)["data"]
        symbol = topic.rpartition(".")[2]
        count[symbol] += 1
        updates[symbol] += len(data["update"])
        replaced[symbol] += len(data["insert"])
        replacing[symbol] += bool(data["insert"])
        gone = {level["id"]: level["side"] for level in data["delete"]}
        flips += any(gone.get(level["id"], level["side"]) != level["side"] for level in data["insert"])
    for symbol, category in SYMBOLS.items():
        frames_seen = count[symbol]
        assert 15 < frames_seen / seconds < 30
        assert 1.5 < updates[symbol] / frames_seen < 4.5
        if category is Category.INVERSE:
            assert 0.08 < replaced[symbol] / frames_seen < 0.6
            assert 0.07 < replacing[symbol] / frames_seen < 0.3
        else:
            assert 0.6 < replaced[symbol] / frames_seen < 2.5
            assert 0.4 < replacing[symbol] / frames_seen < 0.8
    assert flips > 15


def test_positions_are_liquidated_now_and_then() -> None:
    """One liquidation per 30 s on average, equal in both dialects, with trades at or within the bankruptcy price."""
    seconds = 60
    market = SyntheticMarket(start_ns=START_NS)
    kinds = ("liquidation", "allLiquidation", "trade")
    told: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for at_ns, topic, raw in market.frames(
        [t for t in market.topics if t.name.startswith(tuple(f"{k}." for k in kinds))]
    ):
        if at_ns > START_NS + seconds * 10**9:
            break
        data = json.loads(raw)["data"]
        told[topic.name] += data if isinstance(data, list) else [data]
    total = 0
    for symbol in SYMBOLS:
        v2, v5 = told[f"liquidation.{symbol}"], told[f"allLiquidation.{symbol}"]
        total += len(v2)
        as_v5 = [(one["time"], one["symbol"], one["side"], float(one["qty"]), float(one["price"])) for one in v2]
        found = [(one["T"], one["s"], one["S"], float(one["v"]), float(one["p"])) for one in v5]
        assert as_v5[: len(v5)] == found  # the last one may wait for its push interval of 500 ms
        assert len(v2) - len(v5) <= 1
        for one in v2:
            sold = one["side"] == "Buy"
            fills = [
                trade
                for trade in told[f"trade.{symbol}"]
                if int(trade["trade_time_ms"]) == one["time"] and trade["side"] == ("Sell" if sold else "Buy")
            ]
            assert fills
            price = float(one["price"])
            assert any(float(fill["price"]) >= price if sold else float(fill["price"]) <= price for fill in fills)
    assert 0.4 < total / (seconds / 30 * len(SYMBOLS)) < 2


def test_only_what_is_traded_on_margin_is_liquidated() -> None:
    topics = SyntheticMarket().topics
    assert {topic.category for topic in topics if "iquidation" in topic.name} == {Category.INVERSE, Category.LINEAR}
