"""The scanner lane against the typed decoder: the same book or the same error, on recordings and on frames gone wrong."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from depthwire.bybit.v2.book_decoder import V2BookDecoder
from depthwire.bybit.v2.scanner import V2Scanner
from depthwire.bybit.v5.book_decoder import V5BookDecoder
from depthwire.bybit.v5.scanner import V5Scanner
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.live_book import LiveBook
from tests.support.offline import Offline
from tests.support.reference import frames

TAPES = [
    "inverse-2021-04-17.frames",
    "linear-2021-04-17.frames",
    "v5-linear-2026-08-09.frames",
    "v5-spot-2026-08-09.frames",
    "v5-linear-ob50-2026-08-24.frames",
    "v5-linear-ob1-2025-06-13.frames",
]
MUTATIONS = int(os.environ.get("DEPTHWIRE_MUTATIONS", "20000"))
"""How many frames gone wrong to try: a million take some minutes."""


class Lane(Offline):
    """A feed whose books are fed by both lanes, or by the decoder alone."""

    def __init__(self, *topics: str, scanner: bool) -> None:
        self.scanner = scanner
        super().__init__(*topics)

    def add(self, topic: str) -> BookChannel | None:
        kind, _, symbol = topic.rpartition(".")
        scanner: V2Scanner | V5Scanner
        decoder: V2BookDecoder | V5BookDecoder
        if kind.startswith("orderbook."):
            depth, decoder, scanner = int(kind.partition(".")[2]), V5BookDecoder(), V5Scanner(symbol)
        elif kind in ("orderBookL2_25", "orderBook_200.100ms"):
            depth, decoder = 25 if kind == "orderBookL2_25" else 200, V2BookDecoder()
            scanner = V2Scanner(symbol)
        else:
            return None
        channel = BookChannel(LiveBook(topic, symbol, depth), decoder, scanner if self.scanner else None)
        self.feed.channels.add(channel)
        return channel


def lanes(*topics: str) -> tuple[Lane, Lane]:
    return Lane(*topics, scanner=True), Lane(*topics, scanner=False)


def books_of(tape: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for raw in frames(tape):
        topic = json.loads(raw).get("topic", "")
        if topic.lower().startswith("orderbook"):
            found.setdefault(topic, []).append(raw)
    return found


def what_is_known(lane: Lane, topic: str) -> Any:
    book = lane.book(topic)
    book._check()
    return book.snapshot(allow_stale=True), [(type(error), str(error)) for error in lane.errors]


def both(topic: str, *raws: bytes) -> tuple[Lane, Lane]:
    pair = lanes(topic)
    for raw in raws:
        for lane in pair:
            lane.feed.receive(raw, 7)
        assert what_is_known(pair[0], topic) == what_is_known(pair[1], topic), raw
    return pair


# recordings


@pytest.mark.parametrize("name", TAPES)
def test_both_lanes_give_the_same_book_after_every_frame_of_a_recording(tapes: Path, name: str) -> None:
    for topic, raws in books_of(tapes / name).items():
        scanned, decoded = both(topic, *raws)
        assert scanned.errors == []
        assert scanned.feed.lanes == {"scanner": len(raws), "msgspec": 0, "rejected": 0}
        assert decoded.feed.lanes == {"scanner": 0, "msgspec": len(raws), "rejected": 0}


# shapes

V2 = "orderBookL2_25.BTCUSD"
V2_LINEAR = "orderBookL2_25.BTCUSDT"
V5 = "orderbook.50.BTCUSDT"
LEVEL = b'{"price":"60622.50","symbol":"BTCUSD","id":606225000,"side":"Buy","size":10}'
ASK = b'{"price":"60623.00","symbol":"BTCUSD","id":606230000,"side":"Sell","size":4}'
SNAPSHOT = b'{"topic":"orderBookL2_25.BTCUSD","type":"snapshot","data":[%b,%b],"cross_seq":1,"timestamp_e6":2}' % (
    LEVEL,
    ASK,
)
DELTA = (
    b'{"topic":"orderBookL2_25.BTCUSD","type":"delta","data":{"delete":[],"update":[%b],"insert":[],"transactTimeE6":0},'
    b'"cross_seq":12,"timestamp_e6":1618677785397906}'
) % LEVEL
LINEAR_LEVEL = b'{"price":"60622.50","symbol":"BTCUSDT","id":"606225000","side":"Buy","size":0.25}'
LINEAR_SNAPSHOT = (
    b'{"topic":"orderBookL2_25.BTCUSDT","type":"snapshot","data":{"order_book":[%b]},'
    b'"cross_seq":"1","timestamp_e6":"1618677785397906"}'
) % LINEAR_LEVEL
LINEAR_DELTA = (
    b'{"topic":"orderBookL2_25.BTCUSDT","type":"delta","data":{"delete":[],"update":[%b],"insert":[]},'
    b'"cross_seq":"12","timestamp_e6":"1618677785397907"}'
) % LINEAR_LEVEL
V5_SNAPSHOT = (
    b'{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1700000000001,"data":{"s":"BTCUSDT",'
    b'"b":[["100.5","1"],["99","2.5"]],"a":[["101.25","3"]],"u":7,"seq":9},"cts":1699999999999}'
)
V5_DELTA = V5_SNAPSHOT.replace(b"snapshot", b"delta").replace(b'"u":7', b'"u":8')
V5_SPOT_DELTA = V5_DELTA.replace(b'"type":"delta","ts":1700000000001', b'"ts":1700000000001,"type":"delta"')


def replaced(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert raw.count(old) >= 1, old
    return raw.replace(old, new)


SCANNED = [
    (V2, SNAPSHOT, DELTA),
    (V2, SNAPSHOT, replaced(DELTA, b',"transactTimeE6":0', b"")),
    (V2, SNAPSHOT, replaced(DELTA, b'"transactTimeE6":0', b'"transactTimeE6":1618677785397906')),
    (V2, SNAPSHOT, replaced(DELTA, b'"size":10', b'"size":0.1')),
    (V2, SNAPSHOT, replaced(DELTA, b'"size":10', b'"size":994.89996')),
    (V2, SNAPSHOT, replaced(DELTA, b'"size":10', b'"size":9007199254740992')),
    (V2, SNAPSHOT, replaced(DELTA, b'"price":"60622.50"', b'"price":"60622.5"')),
    (V2, SNAPSHOT, replaced(DELTA, b'"price":"60622.50"', b'"price":"60622.5000"')),
    (V2, SNAPSHOT, replaced(DELTA, b'"price":"60622.50"', b'"price":"060622.50"')),
    (V2, SNAPSHOT, replaced(DELTA, b'"update":[%b]' % LEVEL, b'"update":[]')),
    (V2_LINEAR, LINEAR_SNAPSHOT, LINEAR_DELTA),
    (V5, V5_SNAPSHOT, V5_DELTA),
    (V5, V5_SNAPSHOT, V5_SPOT_DELTA),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'["100.5","1"],["99","2.5"]', b"")),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'"2.5"', b'"0.000"')),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'"99"', b'"99.0625"')),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'"99"', b'"0000000000099"')),
]
DECODED = [
    (V2, SNAPSHOT, replaced(DELTA, b'"cross_seq"', b' "cross_seq"')),
    (V2, SNAPSHOT, replaced(DELTA, b'"size":10', b'"size":1e1')),
    (V2, SNAPSHOT, replaced(DELTA, b'"size":10', b'"size":10.000000000000000001')),
    (V2, SNAPSHOT, replaced(DELTA, b'"size":10', b'"size":9007199254740993')),
    (V2, SNAPSHOT, replaced(DELTA, b'"cross_seq":12', b'"cross_seq":"12"')),
    (V2, SNAPSHOT, replaced(DELTA, b'"id":606225000,"side":"Buy"', b'"side":"Buy","id":606225000')),
    (V2, SNAPSHOT, replaced(DELTA, b'"symbol":"BTCUSD"', b'"symbol":"\\u0042TCUSD"')),
    (V2, SNAPSHOT, replaced(DELTA, b'"delete":[]', b'"delete":[],"extra":{"a":[1]}')),
    (V2, SNAPSHOT, replaced(DELTA, b'"transactTimeE6":0', b'"transactTimeE6":null')),
    (V2, SNAPSHOT, DELTA + b" "),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'],"a":', b'], "a":')),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'"cts":1699999999999', b'"cts":1699999999999,"more":1')),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'["100.5","1"],["99","2.5"]', b' [ "100.5"\t, "1" ]\r\n,\n["99" ,"0.00" ] ')),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'["100.5","1"],["99","2.5"]', b" ")),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'"99"', b'"\\u0039\\u0039"')),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'"u":8', b'"b":[["99","0"]],"u":8')),
    (V5, V5_SNAPSHOT, replaced(V5_DELTA, b'"2.5"', b'"2.5000000000000000001"')),
]


@pytest.mark.parametrize(("topic", "snapshot", "delta"), SCANNED)
def test_a_known_shape_takes_the_scanners_lane(topic: str, snapshot: bytes, delta: bytes) -> None:
    scanned, _ = both(topic, snapshot, delta)
    assert scanned.errors == []
    assert scanned.feed.lanes == {"scanner": 2, "msgspec": 0, "rejected": 0}


@pytest.mark.parametrize(("topic", "snapshot", "delta"), DECODED)
def test_another_shape_gives_the_right_book_by_the_decoders_lane(topic: str, snapshot: bytes, delta: bytes) -> None:
    scanned, _ = both(topic, snapshot, delta)
    assert scanned.errors == []
    assert scanned.feed.lanes == {"scanner": 1, "msgspec": 1, "rejected": 0}


@pytest.mark.parametrize(("topic", "snapshot", "delta"), SCANNED[:1] + SCANNED[10:13])
def test_a_frame_cut_at_any_byte_is_the_same_error(topic: str, snapshot: bytes, delta: bytes) -> None:
    for end in range(len(delta)):
        # memory that ends where the frame does: what reads beyond it is seen by the sanitizers
        both(topic, snapshot, delta[:end])
        both(topic, bytes(bytearray(snapshot[:end])))


@pytest.mark.parametrize(("topic", "snapshot", "delta"), SCANNED[:3] + SCANNED[10:13])
def test_a_byte_other_than_in_the_frame_before_is_read_as_the_decoder_does(
    topic: str, snapshot: bytes, delta: bytes
) -> None:
    after = re.sub(
        rb'("u"|"cross_seq"):("?)(\d+)', lambda found: b"%b:%b%d" % (*found.groups()[:2], int(found[3]) + 1), delta
    )
    assert after != delta
    for at in range(len(after)):
        for byte in b"/0:":  # the characters next to the digits in ASCII
            both(topic, snapshot, delta, after[:at] + bytes([byte]) + after[at + 1 :])


@pytest.mark.parametrize(
    "number",
    ["0", "1", "9", "10", "12345678", "123456789", "1234567890123456", "12345678901234567", "123456789012345678"],
)
@pytest.mark.parametrize("behind", ["", "0", "5", "125", "0000001", "12345678", "123456789", "1234567890123456"])
def test_numbers_of_any_length_are_read_as_the_decoder_does(number: str, behind: str) -> None:
    text = f"{number}.{behind}" if behind else number
    price = text.encode()
    both(V2, SNAPSHOT, DELTA.replace(b'"size":10', b'"size":' + price))
    both(V2, SNAPSHOT.replace(b"60622.50", price))
    both(V5, V5_SNAPSHOT.replace(b'"2.5"', b'"%b"' % price))
    both(V5, V5_SNAPSHOT.replace(b'"99"', b'"%b"' % price), V5_DELTA)
    both(V5, V5_SNAPSHOT, V5_DELTA.replace(b'"99"', b'"%b"' % price))
    for field in (b'"u":8', b'"seq":9', b'"ts":1700000000001', b'"cts":1699999999999'):
        both(V5, V5_SNAPSHOT, V5_DELTA.replace(field, field.partition(b":")[0] + b":" + number.encode()))
    both(V2, SNAPSHOT, DELTA.replace(b'"cross_seq":12', b'"cross_seq":' + number.encode()))


@pytest.mark.parametrize("start", [7, 98, 9_999_998, 99_999_998, 199_999_998, 9_999_999_998, 99_999_999_999_999_998])
def test_numbers_that_grow_by_a_digit_or_beyond_their_last_eight_are_read(start: int) -> None:
    numbers = range(start, start + 4)
    frames = [
        replaced(DELTA, b"1618677785397906", b"%d" % number).replace(b'"cross_seq":12', b'"cross_seq":%d' % number)
        for number in numbers
    ]
    scanned, _ = both(V2, SNAPSHOT, *frames)
    assert scanned.errors == []
    assert scanned.feed.lanes["scanner"] == 1 + len(frames)
    book = scanned.book(V2)
    assert (book.cross_seq, book.ts_exchange_us) == (numbers[-1], numbers[-1])
    frames = [re.sub(rb'"(u|seq)":\d+', rb'"\1":%d' % number, V5_DELTA) for number in numbers]
    frames = [
        re.sub(rb'"(ts|cts)":\d+', rb'"\1":%d' % (number % 10**14), raw)
        for raw, number in zip(frames, numbers, strict=True)
    ]
    scanned, _ = both(V5, replaced(V5_SNAPSHOT, b'"u":7', b'"u":%d' % (start - 1)), *frames)
    assert scanned.errors == []
    assert scanned.feed.lanes["scanner"] == 1 + len(frames)
    assert (scanned.book(V5).update_id, scanned.book(V5).cross_seq) == (numbers[-1], numbers[-1])


# frames gone wrong


def flip(rng: Random, raw: bytearray) -> None:
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)


def write(rng: Random, raw: bytearray) -> None:
    raw[rng.randrange(len(raw))] = rng.choice(b'0123456789.,:"[]{} -+eE\\BuyS\x00\xff')


def drop(rng: Random, raw: bytearray) -> None:
    at = rng.randrange(len(raw))
    del raw[at : at + rng.choice((1, 1, 1, 2, 8, 80))]


def swap(rng: Random, raw: bytearray) -> None:
    one, other = rng.randrange(len(raw)), rng.randrange(len(raw))
    raw[one], raw[other] = raw[other], raw[one]


def repeat(rng: Random, raw: bytearray) -> None:
    at = rng.randrange(len(raw))
    raw[at:at] = raw[at : at + rng.choice((1, 2, 20, 80))]


def space(rng: Random, raw: bytearray) -> None:
    at = rng.choice([match.end() for match in re.finditer(rb"[,:\[{]", raw)] or [0])
    raw[at:at] = rng.choice((b" ", b"\n", b"\t", b"  "))


def stretch(rng: Random, raw: bytearray) -> None:
    number = rng.choice(list(re.finditer(rb"[0-9.]+", raw)) or [re.match(b"", raw)])
    assert number is not None
    digits = bytes(rng.choice(b"0123456789") for _ in range(rng.choice((1, 1, 2, 8, 12, 30))))
    raw[number.start() : number.end()] = rng.choice(
        (digits, number[0] + digits, digits + number[0], number[0] + b"." + digits, b"-" + number[0], number[0] + b"e3")
    )


def reorder(rng: Random, raw: bytearray) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = rng.sample(list(value), len(value))
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    try:
        message = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        return
    raw[:] = json.dumps(shuffled(message), separators=rng.choice(((",", ":"), (", ", ": ")))).encode()


MUTATORS: list[Callable[[Random, bytearray], None]] = [flip, write, drop, swap, repeat, space, stretch, reorder]


def test_both_lanes_agree_on_frames_gone_wrong(tapes: Path) -> None:
    rng = Random(20261125)
    streams = [(topic, raws) for name in TAPES for topic, raws in books_of(tapes / name).items()]
    tried = rejected = scanned_anyway = 0
    while tried < MUTATIONS:
        topic, raws = rng.choice(streams)
        first = rng.randrange(max(1, len(raws) - 20))
        pair = lanes(topic)
        for raw in (raws[0], *raws[first + 1 : first + 8]):
            message = json.loads(raw)
            if "u" in message["data"] and raw is not raws[0]:  # the frames between were left out
                message["data"]["u"] = pair[1].book(topic).update_id + 1
                raw = json.dumps(message, separators=(",", ":")).encode()
            mutated = bytearray(raw)
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                if mutated:
                    rng.choice(MUTATORS)(rng, mutated)
            for attempt in (bytes(mutated), raw):
                for lane in pair:
                    lane.feed.receive(attempt, tried)
                assert what_is_known(pair[0], topic) == what_is_known(pair[1], topic), attempt
            tried += 1
        rejected += len(pair[1].errors)
        scanned_anyway += pair[0].feed.lanes["scanner"]
    assert rejected > tried / 10
    assert scanned_anyway > tried / 2
