"""Public topics other than books and trades agree with the trades and the book."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal as D
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from depthwire.venue import SyntheticMarket
from depthwire.venue.market.candles import candle_span
from tests.support.venue_frames import v2_frames

START_NS = 1_618_677_786_000_000_000
INTERVALS = ["1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M"]
SECOND_NS = 10**9


def told(seconds: float, start_ns: int = START_NS, seed: int = 1) -> Iterator[tuple[int, str, Any]]:
    """Return the decoded frames of the first seconds."""
    for at_ns, topic, raw in v2_frames(SyntheticMarket(seed, start_ns=start_ns)):
        if at_ns > start_ns + seconds * SECOND_NS:
            return
        yield at_ns, topic, json.loads(raw, parse_float=D)


def merged(frames: list[Any]) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for frame in frames:
        data = frame["data"]
        state |= data if frame["type"] == "snapshot" else data["update"][0]
    return state


def by_topic(prefix: str, seconds: float, start_ns: int = START_NS) -> dict[str, list[tuple[int, Any]]]:
    found = defaultdict(list)
    for at_ns, topic, frame in told(seconds, start_ns):
        if topic.startswith(prefix):
            found[topic].append((at_ns, frame))
    return found


# instrument_info


@pytest.mark.parametrize(("symbol", "text"), [("BTCUSD", int), ("ETHUSD", int), ("BTCUSDT", str)])
def test_instrument_info_is_a_snapshot_and_then_what_changed(symbol: str, text: type) -> None:
    frames: list[Any] = []
    trades: list[Any] = []
    for _, topic, frame in told(20):
        if topic == f"trade.{symbol}":
            trades += frame["data"]
        if topic != f"instrument_info.100ms.{symbol}":
            continue
        if frames:
            (update,) = frame["data"]["update"]
            before = merged(frames)
            changed = {name for name, value in update.items() if before[name] != value}
            assert changed - {"cross_seq", "updated_at"}
            always = {"id", "symbol", "cross_seq", "created_at", "updated_at"}
            assert update.keys() <= changed | always
            assert always <= update.keys()
            extra = {"delete", "insert"} if text is int else set()
            assert frame["data"].keys() == {"update"} | extra
        frames.append(frame)
        assert isinstance(frame["cross_seq"], text)
        state = merged(frames)
        if trades:
            assert D(state["last_price"]) == D(trades[-1]["price"])
            assert state["last_tick_direction"] == trades[-1]["tick_direction"]
        for name in ("last_price", "bid1_price", "ask1_price", "high_price_24h", "mark_price", "index_price"):
            assert isinstance(state[f"{name}_e4"], text)
            assert D(state[name]) * 10_000 == int(state[f"{name}_e4"])
        assert int(state["bid1_price_e4"]) < int(state["ask1_price_e4"])
    assert [frame["type"] for frame in frames] == ["snapshot"] + ["delta"] * (len(frames) - 1)
    assert len(frames) > 20
    state = merged(frames)
    prices = [D(trade["price"]) for trade in trades]
    sizes = [D(trade["size"]) for trade in trades]
    assert D(state["high_price_24h"]) >= max(prices)
    assert D(state["low_price_24h"]) <= min(prices)
    volume = state["volume_24h"] if text is int else D(state["volume_24h_e8"]) / 10**8
    assert volume == sum(sizes)


def test_a_total_is_beyond_what_a_float_can_hold() -> None:
    frames = by_topic("instrument_info.100ms.ETHUSD", 1)["instrument_info.100ms.ETHUSD"]
    assert merged([frame for _, frame in frames])["total_turnover_e8"] > 1 << 53


# candles


@pytest.mark.parametrize(
    ("interval", "at", "start", "end"),
    [
        ("1", "2021-04-17T16:43:06", "2021-04-17T16:43:00", "2021-04-17T16:44:00"),
        ("240", "2021-04-17T16:43:06", "2021-04-17T16:00:00", "2021-04-17T20:00:00"),
        ("D", "2021-04-17T16:43:06", "2021-04-17T00:00:00", "2021-04-18T00:00:00"),
        ("W", "2021-04-17T16:43:06", "2021-04-12T00:00:00", "2021-04-19T00:00:00"),
        ("W", "2021-04-19T00:00:00", "2021-04-19T00:00:00", "2021-04-26T00:00:00"),
        ("M", "2021-04-30T23:59:59", "2021-04-01T00:00:00", "2021-05-01T00:00:00"),
        ("M", "2021-12-31T12:00:00", "2021-12-01T00:00:00", "2022-01-01T00:00:00"),
    ],
)
def test_candles_begin_at_round_times(interval: str, at: str, start: str, end: str) -> None:
    moments = [int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) for text in (at, start, end)]
    assert candle_span(interval, moments[0]) == (moments[1], moments[2])


def test_candles_are_made_of_the_trades_and_confirmed_at_their_end() -> None:
    start_ns = 1_618_677_768_000_000_000  # 16:42:48
    frames = by_topic("", 90, start_ns)
    for symbol, kind in (("BTCUSD", "klineV2"), ("BTCUSDT", "candle")):
        assert all(frames[f"{kind}.{interval}.{symbol}"] for interval in INTERVALS)
        trades = [trade for _, frame in frames[f"trade.{symbol}"] for trade in frame["data"]]
        ticks = [tick for _, frame in frames[f"{kind}.1.{symbol}"] for tick in frame["data"]]
        confirmed = [tick for tick in ticks if tick["confirm"]]
        assert [tick["start"] for tick in confirmed] == [1_618_677_720, 1_618_677_780]
        assert [tick["end"] - tick["start"] for tick in ticks] == [60] * len(ticks)
        assert confirmed[1]["open"] == confirmed[0]["close"]
        second = [t for t in trades if 1_618_677_780 <= int(t["trade_time_ms"]) / 1000 < 1_618_677_840]
        prices, candle = [D(trade["price"]) for trade in second], confirmed[1]
        assert D(candle["volume"]) == sum(D(trade["size"]) for trade in second)
        assert (candle["close"], candle["high"], candle["low"]) == (
            prices[-1],
            max([candle["open"], *prices]),
            min([candle["open"], *prices]),
        )
        spans = [tick["start"] for tick in ticks]
        assert spans == sorted(spans)


def test_candles_are_pushed_once_a_second() -> None:
    for topic, frames in by_topic("klineV2.1.", 20).items():
        assert len(frames) > 3, topic
        for (before_ns, _), (at_ns, _) in pairwise(frames):
            assert at_ns - before_ns > 0.95 * SECOND_NS


# insurance


def test_the_insurance_fund_is_told_at_20_00_utc() -> None:
    evening = int(datetime(2021, 4, 17, 20, tzinfo=UTC).timestamp())
    frames = by_topic("insurance.", 4, (evening - 2) * SECOND_NS)
    assert frames.keys() == {"insurance.BTC", "insurance.ETH", "insurance.XRP"}
    for topic, (*_, (at_ns, frame)) in frames.items():
        assert len(frames[topic]) == 1
        assert 0 <= at_ns - evening * SECOND_NS < 50_000_000
        assert frame["data"] == [
            {
                "currency": topic.removeprefix("insurance."),
                "timestamp": "2021-04-17T20:00:00Z",
                "wallet_balance": 1000 * 10**8,
            }
        ]


# shapes


def keys_and_types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys_and_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [keys_and_types(item) for item in value[:1]]
    return "number" if isinstance(value, int | float | D) and not isinstance(value, bool) else type(value).__name__


def recorded(tapes: Path, topic: str) -> Any:
    """Return the first recorded frame of a topic, or the documentation's example."""
    for path in sorted(tapes.glob("*.jsonl"), reverse=True):
        for line in path.read_bytes().splitlines():
            frame = json.loads(line)
            if frame.get("topic") == topic and "generated" not in frame:
                return frame
    raise LookupError(topic)


@pytest.mark.parametrize("topic", ["klineV2.1.BTCUSD", "insurance.ETH"])
def test_the_frames_have_the_recorded_shape(tapes: Path, topic: str) -> None:
    evening = int(datetime(2021, 4, 17, 20, tzinfo=UTC).timestamp())
    (_, made), *_ = by_topic(topic, 4, (evening - 2) * SECOND_NS)[topic]
    frame = recorded(tapes, topic)
    assert keys_and_types(made) == keys_and_types(frame)
    assert list(made["data"][0]) == list(frame["data"][0])


@pytest.mark.parametrize("symbol", ["ETHUSD", "BTCUSDT"])
def test_instrument_info_names_what_the_recorded_ones_name(tapes: Path, symbol: str) -> None:
    topic = f"instrument_info.100ms.{symbol}"
    made = by_topic(topic, 1)[topic][0][1]
    for path in tapes.glob("singles-*.jsonl"):
        for line in path.read_bytes().splitlines():
            frame = json.loads(line)
            if frame.get("topic") == topic:
                fields = frame["data"] if frame["type"] == "snapshot" else frame["data"]["update"][0]
                shape = keys_and_types(made["data"])
                assert {name: shape[name] for name in fields} == keys_and_types(fields)
