"""One operation on one side of a book: its place, the depth of the side, and its duration."""

from collections.abc import Callable
from itertools import product
from time import perf_counter_ns
from typing import Any, NamedTuple

LEVELS = 25, 200, 1_000, 10_000
PLACES = "top", "middle", "far end"
CHANGES = "insert", "update", "delete"
BATCH = 8  # operations between two readings of the clock; the side has up to half as many levels more or fewer
BATCHES = 25


class Operation(NamedTuple):
    """``place`` is "" for reading the best price."""

    kind: str
    place: str
    levels: int


OPERATIONS = [Operation(*row) for row in product(CHANGES, PLACES, LEVELS)] + [
    Operation("read best", "", levels) for levels in LEVELS
]


def operation_cases(module: Any) -> list[Callable[[], float]]:
    """Return the cases of one of ``sides``, in the order of OPERATIONS."""
    return [case(module, operation) for operation in OPERATIONS]


def keys_at(place: str, levels: int) -> list[int]:
    """Return odd keys between the even ones of the side, whose greatest is the best."""
    standing = levels - BATCH // 2
    lowest = {"top": standing - BATCH, "middle": (standing - BATCH) // 2, "far end": 0}[place]
    return [2 * number + 1 for number in range(lowest, lowest + BATCH)]


def case(module: Any, operation: Operation) -> Callable[[], float]:
    """Return a function that measures one operation from Python, in ns, including the loop."""
    kind, place, levels = operation
    side = module.Side()
    side.insert([2 * number for number in range(levels - BATCH // 2)])
    if not place:
        return lambda: timed(side.read_best, BATCHES * BATCH) / (BATCHES * BATCH)
    keys = keys_at(place, levels)
    keys = [keys[index * 3 % BATCH] for index in range(BATCH)]  # in random order, the same in each batch

    def measure() -> float:
        total = 0
        for _ in range(BATCHES):
            spent = {"insert": timed(side.insert, keys), "update": 0}
            if kind == "update":
                spent["update"] = timed(side.update, keys)
            spent["delete"] = timed(side.delete, keys)
            total += spent[kind]
        return total / (BATCHES * BATCH)

    return measure


def timed(run: Callable[[Any], object], argument: object) -> int:
    start = perf_counter_ns()
    run(argument)
    return perf_counter_ns() - start
