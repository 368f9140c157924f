"""v5 order books from frames: recordings against the oracle, lost frames, scales, and every kind of bad frame."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.v5.book_decoder import V5BookDecoder
from depthwire.bybit.v5.dialect import OPTION
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.live_book import LiveBook
from tests.support.offline import Offline
from tests.support.reference import Rejected, frames, plain
from tests.support.reference_v5 import V5ReferenceBook, books_of

TAPES = [
    ("v5-linear-2026-08-09.frames", 200),
    ("v5-spot-2026-08-09.frames", 200),
    ("v5-linear-ob50-2026-08-24.frames", 50),
    ("v5-linear-ob1-2025-06-13.frames", 1),
]
TOPIC = "orderbook.50.BTCUSDT"


class V5Offline(Offline):
    def add(self, topic: str) -> Any:
        kind, _, rest = topic.partition(".")
        if kind != "orderbook":
            return super().add(topic)
        depth, _, symbol = rest.partition(".")
        channel = BookChannel(LiveBook(topic, symbol, int(depth)), V5BookDecoder())
        channel.attach(self.errors.append)
        self.feed.channels.add(channel)
        return channel


def shown(book: LiveBook) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """As the oracle's `levels_text`."""
    copy = book.snapshot(allow_stale=True)
    bids, asks = ([(plain(book.price(price_id)), size) for price_id, size in side] for side in (copy.bids, copy.asks))
    return bids, asks


def frame(
    bids: Any = (),
    asks: Any = (),
    u: int = 1,
    *,
    kind: str = "delta",
    symbol: str = "BTCUSDT",
    topic: str = TOPIC,
    **changed: Any,
) -> Any:
    data = {
        "s": symbol,
        "b": [list(pair) for pair in bids],
        "a": [list(pair) for pair in asks],
        "u": u,
        "seq": 1000 + u,
    }
    return {
        "topic": topic,
        "type": kind,
        "ts": 1_700_000_000_000 + u,
        "data": data,
        "cts": 1_699_999_999_000 + u,
        **changed,
    }


def snapshot(
    bids: Any = (("100.0", "1"), ("99.5", "2.5")),
    asks: Any = (("100.5", "3"), ("101.0", "4")),
    u: int = 7,
    **changed: Any,
) -> Any:
    return frame(bids, asks, u, kind="snapshot", **changed)


def live(topic: str = TOPIC) -> tuple[Offline, LiveBook]:
    offline = V5Offline(topic)
    offline.send(snapshot(topic=topic, symbol=topic.rpartition(".")[2]))
    book = offline.book(topic)
    assert book.state is BookState.LIVE
    return offline, book


# recordings


@pytest.mark.parametrize(("name", "depth"), TAPES)
def test_a_recording_gives_the_oracles_book_after_every_frame(tapes: Path, name: str, depth: int) -> None:
    offline = V5Offline(adopts=True)
    oracle = books_of(frames(tapes / name))
    checked = 0
    for raw in frames(tapes / name):
        topic = json.loads(raw).get("topic", "")
        if not topic.startswith("orderbook."):
            continue
        offline.send(raw)
        oracle_topic, expected = next(oracle)
        book = offline.book(topic)
        book._check()
        assert (topic, book.state) == (oracle_topic, BookState.LIVE)
        assert shown(book) == expected.levels_text()
        assert len(expected.bids) == len(expected.asks) == depth
        assert (book.update_id, book.cross_seq) == (expected.u, expected.seq)
        assert (book.ts_exchange_us, book.ts_matching_us) == (expected.ts * 1000, expected.cts * 1000)
        checked += 1
    assert next(oracle, None) is None
    assert checked > 30
    assert offline.errors == []


@pytest.mark.parametrize(("name", "depth"), TAPES[:3])
def test_every_frame_that_is_removed_is_noticed_at_the_next_one(tapes: Path, name: str, depth: int) -> None:
    raws = [raw for raw in frames(tapes / name) if b'"topic":"orderbook.' in raw]
    topics = [json.loads(raw)["topic"] for raw in raws]
    for topic in set(topics):
        own = [raw for raw, at in zip(raws, topics, strict=True) if at == topic]
        for lost in range(1, len(own) - 1):
            offline = V5Offline(topic)
            for raw in (own[0], *own[max(1, lost - 2) : lost]):
                # the frames before the hole are joined by restating the snapshot's number
                message = json.loads(raw)
                if raw is own[0]:
                    message["data"]["u"] = json.loads(own[max(1, lost - 2)])["data"]["u"] - 1
                    message["data"]["b"], message["data"]["a"] = [], []
                offline.send(message)
            assert offline.book(topic).state is BookState.LIVE
            offline.send(own[lost + 1])
            assert offline.book(topic).state is BookState.STALE
            assert isinstance(offline.errors[-1], errors.OutOfSequence)


# continuity


def outdated(offline: V5Offline, topic: str = TOPIC) -> int:
    channel = offline.feed.channels.get(topic)
    assert isinstance(channel, BookChannel)
    return channel.outdated


@pytest.mark.parametrize("u", [1, 6, 7])
def test_an_update_that_is_in_the_book_already_is_left_out_and_counted(u: int) -> None:
    offline, book = live()
    before = shown(book)
    offline.send(frame([("98", "1")], u=u))
    assert (book.state, shown(book), offline.errors) == (BookState.LIVE, before, [])
    assert outdated(offline) == 1
    offline.send(frame([("98", "1")], u=8))
    assert outdated(offline) == 1
    assert shown(book)[0][-1] == ("98", 1.0)


@pytest.mark.parametrize("u", [1, 6, 7])
@pytest.mark.parametrize("later", ["seq", "ts"])
def test_an_old_update_number_on_a_newer_frame_makes_the_book_stale(u: int, later: str) -> None:
    offline, book = live()
    message = frame([("98", "1")], u=u)
    (message if later == "ts" else message["data"])[later] += 100
    offline.send(message)
    assert book.state is BookState.STALE
    assert isinstance(offline.errors[-1], errors.OutOfSequence)
    assert outdated(offline) == 0


@pytest.mark.parametrize("u", [9, 1000])
def test_an_update_that_is_not_one_more_makes_the_book_stale(u: int) -> None:
    offline, book = live()
    before = shown(book)
    offline.send(frame([("98", "1")], u=u))
    assert book.state is BookState.STALE
    assert "7" in str(book.stale_reason)
    assert str(u) in str(book.stale_reason)
    assert isinstance(offline.errors[-1], errors.OutOfSequence)
    assert offline.errors[-1].topic == TOPIC
    assert shown(book) == before


def test_a_snapshot_may_come_at_any_time_and_starts_the_numbers_over() -> None:
    offline, book = live()
    later = {"ts": 1_700_000_001_000}
    offline.send(snapshot([("50", "1")], [("51", "2")], u=1, **later))
    offline.send(frame([("49", "5")], u=2, **later))
    assert offline.errors == []
    assert shown(book) == ([("50", 1.0), ("49", 5.0)], [("51", 2.0)])
    offline.send(frame(u=9, **later))
    assert book.state is BookState.STALE
    offline.send(snapshot(u=3, **later))
    assert book.state is BookState.LIVE


def test_frames_of_two_topics_keep_their_own_numbers() -> None:
    one, other = "orderbook.50.BTCUSDT", "orderbook.50.ETHUSDT"
    offline = V5Offline(one, other)
    for topic, u in ((one, 10), (other, 500)):
        offline.send(snapshot(topic=topic, symbol=topic.rpartition(".")[2], u=u))
    for step in range(1, 50):
        offline.send(frame([("90", str(step))], u=10 + step))
        offline.send(frame([("91", str(step))], u=500 + step, topic=other, symbol="ETHUSDT"))
    assert offline.errors == []
    assert (offline.book(one).update_id, offline.book(other).update_id) == (59, 549)


def test_a_delta_before_its_snapshot_is_refused() -> None:
    offline = V5Offline(TOPIC)
    offline.send(frame([("1", "1")]))
    assert isinstance(offline.errors[-1], errors.SnapshotMissing)
    assert offline.book(TOPIC).state is BookState.EMPTY


# what a delta may do


@pytest.mark.parametrize("zero", ["0", "0.0", "0.000", "00"])
def test_a_zero_size_deletes_however_it_is_written(zero: str) -> None:
    offline, book = live()
    offline.send(frame([("99.50", zero)], u=8))
    assert shown(book)[0] == [("100", 1.0)]
    assert offline.errors == []


def test_a_level_that_does_not_stand_may_be_deleted() -> None:
    offline, book = live()
    before = shown(book)
    offline.send(frame([("42", "0")], [("4200", "0")], u=8))
    assert shown(book) == before
    assert offline.errors == []


def test_one_side_or_none_may_change() -> None:
    offline, book = live()
    offline.send(frame(u=8))
    offline.send(frame([("100.0", "0"), ("99.5", "0")], u=9))
    assert shown(book) == ([], [("100.5", 3.0), ("101", 4.0)])
    assert (book.best_bid, book.best_ask, book.bbo) == (None, 100.5, None)
    offline.send(snapshot([], [], u=20))
    offline.send(frame([("1", "1")], u=21))
    assert shown(book) == ([("1", 1.0)], [])
    assert offline.errors == []


def test_inserts_may_come_before_the_deletes_that_make_their_room() -> None:
    topic = "orderbook.1.BTCUSDT"
    offline = V5Offline(topic)
    offline.send(snapshot([("100", "1")], [("101", "1")], topic=topic))
    offline.send(frame([("102", "1"), ("100", "0")], [("103", "2"), ("101", "0")], u=8, topic=topic))
    assert shown(offline.book(topic)) == ([("102", 1.0)], [("103", 2.0)])
    assert offline.errors == []


def test_the_last_word_of_a_frame_on_a_price_holds() -> None:
    offline, book = live()
    offline.send(frame([("98", "1"), ("98.0", "0"), ("98.00", "5")], u=8))
    assert ("98", 5.0) in shown(book)[0]
    offline.send(frame([("98", "1"), ("98.0", "0")], u=9))
    assert "98" not in dict(shown(book)[0])


# scales


def test_a_finer_price_restates_the_book_exactly() -> None:
    offline, book = live()
    assert book.price_decimals == 1
    offline.send(frame([("99.625", "7")], u=8))
    assert book.price_decimals == 3
    assert shown(book) == ([("100", 1.0), ("99.625", 7.0), ("99.5", 2.5)], [("100.5", 3.0), ("101", 4.0)])
    assert (book.best_bid, book.best_bid_id, book.size_at("100.5")) == (100.0, 100_000, 3.0)
    book._check()
    offline.send(snapshot(u=9))
    assert book.price_decimals == 1  # each snapshot sets the scale
    assert shown(book)[0] == [("100", 1.0), ("99.5", 2.5)]


def test_zeros_behind_a_price_do_not_make_it_finer() -> None:
    offline, book = live()
    offline.send(frame([("99.50000", "9")], u=8))
    assert book.price_decimals == 1
    assert book.size_at(99.5) == 9.0


def test_a_refused_frame_with_a_finer_price_leaves_the_same_prices() -> None:
    offline, book = live()
    before = shown(book)
    offline.send(frame([("99.625", "7"), ("200", "1")], u=8))
    assert isinstance(offline.errors[-1], errors.CrossedBook)
    assert shown(book) == before
    book._check()


def test_a_scale_that_the_book_cannot_take_is_refused() -> None:
    offline = V5Offline(TOPIC)
    offline.send(snapshot([("90000000", "1")], [("90000001", "1")]))
    offline.send(frame([("0.00000000001", "1")], u=8))
    assert isinstance(offline.errors[-1], errors.InvalidLevel)
    assert offline.book(TOPIC).state is BookState.STALE
    assert shown(offline.book(TOPIC)) == ([("90000000", 1.0)], [("90000001", 1.0)])


# sizes


@pytest.mark.parametrize(
    "size",
    ["0.1", "9007199254740993", "123456789012345678", "0.30000000000000004", "1" * 300, "0." + "3" * 400, "5e-1"[:1]],
)
def test_a_size_is_the_float_next_to_its_text(size: str) -> None:
    offline, book = live()
    offline.send(frame([("99.5", size)], u=8))
    assert offline.errors == []
    assert book.size_at(99.5) == float(size)


# bad frames

BAD_PRICES = [
    "1e2",
    "100.000000000000000000001",
    "",
    "-1",
    "0x10",
    "١٠٠",
    "0",
    "0.00",
    " 100",
    "100 ",
    "1_0",
    ".5",
    "5.",
    "1.2.3",
    "+1",
    "nan",
    "inf",
    "9" * 19,
]
BAD_SIZES = ["1e2", "", "-1", "-0", "0x10", "١", " 1", "1.", ".1", "nan", "Infinity", "1" * 400, "0." + "0" * 400 + "1"]


@pytest.mark.parametrize("price", BAD_PRICES)
@pytest.mark.parametrize("size", ["1", "0"])
@pytest.mark.parametrize("kind", ["delta", "snapshot"])
def test_a_price_that_is_none_is_refused_with_its_text(price: str, size: str, kind: str) -> None:
    offline, book = live()
    before = shown(book)
    offline.send(frame([("99.0", "5"), (price, size)], u=8, kind=kind))
    assert isinstance(offline.errors[-1], errors.InvalidLevel)
    assert "price" in str(offline.errors[-1])
    assert book.state is BookState.STALE
    assert shown(book) == before


@pytest.mark.parametrize("size", BAD_SIZES)
@pytest.mark.parametrize("kind", ["delta", "snapshot"])
def test_a_size_that_is_none_is_refused_with_its_text(size: str, kind: str) -> None:
    offline, book = live()
    before = shown(book)
    offline.send(frame([("99.0", "5")], [("104", size)], u=8, kind=kind))
    assert isinstance(offline.errors[-1], errors.InvalidLevel)
    assert "size" in str(offline.errors[-1])
    assert book.state is BookState.STALE
    assert shown(book) == before


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (frame(u=8, symbol="XRPUSDT"), errors.SymbolMismatch),
        (frame([("1", "1", "1")], u=8), errors.MalformedFrame),
        (frame([("1",)], u=8), errors.MalformedFrame),
        (frame([(1, "1")], u=8), errors.MalformedFrame),
        (frame([("1", 1)], u=8), errors.MalformedFrame),
        (frame(u=8, kind="update"), errors.MalformedFrame),
        (frame(u=8, data=None), errors.MalformedFrame),
        (frame(u=8, data={"s": "BTCUSDT", "b": [], "a": []}), errors.MalformedFrame),
        (frame(u=8, ts="1"), errors.MalformedFrame),
        (frame(u=8, ts=2**63), errors.InvalidLevel),
        (frame(u=8, cts=-1), errors.InvalidLevel),
        (frame(u=-1), errors.InvalidLevel),
        (frame(u=2**70), errors.InvalidLevel),
        (snapshot([("100", "1"), ("100.0", "2")]), errors.DuplicateLevel),
        (snapshot([("100", "0")]), errors.InvalidLevel),
        (snapshot([("101", "1")], [("101", "1")]), errors.CrossedBook),
        (frame([("100.5", "1")], u=8), errors.CrossedBook),
        (frame([(str(n), "1") for n in range(1, 60)], u=8), errors.DepthExceeded),
        (
            b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"s":"BTCUSDT","b":[["1","1"]',
            errors.MalformedFrame,
        ),
    ],
)
def test_a_bad_frame_costs_only_its_own_book(message: Any, error: type[errors.FrameError]) -> None:
    other = "orderbook.50.ETHUSDT"
    offline, book = live()
    offline.add(other)
    offline.send(snapshot(topic=other, symbol="ETHUSDT"))
    before = shown(book)
    offline.send(message)
    assert type(offline.errors[-1]) is error
    assert book.state is BookState.STALE
    assert shown(book) == before
    book._check()
    offline.send(frame([("99", "1")], u=8, topic=other, symbol="ETHUSDT"))
    assert offline.book(other).state is BookState.LIVE


# book and oracle side by side through random frames


def random_frames(rng: Random) -> list[Any]:
    """Mostly frames that fit, with prices of changing fineness, some of which do not."""
    made, u = [], 0
    for _ in range(rng.randint(5, 40)):
        decimals = rng.choice((0, 1, 1, 2, 4))
        new = rng.random() < 0.15 or not made

        def pair(middle: float, away: int, decimals: int = decimals, new: bool = new) -> tuple[str, str]:
            price = f"{middle + away * rng.choice((0, 0.5, 1.25, 3, 10)) * rng.random():.{decimals}f}"
            zero = not new and rng.random() < 0.4
            return price, rng.choice(("0", "0.0")) if zero else f"{rng.random() * 10:.3f}"

        u += rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 0, 2, -3))
        sides = [[pair(middle, away) for _ in range(rng.randint(0, 6))] for middle, away in ((100, -1), (101, 1))]
        u = max(u, 0)
        snapshots = [each for each in made if each["type"] == "snapshot"]
        if new and snapshots and rng.random() < 0.5:
            sides = [snapshots[-1]["data"][side] for side in "ba"]
        made.append(frame(*sides, u=u, kind="snapshot" if new else "delta", topic="orderbook.5.BTCUSDT"))
    return made


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.integers(0, 2**32 - 1))
def test_book_and_oracle_agree_on_any_frames(seed: int) -> None:
    topic = "orderbook.5.BTCUSDT"
    offline, oracle = V5Offline(topic), V5ReferenceBook("BTCUSDT", 5)
    book = offline.book(topic)
    for message in random_frames(Random(seed)):
        told, waiting = len(offline.errors), book.state is BookState.STALE
        offline.send(message)
        try:
            oracle.receive(json.dumps(message))
            refusal = None
        except Rejected as refused:
            # deltas that come while a stale book waits for its snapshot are dropped in silence
            refusal = None if waiting and refused.kind == "SnapshotMissing" else refused.kind
        assert [type(error).__name__ for error in offline.errors[told:]] == ([refusal] if refusal else [])
        book._check()
        assert (book.state, book.version) == (oracle.state, oracle.version)
        assert outdated(offline, topic) == oracle.outdated
        assert shown(book) == oracle.levels_text()


# options


@pytest.mark.parametrize("scanner", [True, False], ids=["scanner", "msgspec"])
def test_a_book_needs_neither_seq_nor_cts(scanner: bool) -> None:
    topic = "orderbook.25.SOL-28APR23-30-C"
    offline = Offline(topic, dialect=OPTION)
    for u, kind, asks in ((2001, "snapshot", [["1.70", "45"]]), (2002, "delta", [["1.70", "0"], ["1.75", "45"]])):
        data = {"s": "SOL-28APR23-30-C", "b": [["0.02", "40"]][: u == 2001], "a": asks, "u": u}
        message = {"topic": topic, "ts": u, "data": data, "type": kind}
        offline.send({"id": f"{topic}-{u}"} | message if scanner else message)
    book = offline.book(topic)
    assert (offline.errors, book.state, book.update_id, book.cross_seq) == ([], BookState.LIVE, 2002, 0)
    assert (shown(book), book.ts_matching_us) == (([("0.02", 40.0)], [("1.75", 45.0)]), 0)
    offline.send(message | {"ts": 1})
    assert (book.state, offline.errors) == (BookState.LIVE, [])
    offline.send(message | {"ts": 3000, "data": message["data"] | {"u": 2004}})
    assert book.state is BookState.STALE
    assert isinstance(offline.errors[-1], errors.OutOfSequence)


@pytest.mark.parametrize("kind", ["snapshot", "delta"])
def test_a_book_that_had_a_seq_refuses_a_frame_without_one(kind: str) -> None:
    offline = V5Offline(TOPIC)
    offline.send(snapshot(u=10))
    damaged = frame([("100.0", "7")], [("100.5", "1")], u=11, kind=kind)
    damaged["data"]["se4"] = damaged["data"].pop("seq")
    offline.send(damaged)
    book = offline.book(TOPIC)
    assert (book.state, book.update_id) == (BookState.STALE, 10)
    assert isinstance(offline.errors[-1], errors.MalformedFrame)


@pytest.mark.parametrize("scanner", [True, False], ids=["scanner", "msgspec"])
def test_an_empty_book_of_u_0_is_a_book_and_goes_on_with_1(scanner: bool) -> None:
    topic = "orderbook.25.BTC-25JUN27-106000-P-USDT"
    option: dict[str, Any] = {"topic": topic, "symbol": topic.rpartition(".")[2]}
    offline = Offline(dialect=OPTION)
    channel = OPTION.channel(topic, scanner=scanner)
    assert isinstance(channel, BookChannel)
    channel.attach(offline.errors.append)
    offline.feed.channels.add(channel)
    book = offline.book(topic)
    offline.send(snapshot([], [], u=0, **option))
    assert (book.state, len(book), book.update_id, book.bbo) == (BookState.LIVE, 0, 0, None)
    offline.send(snapshot([], [], u=0, **option))
    assert book.version == 1, "sent again"
    offline.send(frame([("5", "0.96")], u=1, **option))
    assert (book.best_bid, book.update_id) == (5.0, 1)
    offline.send(snapshot([], [], u=0, ts=1_700_000_001_000, **option))
    assert (book.state, len(book), book.update_id) == (BookState.LIVE, 0, 0)
    offline.send(frame([("5", "1")], u=2, ts=1_700_000_001_000, **option))
    assert book.state is BookState.STALE
    assert [type(error) for error in offline.errors] == [errors.OutOfSequence]
