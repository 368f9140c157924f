"""Snapshots, deltas, refusals and state of a book, and what it shows of itself."""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest

from depthwire import errors
from depthwire.book.book import Book
from depthwire.book.types import BookState

BIDS = [(1000, 4.0), (990, 5.0), (980, 6.5)]
ASKS = [(1010, 1.0), (1020, 2.0), (1030, 3.25)]
INT64_MAX = 2**63 - 1

both_sides = pytest.mark.parametrize("side", ["Buy", "Sell"])


def make(bids: Any = BIDS, asks: Any = ASKS, *, depth: int = 5, cross_seq: int = 100) -> Book:
    """Prices 98 to 103 in steps of 1, a scale of one decimal, room for two more levels a side."""
    book = Book("XYZUSD", depth=depth, price_decimals=1)
    book.apply_snapshot(bids, asks, cross_seq=cross_seq, ts_exchange_us=2_000, ts_recv_ns=3_000)
    return book


def content(book: Book) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    shown = book.snapshot(allow_stale=True)
    return list(shown.bids), list(shown.asks)


def frame_facts(book: Book) -> tuple[object, ...]:
    return content(book), book.version, book.cross_seq, book.ts_exchange_us, book.ts_recv_ns


def refused(book: Book, error: type[errors.FrameError], apply: Callable[[], None]) -> str:
    """Run a frame that must fail: nothing changes, but a LIVE book is STALE. Returns the error's message."""
    before, state, first_reason = frame_facts(book), book.state, book.stale_reason
    with pytest.raises(errors.FrameError) as caught:
        apply()
    message = str(caught.value)
    assert type(caught.value) is error, message
    book._check()
    assert frame_facts(book) == before
    if state is BookState.LIVE:
        assert book.state is BookState.STALE
        assert book.stale_reason
        assert book.stale_reason in message or message in book.stale_reason
    else:  # an EMPTY book stays EMPTY, a STALE one keeps the reason that came first
        assert (book.state, book.stale_reason) == (state, first_reason)
    return message


# what a frame does


def test_a_new_book_is_empty() -> None:
    book = Book("XYZUSD")
    assert (book.symbol, book.depth, book.price_decimals) == ("XYZUSD", 25, None)
    assert (book.state, book.stale_reason, book.version) == (BookState.EMPTY, None, 0)
    assert (book.cross_seq, book.ts_exchange_us, book.ts_recv_ns) == (0, 0, 0)
    book._check()


def test_a_snapshot_makes_the_book_live() -> None:
    book = make()
    assert (book.state, book.stale_reason, book.version) == (BookState.LIVE, None, 1)
    assert (book.cross_seq, book.ts_exchange_us, book.ts_recv_ns) == (100, 2_000, 3_000)
    assert content(book) == (BIDS, ASKS)
    assert len(book) == 6
    book._check()


@pytest.mark.parametrize("wrap", [list, tuple, iter, lambda levels: (level for level in levels)])
def test_a_snapshot_takes_any_iterable_in_any_order(wrap: Callable[[Any], Any]) -> None:
    shuffled = make(wrap([BIDS[1], BIDS[2], BIDS[0]]), wrap([ASKS[2], ASKS[0], ASKS[1]]))
    assert content(shuffled) == (BIDS, ASKS)
    shuffled._check()


def test_a_books_own_views_make_a_snapshot_again() -> None:
    book = make()
    again = make(zip(*book.bids, strict=True), zip(*book.asks, strict=True))
    assert content(again) == content(book)


def test_the_next_snapshot_replaces_everything() -> None:
    book = make()
    book.apply_snapshot([(500, 1.0)], [(510, 2.0)], cross_seq=200, ts_exchange_us=4_000, ts_recv_ns=5_000)
    assert content(book) == ([(500, 1.0)], [(510, 2.0)])
    assert (book.version, book.cross_seq, book.ts_exchange_us, book.ts_recv_ns) == (2, 200, 4_000, 5_000)


def test_a_snapshot_may_begin_a_new_sequence() -> None:
    book = make()
    book.apply_snapshot(BIDS, ASKS, cross_seq=1, ts_exchange_us=1)
    assert (book.state, book.cross_seq, book.ts_exchange_us) == (BookState.LIVE, 1, 1)


def test_an_empty_snapshot_is_a_live_book_without_levels() -> None:
    book = make([], [])
    assert book.state is BookState.LIVE
    assert len(book) == 0
    assert (book.best_bid, book.best_ask, book.best_bid_id, book.best_ask_id) == (None, None, None, None)
    assert (book.bbo, book.mid, book.spread, book.microprice) == (None, None, None, None)
    assert list(book) == []
    assert [array.shape for array in book.to_numpy()] == [(0, 2), (0, 2)]
    book.apply_delta(insert=[("Buy", 1000, 1.0), ("Sell", 1010, 1.0)], cross_seq=101, ts_exchange_us=2_000)
    assert (book.best_bid, book.best_ask) == (100.0, 101.0)


@pytest.mark.parametrize(("bids", "asks", "best_bid", "best_ask"), [(BIDS, [], 100.0, None), ([], ASKS, None, 101.0)])
def test_one_side_may_be_empty(bids: Any, asks: Any, best_bid: float | None, best_ask: float | None) -> None:
    book = make(bids, asks)
    assert (book.best_bid, book.best_ask) == (best_bid, best_ask)
    assert (book.bbo, book.mid, book.spread, book.microprice) == (None, None, None, None)
    assert len(book) == 3


def test_a_delta_deletes_updates_and_inserts() -> None:
    book = make()
    book.apply_delta(
        delete=[("Buy", 990), ("Sell", 1030)],
        update=[("Buy", 1000, 7.0), ("Sell", 1020, 8.0)],
        insert=[("Buy", 985, 9.0), ("Sell", 1005, 0.125)],
        cross_seq=105,
        ts_exchange_us=2_100,
        ts_recv_ns=3_100,
    )
    assert content(book) == (
        [(1000, 7.0), (985, 9.0), (980, 6.5)],
        [(1005, 0.125), (1010, 1.0), (1020, 8.0)],
    )
    assert (book.version, book.cross_seq, book.ts_exchange_us, book.ts_recv_ns) == (2, 105, 2_100, 3_100)
    book._check()


def test_a_delta_without_changes_is_a_frame_all_the_same() -> None:
    book = make()
    book.apply_delta(cross_seq=100, ts_exchange_us=2_000, ts_recv_ns=3_500)
    assert content(book) == (BIDS, ASKS)
    assert (book.state, book.version, book.ts_recv_ns) == (BookState.LIVE, 2, 3_500)


def delta(book: Book, **changes: Any) -> None:
    book.apply_delta(**({"cross_seq": 101, "ts_exchange_us": 2_001, "ts_recv_ns": 3_001} | changes))


def test_a_level_may_change_sides_in_one_frame() -> None:
    book = make()
    delta(book, delete=[("Sell", 1010)], insert=[("Buy", 1010, 9.0)])
    assert content(book) == ([(1010, 9.0), *BIDS], ASKS[1:])
    delta(book, delete=[("Buy", 1010), ("Buy", 1000)], insert=[("Sell", 1010, 8.0), ("Sell", 1000, 7.0)])
    assert content(book) == (BIDS[1:], [(1000, 7.0), (1010, 8.0), *ASKS[1:]])


@both_sides
def test_deletes_come_before_inserts_so_a_level_may_go_and_come_back(side: str) -> None:
    book = make()
    price_id = 990 if side == "Buy" else 1020
    delta(book, delete=[(side, price_id)], insert=[(side, price_id, 42.0)])
    assert book.size_at_id(price_id) == 42.0
    assert len(book) == 6


@both_sides
def test_deletes_make_room_for_inserts_on_a_full_side(side: str) -> None:
    book = make(depth=3)
    gone, come = (980, 995) if side == "Buy" else (1030, 1005)
    delta(book, delete=[(side, gone)], insert=[(side, come, 42.0)])
    assert book.size_at_id(come) == 42.0
    assert book.size_at_id(gone) == 0.0


def test_the_last_of_two_updates_holds() -> None:
    book = make()
    delta(book, update=[("Buy", 990, 1.5), ("Buy", 990, 2.5)])
    assert book.size_at_id(990) == 2.5


def test_every_level_may_go() -> None:
    book = make()
    delta(book, delete=[*[("Buy", p) for p, _ in BIDS], *[("Sell", p) for p, _ in ASKS]])
    assert (book.state, len(book)) == (BookState.LIVE, 0)


@pytest.mark.parametrize("side", ["Buy", "Sell"])
def test_a_change_found_before_many_deletes_is_made_where_it_belongs_after_them(side: Any) -> None:
    """With a side's memory full and its worst levels gone, what was found lies far beyond the last level."""
    away = 1 if side == "Sell" else -1
    levels = [(10_000 + away * n, float(n)) for n in range(1, 50)]
    sides = (levels, []) if side == "Buy" else ([], levels)
    book = make(*sides, depth=50)
    best = 10_000
    delta(book, delete=[(side, price_id) for price_id, _ in reversed(levels[10:])], insert=[(side, best, 7.0)])
    book._check()
    assert content(book)[0 if side == "Buy" else 1] == [(best, 7.0), *levels[:10]]


def test_changes_may_come_from_any_iterable() -> None:
    book = make()
    delta(book, delete=iter([("Buy", 990)]), update=(c for c in [["Buy", 980, 1]]), insert=(("Sell", 1040, 2),))
    assert content(book) == ([(1000, 4.0), (980, 1.0)], [*ASKS, (1040, 2.0)])


def test_the_sequence_and_the_time_may_stand_still() -> None:
    book = make()
    delta(book, cross_seq=100, ts_exchange_us=2_000)
    delta(book, cross_seq=100, ts_exchange_us=2_000)
    assert (book.state, book.version) == (BookState.LIVE, 3)


# whole or not at all

GOOD: dict[str, list[Any]] = {
    "delete": [("Buy", 980), ("Sell", 1030)],
    "update": [("Buy", 1000, 77.0), ("Sell", 1010, 88.0)],
    "insert": [("Buy", 970, 5.0), ("Sell", 1040, 5.0)],
}

FAILING = [
    (errors.UnknownLevel, "delete", ("Buy", 985), "98.5"),
    (errors.UnknownLevel, "delete", ("Sell", 1000), "100"),  # exists, but on the other side
    (errors.UnknownLevel, "delete", ("Buy", 980), "98"),  # a second time
    (errors.UnknownLevel, "update", ("Buy", 1010, 1.0), "101"),
    (errors.UnknownLevel, "update", ("Sell", 1025, 1.0), "102.5"),
    (errors.UnknownLevel, "update", ("Buy", 980, 1.0), "98"),  # deleted by the same frame
    (errors.UnknownLevel, "update", ("Buy", 970, 1.0), "97"),  # inserted by the same frame, but later
    (errors.DuplicateLevel, "insert", ("Buy", 990, 1.0), "99"),
    (errors.DuplicateLevel, "insert", ("Sell", 1020, 1.0), "102"),
    (errors.DuplicateLevel, "insert", ("Buy", 970, 1.0), "97"),  # a second time
    (errors.CrossedBook, "insert", ("Buy", 1010, 1.0), "101"),  # locked
    (errors.CrossedBook, "insert", ("Buy", 1015, 1.0), "101.5"),
    (errors.CrossedBook, "insert", ("Sell", 1000, 1.0), "100"),
    (errors.CrossedBook, "insert", ("Sell", 985, 1.0), "98.5"),
]


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize(
    ("error", "action", "change", "price"),
    FAILING,
    ids=[f"{e.__name__}-{a}-{c[0]}-{c[1]}" for e, a, c, _ in FAILING],
)
def test_a_delta_that_does_not_fit_changes_nothing(
    error: type[errors.FrameError], action: str, change: tuple[Any, ...], price: str, place: str
) -> None:
    book = make(depth=25)
    changes: dict[str, list[Any]] = {name: list(given) for name, given in GOOD.items()}
    changes[action].insert({"first": 0, "middle": 1, "last": 2}[place], change)
    reason = refused(book, error, lambda: delta(book, **changes))
    assert str(change[1]) in reason or price in reason


@pytest.mark.parametrize(
    "changes",
    [
        {"delete": [("Buy", 1000), ("Buy", 1)]},
        {"update": [("Buy", 1000, 7.0)], "insert": [("Buy", 1010, 1.0)]},
        {"delete": [("Sell", 1010)]},
    ],
    ids=["unknown level", "crossed", "unbalanced"],
)
def test_an_interruption_while_a_frame_is_refused_leaves_the_levels_as_they_were(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = make(depth=3)
    before = book.snapshot()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(errors.FrameError, "__init__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        delta(book, **changes)
    book._check()
    after = book.snapshot()
    assert (list(after.bids), list(after.asks)) == (list(before.bids), list(before.asks))


BAD_SIZES = [math.nan, math.inf, -math.inf, 0, 0.0, -0.0, -1, -1e-9, 10**400]
BAD_IDS = [0, -1, -(2**63), 2**63, 2**64, -(2**63) - 1, 10**30]


HUGE = [2**63, -(2**63) - 1, 10**400, 10**5000]
HUGE_IDS = ["one more", "one less", "400 digits", "5,000 digits"]


@pytest.mark.parametrize("name", ["cross_seq", "ts_exchange_us", "ts_recv_ns", "update_id"])
@pytest.mark.parametrize("number", HUGE, ids=HUGE_IDS)
def test_a_number_that_64_bits_do_not_hold_is_refused(number: int, name: str) -> None:
    book = make()
    reason = refused(book, errors.InvalidLevel, lambda: book.apply_snapshot([(1000, 1.0)], [], **{name: number}))
    assert name in reason
    book = make()
    apply: Any = book.apply_levels if name == "update_id" else book.apply_delta
    assert name in refused(book, errors.InvalidLevel, lambda: apply(**{name: number}))


@pytest.mark.parametrize("number", HUGE, ids=HUGE_IDS)
def test_a_level_whose_number_is_huge_is_refused_whatever_its_length(number: int) -> None:
    for level in (("Sell", number, 1.0), ("Sell", 1050, number)):
        if level[1] == number or abs(number) > 2**64:
            book = make()
            refused(book, errors.InvalidLevel, lambda book=book, level=level: book.apply_delta(insert=[level]))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("change", [("update", "Buy", 990), ("insert", "Sell", 1050)], ids=["update", "insert"])
@pytest.mark.parametrize("size", BAD_SIZES, ids=[f"{size:.3g}" if size != 10**400 else "huge" for size in BAD_SIZES])
def test_a_size_out_of_range_is_refused(size: float, change: tuple[str, str, int], place: int) -> None:
    book = make()
    action, side, price_id = change
    changes: dict[str, list[Any]] = {name: list(given) for name, given in GOOD.items()}
    changes[action].insert(place, (side, price_id, size))
    reason = refused(book, errors.InvalidLevel, lambda: delta(book, **changes))
    assert str(price_id) in reason or str(price_id / 10).removesuffix(".0") in reason


@pytest.mark.parametrize("action", ["delete", "update", "insert"])
@pytest.mark.parametrize("price_id", BAD_IDS)
@both_sides
def test_a_price_id_out_of_range_is_refused(side: str, price_id: int, action: str) -> None:
    book = make()
    changes: dict[str, list[Any]] = {name: list(given) for name, given in GOOD.items()}
    changes[action].append((side, price_id) if action == "delete" else (side, price_id, 1.0))
    reason = refused(book, errors.InvalidLevel, lambda: delta(book, **changes))
    assert str(price_id) in reason


@both_sides
def test_more_levels_than_the_depth_are_refused(side: str) -> None:
    book = make(depth=3)
    come = {"Buy": 970, "Sell": 1040}
    refused(book, errors.DepthExceeded, lambda: delta(book, insert=[(side, come[side], 1.0)]))


@both_sides
def test_a_frame_that_ends_too_deep_is_refused_whatever_it_deletes(side: str) -> None:
    book = make(depth=3)
    step = {"Buy": -1, "Sell": 1}[side]
    worst = {"Buy": 980, "Sell": 1030}[side]
    inserts = [(side, worst + step * n, 1.0) for n in range(1, 200)]
    reason = refused(book, errors.DepthExceeded, lambda: delta(book, delete=[(side, worst)], insert=inserts))
    assert "3" in reason


@both_sides
def test_a_full_side_that_loses_a_level_without_another_one_is_refused(side: str) -> None:
    book = make(depth=3)
    best, beyond = {"Buy": (1000, 970), "Sell": (1010, 1040)}[side]
    reason = refused(book, errors.UnbalancedFrame, lambda: delta(book, delete=[(side, best)]))
    assert "3" in reason
    assert "2" in reason
    book = make(depth=3)
    delta(book, delete=[(side, best)], insert=[(side, beyond, 1.0)])
    assert book.state is BookState.LIVE
    book = make(depth=4)
    delta(book, delete=[(side, best)])
    assert book.state is BookState.LIVE


@pytest.mark.parametrize("old", [{"cross_seq": 99}, {"ts_exchange_us": 1_999}])
def test_a_sequence_or_time_that_falls_is_refused(old: dict[str, int]) -> None:
    book = make()
    reason = refused(book, errors.OutOfSequence, lambda: delta(book, **GOOD, **old))
    assert str(next(iter(old.values()))) in reason


def test_a_delta_before_the_first_snapshot_is_refused_and_the_book_stays_empty() -> None:
    book = Book("XYZUSD", price_decimals=1)
    refused(book, errors.SnapshotMissing, lambda: delta(book, insert=[("Buy", 1, 1.0)]))
    assert (book.state, book.version) == (BookState.EMPTY, 0)


def test_a_delta_on_a_stale_book_is_refused_though_it_would_fit() -> None:
    book = make()
    book.mark_stale("connection lost")
    refused(book, errors.SnapshotMissing, lambda: delta(book, update=[("Buy", 1000, 1.0)]))
    assert book.stale_reason == "connection lost"


BAD_SNAPSHOTS = [
    (errors.DuplicateLevel, [*BIDS, BIDS[0]], ASKS, "1000"),
    (errors.DuplicateLevel, BIDS, [ASKS[1], *ASKS], "1020"),
    (errors.CrossedBook, [(1010, 1.0), *BIDS], ASKS, "1010"),
    (errors.CrossedBook, BIDS, [*ASKS, (995, 1.0)], "995"),
    (errors.DepthExceeded, [(p, 1.0) for p in range(1, 7)], ASKS, ""),
    (errors.DepthExceeded, BIDS, [(p, 1.0) for p in range(2_000, 3_000)], ""),
    *[(errors.InvalidLevel, [BIDS[0], (970, size), BIDS[1]], ASKS, "970") for size in BAD_SIZES],
    *[(errors.InvalidLevel, BIDS, [*ASKS, (price_id, 1.0)], str(price_id)) for price_id in BAD_IDS],
]


@pytest.mark.parametrize("before", ["EMPTY", "LIVE", "STALE"])
@pytest.mark.parametrize(("error", "bids", "asks", "named"), BAD_SNAPSHOTS)
def test_a_snapshot_that_cannot_be_is_refused(
    error: type[errors.FrameError], bids: Any, asks: Any, named: str, before: str
) -> None:
    book = Book("XYZUSD", depth=5, price_decimals=1) if before == "EMPTY" else make()
    if before == "STALE":
        book.mark_stale("connection lost")
    reason = refused(book, error, lambda: book.apply_snapshot(bids, asks, cross_seq=500))
    if named:
        assert named in reason or str(int(named) / 10).removesuffix(".0") in reason


@pytest.mark.parametrize("failure", ["delta", "snapshot", "mark_stale"])
def test_the_next_snapshot_makes_a_stale_book_live_again(failure: str) -> None:
    book = make()
    if failure == "mark_stale":
        book.mark_stale("connection lost")
    elif failure == "delta":
        refused(book, errors.UnknownLevel, lambda: delta(book, delete=[("Buy", 1)]))
    else:
        refused(book, errors.CrossedBook, lambda: book.apply_snapshot([(2, 1.0)], [(1, 1.0)]))
    book.apply_snapshot(BIDS[:1], ASKS[:1], cross_seq=50)
    assert (book.state, book.stale_reason, book.version, book.cross_seq) == (BookState.LIVE, None, 2, 50)
    assert content(book) == (BIDS[:1], ASKS[:1])
    delta(book, insert=[("Buy", 999, 1.0)])
    assert book.version == 3


def test_mark_stale_keeps_levels_and_reason() -> None:
    book = make()
    book.mark_stale("connection lost")
    assert (book.state, book.stale_reason, book.version) == (BookState.STALE, "connection lost", 1)
    assert content(book) == (BIDS, ASKS)


# the caller's own mistakes: an error as Python has it, and nothing is applied


@pytest.mark.parametrize("side", ["buy", "SELL", "Bid", "", "Buy "])
@pytest.mark.parametrize("action", ["delete", "update", "insert"])
def test_an_unknown_side_is_a_value_error(side: str, action: str) -> None:
    book = make()
    before = frame_facts(book)
    changes: dict[str, list[Any]] = {name: list(given) for name, given in GOOD.items()}
    changes[action].append((side, 1000) if action == "delete" else (side, 1000, 1.0))
    with pytest.raises(ValueError, match="Buy"):
        delta(book, **changes)
    assert frame_facts(book) == before


@pytest.mark.parametrize(
    "change", [("Buy",), ("Buy", 990), ("Buy", "990", 1.0), ("Buy", 990, "many"), (None, 990, 1.0), 5]
)
def test_a_change_of_the_wrong_shape_changes_nothing(change: Any) -> None:
    book = make()
    before = frame_facts(book)
    with pytest.raises((TypeError, ValueError)):
        delta(book, **{**GOOD, "insert": [*GOOD["insert"], change]})
    assert frame_facts(book) == before


@pytest.mark.parametrize("price_id", [99.5, 99.0, Decimal("99.5"), "99", None])
def test_a_price_is_not_taken_for_a_price_id(price_id: Any) -> None:
    """A fraction cut off silently would put a level at a price that no order has."""
    book = make()
    before = frame_facts(book)
    with pytest.raises((TypeError, ValueError)):
        book.apply_snapshot([(price_id, 1.0)], ASKS)
    with pytest.raises((TypeError, ValueError)):
        delta(book, insert=[("Buy", price_id, 1.0)])
    assert frame_facts(book) == before


def test_an_iterable_that_breaks_off_changes_nothing() -> None:
    book = make()
    before = frame_facts(book)

    def broken() -> Iterator[tuple[int, float]]:
        yield 500, 1.0
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        book.apply_snapshot(broken(), ASKS)
    with pytest.raises(ZeroDivisionError):
        delta(book, delete=GOOD["delete"], insert=(("Buy", *level) for level in broken()))
    assert frame_facts(book) == before


# reading

READS: dict[str, Callable[[Book], object]] = {
    **{
        name: lambda book, name=name: getattr(book, name)  # type: ignore[misc]
        for name in (
            *("best_bid", "best_ask", "best_bid_id", "best_ask_id", "bbo", "mid", "spread", "microprice"),
            *("bids", "asks"),
        )
    },
    "imbalance": lambda book: book.imbalance(),
    "vwap": lambda book: book.vwap("Buy", 1),
    "sweep_price": lambda book: book.sweep_price("Sell", 1),
    "depth_within": lambda book: book.depth_within(10),
    "size_at": lambda book: book.size_at("100.0"),
    "size_at_id": lambda book: book.size_at_id(1000),
    "to_numpy": lambda book: book.to_numpy(),
    "iteration": lambda book: list(book),
    "snapshot": lambda book: book.snapshot(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_prices_are_read_from_live_books_only(read: Callable[[Book], object]) -> None:
    book = Book("XYZUSD", depth=5, price_decimals=1)
    with pytest.raises(errors.BookNotLive, match=r"XYZUSD.*EMPTY"):
        read(book)
    book.apply_snapshot(BIDS, ASKS)
    read(book)
    book.mark_stale("the cable was cut")
    with pytest.raises(errors.BookNotLive, match=r"XYZUSD.*STALE.*the cable was cut"):
        read(book)
    book.apply_snapshot(BIDS, ASKS)
    read(book)


def test_top_of_book() -> None:
    book = make()
    assert (book.best_bid, book.best_ask) == (100.0, 101.0)
    assert (book.best_bid_id, book.best_ask_id) == (1000, 1010)
    assert book.bbo is not None
    assert (book.bbo.bid, book.bbo.bid_size, book.bbo.ask, book.bbo.ask_size) == (100.0, 4.0, 101.0, 1.0)


@pytest.mark.parametrize(("name", "levels"), [("bids", BIDS), ("asks", ASKS)])
def test_sides_are_views_best_first(name: str, levels: list[tuple[int, float]]) -> None:
    side = getattr(make(), name)
    assert list(zip(side.price_ids.tolist(), side.sizes.tolist(), strict=True)) == levels
    assert (side.price_ids.dtype, side.sizes.dtype) == (np.int64, np.float64)
    for view in side:
        assert not view.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1


def test_views_are_the_books_own_memory() -> None:
    book = make()
    sizes = book.bids.sizes
    assert np.shares_memory(sizes, book.bids.sizes)
    delta(book, update=[("Buy", 1000, 123.0)])
    assert sizes[0] == 123.0


def test_to_numpy_gives_prices_and_sizes_as_copies() -> None:
    book = make()
    bids, asks = book.to_numpy()
    assert (bids.dtype, asks.dtype, bids.shape, asks.shape) == (np.float64, np.float64, (3, 2), (3, 2))
    assert bids.tolist() == [[100.0, 4.0], [99.0, 5.0], [98.0, 6.5]]
    assert asks.tolist() == [[101.0, 1.0], [102.0, 2.0], [103.0, 3.25]]
    bids[:] = 0.0
    assert content(book) == (BIDS, ASKS)


@pytest.mark.parametrize(("levels", "rows"), [(0, 0), (1, 1), (2, 2), (3, 3), (100, 3)])
def test_to_numpy_gives_as_many_levels_as_asked_for(levels: int, rows: int) -> None:
    for array, full in zip(make().to_numpy(levels), make().to_numpy(), strict=True):
        assert array.shape == (rows, 2)
        assert array.tolist() == full.tolist()[:rows]


def test_iteration_gives_bids_then_asks_best_first() -> None:
    levels = list(make())
    assert [level.side for level in levels] == ["Buy"] * 3 + ["Sell"] * 3
    assert [float(level.price) for level in levels] == [100.0, 99.0, 98.0, 101.0, 102.0, 103.0]
    assert [level.size for level in levels] == [4.0, 5.0, 6.5, 1.0, 2.0, 3.25]


def test_size_at_a_price_or_an_id() -> None:
    book = make()
    for price in (Decimal("99.0"), Decimal(99), "99", "99.0", 99, 99.0):
        assert book.size_at(price) == 5.0
    assert (book.size_at("102"), book.size_at("101.5"), book.size_at(1)) == (2.0, 0.0, 0.0)
    assert (book.size_at_id(1030), book.size_at_id(1), book.size_at_id(INT64_MAX)) == (3.25, 0.0, 0.0)


def test_a_snapshot_holds_everything_and_never_changes() -> None:
    book = make()
    shown = book.snapshot()
    delta(book, **GOOD)
    assert (shown.symbol, shown.state, shown.stale_reason) == ("XYZUSD", BookState.LIVE, None)
    assert shown.price_decimals == 1
    assert (shown.cross_seq, shown.ts_exchange_us, shown.ts_recv_ns, shown.version) == (100, 2_000, 3_000, 1)
    assert (shown.bids, shown.asks) == (tuple(BIDS), tuple(ASKS))
    with pytest.raises(AttributeError):
        shown.version = 5  # type: ignore[misc]


def test_a_stale_snapshot_says_so() -> None:
    book = make()
    book.mark_stale("connection lost")
    shown = book.snapshot(allow_stale=True)
    assert (shown.state, shown.stale_reason) == (BookState.STALE, "connection lost")
    assert (shown.bids, shown.asks) == (tuple(BIDS), tuple(ASKS))


# prices and ids


@pytest.mark.parametrize(
    ("decimals", "price", "price_id"),
    [
        (4, "60622.5", 606_225_000),
        (4, "60622.50000000", 606_225_000),
        (4, Decimal("60622.5"), 606_225_000),
        (4, 60622.5, 606_225_000),
        (4, 60622, 606_220_000),
        (4, 7.971, 79_710),  # no float is 7.971: its shortest text counts
        (4, 0.3, 3_000),
        (4, "1E-4", 1),
        (4, Decimal("1E+3"), 10_000_000),
        (0, 5, 5),
        (8, "0.00000001", 1),
        (8, 0.00000001, 1),
        (4, "922337203685477.5807", INT64_MAX),
        (4, Decimal("922337203685477.5807"), INT64_MAX),
    ],
)
def test_a_price_has_one_id(decimals: int, price: Decimal | str | float, price_id: int) -> None:
    book = Book("XYZUSD", price_decimals=decimals)
    assert book.price_id(price) == price_id
    assert type(book.price_id(price)) is int


@pytest.mark.parametrize(
    "price",
    [
        *("0.00001", Decimal("60622.50001"), 7.97101, 0.1 + 0.2),
        # finer than a decimal context of 28 digits would see
        *(Decimal("9." + "9" * 40), "1." + "0" * 60 + "1"),
    ],
)
def test_a_price_finer_than_the_scale_has_no_id(price: Decimal | str | float) -> None:
    with pytest.raises(ValueError, match="4"):
        Book("XYZUSD", price_decimals=4).price_id(price)


@pytest.mark.parametrize("price", ["", "ten", "nan", math.nan, math.inf, Decimal("NaN"), Decimal("-Infinity")])
def test_what_is_no_price_has_no_id(price: Decimal | str | float) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any message that names the price will do
        Book("XYZUSD", price_decimals=4).price_id(price)


@pytest.mark.parametrize(
    ("decimals", "price_id", "price"),
    [
        (4, 606_225_000, "60622.5"),
        (4, 1, "0.0001"),
        (0, 7, "7"),
        (8, 1, "0.00000001"),
        (4, INT64_MAX, "922337203685477.5807"),
    ],
)
def test_an_id_is_one_price_exactly(decimals: int, price_id: int, price: str) -> None:
    book = Book("XYZUSD", price_decimals=decimals)
    assert type(book.price(price_id)) is Decimal
    assert book.price(price_id) == Decimal(price)
    assert book.price_id(book.price(price_id)) == price_id


def test_prices_are_exact_whatever_the_callers_decimal_context() -> None:
    book = Book("XYZUSD", price_decimals=4)
    with localcontext(prec=3):
        assert str(book.price(606_225_001)).rstrip("0") == "60622.5001"
        assert book.price_id("60622.5001") == 606_225_001
        assert book.price_id(Decimal("60622.5001")) == 606_225_001


def test_floats_are_the_nearest_to_the_decimal_price() -> None:
    book = Book("XYZUSD", price_decimals=4)
    book.apply_snapshot([(79_710, 1.0)], [(79_720, 2.0)])
    assert (book.best_bid, book.best_ask) == (7.971, 7.972)
    assert (book.to_numpy()[0][0, 0], book.to_numpy()[1][0, 0]) == (7.971, 7.972)
    assert [float(level.price) for level in book] == [7.971, 7.972]


# repr


def test_repr_shows_symbol_state_and_prices() -> None:
    text = repr(make())
    assert "XYZUSD" in text
    assert "LIVE" in text
    for price in (98, 99, 100, 101, 102, 103):
        assert str(price) in text
    assert "6.5" in text


def test_repr_works_in_every_state() -> None:
    book = Book("XYZUSD", price_decimals=1)
    assert "XYZUSD" in repr(book)
    assert "EMPTY" in repr(book)
    book.apply_snapshot([], [])
    assert "LIVE" in repr(book)
    book.apply_snapshot(BIDS, [])
    assert "LIVE" in repr(book)
    book.mark_stale("the cable was cut")
    assert "STALE" in repr(book)
    assert "the cable was cut" in repr(book)


def test_repr_of_a_deep_book_is_short() -> None:
    book = Book("XYZUSD", depth=1_000, price_decimals=1)
    book.apply_snapshot([(p, 1.0) for p in range(1, 1_001)], [(p, 2.0) for p in range(1_010, 2_010)])
    assert len(repr(book)) < 2_000
    assert len(repr(book).splitlines()) <= 30
    assert "101" in repr(book)


def test_a_delta_without_numbers_leaves_them_as_they_are() -> None:
    book = Book("BTCUSD", price_decimals=1)
    book.apply_snapshot([(999, 1.0)], [(1001, 1.0)], cross_seq=100, ts_exchange_us=5_000, ts_recv_ns=7)
    book.apply_delta(update=[("Buy", 999, 2.0)])
    assert (book.state, book.size_at_id(999), book.version) == (BookState.LIVE, 2.0, 2)
    assert (book.cross_seq, book.ts_exchange_us, book.ts_recv_ns) == (100, 5_000, 7)
    book.apply_delta(update=[("Buy", 999, 3.0)], cross_seq=101)
    assert (book.cross_seq, book.ts_exchange_us) == (101, 5_000)
    with pytest.raises(errors.OutOfSequence):
        book.apply_delta(update=[("Buy", 999, 4.0)], cross_seq=99)


def test_levels_without_numbers_leave_them_as_they_are() -> None:
    book = Book("BTCUSDT", depth=50, price_decimals=1)
    book.apply_snapshot([(999, 1.0)], [(1001, 1.0)], cross_seq=100, update_id=7, ts_exchange_us=5_000)
    book.apply_levels([(998, 1.0)])
    assert (book.state, book.update_id, book.cross_seq, book.ts_exchange_us) == (BookState.LIVE, 7, 100, 5_000)
    book.apply_levels([(998, 0)], update_id=8, cross_seq=90)
    assert (book.update_id, book.cross_seq) == (8, 90)
    book.apply_delta(update=[("Buy", 999, 2.0)])
    book.apply_levels(asks=[(1002, 1.0)], update_id=9)
    with pytest.raises(errors.OutOfSequence, match="update 9 was followed by 11"):
        book.apply_levels(update_id=11)


def test_a_snapshot_is_applied_whatever_its_numbers() -> None:
    book = Book("BTCUSD", price_decimals=1)
    book.apply_snapshot([(999, 1.0)], [], cross_seq=100, update_id=7)
    book.apply_snapshot([(998, 1.0)], [])
    assert (book.best_bid_id, book.cross_seq, book.update_id) == (998, 0, 0)
    book.apply_levels([(997, 1.0)], update_id=1)
    with pytest.raises(errors.OutOfSequence):
        book.apply_levels([(997, 1.0)], update_id=1)


# numpy's numbers


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.longdouble, str, Decimal, float])
def test_a_price_may_be_of_any_type_of_number(kind: Any) -> None:
    book = Book("BTCUSD", price_decimals=2)
    book.apply_snapshot([(np.int64(10010), np.float64(1.5))], [(10011, np.float32(2.5))])
    assert book.price_id(kind("100.1")) == 10010
    assert book.size_at(kind("100.1")) == 1.5
    with pytest.raises(ValueError, match="finer than"):
        book.price_id(kind("100.125"))
    with pytest.raises(ValueError, match="not a price"):
        book.price_id(kind("nan"))


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.int32, np.uint8, int])
def test_a_price_may_be_of_any_type_of_integer(kind: Any) -> None:
    book = Book("BTCUSD", price_decimals=2)
    book.apply_snapshot([(10000, 1.5)], [(10100, 2.5)])
    assert book.size_at(kind(100)) == 1.5
    assert book.size_at(kind(101)) == 2.5


def test_what_a_book_gives_as_arrays_it_takes_as_prices_and_sizes() -> None:
    book = Book("BTCUSD", price_decimals=1)
    book.apply_snapshot([(999, 1.0), (998, 3.0)], [(1001, 1.0)])
    bids, _ = book.to_numpy()
    assert [book.size_at(price) for price in bids[:, 0]] == bids[:, 1].tolist() == [1.0, 3.0]
    assert book.vwap("Sell", bids[0, 1]) == book.sweep_price("Sell", np.float32(1)) == 99.9
    assert book.depth_within(np.float64(10)) == book.depth_within(10.0)
    ids, sizes = book.bids
    assert [book.size_at_id(price_id) for price_id in ids] == sizes.tolist()
    assert str(book.price(ids[0])) == "99.9"
    assert book.imbalance(np.int64(1)) == 0.0
    book.apply_delta(update=[("Buy", ids[0], np.float32(0.5))], delete=[("Buy", ids[1])])
    assert (book.size_at_id(999), len(book)) == (0.5, 2)
