"""One side of a book against a sorted list, whichever way it runs."""

import random

import numpy as np
import pytest

from depthwire.book.ladder import Ladder

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

both_ways = pytest.mark.parametrize("descending", [False, True], ids=["highest-best", "lowest-best"])


class SortedLevels:
    """The model: a list of (price_id, size), sorted again at every read, best first."""

    def __init__(self, descending: bool) -> None:
        self.descending = descending
        self.levels: list[tuple[int, float]] = []

    def size_at(self, price_id: int) -> float | None:
        return next((size for at, size in self.levels if at == price_id), None)

    def delete(self, price_id: int) -> float | None:
        stood = self.size_at(price_id)
        self.levels = [level for level in self.levels if level[0] != price_id]
        return stood

    def update(self, price_id: int, size: float) -> float | None:
        stood = self.delete(price_id)
        if stood is not None:
            self.levels.append((price_id, size))
        return stood

    def insert(self, price_id: int, size: float) -> float | None:
        stood = self.size_at(price_id)
        if stood is None:
            self.levels.append((price_id, size))
        return stood

    def best_first(self) -> list[tuple[int, float]]:
        return sorted(self.levels, reverse=not self.descending)


def content(ladder: Ladder) -> list[tuple[int, float]]:
    return list(zip(ladder.price_ids.tolist(), ladder.sizes.tolist(), strict=True))


def filled(descending: bool, price_ids: list[int], capacity: int = 32) -> Ladder:
    """Every level's size is a tenth of its id, so that a size that strays is seen."""
    ladder = Ladder(descending=descending, capacity=capacity)
    for price_id in price_ids:
        assert ladder.insert(price_id, price_id / 10) is None
        ladder._check()
    return ladder


@both_ways
def test_an_empty_ladder_answers_everything(descending: bool) -> None:
    ladder = Ladder(descending=descending)
    assert len(ladder) == 0
    assert ladder.best_id is None
    assert 1 not in ladder
    assert ladder.size_at(1) == 0.0
    assert ladder.delete(1) is None
    assert ladder.update(1, 5.0) is None
    assert content(ladder) == []
    ladder.clear()
    ladder._check()


def test_a_ladder_runs_upwards_unless_told_otherwise() -> None:
    ladder = Ladder()
    ladder.insert(1, 1.0)
    ladder.insert(2, 1.0)
    assert ladder.best_id == 2
    assert ladder.capacity == 32


@both_ways
def test_one_level_comes_changes_and_goes(descending: bool) -> None:
    ladder = Ladder(descending=descending)
    assert ladder.insert(7, 1.5) is None
    assert (len(ladder), ladder.best_id, 7 in ladder, ladder.size_at(7)) == (1, 7, True, 1.5)
    assert ladder.update(7, 2.5) == 1.5
    assert content(ladder) == [(7, 2.5)]
    assert ladder.delete(7) == 2.5
    assert (len(ladder), ladder.best_id, 7 in ladder, ladder.size_at(7)) == (0, None, False, 0.0)
    ladder._check()


@both_ways
def test_an_insert_of_a_standing_level_tells_its_size_and_changes_nothing(descending: bool) -> None:
    ladder = filled(descending, [10, 30, 20])
    for price_id in (10, 20, 30):
        assert ladder.insert(price_id, 99.0) == price_id / 10
    assert content(ladder) == content(filled(descending, [10, 20, 30]))
    ladder._check()


@both_ways
@pytest.mark.parametrize("unknown", [5, 15, 25, 35], ids=["below", "between", "between", "above"])
def test_an_unknown_level_is_neither_deleted_nor_updated(descending: bool, unknown: int) -> None:
    ladder = filled(descending, [10, 20, 30])
    assert ladder.delete(unknown) is None
    assert ladder.update(unknown, 99.0) is None
    assert unknown not in ladder
    assert ladder.size_at(unknown) == 0.0
    assert content(ladder) == content(filled(descending, [10, 20, 30]))
    ladder._check()


@both_ways
@pytest.mark.parametrize("gone", [10, 20, 30])
def test_the_rest_keep_their_places_and_sizes(descending: bool, gone: int) -> None:
    ladder = filled(descending, [20, 30, 10])
    assert ladder.delete(gone) == gone / 10
    assert ladder.delete(gone) is None
    assert content(ladder) == content(filled(descending, [p for p in (10, 20, 30) if p != gone]))
    ladder._check()


@both_ways
def test_best_comes_first(descending: bool) -> None:
    ladder = filled(descending, [20, 10, 40, 30])
    assert ladder.price_ids.tolist() == ([10, 20, 30, 40] if descending else [40, 30, 20, 10])
    assert ladder.sizes.tolist() == ([1.0, 2.0, 3.0, 4.0] if descending else [4.0, 3.0, 2.0, 1.0])
    assert ladder.best_id == ladder.price_ids[0]


@both_ways
@pytest.mark.parametrize("capacity", [1, 3, 32])
def test_capacity_doubles_when_it_is_reached(descending: bool, capacity: int) -> None:
    ladder = Ladder(descending=descending, capacity=capacity)
    seen = {ladder.capacity}
    for price_id in random.Random(capacity).sample(range(1, 1_000), 8 * capacity):
        ladder.insert(price_id, 1.0)
        ladder._check()
        seen.add(ladder.capacity)
    assert sorted(seen) == [capacity, 2 * capacity, 4 * capacity, 8 * capacity]
    assert len(ladder) == 8 * capacity


@both_ways
@pytest.mark.parametrize("arrival", ["rising", "falling", "shuffled"])
def test_ten_thousand_levels(descending: bool, arrival: str) -> None:
    price_ids = list(range(1, 10_001))
    if arrival == "falling":
        price_ids.reverse()
    elif arrival == "shuffled":
        random.Random(1).shuffle(price_ids)
    ladder = Ladder(descending=descending)
    for price_id in price_ids:
        assert ladder.insert(price_id, price_id / 10) is None
    ladder._check()
    best_first = range(1, 10_001) if descending else range(10_000, 0, -1)
    assert content(ladder) == [(price_id, price_id / 10) for price_id in best_first]
    for price_id in price_ids[::2]:
        assert ladder.update(price_id, 7.0) == price_id / 10
    for price_id in price_ids[1::2]:
        assert ladder.delete(price_id) == price_id / 10
    ladder._check()
    assert sorted(ladder.price_ids.tolist()) == sorted(price_ids[::2])
    assert set(ladder.sizes.tolist()) == {7.0}


@both_ways
def test_the_ends_of_int64_are_price_ids_as_any_other(descending: bool) -> None:
    price_ids = [0, INT64_MAX, INT64_MIN, 1, -1, INT64_MAX - 1, INT64_MIN + 1]
    ladder = Ladder(descending=descending)
    for n, price_id in enumerate(price_ids):
        assert ladder.insert(price_id, n + 1.0) is None
        ladder._check()
    assert ladder.price_ids.tolist() == sorted(price_ids, reverse=not descending)
    for n, price_id in enumerate(price_ids):
        assert price_id in ladder
        assert ladder.size_at(price_id) == n + 1.0
        assert ladder.delete(price_id) == n + 1.0
        ladder._check()


@both_ways
@pytest.mark.parametrize("size", [5e-324, 1e-9, 994.89996, 2.0**53, 1.7976931348623157e308])
def test_a_size_comes_back_as_it_went_in(descending: bool, size: float) -> None:
    ladder = Ladder(descending=descending)
    ladder.insert(1, size)
    assert ladder.size_at(1) == size
    assert ladder.sizes[0] == size
    ladder._check()


@both_ways
@pytest.mark.parametrize("action", ["insert", "update"])
@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_a_size_that_no_level_can_have_is_a_value_error(descending: bool, action: str, size: float) -> None:
    ladder = filled(descending, [10, 20])
    with pytest.raises(ValueError, match="size"):
        getattr(ladder, action)(20, size)
    assert content(ladder) == content(filled(descending, [10, 20]))


@both_ways
def test_a_fraction_is_no_price_id(descending: bool) -> None:
    """With its fraction cut off silently, it would be at another price than the caller's."""
    ladder = filled(descending, [99])
    for call in (
        lambda: ladder.insert(99.5, 1.0),
        lambda: ladder.update(99.5, 1.0),
        lambda: ladder.delete(99.5),
    ):
        with pytest.raises(TypeError):
            call()
    assert content(ladder) == [(99, 9.9)]


@both_ways
def test_a_cleared_ladder_is_as_good_as_new(descending: bool) -> None:
    ladder = filled(descending, list(range(1, 100)))
    ladder.clear()
    ladder._check()
    assert (len(ladder), ladder.best_id, content(ladder)) == (0, None, [])
    ladder.insert(50, 1.0)
    assert content(ladder) == [(50, 1.0)]


@both_ways
@pytest.mark.parametrize("seed", range(5))
def test_it_does_what_a_sorted_list_does(descending: bool, seed: int) -> None:
    rng = random.Random(seed)
    ladder, model = Ladder(descending=descending, capacity=2), SortedLevels(descending)
    ids = range(1, 40 + 60 * seed)
    for _ in range(1_500):
        action = rng.choices(["insert", "delete", "update", "clear"], [40, 30, 30, 0.1])[0]
        price_id, size = rng.choice(ids), rng.uniform(0.001, 1e6)
        if action == "insert":
            assert ladder.insert(price_id, size) == model.insert(price_id, size)
        elif action == "update":
            assert ladder.update(price_id, size) == model.update(price_id, size)
        elif action == "delete":
            assert ladder.delete(price_id) == model.delete(price_id)
        else:
            ladder.clear()
            model.levels.clear()
        ladder._check()
        expected = model.best_first()
        assert content(ladder) == expected
        assert len(ladder) == len(expected)
        assert ladder.best_id == (expected[0][0] if expected else None)
        probe = rng.choice(ids)
        assert ladder.size_at(probe) == (model.size_at(probe) or 0.0)
        assert (probe in ladder) == (model.size_at(probe) is not None)


@both_ways
@pytest.mark.parametrize("name", ["price_ids", "sizes"])
def test_a_view_cannot_be_written(descending: bool, name: str) -> None:
    view = getattr(filled(descending, [10, 20]), name)
    assert not view.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


@both_ways
@pytest.mark.parametrize("levels", [0, 1, 3])
def test_views_say_what_they_are(descending: bool, levels: int) -> None:
    ladder = filled(descending, list(range(1, levels + 1)))
    assert (ladder.price_ids.dtype, ladder.price_ids.shape) == (np.int64, (levels,))
    assert (ladder.sizes.dtype, ladder.sizes.shape) == (np.float64, (levels,))


@both_ways
def test_views_look_into_the_ladders_own_memory(descending: bool) -> None:
    ladder = filled(descending, [10, 20, 30])
    price_ids, sizes = ladder.price_ids, ladder.sizes
    assert np.shares_memory(price_ids, ladder.price_ids)
    assert np.shares_memory(sizes, ladder.sizes)
    ladder.update(20, 77.0)
    assert sizes.tolist()[1] == 77.0
    assert price_ids.tolist() == ladder.price_ids.tolist()


@both_ways
def test_an_old_view_stays_readable_when_the_ladder_grows_away_or_goes(descending: bool) -> None:
    ladder = filled(descending, [10, 20], capacity=2)
    price_ids, sizes = ladder.price_ids, ladder.sizes
    before = (price_ids.tolist(), sizes.tolist())
    for price_id in range(100, 5_000):
        ladder.insert(price_id, 1.0)
    assert not np.shares_memory(price_ids, ladder.price_ids)
    assert (price_ids.tolist(), sizes.tolist()) == before
    del ladder
    assert (price_ids.tolist(), sizes.tolist()) == before


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("capacity", [1, 25, 32])
def test_a_window_that_slides_either_way_keeps_its_levels(descending: bool, capacity: int) -> None:
    """A topic of fixed depth: each insert at one end goes with a delete at the other, for longer than there is room."""
    ladder = Ladder(descending=descending, capacity=capacity)
    window = list(range(1_000, 1_025))
    for price_id in window:
        assert ladder.insert(price_id, float(price_id)) is None
    chance = random.Random(7)
    for _ in range(2_000):
        upwards = chance.random() < 0.5
        gone = window.pop(0 if upwards else -1)
        come = window[-1] + 1 if upwards else window[0] - 1
        window.insert(len(window) if upwards else 0, come)
        assert ladder.delete(gone) == gone
        assert ladder.insert(come, float(come)) is None
        ladder._check()
        best_first = window if descending else window[::-1]
        assert ladder.price_ids.tolist() == best_first
        assert ladder.sizes.tolist() == best_first
    assert ladder.capacity == 32 if capacity != 25 else ladder.capacity == 25


@pytest.mark.parametrize("price_id", [2**63, -(2**63) - 1, 10**400])
def test_a_price_id_that_does_not_fit_has_no_level(price_id: int) -> None:
    ladder = Ladder()
    ladder.insert(1000, 1.0)
    assert ladder.size_at(price_id) == 0.0
    assert price_id not in ladder
    assert ladder.delete(price_id) is None
    assert len(ladder) == 1
