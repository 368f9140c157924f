"""Measures of a book, by hand and against the oracle's exact fractions."""

import math
import random
from fractions import Fraction

import pytest

from depthwire.book.book import Book
from depthwire.errors import InsufficientDepth
from tests.support.reference import ReferenceBook

Sizes = list[tuple[int, float]]


def make(bids: Sizes, asks: Sizes, price_decimals: int = 2) -> Book:
    book = Book("XYZUSD", depth=1_000, price_decimals=price_decimals)
    book.apply_snapshot(bids, asks)
    return book


@pytest.fixture
def book() -> Book:
    """Bids 10 @ 99, 20 @ 98, 30 @ 97; asks 5 @ 101, 15 @ 102, 40 @ 105."""
    return make([(9_900, 10), (9_800, 20), (9_700, 30)], [(10_100, 5), (10_200, 15), (10_500, 40)])


# by hand


def test_mid_and_spread(book: Book) -> None:
    assert book.mid == 100.0
    assert book.spread == 2.0


def test_a_spread_of_one_tick_has_no_float_noise() -> None:
    tick = make([(79_710, 1)], [(79_720, 1)], price_decimals=4)
    assert tick.spread == 0.001  # 7.972 - 7.971 in floats is 0.0009999999999994458
    assert tick.mid == 7.9715


def test_microprice_leans_to_the_side_with_less_size(book: Book) -> None:
    assert book.microprice == pytest.approx((99 * 5 + 101 * 10) / 15, rel=1e-15)
    assert make([(9_900, 7)], [(10_100, 7)]).microprice == 100.0


def test_imbalance_of_the_best_levels(book: Book) -> None:
    assert book.imbalance() == pytest.approx((10 - 5) / 15)
    assert book.imbalance(2) == pytest.approx((30 - 20) / 50)
    assert book.imbalance(3) == 0.0
    assert book.imbalance(100) == 0.0


@pytest.mark.parametrize("number", [10**400, 10**5000, -(10**400)], ids=["400 digits", "5,000 digits", "negative"])
def test_a_number_beyond_every_type_is_judged_by_what_it_means(book: Book, number: int) -> None:
    for measure in (book.vwap, book.sweep_price):
        with pytest.raises(ValueError, match=r"size must be finite and above 0, not -?inf"):
            measure("Buy", number)
    if number > 0:
        assert book.imbalance(number) == book.imbalance(3)
        assert book.depth_within(number) == (60.0, 60.0)
    else:
        for refused in (book.imbalance, book.depth_within):
            with pytest.raises(ValueError, match="must be"):
                refused(number)
    assert book.size_at_id(number) == 0.0


def test_imbalance_of_thin_books() -> None:
    assert make([(1, 3)], []).imbalance() == 1.0
    assert make([], [(1, 3)]).imbalance() == -1.0
    assert make([], []).imbalance() is None


def test_vwap_walks_the_other_side(book: Book) -> None:
    assert book.vwap("Buy", 5) == 101.0
    assert book.vwap("Buy", 10) == pytest.approx((5 * 101 + 5 * 102) / 10)
    assert book.vwap("Buy", 60) == pytest.approx((5 * 101 + 15 * 102 + 40 * 105) / 60)
    assert book.vwap("Sell", 1) == 99.0
    assert book.vwap("Sell", 35) == pytest.approx((10 * 99 + 20 * 98 + 5 * 97) / 35)


def test_sweep_price_is_the_last_price_reached(book: Book) -> None:
    for size, price in {0.5: 101, 5: 101, 5.5: 102, 20: 102, 21: 105, 60: 105}.items():
        assert book.sweep_price("Buy", size) == price
    for size, price in {0.5: 99, 10: 99, 10.5: 98, 30: 98, 31: 97, 60: 97}.items():
        assert book.sweep_price("Sell", size) == price


@pytest.mark.parametrize(
    ("sizes", "order", "last"),
    [
        ([3.1, 4.2, 2.5, 5.1], 9.8, 102),  # in floats 9.8 - 3.1 - 4.2 is more than 2.5
        ([3.7, 5.5, 5.2, 4.9], 19.3, 103),  # the whole side
        ([0.1] * 10, 1.0, 109),
    ],
)
def test_decimal_sizes_add_up_as_decimals_do(sizes: list[float], order: float, last: int) -> None:
    """An order for exactly the first levels ends with the last of them, whatever float sums leave over."""
    book = make([], [(100 + n, size) for n, size in enumerate(sizes)], price_decimals=0)
    assert book.sweep_price("Buy", order) == last
    taken = last - 99
    expected = sum((100 + n) * size for n, size in enumerate(sizes[:taken])) / sum(sizes[:taken])
    assert book.vwap("Buy", order) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("measure", ["vwap", "sweep_price"])
@pytest.mark.parametrize("side", ["Buy", "Sell"])
def test_an_order_larger_than_the_side_is_refused_with_both_sizes(book: Book, measure: str, side: str) -> None:
    with pytest.raises(InsufficientDepth, match=r"60\.5.*60|60.*60\.5"):
        getattr(book, measure)(side, 60.5)
    with pytest.raises(InsufficientDepth):
        getattr(make([], []), measure)(side, 1)


@pytest.mark.parametrize("measure", ["vwap", "sweep_price"])
@pytest.mark.parametrize("size", [0, -1, math.nan, math.inf])
def test_an_order_has_a_size(book: Book, measure: str, size: float) -> None:
    with pytest.raises((ValueError, InsufficientDepth) if size == math.inf else ValueError):
        getattr(book, measure)("Buy", size)


@pytest.mark.parametrize("measure", ["vwap", "sweep_price"])
@pytest.mark.parametrize("side", ["buy", "Bid", ""])
def test_an_order_has_a_side(book: Book, measure: str, side: str) -> None:
    with pytest.raises(ValueError, match="Buy"):
        getattr(book, measure)(side, 1)


def test_depth_within_counts_the_level_at_the_edge(book: Book) -> None:
    edges = {0: (0, 0), 99: (0, 0), 100: (10, 5), 199.5: (10, 5), 200: (30, 20), 300: (60, 20), 499: (60, 20)}
    for bps, (bid, ask) in (edges | {500: (60, 60), 10_000: (60, 60)}).items():
        within = book.depth_within(bps)
        assert within is not None
        assert (within.bid, within.ask) == (bid, ask), bps


def test_measures_of_two_sides_need_two_sides() -> None:
    for book in (make([(1, 1)], []), make([], [(1, 1)]), make([], [])):
        assert book.depth_within(10) is None
        assert (book.mid, book.spread, book.microprice, book.bbo) == (None, None, None, None)


# against the oracle


def near(value: float | None, exact: Fraction | None) -> bool:
    if value is None or exact is None:
        return value is exact
    return math.isclose(value, exact, rel_tol=1e-12, abs_tol=1e-15)


def random_books(seed: int) -> tuple[Book, ReferenceBook, random.Random]:
    """Sizes are eighths, so that their sums are exact and an edge is an edge in floats as well."""
    rng = random.Random(seed)
    decimals, depth = rng.choice([0, 2, 4, 8]), rng.choice([1, 5, 25, 200])
    mid, spread = rng.randint(10_000, 10**9), rng.randint(1, 40)
    sides: list[Sizes] = []
    for best, step in ((mid, -1), (mid + spread, 1)):
        away = rng.sample(range(depth * 3), rng.randint(0 if rng.random() < 0.1 else 1, depth))
        sides.append([(best + step * n, rng.randint(1, 10**6) / 8) for n in away])
    book = Book("XYZUSD", depth=depth, price_decimals=decimals)
    oracle = ReferenceBook("XYZUSD", depth=depth, price_decimals=decimals)
    for each in (book, oracle):
        each.apply_snapshot(*sides)
    return book, oracle, rng


@pytest.mark.parametrize("seed", range(60))
def test_measures_are_the_oracles(seed: int) -> None:
    book, oracle, rng = random_books(seed)
    assert near(book.mid, oracle.mid())
    assert near(book.spread, oracle.spread())
    assert near(book.microprice, oracle.microprice())
    for levels in (1, 2, 5, 10, 1_000):
        assert near(book.imbalance(levels), oracle.imbalance(levels))
    for bps in (0, 0.5, 1, 2.5, 10, 100, 10_000, rng.randint(1, 50)):
        assert book.depth_within(bps) == oracle.depth_within(bps), bps
    for side in ("Buy", "Sell"):
        for _, level in oracle.best_first(side):
            assert book.size_at(level.price) == oracle.size_at(level.price) == float(level.size)
        standing = [size for _, size in oracle.levels({"Buy": "Sell", "Sell": "Buy"}[side])]
        total = sum(standing)
        upto = [sum(standing[:n]) for n in range(1, len(standing) + 1, 7)]
        for size in (0.125, *upto, total / 2, total - 0.125, total, total + 0.125):
            if size <= 0:
                continue
            expected = oracle.vwap(side, size)
            if expected is None:
                with pytest.raises(InsufficientDepth):
                    book.vwap(side, size)
                with pytest.raises(InsufficientDepth):
                    book.sweep_price(side, size)
            else:
                assert near(book.vwap(side, size), expected)
                assert book.sweep_price(side, size) == float(oracle.sweep_price(side, size) or 0)


@pytest.mark.parametrize("seed", range(20))
def test_the_edge_of_depth_within_is_exact(seed: int) -> None:
    """Two levels at exactly so many basis points of a mid of 10,000 × k ticks, two more one tick beyond."""
    rng = random.Random(seed)
    k, bps = rng.randint(1, 99_999), rng.randint(1, 9_000)
    mid, reach = 10_000 * k, bps * k
    book = make(
        [(mid - 1, 1), (mid - reach - 1, 4)] + ([(mid - reach, 2)] if reach > 1 else []),
        [(mid + 1, 8), (mid + reach + 1, 32)] + ([(mid + reach, 16)] if reach > 1 else []),
        price_decimals=4,
    )
    within = book.depth_within(bps)
    assert within is not None
    assert (within.bid, within.ask) == ((3, 24) if reach > 1 else (1, 8))
