"""What the fuzzer found to reach every corner holds on this build, too, and loses no memory; so do its seeds."""

import gc
import sys

import pytest

from corpus import load
from seeds import SEEDS
from targets import TARGETS

ROUNDS = 10
CACHED = 8
"""What Python may keep for itself, such as free lists: less than one object a round."""


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

    def play(rounds: int) -> tuple[int, int]:
        for _ in range(rounds):
            for each in inputs:
                TARGETS[name](each)
        return held()

    play(2)
    blocks, tracked = play(1)
    blocks_then, tracked_then = play(ROUNDS)
    assert (blocks_then - blocks < CACHED, tracked_then - tracked < CACHED) == (True, True)
