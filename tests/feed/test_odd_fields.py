"""What one odd value costs: its own field, its own event, or the frame, and never more than it has to."""

import asyncio
import json
import types
from decimal import Decimal
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import FieldInfo, fields

import depthwire
from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.fields import Nanoseconds
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v2 import private
from depthwire.bybit.v5 import dialect as v5
from depthwire.bybit.v5 import private as v5_private
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.feed.streams import EventStream
from depthwire.session.health import TopicTracker
from depthwire.settings import Settings
from tests.support.odd_seeds import EVENTS, STATES, Spot, item_of, seed, with_value
from tests.support.offline import Offline
from tests.support.plain_client import run, until
from tests.support.reference import frames
from tests.support.v5_server import KEY, SECRET, v5_server
from tests.support.v5_server import private as private_frame

ODD: list[Any] = ["", None, [], 7, "odd"]
STOP_IDS = {v2.INVERSE: "order_id", v2.LINEAR: "stop_order_id"}


def kinds_of(field: FieldInfo) -> tuple[Any, ...]:
    """The types that a field takes."""
    union = get_origin(field.type) in (Union, types.UnionType)
    return tuple(kind for kind in (get_args(field.type) if union else (field.type,)) if kind is not msgspec.UnsetType)


def times_of(struct: type[Struct]) -> set[str]:
    """The texts that are read as times."""
    attributes = (getattr(struct, name) for name in dir(struct) if name.endswith("_ns"))
    return {attribute.field for attribute in attributes if isinstance(attribute, Nanoseconds)}


def takes(struct: type[Struct], field: FieldInfo, value: Any) -> bool:
    """Whether a value is one that the field's declaration stands for, in either dialect's writing."""
    kinds = kinds_of(field)
    if value is None:
        return type(None) in kinds
    if isinstance(value, list):
        return any(get_origin(kind) is list for kind in kinds)
    if isinstance(value, int):
        return Decimal in kinds or int in kinds
    if value and field.name in times_of(struct):
        return False
    return str in kinds


def expected(spot: Spot, field: FieldInfo, value: Any) -> str:
    """The documented outcome: "good", "absent", "left out" (of an event that is delivered) or "refused"."""
    if value == "" and spot.dialect.name.startswith("v5"):
        return "refused" if field.required else "absent"
    if takes(spot.struct, field, value):
        return "good"
    needed = field.required or field.name in getattr(spot.struct, "NEEDED", ())
    empty = type(None) in kinds_of(field) or field.default == ""
    return "left out" if empty and not needed else "refused"


def empty_value(field: FieldInfo) -> Any:
    """What a field is without a value."""
    return None if type(None) in kinds_of(field) else field.default


def read(stream: EventStream[Any]) -> list[Any]:
    """What waits for a reader: events, and errors in their places."""

    async def drained() -> list[Any]:
        found: list[Any] = []
        while stream.waiting:
            try:
                found.append(await anext(stream))
            except errors.DepthwireError as error:
                found.append(error)
        return found

    return asyncio.run(drained())


def inner(event: Any, spot: Spot) -> Any:
    """The Struct of the spot in an event."""
    names = {field.encode_name: field.name for field in fields(event)}
    for step in spot.path:
        event = event[step] if isinstance(step, int) else getattr(event, names[step])
    return event


@pytest.mark.parametrize("spot", EVENTS, ids=str)
def test_an_odd_value_of_any_field_of_an_event(tapes: Path, spot: Spot) -> None:
    frame = seed(tapes, spot)
    topic, item = frame["topic"], item_of(frame)
    for field in fields(spot.struct):
        for value in ODD:
            if spot.struct is private.StopOrder and field.encode_name == STOP_IDS[spot.dialect]:
                continue  # see test_a_conditional_order_that_cannot_be_told_apart_is_refused
            offline = Offline(topic, dialect=spot.dialect)
            stream = offline.stream(topic)
            odd = with_value(item, spot, field.encode_name, value)
            offline.send({**frame, "data": [item, odd, item]})
            first, found, last = read(stream)
            channel = offline.events(topic)
            case = f"{spot}.{field.encode_name} = {value!r}"
            assert first == last, case
            assert isinstance(first, Struct), case
            outcome = expected(spot, field, value)
            counts = (channel.odd_fields, channel.refused_events, channel.events)
            if outcome == "refused":
                assert type(found) is errors.MalformedEvent, case
                assert found.topic == topic
                assert json.loads(found.raw) == odd
                assert f"`{field.encode_name}`" in str(found)
                assert offline.errors == [found]
                assert counts == (0, 1, 2), case
                continue
            assert not isinstance(found, Exception), f"{case}: {found}"
            assert offline.errors == []
            assert counts == (int(outcome == "left out"), 0, 3), case
            if outcome != "good":
                derived = {"is_isolated", "order_id"}  # which another field may give
                assert field.name in derived or getattr(inner(found, spot), field.name) == empty_value(field), case


@pytest.mark.parametrize("dialect", [v2.INVERSE, v2.LINEAR], ids=["inverse", "linear"])
def test_a_conditional_order_that_cannot_be_told_apart_is_refused(tapes: Path, dialect: v2.V2Dialect) -> None:
    spot = Spot(private.StopOrder, dialect, "stop_order")
    frame = seed(tapes, spot)
    for value in ODD[:4]:
        offline = Offline("stop_order", dialect=dialect)
        stream = offline.stream("stop_order")
        offline.send({**frame, "data": [with_value(item_of(frame), spot, STOP_IDS[dialect], value)]})
        (error,) = read(stream)
        assert isinstance(error, errors.MalformedEvent)
        assert "neither `order_id` nor `stop_order_id`" in str(error)


def later(frame: dict[str, Any], by: int) -> dict[str, Any]:
    """Return the same frame with later numbers, so that it is not a copy of the one before."""
    numbers = {key: frame[key] for key in ("cross_seq", "timestamp_e6", "cs", "ts") if key in frame}
    return {**frame, **{key: type(number)(int(number) + by) for key, number in numbers.items()}}


@pytest.mark.parametrize("spot", STATES, ids=str)
@pytest.mark.parametrize("kind", ["snapshot", "delta"])
def test_an_odd_value_of_any_field_of_an_instrument(tapes: Path, spot: Spot, kind: str) -> None:
    """What it was before is not true any more, and nothing else changes."""
    frame = seed(tapes, spot)
    topic, item = frame["topic"], item_of(frame)
    is_v5 = spot.dialect.name.startswith("v5")
    for field in fields(spot.struct):
        for value in ODD:
            offline = Offline(topic, dialect=spot.dialect)
            channel = offline.feed.channels.get(topic)
            assert isinstance(channel, StateChannel)
            before = with_value(item, spot, field.encode_name, item.get(field.encode_name, None))
            if before[field.encode_name] is None:
                del before[field.encode_name]
            offline.send({**frame, "type": "snapshot", "data": before})
            known = channel.state.snapshot()
            if kind == "snapshot":
                offline.send({**later(frame, 1), "type": kind, "data": {**item, field.encode_name: value}})
            else:
                part = {"symbol": item["symbol"], field.encode_name: value}
                offline.send({**later(frame, 1), "type": kind, "data": part if is_v5 else {"update": [part]}})
            case = f"{spot}.{field.encode_name} = {value!r}"
            outcome = expected(spot, field, value)
            if field.name == "symbol":
                assert channel.state.state is BookState.STALE, case
                continue
            assert offline.errors == [], case
            assert channel.state.state is BookState.LIVE, case
            now = channel.state.snapshot()
            if outcome != "good":
                assert getattr(now, field.name) == empty_value(field), case
            assert channel.state.odd_fields == (outcome == "left out"), case
            others = [each.name for each in fields(now) if each.name != field.name]
            assert [getattr(now, name) for name in others] == [getattr(known, name) for name in others], case
            offline.send({**later(frame, 2), "type": "snapshot", "data": item})
            assert channel.state.snapshot() == known, "and the next good value is taken"


def test_the_tape_of_tickers_with_one_odd_field(tapes: Path) -> None:
    offline = Offline(dialect=v5.LINEAR, adopts=True)
    for raw in frames(tapes / "faults" / "07_ticker_one_odd_field.frames"):
        offline.send(raw)
    assert offline.errors == []
    found = {channel.topic: channel.state for channel in offline.feed.channels if isinstance(channel, StateChannel)}
    one, other = found["tickers.NEWUSDT"], found["tickers.DTMUSDT"]
    assert (one.last_price, one.mark_price, one.funding_interval_hour) == (Decimal("1.5"), Decimal("1.51"), None)
    assert (other.last_price, other.delivery_time) == (1, "")
    assert (one.odd_fields, other.odd_fields) == (1, 1)


# frames


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("key", ["cross_seq", "timestamp_e6"])
def test_a_sequence_or_time_that_an_instrument_needs_refuses_the_frame(tapes: Path, key: str, value: Any) -> None:
    frame = seed(tapes, STATES[0])
    offline = Offline(frame["topic"])
    offline.send(frame)
    offline.send({**frame, key: value})
    kinds = [] if value == 7 else [errors.MalformedFrame]  # a snapshot may go back
    assert [type(error) for error in offline.errors] == kinds


@pytest.mark.parametrize("value", ODD)
def test_odd_fields_next_to_the_events_cost_nothing(tapes: Path, value: Any) -> None:
    for spot in EVENTS:
        frame = seed(tapes, spot)
        for key in set(frame) - {"topic", "data"}:
            offline = Offline(frame["topic"], dialect=spot.dialect)
            offline.send({"topic": frame["topic"], "data": frame["data"], key: value})
            channel = offline.events(frame["topic"])
            assert offline.errors == [], f"{spot}.{key} = {value!r}"
            assert channel.events == (len(frame["data"]) if isinstance(frame["data"], list) else 1)


@pytest.mark.parametrize("data", ["", None, 7, "odd", {}, [None], [7], [[]], ["odd"]])
def test_data_that_is_no_list_of_objects(tapes: Path, data: Any) -> None:
    for spot in EVENTS:
        topic = seed(tapes, spot)["topic"]
        offline = Offline(topic, dialect=spot.dialect)
        stream = offline.stream(topic)
        offline.send({"topic": topic, "data": data})
        (error,) = read(stream)
        assert offline.errors == [error]
        one = spot.kind == "liquidation" and data == {}
        assert type(error) is (errors.MalformedEvent if isinstance(data, list) or one else errors.MalformedFrame)


# what depends on the events


def order(order_id: str, **other: Any) -> dict[str, Any]:
    known = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "orderStatus": "New"}
    return {**known, "orderId": order_id, "qty": "1", **other}


def test_an_account_view_says_that_an_event_was_refused_until_it_is_reconciled() -> None:
    offline = Offline("order", dialect=v5.LINEAR)
    view = offline.events("order").view
    offline.send(private_frame("order", order("a"), order("b", qty="much"), order("c")))
    assert set(view) == {"a", "c"}
    assert isinstance(view.gap, errors.MalformedEvent)
    view.reconcile([view["a"]])
    assert view.gap is None


def test_a_filled_quantity_that_is_odd_does_not_make_an_order_older() -> None:
    offline = Offline("order", dialect=v5.LINEAR)
    view = offline.events("order").view
    offline.send(private_frame("order", order("a", cumExecQty="0.5", updatedTime="1")))
    offline.send(private_frame("order", order("a", cumExecQty="half", updatedTime="2")))
    assert view["a"].cum_exec_qty is None
    offline.send(private_frame("order", order("a", cumExecQty="0.4", updatedTime="1")))
    assert view["a"].cum_exec_qty is None, "older by its time"
    assert offline.events("order").odd_fields == 1


def test_the_bytes_of_a_refused_event_are_those_that_came() -> None:
    offline = Offline("trade.BTCUSD")
    stream = offline.stream("trade.BTCUSD")
    raw = b'{ "price" : 1.10 ,"symbol":"\xff"}'
    offline.send(b'{"topic":"trade.BTCUSD","data":[ ' + raw + b" ]}")
    (error,) = read(stream)
    assert isinstance(error, errors.MalformedEvent)
    assert error.raw == raw


def test_two_lines_that_both_refuse_an_event_tell_of_it_once() -> None:
    async def main() -> None:
        async with (
            v5_server() as one,
            v5_server() as other,
            depthwire.connect([one.url, other.url], api_key=KEY, api_secret=SECRET) as client,
        ):
            stream = await client.orders()
            await until(lambda: all(server.held("order") for server in (one, other)))
            for server in (one, other):
                server.push(private_frame("order", order("a"), order("b", qty="much"), order("c", price="dear")))
            seen: list[Any] = []
            while len(seen) < 3:
                try:
                    seen.append((await anext(stream)).order_id)
                except errors.MalformedEvent as error:
                    seen.append(json.loads(error.raw)["orderId"])
            assert sorted(seen) == ["a", "b", "c"]
            await until(lambda: client.health()["order"].refused_events == 2)
            assert client.health()["order"].odd_fields == 2, "each line counts its own"
            assert isinstance(stream.view.gap, errors.MalformedEvent)
            for server in (one, other):
                server.push(private_frame("order", order("d")))
            assert (await anext(stream)).order_id == "d"
            assert stream.waiting == 0

    run(main)


def test_health_counts_both() -> None:
    offline = Offline("trade.BTCUSD")
    good = {"symbol": "BTCUSD", "side": "Buy", "price": 1, "size": 1, "trade_id": "x"}
    offline.send(
        {"topic": "trade.BTCUSD", "data": [{**good, "cross_seq": "x", "trade_time_ms": []}, {**good, "size": 0.1}]}
    )
    offline.send({"topic": "trade.BTCUSD", "data": [{**good, "price": None}, good, {**good, "price": "1e400"}]})
    channel = offline.feed.channels.get("trade.BTCUSD")
    assert isinstance(channel, EventChannel)
    health = TopicTracker(channel, Settings()).health()
    assert (health.odd_fields, health.refused_events, health.frames) == (2, 2, 2)


@pytest.mark.parametrize("price", ["NaN", "1e400", "-Infinity"])
def test_a_number_that_is_none_is_odd_wherever_it_is(price: str) -> None:
    offline = Offline("order", dialect=v5.LINEAR)
    stream = offline.stream("order")
    offline.send(private_frame("order", order("a", price=price, cumFeeDetail={"MNT": price}), order("b", qty=price)))
    one, error = read(stream)
    assert isinstance(one, v5_private.Order)
    assert (one.price, one.cum_fee_detail) == (None, None)
    assert isinstance(error, errors.MalformedEvent)


# numbers in texts

NOT_NUMBERS = [
    "1_000",
    " 1",
    "1 ",
    "+5",
    "1e5",
    "1E-19",
    ".5",
    "1.",
    "\u0661\u0662",
    "0x10",
    "null",
    "1\u00a0",
    "\uff11",
]


def with_text(raw: bytes, key: str, text: bytes) -> bytes:
    """Return a frame with another text in place of the marked value of one field."""
    assert raw.count(b'"' + key.encode() + b'":"@"') == 1
    return raw.replace(b'"@"', b'"' + text + b'"')


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_a_price_is_a_text_only_in_plain_ascii_digits(text: str) -> None:
    offline = Offline("order", dialect=v5.LINEAR)
    stream = offline.stream("order")
    offline.send(private_frame("order", order("a"), order("b", qty=text), order("c", price=text)))
    one, error, last = read(stream)
    assert isinstance(error, errors.MalformedEvent)
    assert (one.order_id, last.order_id, last.price) == ("a", "c", None)
    assert offline.events("order").odd_fields == 1


@pytest.mark.parametrize("text", NOT_NUMBERS[:1])
def test_a_text_is_a_number_only_in_plain_ascii_digits(tapes: Path, text: str) -> None:
    """Every number of every event: an odd one costs its field or its event, and no other event."""
    for spot in EVENTS:
        frame = seed(tapes, spot)
        topic, item = frame["topic"], item_of(frame)
        for field in fields(spot.struct):
            kinds = kinds_of(field)
            if str in kinds or not {Decimal, int} & set(kinds):
                continue
            offline = Offline(topic, dialect=spot.dialect)
            stream = offline.stream(topic)
            offline.send({**frame, "data": [item, with_value(item, spot, field.encode_name, text), item]})
            first, found, last = read(stream)
            case = f"{spot}.{field.encode_name} = {text!r}"
            channel = offline.events(topic)
            assert first == last, case
            if expected(spot, field, "odd") == "refused":
                assert isinstance(found, errors.MalformedEvent), case
                assert f"`{field.encode_name}`" in str(found), case
                assert (channel.odd_fields, channel.refused_events) == (0, 1), case
            else:
                assert getattr(inner(found, spot), field.name) == empty_value(field), case
                assert (channel.odd_fields, channel.refused_events) == (1, 0), case


@pytest.mark.parametrize("text", NOT_NUMBERS[::4])
def test_a_number_of_an_instrument_is_a_text_only_in_plain_ascii_digits(tapes: Path, text: str) -> None:
    for spot in STATES:
        frame = seed(tapes, spot)
        topic, item = frame["topic"], item_of(frame)
        for field in fields(spot.struct):
            kinds = kinds_of(field)
            if str in kinds or not {Decimal, int} & set(kinds):
                continue
            offline = Offline(topic, dialect=spot.dialect)
            offline.send({**frame, "type": "snapshot", "data": item})
            part = {"symbol": item["symbol"], field.encode_name: text}
            is_v5 = spot.dialect.name.startswith("v5")
            offline.send({**later(frame, 1), "type": "delta", "data": part if is_v5 else {"update": [part]}})
            channel = offline.feed.channels.get(topic)
            assert isinstance(channel, StateChannel)
            case = f"{spot}.{field.encode_name} = {text!r}"
            assert getattr(channel.state.snapshot(), field.name) is None, case
            assert (channel.state.odd_fields, offline.errors) == (1, []), case


@pytest.mark.parametrize("key", ["cs", "ts"])
def test_the_numbers_of_an_instruments_frame_are_texts_only_in_plain_digits(tapes: Path, key: str) -> None:
    frame = seed(tapes, STATES[-1])
    offline = Offline(frame["topic"], dialect=v5.LINEAR)
    offline.send({**frame, key: "1e5"})
    assert [type(error) for error in offline.errors] == [errors.MalformedFrame]


def test_an_amount_by_coin_is_a_text_only_in_plain_digits() -> None:
    offline = Offline("order", dialect=v5.LINEAR)
    stream = offline.stream("order")
    for fees in ({"MNT": "0.5"}, {"MNT": "1_0"}, {"MNT": "", "BTC": "-0.1"}, {"MNT": " 1"}):
        offline.send(private_frame("order", order("a", cumFeeDetail=fees)))
    found = [event.cum_fee_detail for event in read(stream)]
    assert found == [{"MNT": Decimal("0.5")}, None, {"BTC": Decimal("-0.1")}, None]
    assert offline.events("order").odd_fields == 2


@pytest.mark.parametrize("text", ["007", "-12.50", "1" * 45, "0." + "0" * 30 + "1"])
def test_other_plain_numbers_are_good_in_a_text(text: str) -> None:
    offline = Offline("order", dialect=v5.LINEAR)
    offline.send(private_frame("order", order("a", price=text)))
    channel = offline.events("order")
    assert str(channel.latest.price) == str(Decimal(text))
    assert channel.odd_fields == 0


@pytest.mark.parametrize("number", ["3e-06", "1E5", "-2.5e+3"])
def test_a_json_number_may_have_an_exponent(number: str) -> None:
    trade = b'{"symbol":"BTCUSD","side":"Buy","price":%b,"size":1,"trade_id":"x"}' % number.encode()
    offline = Offline("trade.BTCUSD")
    stream = offline.stream("trade.BTCUSD")
    offline.send(b'{"topic":"trade.BTCUSD","data":[%b]}' % trade)
    offline.send(b'{"topic":"trade.BTCUSD","data":[%b]}' % trade.replace(b'"x"', b'"\\u0078"'))
    one, other = read(stream)
    assert one == other
    assert str(one.price) == str(Decimal(number))
    assert one.as_float("price") == float(number)
    assert offline.errors == []


# texts that are not Unicode

NOT_UNICODE = [rb"\ud800", rb"\uDFFFx", rb"\ud800\ud800\udc00", rb"a\\\udbff", b"\xff", b"\xed\xa0\x80", b"\xc3"]


@pytest.mark.parametrize("text", NOT_UNICODE)
def test_an_event_with_a_text_that_is_not_unicode_is_refused_alone(text: bytes) -> None:
    offline = Offline("order", dialect=v5.LINEAR)
    stream = offline.stream("order")
    orders = (order("a"), order("b", symbol="@"), order("c", stopOrderType="@"))
    offline.send(json.dumps(private_frame("order", *orders)).encode().replace(b"@", text))
    one, error, last = read(stream)
    assert isinstance(error, errors.MalformedEvent)
    assert text in error.raw
    assert (one.order_id, last.order_id, last.stop_order_type) == ("a", "c", "")
    assert offline.events("order").odd_fields == 1


@pytest.mark.parametrize("text", NOT_UNICODE[::4])
def test_a_text_that_is_not_unicode_costs_its_field_or_its_event(tapes: Path, text: bytes) -> None:
    for spot in EVENTS:
        frame = seed(tapes, spot)
        topic, item = frame["topic"], item_of(frame)
        for field in fields(spot.struct):
            if spot.struct is private.StopOrder and field.encode_name == STOP_IDS[spot.dialect]:
                continue
            offline = Offline(topic, dialect=spot.dialect)
            stream = offline.stream(topic)
            odd = json.dumps(with_value(item, spot, field.encode_name, "@"), separators=(",", ":")).encode()
            odd = with_text(odd, field.encode_name, text)
            good = json.dumps(item, separators=(",", ":")).encode()
            offline.send(b'{"topic":"%b","data":[%b,%b,%b]}' % (topic.encode(), good, odd, good))
            case = f"{spot}.{field.encode_name} = {text!r}"
            first, found, last = read(stream)
            assert first == last, case
            needed = field.required or field.name in getattr(spot.struct, "NEEDED", ())
            if needed or (type(None) not in kinds_of(field) and field.default != ""):
                assert isinstance(found, errors.MalformedEvent), case
                assert found.raw == odd, case
            else:
                assert isinstance(found, spot.struct if not spot.path else Struct), case
                assert offline.events(topic).odd_fields == 1, case


@pytest.mark.parametrize("text", NOT_UNICODE[::4])
def test_a_text_of_an_instrument_that_is_not_unicode_is_left_out(tapes: Path, text: bytes) -> None:
    for spot in STATES:
        frame = seed(tapes, spot)
        names = [field.encode_name for field in fields(spot.struct) if field.name != "symbol"]
        for key in names:
            offline = Offline(frame["topic"], dialect=spot.dialect)
            offline.send(
                with_text(
                    json.dumps(
                        {**frame, "type": "snapshot", "data": {**item_of(frame), key: "@"}}, separators=(",", ":")
                    ).encode(),
                    key,
                    text,
                )
            )
            channel = offline.feed.channels.get(frame["topic"])
            assert isinstance(channel, StateChannel)
            assert (channel.state.state, channel.state.odd_fields) == (BookState.LIVE, 1), f"{spot}.{key} = {text!r}"


def test_a_pair_of_surrogates_and_an_escaped_backslash_are_good() -> None:
    offline = Offline("order", dialect=v5.LINEAR)
    offline.send({"topic": "order", "data": [order("a", orderLinkId="\U0001f600\\ud800")]})
    channel = offline.events("order")
    assert channel.latest.order_link_id == "\U0001f600\\ud800"
    assert (channel.odd_fields, offline.errors) == (0, [])
