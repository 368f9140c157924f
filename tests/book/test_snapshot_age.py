"""Snapshots that come late, again, damaged or after a restart: each rule on each dialect and depth, on both lanes."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from depthwire import errors
from depthwire.book.types import BookState
from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.live_book import LiveBook
from tests.support.offline import Offline
from tests.support.wire import level

SECOND = 1000  # ms
START_MS = 1_700_000_000_000
LEVELS = (("Buy", "100.0", 1.0), ("Sell", "100.5", 3.0))
OTHERS = (("Buy", "99.5", 2.0), ("Sell", "100.5", 4.0))


class Numbers(NamedTuple):
    u: int
    seq: int
    ts: int  # ms after START_MS


class Kind(NamedTuple):
    """A topic of a dialect, and how its frames are written."""

    name: str
    dialect: Dialect
    topic: str

    @property
    def symbol(self) -> str:
        return self.topic.rpartition(".")[2]

    @property
    def is_v5(self) -> bool:
        return self.topic.startswith("orderbook.")

    def frame(self, kind: str, levels: Any, numbers: Numbers) -> dict[str, Any]:
        return self._v5(kind, levels, numbers) if self.is_v5 else self._v2(kind, levels, numbers)

    def _v5(self, kind: str, levels: Any, numbers: Numbers) -> dict[str, Any]:
        bids, asks = ([[price, str(size)] for side, price, size in levels if side == of] for of in ("Buy", "Sell"))
        data = {"s": self.symbol, "b": bids, "a": asks, "u": numbers.u, "seq": numbers.seq}
        ts = START_MS + numbers.ts
        return {"topic": self.topic, "type": kind, "ts": ts, "data": data, "cts": ts - 5}

    def _v2(self, kind: str, levels: Any, numbers: Numbers) -> dict[str, Any]:
        linear = self.dialect is v2.LINEAR
        listed = [
            level(side, int(float(price) * 10_000), size, symbol=self.symbol, linear=linear)
            for side, price, size in levels
        ]
        data: Any = {"order_book": listed} if linear else listed
        if kind == "delta":
            data = {"delete": [], "update": listed, "insert": []} | ({} if linear else {"transactTimeE6": 0})
        stamp: type = str if linear else int
        stamps = {"cross_seq": stamp(numbers.seq), "timestamp_e6": stamp((START_MS + numbers.ts) * 1000)}
        return {"topic": self.topic, "type": kind, "data": data, **stamps}


KINDS = [
    Kind("v2 inverse", v2.INVERSE, "orderBookL2_25.BTCUSD"),
    Kind("v2 inverse 200", v2.INVERSE, "orderBook_200.100ms.BTCUSD"),
    Kind("v2 linear", v2.LINEAR, "orderBookL2_25.BTCUSDT"),
    Kind("v5 depth 50", v5.LINEAR, "orderbook.50.BTCUSDT"),
    Kind("v5 depth 1", v5.SPOT, "orderbook.1.BTCUSDT"),
]
V5_KINDS = [kind for kind in KINDS if kind.is_v5]
FIRST = Numbers(11, 101, SECOND)


class Lane(Offline):
    """A feed with one book, on one of the lanes."""

    def __init__(self, kind: Kind, *, scanner: bool) -> None:
        super().__init__(dialect=kind.dialect)
        self.kind = kind
        channel = kind.dialect.channel(kind.topic, scanner=scanner)
        assert isinstance(channel, BookChannel)
        channel.attach(self.errors.append)
        self.feed.channels.add(channel)
        self.channel, self.live = channel, channel.book
        self.changes = 0
        channel.book.on_change(self._changed)

    def _changed(self, book: LiveBook) -> None:
        self.changes += 1

    def snapshot(self, numbers: Numbers, levels: Any = LEVELS, ts_recv_ns: int = 1) -> None:
        self.send(self.kind.frame("snapshot", levels, numbers), ts_recv_ns)

    def delta(self, numbers: Numbers, levels: Any = (LEVELS[0],)) -> None:
        self.send(self.kind.frame("delta", levels, numbers))

    @property
    def held(self) -> tuple[Any, ...]:
        """Everything that a late snapshot must leave unchanged."""
        book = self.live
        copy = book.snapshot(allow_stale=True)
        return copy.bids, copy.asks, book.cross_seq, book.update_id, book.ts_exchange_us, book.ts_recv_ns, book.version

    @property
    def best(self) -> tuple[float | None, float | None]:
        return self.live.best_bid, self.live.best_ask


@pytest.fixture(params=[True, False], ids=["scanner", "msgspec"])
def begun(request: pytest.FixtureRequest) -> Callable[[Kind], Lane]:
    """A book that is LIVE at FIRST."""

    def begin(kind: Kind) -> Lane:
        lane = Lane(kind, scanner=request.param)
        lane.snapshot(FIRST)
        assert lane.live.state is BookState.LIVE
        assert (lane.channel.scanned == 1) is request.param
        return lane

    return begin


of_each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
of_each_v5 = pytest.mark.parametrize("kind", V5_KINDS, ids=lambda kind: kind.name)
Begun = Callable[[Kind], Lane]


@of_each_kind
@pytest.mark.parametrize("numbers", [Numbers(10, 100, 0), Numbers(10, 100, SECOND), Numbers(1, 100, 0)])
def test_a_late_copy_is_left_out_and_counted(begun: Begun, kind: Kind, numbers: Numbers) -> None:
    lane = begun(kind)
    before = lane.held
    lane.snapshot(numbers, OTHERS)
    assert (lane.live.state, lane.errors, lane.held) == (BookState.LIVE, [], before)
    assert (lane.channel.outdated, lane.channel.rejected, lane.changes) == (1, 0, 1)


@of_each_v5
@pytest.mark.parametrize("numbers", [Numbers(10, 101, SECOND), Numbers(5000, 100, 0)])
def test_a_snapshot_of_no_newer_number_is_left_out_whatever_its_u(begun: Begun, kind: Kind, numbers: Numbers) -> None:
    """The second is from before a restart, which began at a lower u."""
    lane = begun(kind)
    lane.snapshot(numbers, OTHERS)
    assert (lane.live.state, lane.best, lane.channel.outdated) == (BookState.LIVE, (100.0, 100.5), 1)


@of_each_kind
@pytest.mark.parametrize("numbers", [Numbers(10, 100, 2 * SECOND), Numbers(1, 100, 2 * SECOND)])
def test_a_restart_on_a_newer_clock_is_applied(begun: Begun, kind: Kind, numbers: Numbers) -> None:
    lane = begun(kind)
    lane.snapshot(numbers, OTHERS)
    assert (lane.live.state, lane.errors, lane.best) == (BookState.LIVE, [], (99.5, 100.5))
    assert (lane.live.cross_seq, lane.changes, lane.channel.outdated) == (numbers.seq, 2, 0)


@of_each_v5
@pytest.mark.parametrize("numbers", [Numbers(10, 102, 0), Numbers(1, 102, 0), Numbers(1, 102, SECOND)])
def test_a_restart_with_a_newer_seq_is_applied(begun: Begun, kind: Kind, numbers: Numbers) -> None:
    lane = begun(kind)
    lane.snapshot(numbers, OTHERS)
    assert (lane.live.state, lane.errors, lane.best) == (BookState.LIVE, [], (99.5, 100.5))
    assert lane.live.update_id == numbers.u


@of_each_v5
def test_one_restart_may_follow_another(begun: Begun, kind: Kind) -> None:
    lane = begun(kind)
    lane.snapshot(Numbers(1, 200, 2 * SECOND))
    lane.snapshot(Numbers(1, 300, 3 * SECOND), OTHERS)
    assert (lane.live.state, lane.errors, lane.best) == (BookState.LIVE, [], (99.5, 100.5))


@of_each_kind
def test_what_is_sent_again_only_refreshes_the_time(begun: Begun, kind: Kind) -> None:
    lane = begun(kind)
    lane.snapshot(FIRST._replace(ts=4 * SECOND), ts_recv_ns=77)
    book = lane.live
    assert (book.state, lane.errors, lane.best) == (BookState.LIVE, [], (100.0, 100.5))
    assert (book.ts_exchange_us, book.ts_recv_ns) == ((START_MS + 4 * SECOND) * 1000, 77)
    assert (book.version, lane.changes, lane.channel.outdated) == (1, 1, 0)
    lane.snapshot(FIRST, ts_recv_ns=99)
    assert (book.ts_exchange_us, book.ts_recv_ns) == ((START_MS + 4 * SECOND) * 1000, 77), "time does not go back"
    lane.snapshot(Numbers(12, 102, 5 * SECOND), OTHERS)
    assert (book.version, lane.changes, lane.best) == (2, 2, (99.5, 100.5))


@of_each_v5
def test_what_is_sent_again_may_have_a_newer_seq_and_other_zeros(begun: Begun, kind: Kind) -> None:
    lane = begun(kind)
    lane.snapshot(Numbers(11, 150, 4 * SECOND), (("Buy", "100.000", 1.0), ("Sell", "100.500", 3.0)))
    book = lane.live
    assert (book.cross_seq, book.version, book.best_bid_id, lane.errors) == (150, 1, 1000, [])


@of_each_kind
@pytest.mark.parametrize("ts", [0, SECOND, 2 * SECOND])
@pytest.mark.parametrize(
    "levels",
    [OTHERS, LEVELS[:1], (), (("Buy", "100.0", 1.5), LEVELS[1]), (("Buy", "1000.0", 1.0), ("Sell", "1005.0", 3.0))],
)
def test_other_levels_at_the_same_number_prove_damage(begun: Begun, kind: Kind, ts: int, levels: Any) -> None:
    lane = begun(kind)
    before = lane.held
    lane.snapshot(FIRST._replace(ts=ts), levels)
    (error,) = lane.errors
    assert isinstance(error, errors.SnapshotMismatch)
    assert error.topic == kind.topic
    assert (lane.live.state, lane.live.stale_reason, lane.held) == (BookState.STALE, error.message, before)
    lane.channel.asked()
    lane.snapshot(FIRST._replace(ts=ts), levels)
    assert lane.live.state is BookState.LIVE, "it is unknown which was damaged: the requested one counts"


# a book that waits for its snapshot


@of_each_kind
def test_an_older_answer_does_not_end_the_wait(begun: Begun, kind: Kind) -> None:
    lane = begun(kind)
    lane.live.mark_stale("a test")
    before = lane.held
    lane.channel.asked()
    lane.snapshot(Numbers(10, 100, 0), OTHERS)
    (error,) = lane.errors
    assert isinstance(error, errors.OutOfSequence)
    assert (lane.live.state, lane.live.stale_reason, lane.held) == (BookState.STALE, "a test", before)
    lane.channel.asked()
    lane.snapshot(FIRST)
    assert (lane.live.state, len(lane.errors)) == (BookState.LIVE, 1)


@of_each_kind
def test_a_copy_that_no_request_asked_for_does_not_repair_a_loss(begun: Begun, kind: Kind) -> None:
    """A late copy of the snapshot that the book began with lacks the lost change, too."""
    lane = begun(kind)
    lane.channel.damaged("a damaged frame", 0, 0)
    before = lane.held
    for _ in range(5):
        lane.snapshot(FIRST)
    assert (lane.live.state, lane.held, lane.errors, lane.channel.outdated) == (BookState.STALE, before, [], 5)
    lane.channel.asked()
    lane.channel.request_failed()
    lane.snapshot(FIRST)
    assert lane.live.state is BookState.STALE, "the request was refused"
    lane.channel.asked()
    lane.snapshot(FIRST)
    assert (lane.live.state, lane.best) == (BookState.LIVE, (100.0, 100.5)), "nothing has changed since"


@of_each_kind
@pytest.mark.parametrize("is_asked", [True, False])
def test_a_newer_time_shows_that_nothing_was_lost(begun: Begun, kind: Kind, is_asked: bool) -> None:
    lane = begun(kind)
    lane.channel.damaged("a damaged frame", 0, 0)
    if is_asked:
        lane.channel.asked()
    lane.snapshot(FIRST._replace(ts=2 * SECOND))
    assert (lane.live.state, lane.errors) == (BookState.LIVE, [])


@of_each_kind
def test_a_copy_on_another_connection_is_applied(begun: Begun, kind: Kind) -> None:
    """Nothing that was sent on the lost connection can arrive on it."""
    lane = begun(kind)
    lane.channel.damaged("a damaged frame", 0, 0)
    lane.channel.connection_lost("a test", 0)
    lane.channel.asked()
    lane.snapshot(FIRST)
    assert (lane.live.state, lane.errors) == (BookState.LIVE, [])


@of_each_kind
def test_late_copies_that_nobody_asked_for_are_never_followed(begun: Begun, kind: Kind) -> None:
    """A burst proves nothing; it counts as one answer where a request is open."""
    lane = begun(kind)
    lane.live.mark_stale("a test")
    before = lane.held
    for asks in range(3):
        for _ in range(20):
            lane.snapshot(Numbers(10, 100, 0), OTHERS)
        assert (lane.live.state, lane.held, len(lane.errors)) == (BookState.STALE, before, asks)
        lane.channel.asked()
    lane.snapshot(FIRST)
    assert lane.live.state is BookState.LIVE
    assert lane.channel.outdated == 58


@of_each_kind
def test_a_venue_that_goes_on_in_the_past_is_followed_in_the_end(begun: Begun, kind: Kind) -> None:
    """It was started over with older numbers on an older clock, and answers each request so."""
    lane = begun(kind)
    lane.live.mark_stale("the connection was lost")
    for step in range(2):
        lane.channel.asked()
        lane.snapshot(Numbers(1 + step, 5 + step, step), OTHERS)
        assert lane.live.state is BookState.STALE
    lane.channel.asked()
    lane.snapshot(Numbers(3, 7, 2), OTHERS)
    assert (lane.live.state, lane.live.cross_seq, lane.best) == (BookState.LIVE, 7, (99.5, 100.5))


@of_each_kind
def test_answers_of_two_connections_are_not_counted_together(begun: Begun, kind: Kind) -> None:
    lane = begun(kind)
    lane.live.mark_stale("a test")
    for _ in range(5):
        for _ in range(2):
            lane.channel.asked()
            lane.snapshot(Numbers(10, 100, 0), OTHERS)
        lane.channel.asked()
        lane.channel.connection_lost("a test", 0)
        lane.snapshot(Numbers(10, 100, 0), OTHERS)
    assert (lane.live.state, len(lane.errors), lane.channel.outdated) == (BookState.STALE, 10, 5)


@of_each_kind
def test_late_answers_among_newer_frames_are_not_followed(begun: Begun, kind: Kind) -> None:
    lane = begun(kind)
    lane.live.mark_stale("a test")
    for step in range(10):
        lane.delta(Numbers(20 + step, 200 + step, 2 * SECOND + step))
        lane.channel.asked()
        lane.snapshot(Numbers(10, 100, 0), OTHERS)
    assert lane.live.state is BookState.STALE


@of_each_kind
def test_a_live_book_leaves_out_late_copies_however_many_come(begun: Begun, kind: Kind) -> None:
    lane = begun(kind)
    before = lane.held
    for step in range(50):
        lane.snapshot(Numbers(1 + step % 10, 5 + step, step), OTHERS)
    assert (lane.live.state, lane.held, lane.errors, lane.channel.outdated) == (BookState.LIVE, before, [], 50)


@of_each_v5
def test_a_live_book_notices_deltas_that_go_on_in_the_past(begun: Begun, kind: Kind) -> None:
    """Each one looks like a late copy, but so many in a row cannot be late copies."""
    lane = begun(kind)
    sent = 0
    while lane.live.state is BookState.LIVE:
        lane.delta(Numbers(1 + sent, 5 + sent, sent))
        sent += 1
    (error,) = lane.errors
    assert isinstance(error, errors.OutOfSequence)
    assert (sent, lane.channel.outdated) == (9, 9)
    lane.snapshot(Numbers(1, 5, 0), OTHERS)
    assert lane.live.state is BookState.STALE


@of_each_kind
def test_an_empty_book_takes_any_snapshot(kind: Kind) -> None:
    lane = Lane(kind, scanner=True)
    lane.snapshot(Numbers(0, 0, 5 - START_MS))
    assert (lane.live.state, lane.errors) == (BookState.LIVE, [])


def test_a_line_that_sends_again_keeps_the_merged_books_time_fresh() -> None:
    from depthwire.arbitration.states import BookArbiter, LineTally

    kind = V5_KINDS[1]
    lanes = [Lane(kind, scanner=True) for _ in range(2)]
    shown = LiveBook(kind.topic, kind.symbol, 1)
    arbiter = BookArbiter(shown, LineTally(), LineTally(), lambda line, reason: None)
    for number, lane in enumerate(lanes):
        arbiter.attach(number, lane.live)
        lane.live.on_state(lambda book, number=number: arbiter.changed(number, True, None))
    for lane in lanes:
        lane.snapshot(FIRST)
    version = shown.version
    for lane in lanes:
        lane.snapshot(Numbers(11, 150, 4 * SECOND), ts_recv_ns=77)
    assert (shown.state, shown.version) == (BookState.LIVE, version)
    assert (shown.cross_seq, shown.ts_exchange_us, shown.ts_recv_ns) == (150, (START_MS + 4 * SECOND) * 1000, 77)


# scales


def v5_of(scanner: bool) -> Lane:
    lane = Lane(V5_KINDS[0], scanner=scanner)
    lane.snapshot(FIRST)
    return lane


both_lanes = pytest.mark.parametrize("scanner", [True, False], ids=["scanner", "msgspec"])


@both_lanes
def test_one_finer_price_does_not_poison_a_book(scanner: bool) -> None:
    lane = v5_of(scanner)
    lane.delta(Numbers(12, 102, SECOND), (("Buy", "99.123456789012345", 1.0),))
    assert (lane.live.state, lane.live.price_decimals) == (BookState.LIVE, 15)
    lane.delta(Numbers(13, 103, SECOND), (("Buy", "99.123456789012345", 0),))
    lane.delta(Numbers(14, 104, SECOND), (("Sell", "1500.5", 1.0),))
    (error,) = lane.errors
    assert isinstance(error, errors.InvalidLevel)
    assert "1500.5" in str(error)
    assert lane.live.state is BookState.STALE
    lane.snapshot(Numbers(20, 200, 2 * SECOND), (*LEVELS, ("Sell", "1500.5", 1.0)))
    assert (lane.live.state, lane.live.price_decimals, lane.live.size_at("1500.5")) == (BookState.LIVE, 1, 1.0)
    assert len(lane.errors) == 1


@both_lanes
def test_a_snapshot_that_does_not_fit_a_scale_is_refused_and_the_next_is_judged_alone(scanner: bool) -> None:
    lane = v5_of(scanner)
    lane.snapshot(Numbers(12, 102, 2 * SECOND), (("Buy", "0.123456789012345", 1.0), ("Sell", "1500.5", 1.0)))
    assert isinstance(lane.errors[-1], errors.InvalidLevel)
    lane.snapshot(Numbers(13, 103, 3 * SECOND), (("Buy", "123456789012345678", 1.0),))
    assert (lane.live.state, lane.live.price_decimals) == (BookState.LIVE, 0)
    lane.delta(Numbers(14, 104, 3 * SECOND), (("Buy", "1234567890123456789", 1.0),))
    assert isinstance(lane.errors[-1], errors.InvalidLevel)
    lane.snapshot(Numbers(15, 105, 4 * SECOND))
    assert (lane.live.state, lane.live.price_decimals, len(lane.errors)) == (BookState.LIVE, 1, 2)


@both_lanes
def test_a_snapshot_without_levels_forgets_the_scale(scanner: bool) -> None:
    lane = v5_of(scanner)
    lane.delta(Numbers(12, 102, SECOND), (("Buy", "99.123456789012345", 1.0),))
    lane.snapshot(Numbers(13, 103, 2 * SECOND), ())
    assert (lane.live.state, lane.live.price_decimals, lane.live.bbo) == (BookState.LIVE, None, None)
    lane.delta(Numbers(14, 104, 2 * SECOND), (("Buy", "150000.5", 1.0),))
    assert (lane.errors, lane.live.price_decimals, lane.live.best_bid) == ([], 1, 150_000.5)
    lane.live._check()


@both_lanes
def test_the_first_price_of_a_snapshot_need_not_be_the_finest(scanner: bool) -> None:
    lane = v5_of(scanner)
    for step, price in enumerate(("100", "100.25", "100", "99.5", "100.125", "100.0", "7")):
        lane.snapshot(Numbers(12 + step, 200 + step, 2 * SECOND), (("Buy", price, 1.0), ("Sell", "100.5", 1.0)))
        decimals = max(1, len(price.partition(".")[2]))
        assert (lane.live.price_decimals, lane.live.best_bid, lane.errors) == (decimals, float(price), [])
        lane.live._check()
    assert (lane.channel.decoded == 0) is scanner


@both_lanes
@pytest.mark.parametrize("kind", KINDS[:3], ids=lambda kind: kind.name)
def test_on_v2_an_id_of_another_scale_costs_its_frame_alone(scanner: bool, kind: Kind) -> None:
    lane = Lane(kind, scanner=scanner)
    lane.snapshot(FIRST)
    finer = json.loads(json.dumps(kind.frame("delta", (LEVELS[0],), Numbers(12, 102, SECOND))))
    item = finer["data"]["update"][0]
    item["id"] = type(item["id"])(int(item["id"]) * 10_000)
    lane.send(finer)
    assert isinstance(lane.errors[-1], errors.PriceMismatch)
    assert lane.live.state is BookState.STALE
    for step, factor in enumerate((10**8, 1)):
        whole = kind.frame("snapshot", LEVELS, Numbers(20 + step, 200 + step, 3 * SECOND))
        for item in whole["data"]["order_book"] if "order_book" in whole["data"] else whole["data"]:
            item["id"] = type(item["id"])(int(item["id"]) * factor)
        lane.send(whole)
        assert (lane.live.state, lane.best, lane.live.best_bid_id) == (BookState.LIVE, (100.0, 100.5), 10**6 * factor)
    assert len(lane.errors) == 1
