"""The fuzzer's properties on this build, without the fuzzer: its corpus, its seeds, mutations of both, and memory."""

import gc
import os
import sys

import pytest

from tests.fuzz.corpus import load
from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

MUTATIONS = int(1_500 * float(os.environ.get("DEPTHWIRE_EXAMPLES", "1")))
ROUNDS = 4
"""Caches of Python and msgspec grow and shrink. One object lost in each round raises the least count by this many."""
TRIES = 4
"""Other threads of the test's process allocate now and then. What a frame loses is lost in each try."""


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


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs_keep_their_properties(name: str) -> None:
    for each in mutated(name, MUTATIONS, seed=1):
        try:
            TARGETS[name](each)
        except Exception as error:
            error.add_note(f"the input: {each!r}")
            raise


def test_mutations_are_repeatable_and_differ() -> None:
    inputs = list(mutated("v5_books", 100, seed=1))
    assert inputs == list(mutated("v5_books", 100, seed=1))
    assert len(set(inputs)) > 90


def held() -> tuple[int, int]:
    """Return how many blocks of memory Python holds (0 if they come from malloc), and how many objects it tracks."""
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
