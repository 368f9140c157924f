"""Every recorded and documented v5 frame as a typed message, field by field against its JSON: nothing lost or rounded."""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import fields

from depthwire import errors
from depthwire.bybit.v5 import dialect as v5
from depthwire.bybit.v5 import private as v5_private
from depthwire.bybit.v5 import public as v5_public
from depthwire.bybit.v5.instrument import V5Instrument
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.repair import repaired_events
from depthwire.feed.state_channel import StateChannel
from tests.support.offline import Offline
from tests.support.reference import frames

TAPES = ["v5-linear-2026-08-09.frames", "v5-spot-2026-08-09.frames"]
EXAMPLES = "examples-v5.jsonl"
# Kinds of order books beyond those of the depths: of retail orders, and of all levels.
OTHERS = ("orderbook.rpi.", "orderbook.full.")
RECORDS: list[type[Struct]] = [
    v5_public.Trade,
    v5_public.Ticker,
    v5_public.Kline,
    v5_public.Liquidation,
    v5_public.Insurance,
    v5_private.Order,
    v5_private.Execution,
    v5_private.Fee,
    v5_private.FastExecution,
    v5_private.Position,
    v5_private.Wallet,
    v5_private.CoinBalance,
    v5_private.Greeks,
]


def wire_frames(path: Path) -> Iterator[tuple[bytes, Any]]:
    """The frames of a file that carry a topic but order books: raw, and as JSON."""
    for raw in path.read_bytes().splitlines() if path.suffix == ".jsonl" else frames(path):
        wire = json.loads(raw, parse_float=Decimal)
        if "topic" in wire and not wire["topic"].startswith("orderbook."):
            yield raw, wire


def items_of(owner: Offline, raw: bytes, wire: Any) -> list[Any]:
    """What a frame's channel makes of it, on the frame path."""
    topic = wire["topic"]
    channel = owner.feed.channels.get(topic)
    if channel is None:
        channel = v5.LINEAR.channel(topic)
        assert channel is not None, topic
        channel.attach(owner.errors.append)
        owner.feed.channels.add(channel)
    seen: list[Any] = []
    if isinstance(channel, StateChannel):
        owner.send(raw)
        return [channel.state.snapshot()]
    assert isinstance(channel, EventChannel)

    class Reader:
        def push(self, events: list[Any], report: object) -> None:
            seen.extend(events)

    reader: Any = Reader()
    channel.join(reader)
    owner.send(raw)
    channel.leave(reader)
    return seen


def compare(value: Any, wire: Any, where: str) -> None:
    """Assert that ``value`` says exactly what the wire does."""
    if wire == "":
        assert value in (None, ""), where
    elif isinstance(value, Struct):
        compare_record(value, wire, where)
    elif isinstance(value, list):
        assert len(value) == len(wire), where
        for index, (item, wire_item) in enumerate(zip(value, wire, strict=True)):
            compare(item, wire_item, f"{where}[{index}]")
    elif isinstance(value, dict):
        assert value.keys() == wire.keys(), where
        for key in wire:
            compare(value[key], wire[key], f"{where}.{key}")
    elif isinstance(value, bool):
        assert value is wire, where
    elif isinstance(value, int):
        assert value == int(wire), where
        assert not isinstance(wire, Decimal), where
    elif isinstance(value, Decimal):
        assert value.as_tuple() == Decimal(wire).as_tuple(), where  # the very digits, trailing zeros too
    else:
        assert isinstance(value, str), where
        assert value == wire, where


def compare_record(record: Struct, wire: dict[str, Any], where: str) -> None:
    by_key = {field.encode_name: field.name for field in fields(record)}
    assert set(wire) <= set(by_key), f"{where}: lost {set(wire) - set(by_key)}"
    for key, name in by_key.items():
        if key in wire:
            compare(getattr(record, name), wire[key], f"{where}.{key}")
        else:
            assert getattr(record, name) in (None, ""), f"{where}.{key} is not on the wire"


@pytest.mark.parametrize("name", [EXAMPLES, *TAPES])
def test_every_frame_becomes_what_it_says(tapes: Path, name: str) -> None:
    owner = Offline()
    merged: dict[str, Any] = {}
    checked: Counter[str] = Counter()
    for raw, wire in wire_frames(tapes / name):
        topic, data = wire["topic"], wire["data"]
        found = items_of(owner, raw, wire)
        if topic.startswith("tickers."):
            merged[topic] = data if wire["type"] == "snapshot" else merged[topic] | data
            data = [merged[topic]]
        compare(found, data, topic)
        checked[topic.split(".")[0]] += 1
    assert owner.errors == []
    if name == EXAMPLES:
        kinds = "order execution position wallet greeks publicTrade tickers kline allLiquidation insurance"
        assert set(checked) == set(kinds.split())
    else:
        assert min(checked[kind] for kind in ("publicTrade", "tickers", "kline")) >= 5


def test_the_documented_book_frames_are_those_of_the_depths_that_there_are(tapes: Path) -> None:
    topics = [json.loads(raw)["topic"] for raw in (tapes / EXAMPLES).read_bytes().splitlines()]
    books = [topic for topic in topics if topic.startswith("orderbook.") and not topic.startswith(OTHERS)]
    assert books == ["orderbook.50.BTCUSDT"]
    assert isinstance(v5.LINEAR.channel(books[0]), BookChannel)
    for topic in topics:
        if topic.startswith(OTHERS):
            assert v5.LINEAR.channel(topic) is None


def test_no_number_goes_through_a_float() -> None:
    for record in RECORDS:
        assert [field.name for field in fields(record) if float in (field.type, *get_args(field.type))] == []


# numbers, absent values, unknown fields


def order(**other: Any) -> v5_private.Order:
    return read(json.dumps({"topic": "order", "data": [wire_order(**other)]}).encode())


def wire_order(**other: Any) -> dict[str, Any]:
    known = {"category": "linear", "symbol": "BTCUSDT", "orderId": "a", "side": "Buy", "orderType": "Limit"}
    return {**known, "orderStatus": "New", "qty": "1", **other}


def read(raw: bytes) -> v5_private.Order:
    """Return the first order of a frame, read in one pass if it is plain, else field by field."""
    message = v5_private.OrderMessage.decoder()(raw)
    found = repaired_events(v5_private.OrderMessage, raw).found if message is None else message.data
    order: v5_private.Order = found[0]
    return order


def test_digits_are_kept_whatever_they_are() -> None:
    assert str(order(price="0.12345678901234567890").price) == "0.12345678901234567890"
    assert str(order(price="0.10").price) == "0.10"
    assert order(updatedTime="1672364262457").updated_time_ms == 1_672_364_262_457
    raw = b'{"topic":"order","data":[{"category":"c","symbol":"s","orderId":"a","side":"Buy","orderType":"t",'
    raw += b'"orderStatus":"New","qty":0.12345678901234567890}]}'
    assert str(read(raw).qty) == "0.12345678901234567890", "a JSON number, too"


def test_an_empty_text_is_an_absent_value() -> None:
    found = order(price="", leavesQty="", orderLinkId="", updatedTime="", cumFeeDetail={"MNT": "", "BIT": "0.1"})
    assert (found.price, found.leaves_qty, found.updated_time_ms, found.changed_ns) == (None, None, None, None)
    assert found.order_link_id == ""
    assert found.cum_fee_detail == {"BIT": Decimal("0.1")}


@pytest.mark.parametrize("price", ["NaN", "Infinity", "1e400", "one", "0x10", "1,5", {}, True])
def test_a_price_that_is_not_a_number_is_left_out(price: Any) -> None:
    offline = Offline("order", dialect=v5.LINEAR)
    offline.send({"topic": "order", "data": [wire_order(price=price)]})
    channel = offline.events("order")
    assert (channel.latest.price, channel.odd_fields, offline.errors) == (None, 1, [])


@pytest.mark.parametrize("number", [b"1e9999999999999999999", b"1E-9999999999999999999999"])
def test_a_number_beyond_all_bounds_is_a_malformed_event(number: bytes) -> None:
    owner = Offline()
    channel = v5.LINEAR.channel("order")
    assert channel is not None
    channel.attach(owner.errors.append)
    owner.feed.channels.add(channel)
    owner.send(b'{"topic":"order","data":[{"price":' + number + b"}]}")
    assert [type(error) for error in owner.errors] == [errors.MalformedEvent]


def test_unknown_members_and_unknown_fields_are_no_error() -> None:
    found = order(orderStatus="Sleeping", cancelType="CancelByMoon", brandNew=[{}])
    assert (found.order_status, found.cancel_type) == ("Sleeping", "CancelByMoon")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.__module__.split('_')[-1]}.{record.__name__}")
def test_a_field_without_which_an_item_means_nothing_is_required(record: type[Struct]) -> None:
    with pytest.raises(msgspec.ValidationError, match="missing required field"):
        msgspec.convert({}, record)


# tickers, merged


TICKER = {"symbol": "BTCUSDT", "lastPrice": "65114.30", "markPrice": "65117.44", "preOpenPrice": "1.5"}


def ticker(data: dict[str, Any], kind: str = "delta", cs: int = 2, **other: Any) -> dict[str, Any]:
    return {"topic": "tickers.BTCUSDT", "type": kind, "data": data, "cs": cs, "ts": 1_786_310_817_583, **other}


def instrument(*messages: dict[str, Any]) -> tuple[Offline, V5Instrument]:
    owner = Offline()
    channel = v5.LINEAR.channel("tickers.BTCUSDT")
    assert isinstance(channel, StateChannel)
    channel.attach(owner.errors.append)
    owner.feed.channels.add(channel)
    for message in messages:
        owner.send(message)
    assert isinstance(channel.state, V5Instrument)
    return owner, channel.state


def test_a_delta_changes_only_what_it_names_and_tells_what_changed() -> None:
    owner, found = instrument(ticker(TICKER, "snapshot", 1))
    told: list[frozenset[str]] = []
    found.on_change(lambda _, changed: told.append(changed))
    owner.send(ticker({"symbol": "BTCUSDT", "markPrice": "65118", "lastPrice": "65114.30"}))
    assert told == [frozenset({"mark_price"})]
    assert (str(found.last_price), str(found.mark_price), found.frame_seq) == ("65114.30", "65118", 2)
    assert found.ts_exchange_us == 1_786_310_817_583_000
    assert found.funding_rate is None


def test_an_empty_text_in_a_delta_takes_a_value_away() -> None:
    _, found = instrument(ticker(TICKER, "snapshot", 1), ticker({"symbol": "BTCUSDT", "preOpenPrice": ""}))
    assert found.pre_open_price is None
    assert found.updated == {"pre_open_price"}


def test_a_snapshot_replaces_all_fields() -> None:
    _, found = instrument(ticker(TICKER, "snapshot", 5), ticker({"symbol": "BTCUSDT", "lastPrice": "1"}, "snapshot", 6))
    assert (found.last_price, found.mark_price) == (1, None)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (ticker({"symbol": "ETHUSDT", "lastPrice": "1"}), errors.SymbolMismatch),
        (ticker({"lastPrice": "1"}), errors.SymbolMismatch),
        (ticker({"symbol": "BTCUSDT", "lastPrice": "1"}, cs=0), errors.OutOfSequence),
        (ticker({"symbol": "BTCUSDT", "lastPrice": "2"}, cs="two"), errors.MalformedFrame),
        (ticker({"symbol": "BTCUSDT"}, "update"), errors.MalformedFrame),
    ],
)
def test_a_frame_that_does_not_fit_makes_it_stale_and_changes_nothing(
    message: dict[str, Any], error: type[errors.FrameError]
) -> None:
    owner, found = instrument(ticker(TICKER, "snapshot", 1), message)
    assert [type(each) for each in owner.errors] == [error]
    assert found.state == "STALE"
    assert str(found.snapshot(allow_stale=True).last_price) == "65114.30"
    owner.send(ticker({"symbol": "BTCUSDT", "lastPrice": "2"}, cs=3))
    assert found.dropped == 1
    owner.send(ticker(TICKER, "snapshot", 4))
    assert found.state == "LIVE"


def test_a_delta_before_its_snapshot_is_told() -> None:
    owner, found = instrument(ticker(TICKER))
    assert [type(error) for error in owner.errors] == [errors.SnapshotMissing]
    assert found.state == "EMPTY"
