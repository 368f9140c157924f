"""Look for unidiomatic phrases in docstrings, comments, messages and documents: ``python ci/phrases.py [PATH ...]``.

Prints each one with its place and a better phrase. The exit status is 1 if there are any, unless ``--report`` is given.
The list is a helper: a text without these phrases is not yet good English.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from prose import Passage, files, passages

PHRASES = {
    r"(?:is|are|was|were|be|been|being) told(?! apart)": "gets, is given; is reported",
    r"(?:tells?|told|telling) of": "reports, describes",
    r"(?:is|are|was|were) said": "is reported, is logged",
    r"(?:says?|said) nothing": "is silent, reports nothing",
    r"stands?(?! for\b| in for\b)": "exists, appears, is",
    r"beside": "next to, with, besides",
    r"anew": "again",
    r"nobody|somebody|whoever": "no subscriber, another client, the caller",
    r"is nobody's|'s affair|of one mind|good for nothing|has a price": "decides; agree; unusable; comes at a cost",
    r"(?<!there )(?:is|are|was|were|be) no(?! longer| more| fewer| less| later| earlier)(?= [a-z])": "is not; invalid",
    r"(?<!there )(?:is|are|was|were) (?-i:none)": "does not exist; is not one",
    r"(?<!fall )(?<!falls )(?<!fell )(?<!fallen )(?<!falling )(?<!lag )(?<!lags )behind": "after",
    r"taken? back|takes back|took back": "rolled back; returned",
    r"(?:appl(?:y|ied)|comes?|came|kept|read|sent|taken|shown|written|goes|arrived?) whole(?! or not)": "entire",
    r"of (?:today|yesterday|now)|today's|yesterday's": "current; retired; at this commit",
    r"as (?:it|they) (?:is|are|was|were)(?= *(?:[.,;:)]|$))": "unchanged, raw",
    r"(?<!no )such(?! as\b| a\b| an\b)": "this, these, similar",
    r"of (?:its|their) own": "its own, separate",
    r"lies? on demand|that lies|lying": "injects faults",
    r"where (?:there (?:is|are|was|were)|one is|none|not)": "if",
    r"(?:is|are|was|were) to (?:be|reach|find|show|notice|go|have|hold|do|come|see|know|tell)": "must, should, will",
    r", for (?:it|they|there|some|one|nothing|none|no)": "because",
    r"neither may|does not go on where": "must not; is not contiguous with",
    r"forgiven|forgives?|insists?|insisted|insistence|heeds?|heeded": "ignored; repeats; respects",
    r"hitherto|thereof|therein|thereby|whereby|wherein|hereby|herein|henceforth|whence|thence": "say it plainly",
    r"what (?:is|are|was|were) (?:not|no)": "anything that",
    r"all that it must|what it must|what it is to": "everything that is required",
    r"in the mean": "on average",
}
"""Regular expressions between word boundaries, and what to write instead."""

ALLOWED: dict[tuple[str, str], str] = {}
"""A path and a piece of its text in which a phrase is right, and the reason."""

EXEMPT = {"ci/phrases.py", "tests/project/test_english.py"}
COMPILED = re.compile("|".join(rf"(\b(?:{phrase})\b)" for phrase in PHRASES), re.IGNORECASE)
CONTEXT = 40


class Hit(NamedTuple):
    """A phrase in a passage: the phrase, its surroundings, and what to write instead."""

    phrase: str
    context: str
    instead: str


def hits(passage: Passage) -> Iterator[Hit]:
    """Yield each phrase of the list in a passage that is not allowed there."""
    text = " ".join(passage.text.split())
    for found in COMPILED.finditer(text):
        context = text[max(0, found.start() - CONTEXT) : found.end() + CONTEXT]
        if not any(path == passage.path and piece in context for path, piece in ALLOWED):
            instead = list(PHRASES.values())[(found.lastindex or 1) - 1]
            yield Hit(found[0], context, instead)


def unused(texts: list[Passage]) -> list[tuple[str, str]]:
    """Return the allowed pieces that appear no more."""
    by_path: dict[str, str] = {}
    for passage in texts:
        by_path[passage.path] = by_path.get(passage.path, "") + " " + " ".join(passage.text.split())
    return [(path, piece) for path, piece in ALLOWED if piece not in by_path.get(path, "")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files or folders, by default the whole repository")
    parser.add_argument("--report", action="store_true", help="exit with status 0 whatever is found")
    parser.add_argument("--count", action="store_true", help="print only the number of phrases of each folder")
    arguments = parser.parse_args()
    wanted = tuple(path.rstrip("/") for path in arguments.paths)
    chosen = [path for path in files() if path not in EXEMPT]
    if wanted:
        chosen = [path for path in chosen if path in wanted or path.startswith(tuple(f"{each}/" for each in wanted))]
    texts = [passage for path in chosen for passage in passages(path)]
    counts: dict[str, int] = {}
    for passage in texts:
        for hit in hits(passage):
            folder = passage.path.rpartition("/")[0]
            counts[folder] = counts.get(folder, 0) + 1
            if not arguments.count:
                print(f"{passage.path}:{passage.line}: {hit.phrase!r} in: {hit.context}\n    instead: {hit.instead}")
    for folder, count in sorted(counts.items()) if arguments.count else ():
        print(f"{count:5} {folder or '.'}")
    stale = [] if wanted else unused(texts)
    for path, piece in stale:
        print(f"ci/phrases.py allows {piece!r} in {path}, where it no longer appears")
    total = sum(counts.values())
    print(f"{total} phrases in {len(chosen)} files")
    sys.exit(bool(total or stale) and not arguments.report)


if __name__ == "__main__":
    main()
