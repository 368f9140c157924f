"""Events decoded in one pass against events decoded in the form that takes everything: the same values, or none."""

import copy
import json
import os
import pickle
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import asdict, fields

from depthwire.bybit.fields import Record
from depthwire.bybit.v2 import messages, private, public
from depthwire.bybit.v2.fields import V2Message
from depthwire.bybit.v5 import private as v5_private
from depthwire.bybit.v5 import public as v5_public
from depthwire.bybit.v5.fields import V5Message
from depthwire.errors import UNDECODABLE, MalformedEvent
from depthwire.feed.repair import Refused, repaired_events
from tests.support.odd_seeds import CANDLE
from tests.support.reference import frames

SEED = 20261129
MUTATIONS = int(os.environ.get("DEPTHWIRE_MUTATIONS", "20000"))
"""How many wrong frames to try, of all topics together; make differential tries a million."""
Message = type[V2Message] | type[V5Message]

V2_MESSAGES: dict[str, Message] = {
    "trade": messages.TradeMessage,
    "insurance": public.InsuranceMessage,
    "klineV2": public.KlineMessage,
    "candle": public.KlineMessage,
    "liquidation": public.LiquidationMessage,
    "position": private.PositionMessage,
    "execution": private.ExecutionMessage,
    "order": private.OrderMessage,
    "stop_order": private.StopOrderMessage,
    "wallet": private.WalletMessage,
}
V5_MESSAGES: dict[str, Message] = {
    "publicTrade": v5_public.TradeMessage,
    "kline": v5_public.KlineMessage,
    "allLiquidation": v5_public.LiquidationMessage,
    "insurance": v5_public.InsuranceMessage,
    "order": v5_private.OrderMessage,
    "execution": v5_private.ExecutionMessage,
    "execution.fast": v5_private.FastExecutionMessage,
    "position": v5_private.PositionMessage,
    "wallet": v5_private.WalletMessage,
    "greeks": v5_private.GreeksMessage,
}
TOKENS = [
    *(
        b'""',
        b"null",
        b"true",
        b"false",
        b"0",
        b"-0",
        b"-1",
        b"7",
        b"1.10",
        b"-0.0",
        b"1e5",
        b"3e-06",
        b"1e999",
        b"1E21",
    ),
    *(b'"0"', b'"-0"', b'"007"', b'"1."', b'".5"', b'"+1"', b'"1e5"', b'"1E-19"', b'"1e400"', b'"NaN"', b'"-Infinity"'),
    *(b'" 1"', b'"1_0"', b'"null"', b'"true"', b'"x"', b"[]", b"{}", b'{"MNT":""}', b'{"MNT":"1.10"}', b'{"MNT":"x"}'),
    *(
        b"12345678901234567890",
        b'"12345678901234567890"',
        b"1" * 70,
        b'"' + b"1" * 70 + b'"',
        b'"0.' + b"1" * 50 + b'"',
    ),
    *(b'"2022-06-23T04:08:47.9Z"', b'"2022-02-29T04:08:47Z"', b'"2022-06-23T24:08:47Z"', b'"2022-06-23 04:08:47"'),
    *(b'"\xc3\xa9"', b'"\\u0031"', b'"a\\/b"', b"[null]", b'[{"coin":""}]'),
]


def recorded(tapes: Path) -> dict[Message, list[bytes]]:
    """The recorded and documented frames of events."""
    found: dict[Message, list[bytes]] = defaultdict(list)
    found[public.KlineMessage].append(CANDLE)
    for path in sorted(tapes.rglob("*")):
        if path.suffix not in (".jsonl", ".frames"):
            continue
        for raw in path.read_bytes().splitlines() if path.suffix == ".jsonl" else frames(path):
            topic = json.loads(raw).get("topic", "")
            kinds = V5_MESSAGES if b'"ts"' in raw or b'"creationTime"' in raw else V2_MESSAGES
            kind = topic if topic in kinds else topic.partition(".")[0]
            if kind in kinds and not topic.endswith("PERP"):
                found[kinds[kind]].append(raw)
    return found


@pytest.fixture(scope="module")
def tape(tapes: Path) -> dict[Message, list[bytes]]:
    return recorded(tapes)


def digits(value: Any) -> Any:
    """A value that is equal only to the same digits of the same type."""
    if isinstance(value, Decimal):
        return ("Decimal", value.as_tuple())
    if isinstance(value, Struct):
        return (type(value), [(field.name, digits(getattr(value, field.name))) for field in fields(value)])
    if isinstance(value, list):
        return [digits(each) for each in value]
    if isinstance(value, dict):
        return {key: digits(each) for key, each in value.items()}
    if isinstance(value, MalformedEvent):
        return (str(value), value.raw)
    return (type(value), value)


def in_any_form(message: Message, raw: bytes) -> list[Any] | None:
    """What the form that takes everything makes of a frame; None if it refuses the frame."""
    try:
        repaired = repaired_events(message, raw)
    except (*UNDECODABLE, Refused):
        return None
    return None if repaired.odd_fields else repaired.found


def in_one_pass(message: Message, raw: bytes) -> list[Any] | None:
    """The events of a frame if it is plain, else None."""
    found = DECODERS[message](raw)
    events: list[Any] | None = None if found is None else found.data
    return events


DECODERS = {message: message.decoder() for message in (*V2_MESSAGES.values(), *V5_MESSAGES.values())}


def mutated(rng: Random, raw: bytes) -> bytes:
    """A frame with something wrong, or only something different."""
    changed = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(changed))
        match rng.randrange(7):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                del changed[at : at + rng.choice((1, 1, 2, 9))]
            case 2:
                changed[at:at] = rng.choice((b" ", b"0", b"-", b'"', b",", b"e", b".", b"\xff", b"\\"))
            case 3:
                changed[at] = rng.choice(b'0123456789-.eE",:{}[] ')
            case _:
                values = [*value_spans(changed)]
                if values:
                    begin, end = rng.choice(values)
                    changed[begin:end] = rng.choice(TOKENS)
        if not changed:
            return b"{}"
    return bytes(changed)


def value_spans(raw: bytearray) -> Iterator[tuple[int, int]]:
    """Where the values of members are that are numbers, texts or words."""
    at = raw.find(b'":')
    while at >= 0:
        begin = at + 2
        if raw[begin : begin + 1] == b'"':
            end = raw.find(b'"', begin + 1) + 1
        else:
            end = begin
            while end < len(raw) and raw[end : end + 1] not in b",]}[{":
                end += 1
        if end > begin:
            yield begin, end
        at = raw.find(b'":', begin)


def test_every_recorded_frame_of_events_is_decoded_in_one_pass(tape: dict[Message, list[bytes]]) -> None:
    assert set(tape) == {*V2_MESSAGES.values(), *V5_MESSAGES.values()}
    for message, raws in tape.items():
        for raw in raws:
            found = in_one_pass(message, raw)
            if found is None:  # one object instead of a list, or spaces within times
                assert message is public.LiquidationMessage or b": " in raw or b". " in raw, raw
                continue
            assert digits(found) == digits(in_any_form(message, raw))


def test_wrong_frames_are_the_same_events_or_none(tape: dict[Message, list[bytes]]) -> None:
    rng = Random(SEED)
    kinds = sorted(tape, key=lambda message: f"{message.__module__}.{message.__name__}")
    plain = 0
    for number in range(MUTATIONS):
        message = kinds[number % len(kinds)]
        raw = mutated(rng, rng.choice(tape[message][:40]))
        found = in_one_pass(message, raw)
        if found is not None:
            plain += 1
            assert digits(found) == digits(in_any_form(message, raw)), f"seed {SEED}, number {number}: {raw!r}"
    assert MUTATIONS / 10 < plain < MUTATIONS * 0.9


TRADE = (
    b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy",'
    + (
        b'"v":"0.0010","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"seq":"1783284617"}]}'
    )
)


def test_a_frame_with_any_byte_that_is_not_plain_text_is_left_to_the_slower_decoder() -> None:
    for at in range(20):
        for byte in range(256):
            text = b"x" * at + bytes([byte]) + b"x" * (20 - at)
            raw = b'{"zz":"' + text + b'",' + TRADE[1:]
            is_plain = 0x20 <= byte < 0x7F and byte not in b'"\\'
            assert (in_one_pass(v5_public.TradeMessage, raw) is not None) == is_plain, raw


def trade(raw: bytes = TRADE) -> v5_public.Trade:
    found: v5_public.Trade = v5_public.TradeMessage.decoder()(raw).data[0]
    return found


def test_an_event_is_of_its_public_class_and_keeps_its_numbers_once_read() -> None:
    found = trade()
    assert type(found) is v5_public.Trade
    assert isinstance(found, Record)
    assert (str(found.price), str(found.size)) == ("16578.50", "0.0010")
    assert found.price is found.price
    assert (found.cross_seq, found.trade_time_ms, found.is_block_trade) == (1783284617, 1672304486865, False)
    assert found.mark_price is None


def test_an_unread_event_equals_a_read_one_and_one_that_was_made_by_hand() -> None:
    read, unread = trade(), trade()
    assert read.price == Decimal("16578.5")
    by_hand = v5_public.Trade(
        symbol="BTCUSDT",
        side="Buy",
        price=Decimal("16578.5"),
        size=Decimal("0.001"),
        trade_id="20f43950-d8dd-5b31-9112-a178eb6023af",
        trade_time_ms=1672304486865,
        tick_direction="PlusTick",
        cross_seq=1783284617,
        is_block_trade=False,
    )
    assert read == unread == by_hand
    assert trade() != trade(TRADE.replace(b"16578.50", b"16578.51"))
    assert trade() != 1
    assert len({trade(), read, by_hand}) == 1


def test_printing_pickling_and_copying_an_unread_event_gives_its_exact_numbers() -> None:
    assert "price=Decimal('16578.50'), size=Decimal('0.0010')" in repr(trade())
    pickled = pickle.loads(pickle.dumps(trade()))  # noqa: S301  our own bytes
    for made in (pickled, copy.copy(trade()), copy.deepcopy(trade())):
        assert type(made) is v5_public.Trade
        assert str(made.price) == "16578.50"
    assert msgspec.structs.replace(trade(), side="Sell").price == Decimal("16578.5")
    assert asdict(trade().read())["price"] == Decimal("16578.50")
    assert json.loads(msgspec.json.encode(trade()))["p"] == "16578.50"


def test_an_event_is_encoded_with_the_same_types_before_and_after_it_is_read(tape: dict[Message, list[bytes]]) -> None:
    for message, raws in tape.items():
        for raw in raws:
            for event in in_one_pass(message, raw) or ():
                before, after = (json.loads(msgspec.json.encode(each())) for each in (lambda: event, event.read))  # noqa: B023
                for name, value in before.items():
                    assert value == after[name] or (type(value) is str and Decimal(value) == Decimal(after[name])), name


def test_an_event_cannot_be_changed() -> None:
    found: Any = trade()
    for name in ("price", "symbol"):
        with pytest.raises(AttributeError):
            setattr(found, name, "2")
        with pytest.raises(AttributeError):
            delattr(found, name)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("16578.50", 16578.5),
        ("-0.1", -0.1),
        ("0.1234567890123456789012", 0.1234567890123456789012),
        ("9007199254740993", 9007199254740993.0),
        ("3e-06", 3e-06),
        ("1E5", 1e5),
    ],
)
def test_a_float_is_the_nearest_one_and_leaves_the_exact_number(text: str, number: float) -> None:
    found = trade(TRADE.replace(b'"16578.50"', text.encode()))
    assert found.as_float("price") == number
    assert str(found.price) == str(Decimal(text))
    assert found.as_float("price") == number
    assert found.as_floats("price", "mark_price", "trade_time_ms") == (number, None, 1672304486865.0)


def test_a_float_of_no_field_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="prize"):
        trade().as_float("prize")


def test_an_event_outlives_its_frame() -> None:
    frame = bytearray(TRADE)
    found = trade(bytes(frame))
    frame[:] = b"\0" * len(frame)
    assert (str(found.price), found.symbol) == ("16578.50", "BTCUSDT")


def test_records_within_a_record_are_read_with_it() -> None:
    raw = b'{"topic":"wallet","data":[{"accountType":"UNIFIED","coin":[{"coin":"BTC","equity":"0.10","locked":""}]}]}'
    wallet = v5_private.WalletMessage.decoder()(raw).data[0]
    assert type(wallet.coin[0]) is v5_private.CoinBalance
    assert "equity=Decimal('0.10'), " in repr(wallet)
    assert wallet.coin[0].locked is None
    raw = raw.replace(b'"0.10"', b'"ten"')
    assert v5_private.WalletMessage.decoder()(raw) is None
    (wallet,), odd_fields = repaired_events(v5_private.WalletMessage, raw)
    assert (wallet.coin[0].equity, odd_fields) == (None, 1)
