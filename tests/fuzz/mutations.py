"""Mutated inputs without a fuzzer: seeds and corpus, cut, spliced and altered at random from a seed."""

from collections.abc import Iterator
from random import Random

from tests.fuzz.corpus import load
from tests.fuzz.seeds import SEEDS, words

MOST_CHANGES = 4


def mutated(name: str, count: int, seed: int) -> Iterator[bytes]:
    """Yield ``count`` inputs for a target. The same seed gives the same inputs."""
    random = Random(seed)
    originals = [*load(name), *(text.encode() for text in SEEDS[name]())]
    dictionary = [word.encode() for word in words(name)]
    for _ in range(count):
        mutant = random.choice(originals)
        for _ in range(random.randint(1, MOST_CHANGES)):
            mutant = changed(mutant, random, dictionary, originals)
        yield mutant


def changed(text: bytes, random: Random, dictionary: list[bytes], originals: list[bytes]) -> bytes:
    """Return a text with one change."""
    begin, end = sorted(random.randint(0, len(text)) for _ in range(2))
    end = min(end, begin + 40)
    match random.randrange(6):
        case 0:
            return text[:begin] + text[end:]
        case 1:
            return text[:begin] + random.choice(dictionary) + text[end:]
        case 2:
            return text[:begin] + random.choice(dictionary) + text[begin:]
        case 3:
            return text[:begin] + bytes([random.randrange(256)]) + text[begin + 1 :]
        case 4:
            return text[:end] + text[begin:end] + text[end:]
        case _:
            other = random.choice(originals)
            return text[:begin] + other[random.randint(0, len(other)) :]
