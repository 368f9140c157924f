"""Numbers of every kind as arguments of a book and a ladder: accepted, or refused with the documented error."""

import math
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from depthwire.book.book import Book
from depthwire.book.ladder import Ladder
from depthwire.errors import DepthwireError, InvalidLevel, OutOfSequence, UnknownLevel

Call = Callable[[Any], object]

BEYOND_INT64 = [2**63, -(2**63) - 1, np.uint64(2**64 - 1), 10**400, -(10**400), 10**5000]
NOT_INTEGERS = [1.5, 2.0, np.float64(2), math.nan, math.inf, "5", None, Decimal(5)]
if not hasattr(np.bool_, "__index__"):  # old numpy lets it be an index, with a DeprecationWarning
    NOT_INTEGERS.append(np.bool_(True))
NOT_NUMBERS = ["5", None, (), b"5"]
NOT_SIZES = [0, -1, False, math.nan, math.inf, -math.inf, np.float64("nan"), 10**400, -(10**400), 10**5000]


def name_of(value: object) -> str:
    huge = isinstance(value, int) and value.bit_length() > 128
    return f"{type(value).__name__} of {value.bit_length()} bits" if huge else f"{type(value).__name__} {value}"


def make() -> Book:
    book = Book("XYZUSD", depth=10, price_decimals=0)
    book.apply_snapshot([(100, 1.0)], [(200, 1.0)], update_id=1)
    return book


def ladder() -> Ladder:
    made = Ladder()
    made.insert(5, 1.0)
    return made


CONSTRUCTORS: dict[str, Call] = {
    "depth": lambda number: Book("XYZUSD", depth=number),
    "price_decimals": lambda number: Book("XYZUSD", price_decimals=number),
    "capacity": lambda number: Ladder(capacity=number),
}
LADDER_IDS: dict[str, Call] = {
    "insert": lambda number: ladder().insert(number, 1.0),
    "update": lambda number: ladder().update(number, 1.0),
}
LADDER_LOOKUPS: dict[str, Call] = {
    "delete": lambda number: ladder().delete(number),
    "size_at": lambda number: ladder().size_at(number),
    "in": lambda number: number in ladder(),
}
LADDER_SIZES: dict[str, Call] = {
    "insert size": lambda number: ladder().insert(7, number),
    "update size": lambda number: ladder().update(5, number),
}
FRAME_IDS: dict[str, Callable[[Book, Any], None]] = {
    "snapshot id": lambda book, number: book.apply_snapshot([(number, 1.0)], []),
    "delete id": lambda book, number: book.apply_delta(delete=[("Buy", number)]),
    "insert id": lambda book, number: book.apply_delta(insert=[("Buy", number, 1.0)]),
    "level id": lambda book, number: book.apply_levels([(number, 1.0)]),
}
FRAME_NUMBERS: dict[str, Callable[[Book, Any], None]] = {
    "snapshot update_id": lambda book, number: book.apply_snapshot([], [], update_id=number),
    "snapshot cross_seq": lambda book, number: book.apply_snapshot([], [], cross_seq=number),
    "delta cross_seq": lambda book, number: book.apply_delta(cross_seq=number),
    "delta ts_exchange_us": lambda book, number: book.apply_delta(ts_exchange_us=number),
    "levels update_id": lambda book, number: book.apply_levels(update_id=number),
    "levels ts_recv_ns": lambda book, number: book.apply_levels(ts_recv_ns=number),
}
FRAME_SIZES: dict[str, Callable[[Book, Any], None]] = {
    "snapshot size": lambda book, number: book.apply_snapshot([(100, number)], []),
    "update size": lambda book, number: book.apply_delta(update=[("Buy", 100, number)]),
    "insert size": lambda book, number: book.apply_delta(insert=[("Buy", 99, number)]),
}
QUERIES: dict[str, Call] = {
    "imbalance": lambda number: make().imbalance(number),
    "size_at_id": lambda number: make().size_at_id(number),
    "price": lambda number: make().price(number),
}


@pytest.mark.parametrize("number", [-1, 0, False, *BEYOND_INT64], ids=name_of)
@pytest.mark.parametrize("argument", ["depth", "capacity"])
def test_a_number_of_levels_out_of_range_is_a_value_error(argument: str, number: int) -> None:
    with pytest.raises(ValueError, match=rf"^{argument} must be 1 to "):
        CONSTRUCTORS[argument](number)


@pytest.mark.parametrize("number", [-1, 19, *BEYOND_INT64], ids=name_of)
def test_price_decimals_out_of_range_are_a_value_error(number: int) -> None:
    with pytest.raises(ValueError, match=r"^price_decimals must be 0 to 18, not "):
        CONSTRUCTORS["price_decimals"](number)


@pytest.mark.parametrize("number", BEYOND_INT64, ids=name_of)
@pytest.mark.parametrize("call", LADDER_IDS)
def test_a_ladder_refuses_a_price_id_beyond_int64(call: str, number: int) -> None:
    with pytest.raises(ValueError, match=r"^price_id must fit int64, not "):
        LADDER_IDS[call](number)


@pytest.mark.parametrize("number", BEYOND_INT64, ids=name_of)
@pytest.mark.parametrize("call", LADDER_LOOKUPS)
def test_a_ladder_has_no_level_beyond_int64(call: str, number: int) -> None:
    assert not LADDER_LOOKUPS[call](number)


def test_a_level_at_0_is_not_the_one_of_a_price_id_beyond_int64() -> None:
    made = Ladder()
    made.insert(0, 7.0)
    assert 10**400 not in made
    assert made.size_at(10**400) == 0.0
    assert made.delete(10**400) is None
    assert made.size_at(0) == 7.0


@pytest.mark.parametrize("number", NOT_SIZES, ids=name_of)
@pytest.mark.parametrize("call", LADDER_SIZES)
def test_a_ladder_refuses_a_size_that_is_not_finite_and_positive(call: str, number: float) -> None:
    with pytest.raises(ValueError, match=r"^size must be finite and above 0, not "):
        LADDER_SIZES[call](number)


@pytest.mark.parametrize("number", BEYOND_INT64, ids=name_of)
@pytest.mark.parametrize("call", FRAME_IDS | FRAME_NUMBERS)
def test_a_frame_with_a_number_beyond_int64_makes_the_book_stale(call: str, number: int) -> None:
    book = make()
    with pytest.raises(InvalidLevel, match="must fit int64, not ") as refusal:
        (FRAME_IDS | FRAME_NUMBERS)[call](book, number)
    assert book.stale_reason == refusal.value.message
    book._check()


@pytest.mark.parametrize("number", NOT_SIZES, ids=name_of)
@pytest.mark.parametrize("call", FRAME_SIZES)
def test_a_frame_with_a_size_that_is_not_finite_and_positive_makes_the_book_stale(call: str, number: float) -> None:
    book = make()
    with pytest.raises(InvalidLevel, match="a size finite and above 0"):
        FRAME_SIZES[call](book, number)
    assert book.stale_reason is not None
    book._check()


@pytest.mark.parametrize("number", NOT_INTEGERS, ids=name_of)
@pytest.mark.parametrize("call", CONSTRUCTORS | LADDER_IDS | LADDER_LOOKUPS | QUERIES)
def test_an_integer_argument_takes_no_other_type(call: str, number: object) -> None:
    if call == "price_decimals" and number is None:
        return  # the wire sets the scale
    with pytest.raises(TypeError):
        (CONSTRUCTORS | LADDER_IDS | LADDER_LOOKUPS | QUERIES)[call](number)


@pytest.mark.parametrize("number", [each for each in NOT_INTEGERS if each is not None], ids=name_of)
@pytest.mark.parametrize("call", FRAME_IDS | FRAME_NUMBERS)
def test_a_frame_with_a_number_of_another_type_changes_nothing(call: str, number: object) -> None:
    book = make()
    with pytest.raises(TypeError):
        (FRAME_IDS | FRAME_NUMBERS)[call](book, number)
    assert (str(book.state), list(book.bids.price_ids), list(book.asks.price_ids)) == ("LIVE", [100], [200])
    book.apply_levels([(101, 1.0)], update_id=2)
    assert book.best_bid == 101


@pytest.mark.parametrize("number", NOT_NUMBERS, ids=name_of)
@pytest.mark.parametrize("call", FRAME_SIZES)
def test_a_frame_with_a_size_of_another_type_changes_nothing(call: str, number: object) -> None:
    book = make()
    with pytest.raises(TypeError):
        FRAME_SIZES[call](book, number)
    assert (str(book.state), book.bids.sizes.tolist()) == ("LIVE", [1.0])


@pytest.mark.parametrize("number", NOT_NUMBERS, ids=name_of)
@pytest.mark.parametrize("call", LADDER_SIZES)
def test_a_ladder_takes_no_size_of_another_type(call: str, number: object) -> None:
    with pytest.raises(TypeError):
        LADDER_SIZES[call](number)


@pytest.mark.parametrize("number", [5, True, np.int8(5), np.uint64(5), np.int64(5)], ids=name_of)
def test_every_integer_type_is_accepted(number: int) -> None:
    for call in (CONSTRUCTORS | LADDER_IDS | LADDER_LOOKUPS | QUERIES).values():
        call(number)
    for apply in (FRAME_IDS | FRAME_NUMBERS).values():
        with suppress(UnknownLevel, OutOfSequence):  # the number itself is valid
            apply(make(), number)


@pytest.mark.parametrize("number", [5, True, 1.5, np.float32(1.5), np.int8(5), Decimal("1.5")], ids=name_of)
def test_every_number_type_is_accepted_as_a_size(number: float) -> None:
    for call in LADDER_SIZES.values():
        call(number)
    for apply in FRAME_SIZES.values():
        apply(make(), number)


@pytest.mark.parametrize("number", BEYOND_INT64, ids=name_of)
def test_queries_judge_a_number_beyond_int64_by_its_meaning(number: int) -> None:
    book = make()
    assert book.size_at_id(number) == 0.0
    with pytest.raises(ValueError, match="must fit int64, not "):
        book.price(number)
    with pytest.raises(ValueError, match="is not a price that fits"):
        book.price_id(number)
    if number > 0:
        assert book.imbalance(number) == 0.0
        assert len(book.to_numpy(number)[0]) == 1
    else:
        for refused in (book.imbalance, book.to_numpy):
            with pytest.raises(ValueError, match=r"^levels must be "):
                refused(number)


def test_the_error_of_a_frame_is_of_the_error_tree() -> None:
    with pytest.raises(DepthwireError):
        make().apply_levels([(10**400, 1.0)])
