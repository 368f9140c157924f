"""Every recorded and documented frame as a typed message, field by field against its JSON: nothing lost, nothing
rounded."""

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
from depthwire.bybit.fields import time_ns
from depthwire.bybit.v2 import messages, private, public
from depthwire.bybit.v2.dialect import INVERSE, LINEAR, V2Dialect
from depthwire.bybit.v2.messages import Trade, TradeMessage
from depthwire.bybit.v2.public import InstrumentInfo
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.listener import Feed
from tests.support.offline import Offline
from tests.support.reference import frames

BOOK = messages.OrderBookSnapshot | messages.OrderBookDelta
MESSAGES: dict[str, Any] = {
    "orderBookL2_25": BOOK,
    "orderBook_200": BOOK,
    "trade": TradeMessage,
    "insurance": public.InsuranceMessage,
    "instrument_info": public.InstrumentSnapshot | public.InstrumentDelta,
    "klineV2": public.KlineMessage,
    "candle": public.KlineMessage,
    "liquidation": public.LiquidationMessage,
    "position": private.PositionMessage,
    "execution": private.ExecutionMessage,
    "order": private.OrderMessage,
    "stop_order": private.StopOrderMessage,
    "wallet": private.WalletMessage,
}
DECODERS = {kind: msgspec.json.Decoder(message, strict=False) for kind, message in MESSAGES.items()}
# Keys that a Struct leaves out on purpose. transactTimeE6 is 0 in every frame.
IGNORED = {messages.OrderBookChanges: {"transactTimeE6"}, messages.DeletedLevel: {"size"}}
# Fields that also take what came under another name.
DERIVED = {private.Position: {"is_isolated"}, private.StopOrder: {"order_id"}}
SINGLES = [
    "examples-inverse.jsonl",
    "examples-linear.jsonl",
    "singles-inverse-2021.jsonl",
    "singles-v2-2019-2022.jsonl",
    "private-linear-2021-07-22.jsonl",
]
V2_TAPES = ["inverse-2021-04-17.frames", "linear-2021-04-17.frames"]


def exactly(raw: bytes) -> Any:
    return json.loads(raw, parse_float=Decimal)


def data_frames(path: Path) -> Iterator[tuple[bytes, Any]]:
    """The frames of a file that carry a topic, but those of the camelCase dialect; raw, and as JSON."""
    for raw in path.read_bytes().splitlines() if path.suffix == ".jsonl" else frames(path):
        wire = exactly(raw)
        if "topic" in wire and not wire["topic"].endswith("PERP"):
            yield raw, wire


def decode(raw: bytes) -> Any:
    return DECODERS[exactly(raw)["topic"].split(".")[0]].decode(raw)


def compare(value: Any, wire: Any, where: str) -> None:
    """Assert that ``value`` says exactly what the wire does."""
    if isinstance(value, Struct):
        compare_record(value, wire, where)
    elif isinstance(value, list):
        items = wire if isinstance(wire, list) else [wire]
        assert len(value) == len(items), where
        for index, (item, wire_item) in enumerate(zip(value, items, strict=True)):
            compare(item, wire_item, f"{where}[{index}]")
    elif isinstance(value, bool):
        assert value is {"true": True, "false": False}.get(wire, wire), where
    elif isinstance(value, int):
        assert value == (int(wire) if isinstance(wire, str) else wire), where
        assert not isinstance(wire, Decimal), where
    elif isinstance(value, Decimal):
        assert value.as_tuple() == Decimal(wire).as_tuple(), where  # the very digits, trailing zeros too
    elif isinstance(value, float):
        assert Decimal(repr(value)) == Decimal(wire), where
    else:
        assert value == wire, where


def compare_record(record: Struct, wire: dict[str, Any], where: str) -> None:
    kind = type(record)
    by_key = {field.encode_name: field.name for field in fields(record)}
    tag = record.__struct_config__.tag
    left = set(wire) - set(by_key) - ({record.__struct_config__.tag_field} if tag is not None else set())
    assert left <= IGNORED.get(kind, set()), f"{where}: lost {left}"
    assert tag is None or wire["type"] == tag
    for key, name in by_key.items():
        if key in wire:
            compare(getattr(record, name), wire[key], f"{where}.{key}")
        elif name not in DERIVED.get(kind, ()):
            default = next(field for field in fields(record) if field.name == name)
            assert getattr(record, name) in (None, "", [], msgspec.UNSET), (
                f"{where}.{key} is not on the wire: {default}"
            )


# recordings


@pytest.mark.parametrize("name", [*SINGLES, *V2_TAPES])
def test_every_frame_decodes_to_what_it_says(tapes: Path, name: str) -> None:
    checked = 0
    for raw, wire in data_frames(tapes / name):
        compare(decode(raw), wire, wire["topic"])
        checked += 1
    assert checked >= 5


def test_the_recordings_cover_every_kind_of_message(tapes: Path) -> None:
    seen = Counter(wire["topic"].split(".")[0] for name in SINGLES for _, wire in data_frames(tapes / name))
    assert set(MESSAGES) - set(seen) == {"candle"}


@pytest.mark.parametrize(
    ("name", "dialect"),
    [(name, LINEAR if "linear" in name else INVERSE) for name in SINGLES if name != "singles-v2-2019-2022.jsonl"],
)
def test_every_frame_finds_its_channel_on_the_frame_path(tapes: Path, name: str, dialect: V2Dialect) -> None:
    owner = Offline()
    for raw, wire in data_frames(tapes / name):
        if wire["topic"].startswith("orderBook"):
            continue  # singles do not make a book
        feed = Feed(owner)
        channel = dialect.channel(wire["topic"])
        assert channel is not None
        assert not isinstance(channel, BookChannel)
        feed.channels.add(channel)
        feed.receive(raw, 1)
        assert channel.frames == 1
        assert [error for error in owner.errors if not isinstance(error, errors.SnapshotMissing)] == []


def test_the_camel_case_dialect_is_refused_as_malformed(tapes: Path) -> None:
    refused = 0
    for raw in (tapes / "singles-v2-2019-2022.jsonl").read_bytes().splitlines():
        topic = exactly(raw).get("topic", "")
        if not topic.endswith("PERP"):
            continue
        owner = Offline(topic)
        owner.send(raw)
        (error,) = owner.errors
        assert isinstance(error, errors.MalformedFrame)
        assert error.topic == topic
        refused += 1
    assert refused == 5


# numbers, times, names


TRADE = {"symbol": "BTCUSD", "side": "Buy", "price": "1.10", "size": 3, "trade_id": "x"}


def trade(**other: Any) -> Trade:
    return msgspec.json.decode(json.dumps({**TRADE, **other}), type=Trade, strict=False)


def test_a_trades_price_keeps_its_digits_and_is_usable_as_a_float() -> None:
    found = trade(price="0.12345678901234567890", size=2**53 + 1, cross_seq=str(2**70 + 1))
    assert str(found.price) == "0.12345678901234567890"
    assert float(found.price) == 0.12345678901234568
    assert found.size == 2**53 + 1
    assert found.cross_seq == 2**70 + 1


@pytest.mark.parametrize("price", ["NaN", "sNaN", "Infinity", "-Infinity", "1e400", "1e-400", "", "one"])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        trade(price=price)


def test_unknown_members_and_unknown_fields_are_no_error() -> None:
    found = trade(tick_direction="SidewaysTick", side="Both", brand_new=[{}], is_block_trade="false")
    assert (found.tick_direction, found.side, found.is_block_trade) == ("SidewaysTick", "Both", False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2022-06-23T04:08:47.956636888Z", 1_655_957_327_956_636_888),
        ("2021-07-22T19:03:23.357625Z", 1_626_980_603_357_625_000),
        ("2020-01-12T16: 59: 59.000Z", 1_578_848_399_000_000_000),
        (" 2020-01-12 16:59:59 ", 1_578_848_399_000_000_000),
        ("2020-01-12T16:59:59. 5 Z", 1_578_848_399_500_000_000),
        ("2020-01-12T17:59:59+01:00", 1_578_848_399_000_000_000),
        ("2020-01-12T11:29:59-0530", 1_578_848_399_000_000_000),
        ("1969-12-31T23:59:59.999999999Z", -1),
    ],
)
def test_a_time_is_exact_to_the_nanosecond(text: str, expected: int) -> None:
    assert time_ns(text) == expected
    assert trade(timestamp=text).timestamp_ns == expected


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2020-13-01T00:00:00Z",
        "2020-02-30T00:00:00Z",
        "2020-01-01T24:00:00Z",
        "2020-01-01",
        "2020-01-01T00:00:00.1234567891Z",
        "1" * 10_000,
    ],
)
def test_a_text_that_is_no_time_is_odd(text: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"`timestamp`: .*(time|nanosecond|day|month)"):
        trade(timestamp=text)


def test_an_absent_time_is_none() -> None:
    assert trade().timestamp_ns is None


# scaled fields


def info(**values: Any) -> InstrumentInfo:
    return msgspec.json.decode(json.dumps({"symbol": "BTCUSD", **values}), type=InstrumentInfo, strict=False)


def test_every_scaled_field_has_its_exact_value_under_its_plain_name() -> None:
    scaled = [name for name in InstrumentInfo.__struct_fields__ if name[-3:] in ("_e4", "_e6", "_e8", "_e9")]
    assert len(scaled) > 20
    for name in set(scaled) - {"created_at_e9", "updated_at_e9"}:  # the plain names of these are texts
        plain, exponent = name[:-3], int(name[-1])
        number = 220_614_611_978_549_345
        value = getattr(info(**{name: str(number)}), plain)
        assert value * 10**exponent == number, name
        assert getattr(info(), plain) is None
    assert str(info(total_turnover_e8=220_614_611_978_549_345).total_turnover) == "2206146119.78549345"
    assert str(info(total_turnover_e8=10**150 + 1).total_turnover).endswith("00000001")


@pytest.mark.parametrize(
    ("scaled", "text", "price"),
    [
        ("291050000", "29105.00", "29105.00"),
        ("28765", "0.28765", "0.28765"),  # five decimals: recorded
        ("322950000", "322950000", "32295"),  # the document's text: the digits of _e4
        (81_165_000, None, "8116.5"),  # before 2021
        ("608243538", "60824.35", "60824.3538"),  # a text that was rounded
        (0, "0.00", "0"),
        ("-50000", "-5", "-5"),
    ],
)
def test_a_price_is_read_from_its_two_forms(scaled: int | str, text: str | None, price: str) -> None:
    found = info(last_price_e4=scaled, **({} if text is None else {"last_price": text}))
    assert found.last_price == Decimal(price)
    assert found.last_price_e4 == int(scaled)
    assert found.last_price_text == (None if text is None else Decimal(text))


def test_volumes_have_one_name_on_both_dialects() -> None:
    assert info(open_interest=154_418_471).open_interest == 154_418_471
    assert info(open_interest_e8="447123000000").open_interest == Decimal("4471.23")
    assert info().open_interest is None


def test_a_field_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="last_prize"):
        _ = info().last_prize


def test_insurance_is_in_satoshis() -> None:
    fund = public.Insurance(currency="BTC", timestamp="2020-01-11T20:00:00Z", wallet_balance=98_786_916_569)
    assert str(fund.balance) == "987.86916569"


# names that differ between the dialects


@pytest.mark.parametrize("key", ["Isolated", "is_isolated", "isolated"])
def test_the_margin_mode_has_one_name(key: str) -> None:
    wire = {"symbol": "BTCUSD", "side": "Buy", "size": 1, "entry_price": "1", key: True}
    assert msgspec.json.decode(json.dumps(wire), type=private.Position, strict=False).is_isolated is True


STOP = {"symbol": "X", "side": "Buy", "order_type": "Limit", "price": 1, "qty": 1, "order_status": "Untriggered"}


def test_a_conditional_orders_id_has_one_name() -> None:
    def stop(**ids: str) -> private.StopOrder:
        wire = {**STOP, "trigger_price": 2, **ids}
        return msgspec.json.decode(json.dumps(wire), type=private.StopOrder, strict=False)

    assert stop(stop_order_id="a").order_id == stop(order_id="a").order_id == "a"
    with pytest.raises(msgspec.ValidationError, match="neither"):
        stop()


ORDER = {**STOP, "order_id": "a", "time_in_force": "GoodTillCancel", "leaves_qty": 1}
ORDER |= dict.fromkeys(("cum_exec_qty", "cum_exec_value", "cum_exec_fee"), 0)


@pytest.mark.parametrize("field", ["update_time", "timestamp"])
@pytest.mark.parametrize(
    ("record", "wire"), [(private.Order, ORDER), (private.StopOrder, {**STOP, "trigger_price": 2, "order_id": "a"})]
)
def test_an_order_whose_time_is_none_is_refused(record: type[Struct], wire: dict[str, Any], field: str) -> None:
    """Its view has to tell which of two is older."""

    def order(text: str) -> Any:
        return msgspec.json.decode(json.dumps({**wire, field: text}), type=record, strict=False)

    assert order("").changed_ns is None
    assert order("2022-06-23T04:08:47.956636888Z").changed_ns == 1655957327956636888
    for text in ("2022-06-23T04:08:47.956636888(", "2022-02-30T04:08:47Z", "yesterday"):
        with pytest.raises(msgspec.ValidationError, match=r"not a time|day is out of range"):
            order(text)


def test_a_linear_candle_is_decoded() -> None:
    raw = (
        b'{"topic":"candle.1.BTCUSDT","data":[{"start":1667461800,"end":1667461860,"period":"1","open":20282,'
        b'"close":20280.5,"high":20282.5,"low":20280,"volume":"20.753","turnover":"420912.939","confirm":true,'
        b'"cross_seq":19909786084,"timestamp":1667461837466318}],"timestamp_e6":1667461837466318}'
    )
    compare(decode(raw), exactly(raw), "candle")
    assert decode(raw).data[0].confirm is True


def test_no_number_but_a_books_size_goes_through_a_float() -> None:
    records = [Trade, InstrumentInfo, public.Insurance, public.Kline, public.Liquidation]
    records += [private.Position, private.Execution, private.Order, private.StopOrder, private.Wallet]
    for record in records:
        assert [field.name for field in fields(record) if float in (field.type, *get_args(field.type))] == []
