"""Draw sentences for a reader: ``python ci/sentences.py --seed 1 --count 200``.

They come from docstrings, error messages, command-line help and documents, numbered, each with its file and line. The
same seed draws the same sentences from the same source.
"""

import argparse
import random

from prose import files, passages, sentences

PLACES = ("src/depthwire/", "docs/", "README.md", "CONTRIBUTING.md")


def drawable() -> list[tuple[str, str]]:
    """Return each different sentence with the place of its first appearance, sorted by place."""
    found: dict[str, str] = {}
    for path in files():
        if path.startswith(PLACES):
            for passage in passages(path):
                if passage.kind != "comment":
                    for sentence in sentences(passage.text):
                        found.setdefault(sentence, f"{path}:{passage.line}")
    return [(place, sentence) for sentence, place in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="default %(default)s")
    parser.add_argument("--count", type=int, default=200, help="default %(default)s")
    arguments = parser.parse_args()
    everything = drawable()
    chosen = random.Random(arguments.seed).sample(everything, min(arguments.count, len(everything)))  # noqa: S311
    for number, (place, sentence) in enumerate(chosen, 1):
        print(f"{number:>3}. {sentence}\n     [{place}]")


if __name__ == "__main__":
    main()
