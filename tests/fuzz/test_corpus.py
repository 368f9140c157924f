"""What the fuzzer found to reach every corner holds on this build, too, and loses no memory; so do its seeds."""

import gc
import sys

import pytest

from tests.fuzz.corpus import load
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

ROUNDS = 6
"""What is held goes up and down by what Python and msgspec cache; one object lost a round raises its least by as many."""
TRIES = 4
"""Other threads of the test's process come to hold something now and then; what a frame loses is lost in each try."""


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_keeps_its_properties(name: str) -> None:
    inputs = load(name)
    assert len(inputs) > 20
    for each in inputs:
        TARGETS[name](each)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_keep_their_properties(name: str) -> None:
    for seed in SEEDS[name]():
        TARGETS[name](seed.encode())


def held() -> tuple[int, int]:
    """How many blocks of memory Python holds (0 where it has them from malloc), and objects that it tracks."""
    gc.collect()
    return sys.getallocatedblocks(), len(gc.get_objects())


@pytest.mark.parametrize("name", TARGETS)
def test_frames_good_and_bad_lose_no_object(name: str) -> None:
    inputs = load(name)

    def least(rounds: int) -> tuple[int, int]:
        seen = []
        for _ in range(rounds):
            for each in inputs:
                TARGETS[name](each)
            seen.append(held())
        return min(blocks for blocks, _ in seen), min(tracked for _, tracked in seen)

    least(2)
    blocks, tracked = least(ROUNDS)
    grown = []
    for _ in range(TRIES):
        blocks_then, tracked_then = least(ROUNDS)
        grown.append(max(blocks_then - blocks, tracked_then - tracked))
        if grown[-1] < ROUNDS:
            return
        blocks, tracked = blocks_then, tracked_then
    pytest.fail(f"{grown} more blocks or objects after {ROUNDS} rounds each")
