"""The frame path from bytes to books: recordings against the oracle, routing, and every kind of bad frame."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from depthwire import errors
from depthwire.book.types import BookState
from depthwire.feed.book_channel import BookChannel
from tests.support.offline import Offline
from tests.support.reference import frames, plain, replay
from tests.support.wire import ASKS, BIDS, delta, encode, level, snapshot

BTC, EOS = "orderBookL2_25.BTCUSD", "orderBookL2_25.EOSUSD"
V2_TAPES = ["inverse-2021-04-17.frames", "linear-2021-04-17.frames"]


# recordings


@pytest.mark.parametrize("name", V2_TAPES)
def test_a_recording_gives_the_oracles_book_after_every_frame(tapes: Path, name: str) -> None:
    offline = Offline(adopts=True)
    oracle = replay(tapes / name)
    checked = 0
    for raw in frames(tapes / name):
        offline.send(raw)
        topic = json.loads(raw).get("topic", "")
        if not topic.startswith("orderBook"):
            continue
        oracle_topic, expected = next(oracle)
        book = offline.book(topic)
        book._check()
        assert topic == oracle_topic
        assert book.state is BookState.LIVE
        shown = book.snapshot()
        assert (list(shown.bids), list(shown.asks)) == (expected.bids(), expected.asks())
        assert len(shown.bids) == len(shown.asks) == 25
        assert (book.cross_seq, book.ts_exchange_us) == (expected.cross_seq, expected.timestamp_e6)
        checked += 1
    assert next(oracle, None) is None
    assert checked > 700
    assert offline.errors == []
    assert offline.feed.lanes == {"scanner": checked, "msgspec": 0, "rejected": 0}


@pytest.mark.parametrize("name", V2_TAPES)
def test_a_recordings_trades_all_arrive_with_their_values(tapes: Path, name: str) -> None:
    offline = Offline(adopts=True)
    expected = []
    streams: dict[str, Any] = {}
    for raw in frames(tapes / name):
        message = json.loads(raw)
        topic = message.get("topic", "")
        if topic.startswith("trade.") and topic not in streams:
            offline.add(topic)
            streams[topic] = offline.stream(topic)
        offline.send(raw)
        expected += message["data"] if topic.startswith("trade.") else []
    arrived = [trade for stream in streams.values() for trade in stream._queue]
    key = lambda trade: trade["trade_id"] if isinstance(trade, dict) else trade.trade_id  # noqa: E731
    assert len(arrived) == len(expected) > 50
    for trade, wire in zip(sorted(arrived, key=key), sorted(expected, key=key), strict=True):
        assert trade.price == Decimal(str(wire["price"]))
        assert trade.size == Decimal(str(wire["size"]))
        assert trade.trade_time_ms == int(wire["trade_time_ms"])
        assert trade.cross_seq == wire.get("cross_seq")
        fields = ("symbol", "side", "trade_id", "tick_direction", "timestamp")
        assert [getattr(trade, name) for name in fields] == [wire[name] for name in fields]


# routing


def both_books() -> Offline:
    offline = Offline(BTC, EOS)
    offline.send(snapshot("BTCUSD"))
    offline.send(snapshot("EOSUSD"))
    assert offline.errors == []
    return offline


def test_frames_go_to_the_book_of_their_topic() -> None:
    offline = both_books()
    offline.send(delta("EOSUSD", update=[("Buy", BIDS[0][0], 77)]))
    assert offline.book(EOS).size_at_id(BIDS[0][0]) == 77
    assert offline.book(BTC).size_at_id(BIDS[0][0]) == BIDS[0][1]


def test_answers_come_before_between_and_after_data() -> None:
    answer = encode({"success": True, "ret_msg": "", "conn_id": "x", "request": {"op": "subscribe", "args": [BTC]}})
    offline = Offline(BTC)
    for message in (answer, snapshot(), answer, delta(update=[("Buy", BIDS[0][0], 5)]), answer):
        offline.send(message)
    assert offline.answers == [answer] * 3
    assert offline.book(BTC).version == 2


@pytest.mark.parametrize(
    "reshape",
    [
        lambda text: json.dumps(json.loads(text)),
        lambda text: "  " + text,
        lambda text: json.dumps(dict(reversed(json.loads(text).items()))),
    ],
)
def test_another_key_order_or_spacing_gives_the_same_book(reshape: Callable[[str], str]) -> None:
    offline = Offline(BTC)
    for message in (snapshot(), delta(update=[("Sell", ASKS[0][0], 5)])):
        offline.send(reshape(encode(message).decode()).encode())
    assert offline.errors == []
    assert offline.book(BTC).size_at_id(ASKS[0][0]) == 5


def test_an_escaped_topic_is_the_same_topic() -> None:
    offline = Offline(BTC)
    offline.send(encode(snapshot()).replace(b"orderBookL2_25.BTC", b"orderBookL2_25\\u002eBTC"))
    assert offline.book(BTC).state is BookState.LIVE


def test_many_topics_are_told_apart() -> None:
    names = [f"S{number}USD" for number in range(500)]
    offline = Offline(*(f"orderBookL2_25.{name}" for name in names))
    for seq, name in enumerate(names, start=1):
        offline.send(snapshot(name, seq=seq))
    assert [offline.book(f"orderBookL2_25.{name}").cross_seq for name in names] == list(range(1, 501))
    for name in names[::2]:
        offline.feed.channels.remove(f"orderBookL2_25.{name}")
    assert len(offline.feed.channels) == 250
    offline.send(snapshot(names[1], seq=1_000))
    assert offline.book(f"orderBookL2_25.{names[1]}").cross_seq == 1_000


def test_the_tap_sees_every_message_byte_for_byte() -> None:
    offline = Offline(BTC)
    seen: list[tuple[int, bytes]] = []
    offline.feed.tap = lambda ts, payload: seen.append((ts, bytes(payload)))
    sent = [encode(snapshot()), b"not JSON", encode({"topic": "x"})]
    for number, raw in enumerate(sent):
        offline.send(raw, number)
    assert seen == list(enumerate(sent))


def test_the_receive_time_reaches_the_book() -> None:
    offline = Offline(BTC)
    offline.send(snapshot(), 1_618_677_787_123_456_789)
    assert offline.book(BTC).ts_recv_ns == offline.feed.last_recv_ns == 1_618_677_787_123_456_789


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_bytes_like_object_is_a_frame(wrap: Callable[[bytes], Any]) -> None:
    offline = Offline(BTC)
    offline.send(wrap(encode(snapshot())))
    assert offline.book(BTC).state is BookState.LIVE


# both dialects


@pytest.mark.parametrize("linear", [False, True])
def test_both_dialects_read_the_same(linear: bool) -> None:
    offline = Offline(BTC)
    offline.send(snapshot(linear=linear))
    offline.send(
        delta(
            delete=[("Sell", ASKS[2][0])],
            update=[("Buy", BIDS[1][0], 0.5)],
            insert=[("Sell", ASKS[2][0] + 5_000, 994.89996)],
            linear=linear,
        )
    )
    book = offline.book(BTC)
    assert offline.errors == []
    assert [size for _, size in book.snapshot().asks] == [11, 21, 994.89996]
    assert book.cross_seq == 101
    assert book.price_decimals == 4


@pytest.mark.parametrize("scale", [0, 2, 4, 8])
def test_the_scale_is_learnt_from_the_symbols_first_levels(scale: int) -> None:
    message = snapshot()
    for item in message["data"]:
        item["price"] = str(int(float(item["price"])))
        item["id"] = int(item["price"]) * 10**scale
    message["data"] = [message["data"][0], message["data"][-1]]
    offline = Offline(BTC)
    offline.send(message)
    assert offline.book(BTC).price_decimals == scale
    assert offline.book(BTC).best_bid == 60621.0


def test_a_size_on_a_deleted_level_means_nothing() -> None:
    offline = Offline(BTC)
    offline.send(snapshot())
    message = delta(delete=[("Buy", BIDS[2][0])])
    message["data"]["delete"][0]["size"] = 0
    offline.send(message)
    assert offline.errors == []
    assert len(offline.book(BTC)) == 5


# bad frames: each with its documented error; the book keeps its levels and is STALE with the reason; the other book goes on


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A good delta with one thing made wrong."""
    message = delta(update=[("Buy", BIDS[0][0], 5)], insert=[("Sell", ASKS[2][0] + 5_000, 7)])
    change(message)
    return encode(message)


def first(name: str, **fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda message: message["data"][name][0].update(fields)


def without(*path: str) -> Callable[[dict[str, Any]], object]:
    def remove(message: dict[str, Any]) -> None:
        *parents, last = path
        found: Any = message
        for key in parents:
            found = found[0][key] if isinstance(found, list) else found[key]
        del (found[0] if isinstance(found, list) else found)[last]

    return remove


GOOD = changed(lambda message: None)
BAD_FRAMES = {
    "truncated in the levels": (GOOD[:-60], errors.MalformedFrame),
    "truncated by one byte": (GOOD[:-1], errors.MalformedFrame),
    "invalid UTF-8": (GOOD.replace(b"Buy", b"\xff\xfe\xfd"), errors.MalformedFrame),
    "deeply nested": (GOOD[:-1] + b',"x":' + b"[" * 100_000 + b"}", errors.MalformedFrame),
    "NUL byte": (GOOD.replace(b"Buy", b"B\0y"), errors.MalformedFrame),
    "data of a wrong type": (changed(lambda m: m.update(data=7)), errors.MalformedFrame),
    "data null": (changed(lambda m: m.update(data=None)), errors.MalformedFrame),
    "a delta whose data is a list": (changed(lambda m: m.update(data=[])), errors.MalformedFrame),
    "levels of a wrong type": (changed(lambda m: m["data"].update(update={})), errors.MalformedFrame),
    "size as text": (changed(first("update", size="5")), errors.MalformedFrame),
    "size true": (changed(first("update", size=True)), errors.MalformedFrame),
    "size NaN": (changed(first("update", size=float("nan"))), errors.MalformedFrame),
    "size 1e400": (GOOD.replace(b'"size":5', b'"size":1e400'), errors.InvalidLevel),
    "price a number": (changed(first("update", price=60622.5)), errors.MalformedFrame),
    "id a float": (changed(first("update", id=606225000.5)), errors.MalformedFrame),
    "unknown side": (changed(first("update", side="Both")), errors.MalformedFrame),
    "unknown type": (changed(lambda m: m.update(type="patch")), errors.MalformedFrame),
    "type missing": (changed(without("type")), errors.MalformedFrame),
    "data missing": (changed(without("data")), errors.MalformedFrame),
    "cross_seq missing": (changed(without("cross_seq")), errors.MalformedFrame),
    "timestamp missing": (changed(without("timestamp_e6")), errors.MalformedFrame),
    "delete missing": (changed(without("data", "delete")), errors.MalformedFrame),
    "price missing": (changed(without("data", "update", "price")), errors.MalformedFrame),
    "id missing": (changed(without("data", "update", "id")), errors.MalformedFrame),
    "side missing": (changed(without("data", "update", "side")), errors.MalformedFrame),
    "size missing": (changed(without("data", "update", "size")), errors.MalformedFrame),
    "symbol missing": (changed(without("data", "update", "symbol")), errors.MalformedFrame),
    "camelCase keys": (GOOD.replace(b"cross_seq", b"crossSeq").replace(b"timestamp_e6", b"timestampE6"), errors.MalformedFrame),
    "size negative": (changed(first("update", size=-1)), errors.InvalidLevel),
    "size zero": (changed(first("update", size=0)), errors.InvalidLevel),
    "insert of size zero": (changed(first("insert", size=0)), errors.InvalidLevel),
    "id beyond int64": (changed(first("update", id=2**63)), errors.InvalidLevel),
    "id far beyond int64": (changed(first("update", id=10**40)), errors.InvalidLevel),
    "id as text beyond int64": (changed(first("update", id="9" * 30)), errors.InvalidLevel),
    "id as text that is not a number": (changed(first("update", id="0x10")), errors.InvalidLevel),
    "id as empty text": (changed(first("update", id="")), errors.InvalidLevel),
    "cross_seq as text that is not a number": (changed(lambda m: m.update(cross_seq="soon")), errors.InvalidLevel),
    "price and id disagree": (changed(first("update", price="60623.50")), errors.PriceMismatch),
    "price and id disagree by a scale": (changed(first("update", price="606225.00")), errors.PriceMismatch),
    "id zero": (changed(first("update", id=0)), errors.PriceMismatch),
    "price zero": (changed(first("update", price="0", id=0)), errors.InvalidLevel),
    "price negative": (changed(first("update", price="-60622.50", id=-606225000)), errors.InvalidLevel),
    "price empty": (changed(first("update", price="")), errors.InvalidLevel),
    "price with an exponent": (changed(first("update", price="6.06225e4")), errors.InvalidLevel),
    "price in Arabic digits": (changed(first("update", price="٦٠٦٢٢")), errors.InvalidLevel),
    "price of 20 digits": (changed(first("update", price="60622.500000000000000")), errors.InvalidLevel),
    "another symbol's level": (changed(first("insert", symbol="XRPUSD")), errors.SymbolMismatch),
    "all levels another symbol's": (GOOD.replace(b'"symbol":"BTCUSD"', b'"symbol":"XRPUSD"'), errors.SymbolMismatch),
    "unknown level deleted": (encode(delta(delete=[("Buy", BIDS[0][0] - 2_500)])), errors.UnknownLevel),
    "level deleted on the wrong side": (encode(delta(delete=[("Sell", BIDS[0][0])])), errors.UnknownLevel),
    "unknown level updated": (encode(delta(update=[("Buy", BIDS[0][0] - 2_500, 1)])), errors.UnknownLevel),
    "standing level inserted": (encode(delta(insert=[("Buy", BIDS[0][0], 1)])), errors.DuplicateLevel),
    "level inserted twice": (encode(delta(insert=[("Buy", BIDS[2][0] - 5_000, 1)] * 2)), errors.DuplicateLevel),
    "crossed": (encode(delta(insert=[("Buy", ASKS[0][0] + 2_500, 1)])), errors.CrossedBook),
    "locked": (encode(delta(insert=[("Buy", ASKS[0][0], 1)])), errors.CrossedBook),
    "too deep": (encode(delta(insert=[("Sell", ASKS[2][0] + 5_000 * n, 1) for n in range(1, 24)])), errors.DepthExceeded),
    "cross_seq falls": (encode(delta(seq=99)), errors.OutOfSequence),
    "timestamp falls": (changed(lambda m: m.update(timestamp_e6=1)), errors.OutOfSequence),
    "snapshot with a level twice": (encode(snapshot(bids=[BIDS[0], BIDS[0]])), errors.DuplicateLevel),
    "snapshot crossed": (encode(snapshot(bids=[(ASKS[1][0], 1)])), errors.CrossedBook),
    "snapshot too deep": (encode(snapshot(bids=[(n * 5_000, 1) for n in range(1, 27)])), errors.DepthExceeded),
    "snapshot with size zero": (encode(snapshot(bids=[(BIDS[0][0], 0)])), errors.InvalidLevel),
    "snapshot whose scales disagree": (
        encode({**snapshot(), "data": [level("Buy", BIDS[0][0], 1), {**level("Sell", ASKS[0][0], 1), "id": ASKS[0][0] * 10}]}),
        errors.PriceMismatch,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_costs_its_own_topic_only(name: str) -> None:
    raw, expected = BAD_FRAMES[name]
    offline = both_books()
    book, other = offline.book(BTC), offline.book(EOS)
    before = book.snapshot()

    offline.send(raw)

    (error,) = offline.errors
    assert type(error) is expected, error
    assert isinstance(error, errors.FrameError)
    assert error.topic == BTC
    assert str(error).startswith(BTC)
    assert book.state is BookState.STALE
    assert book.stale_reason == error.message
    after = book.snapshot(allow_stale=True)
    assert (after.bids, after.asks, after.version) == (before.bids, before.asks, before.version)
    with pytest.raises(errors.BookNotLive, match="STALE"):
        _ = book.best_bid
    book._check()

    offline.send(delta("EOSUSD", update=[("Buy", BIDS[0][0], 5)]))
    assert other.size_at_id(BIDS[0][0]) == 5
    offline.send(GOOD)
    assert book.state is BookState.STALE
    assert len(offline.errors) == 1, "deltas that come while the book waits for its snapshot are not errors"
    offline.feed.channels.get(BTC).asked()  # type: ignore[union-attr]
    offline.send(snapshot("BTCUSD"))
    offline.send(GOOD)
    assert book.state is BookState.LIVE
    assert book.size_at_id(BIDS[0][0]) == 5


def test_the_good_frame_of_these_tests_is_good() -> None:
    offline = both_books()
    offline.send(GOOD)
    assert offline.errors == []


def test_a_frame_of_a_topic_that_is_not_served_costs_no_book() -> None:
    offline = both_books()
    offline.send(b'{"topic":"orderBookL2_25.XRPUSD","type":"delta"}')
    (error,) = offline.errors
    assert type(error) is errors.UnexpectedTopic, error
    assert offline.book(BTC).state is offline.book(EOS).state is BookState.LIVE


def test_a_frame_whose_topic_does_not_exist_costs_all_books_and_has_a_short_error() -> None:
    offline = both_books()
    offline.send(b'{"topic":"' + b"x" * 100_000 + b'"}')
    (error,) = offline.errors
    assert type(error) is errors.DamagedFrame, error
    assert len(str(error)) < 600
    assert offline.book(BTC).state is offline.book(EOS).state is BookState.STALE


def test_a_delta_before_the_snapshot_leaves_the_book_empty() -> None:
    offline = Offline(BTC)
    offline.send(delta(update=[("Buy", BIDS[0][0], 5)]))
    (error,) = offline.errors
    assert type(error) is errors.SnapshotMissing
    assert offline.book(BTC).state is BookState.EMPTY
    offline.send(snapshot())
    assert offline.book(BTC).state is BookState.LIVE


def book_channel(offline: Offline) -> BookChannel:
    channel = offline.feed.channels.get(BTC)
    assert isinstance(channel, BookChannel)
    return channel


@pytest.mark.parametrize("scanned", [True, False])
@pytest.mark.parametrize("back", range(4))
def test_a_copy_of_one_of_the_last_frames_is_left_out_and_counted(back: int, scanned: bool) -> None:
    offline = Offline(BTC)
    frames = [delta(update=[("Buy", BIDS[0][0], 1 + n)], seq=101 + n) for n in range(4)]
    for message in (snapshot(), *frames):
        offline.send(message)
    copy = encode(frames[-1 - back])
    offline.send(copy if scanned else copy.replace(b",", b", "))
    book = offline.book(BTC)
    assert (book.state, offline.errors, book_channel(offline).outdated) == (BookState.LIVE, [], 1)
    assert book.snapshot().bids[0][1] == 4.0


def test_a_late_frame_that_was_never_applied_is_a_loss() -> None:
    offline = Offline(BTC)
    for seq in (100, 102, 101):
        offline.send(snapshot() if seq == 100 else delta(update=[("Buy", BIDS[0][0], seq)], seq=seq))
    assert offline.book(BTC).state is BookState.STALE
    assert isinstance(offline.errors[-1], errors.OutOfSequence)
    assert book_channel(offline).outdated == 0


@pytest.mark.parametrize("linear", [False, True])
def test_a_full_side_is_left_full(linear: bool) -> None:
    bids = [(606_225_000 - 5_000 * n, 1) for n in range(25)]
    offline = Offline(BTC)
    offline.send(snapshot(bids=bids, linear=linear))
    offline.send(delta(delete=[("Buy", bids[3][0])], linear=linear))
    assert offline.book(BTC).state is BookState.STALE
    assert isinstance(offline.errors[-1], errors.UnbalancedFrame)


def test_a_bad_trade_frame_is_met_by_its_reader() -> None:
    offline = Offline("trade.BTCUSD")
    stream = offline.stream("trade.BTCUSD")
    offline.send({"topic": "trade.BTCUSD", "data": "abc"})
    (error,) = offline.errors
    assert type(error) is errors.MalformedFrame
    assert list(stream._queue) == [error]


def test_sizes_keep_their_decimal_text(tapes: Path) -> None:
    """Each recorded size is the float nearest to its text, so that the shortest text of the float is the wire's."""
    for name in V2_TAPES:
        books = dict(replay(tapes / name))
        offline = Offline(adopts=True)
        for raw in frames(tapes / name):
            offline.send(raw)
        for topic, expected in books.items():
            assert [[plain(offline.book(topic).price(i)), s] for i, s in offline.book(topic).snapshot().bids] == [
                [price, float(size)] for price, size in expected.levels_text("Buy")
            ]


# lines of a tape


def test_lines_are_taken_up_to_the_first_one_in_another_form() -> None:
    first, second = encode(snapshot()), encode(delta(update=[("Buy", *BIDS[0])]))
    offline = Offline(BTC)
    text = b"12\t%b\n1618677785357289000\t%b\r\nnonsense here\n14\t%b\n" % (first, second, second)
    stop = offline.feed.receive_lines(text)
    assert text[stop:].startswith(b"nonsense")
    assert (offline.feed.frames, offline.feed.last_recv_ns) == (2, 1618677785357289000)
    assert offline.feed.receive_lines(text, text.index(b"14\t")) == len(text)
    assert (offline.feed.frames, offline.feed.last_recv_ns) == (3, 14)
    assert offline.errors == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"12345678901234567890\t{}\n",
        b"9999999999999999999\t{}\n",
        b'-1\t{"a":1}\n',
        b'\t{"a":1}\n',
        b'12 {"a":1}\n',
    ],
)
def test_a_line_that_is_none_is_left_to_the_caller(line: bytes) -> None:
    offline = Offline(BTC)
    for rest in (b"", b"\n", b'13\t{"a": 1}\n'):
        assert offline.feed.receive_lines(line + rest) == 0 or line == b""
