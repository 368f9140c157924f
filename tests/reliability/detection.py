"""What the engine notices of each frame that is lost, late or damaged: ``python -m tests.reliability.detection``.

Of every book topic of every recording each frame is left out in turn, each adjacent pair is swapped, and each frame is
damaged in each way there is; what remains goes through the feed as from a socket, and the book is compared with the
undisturbed one after every frame. Writes ``detection.md`` and ``detection.json`` into ``docs/reliability``, or where
``--out`` says.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from depthwire.book.types import BookState
from tests.reliability import two_lines
from tests.reliability.damage import DAMAGES
from tests.reliability.detection_page import page
from tests.reliability.replayed import Clean, Reader, clean_run
from tests.reliability.rules import rules_of
from tests.reliability.streams import Stream, folder, recorded

ROOT = Path(__file__).resolve().parents[2]

PROVABLE = "provable, and not caught"
NOTHING_AFTER = "nothing came after it"
NO_CHANGE = "it changed nothing"
NEXT_SNAPSHOT = "the next snapshot replaced it"
AT_ONCE = "the next frame overwrote it"
HEALED = "wrong for a while"
TO_THE_END = "wrong to the end of the recording"


class Outcome(msgspec.Struct, frozen=True):
    """The result of one disturbance; all numbers count frames of the topic, starting with the first after it.

    ``error`` caught it with frame ``caught_after``; both are empty if nothing did. ``proof`` is the first rule of the
    protocol that the frames broke, with frame ``proven_after``. ``wrong`` counts the frames after which a LIVE book
    differed from the undisturbed one; ``is_healed`` says that from some frame on they stayed equal. ``remaining`` frames
    followed. ``change`` is the effect of the lost or late frame on the undisturbed book.
    """

    number: int
    error: str
    caught_after: int
    proof: str
    proven_after: int
    wrong: int
    is_healed: bool
    remaining: int
    change: Literal["a snapshot", "nothing", "sizes only", "levels"]

    @property
    def kind(self) -> str:
        """Return why nothing caught it; "" if something did."""
        if self.error:
            return ""
        if self.proof:
            return PROVABLE
        if not self.remaining:
            return NOTHING_AFTER
        if not self.wrong:
            return NEXT_SNAPSHOT if self.change == "a snapshot" else NO_CHANGE if self.change == "nothing" else AT_ONCE
        return f"{HEALED if self.is_healed else TO_THE_END}, {self.change}"


def disturbed(stream: Stream, clean: Clean, number: int, order: Iterable[tuple[int, int | None]]) -> Outcome:
    """Replays from just before frame ``number`` on, in another order: of frames, each with that after which the
    undisturbed book is the one to compare with, if any.
    """
    reader, rules = Reader(stream.topic), rules_of(stream.topic)
    if snapshot := stream.snapshots[number]:
        reader.receive(snapshot)
        rules.receive(snapshot)
        assert reader.shown() == clean.shown[number - 1]
    proof, caught_after, proven_after, wrong, is_healed = "", 0, 0, 0, False
    for after, (at, due) in enumerate(order, 1):
        if not proof and (broken := rules.receive(stream.raws[at])):
            proof, proven_after = broken, after
        reader.receive(stream.raws[at])
        if reader.error is not None:
            caught_after = after
            break
        if due is not None and (shown := reader.shown()) != clean.shown[due]:
            wrong += bool(shown)  # a book that waits for its snapshot is late, not wrong
        elif due is not None and not proof and reader.numbers() == clean.numbers[due]:
            is_healed = True  # the book and the remaining frames are equal, so nothing can differ later
            break
    return Outcome(
        number=number,
        error=type(reader.error).__name__ if reader.error else "",
        caught_after=caught_after,
        proof=proof,
        proven_after=proven_after,
        wrong=wrong,
        is_healed=is_healed,
        remaining=len(stream.raws) - 1 - number,
        change=change_by(stream, clean, number),
    )


def change_by(stream: Stream, clean: Clean, number: int) -> Literal["a snapshot", "nothing", "sizes only", "levels"]:
    """Return the kind of change that a frame made to the undisturbed book."""
    if msgspec.json.decode(stream.raws[number])["type"] == "snapshot":
        return "a snapshot"
    before, after = clean.shown[number - 1], clean.shown[number]
    if before[::2] != after[::2]:  # the prices of both sides
        return "levels"
    return "nothing" if before == after else "sizes only"


def removals(stream: Stream, clean: Clean) -> Iterator[Outcome]:
    """Leave out each frame in turn."""
    count = len(stream.raws)
    for number in range(count):
        yield disturbed(stream, clean, number, ((at, at) for at in range(number + 1, count)))


def swaps(stream: Stream, clean: Clean) -> Iterator[Outcome]:
    """Swap each frame with its successor in turn."""
    count = len(stream.raws)
    for number in range(count - 1):
        rest = ((at, at) for at in range(number + 2, count))
        yield disturbed(stream, clean, number, chain([(number + 1, None), (number, number + 1)], rest))


def damaged(stream: Stream, clean: Clean) -> dict[str, dict[str, int]]:
    """Each frame damaged in each way: how many there were of each, how many left the book LIVE, and how many were not
    reported.
    """
    found = {}
    for name, damage in DAMAGES.items():
        counts = Counter(frames=0, live=0, unreported=0)
        for number, raw in enumerate(stream.raws):
            reader = Reader(stream.topic)
            if snapshot := stream.snapshots[number]:
                reader.receive(snapshot)
                assert reader.shown() == clean.shown[number - 1]
            reader.receive(damage(raw))
            counts.update(frames=1, live=reader.book.state is BookState.LIVE, unreported=reader.error is None)
        found[name] = dict(counts)
    return found


class Examined(NamedTuple):
    """All disturbances of one topic; ``on_one`` of two lines, with the lossy line first, and second."""

    stream: Stream
    removed: list[Outcome]
    swapped: list[Outcome]
    on_one: list[list[two_lines.Outcome]]
    damaged: dict[str, dict[str, int]]


def examine(stream: Stream) -> Examined:
    """Each frame of a topic left out, on a line alone and on one of two, each pair swapped, and each frame damaged."""
    clean = clean_run(stream)
    on_one = [
        [two_lines.lost_on_one(stream, clean, number, first) for number in range(len(stream.raws))]
        for first in (two_lines.LOSSY, two_lines.WHOLE)
    ]
    return Examined(stream, list(removals(stream, clean)), list(swaps(stream, clean)), on_one, damaged(stream, clean))


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """Counts of what was caught, by which error and after how many frames; the misses by kind, each by its number."""
    caught = [outcome for outcome in outcomes if outcome.error]
    misses: dict[str, list[int]] = {}
    for outcome in outcomes:
        if outcome.kind:
            misses.setdefault(outcome.kind, []).append(outcome.number)
    return {
        "disturbances": len(outcomes),
        "caught": len(caught),
        "by_error": dict(Counter(outcome.error for outcome in caught).most_common()),
        "after": dict(sorted(Counter(outcome.caught_after for outcome in caught).items())),
        "caught_after_the_proof": sum(0 < outcome.proven_after < outcome.caught_after for outcome in caught),
        "wrong_until_caught": sum(outcome.wrong for outcome in caught),
        "wrong_of_misses": dict(sorted(Counter(outcome.wrong for outcome in outcomes if outcome.kind).items())),
        "misses": dict(sorted(misses.items(), key=lambda item: -len(item[1]))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "reliability", help="folder of the results")
    arguments = parser.parse_args()
    topics = []
    for stream in recorded():
        examined = examine(stream)
        topics.append(
            {
                "recording": stream.source,
                "topic": stream.topic,
                "frames": len(stream.raws),
                "removed": summary(examined.removed),
                "swapped": summary(examined.swapped),
                "damaged": examined.damaged,
                "on_one_of_two_lines": two_lines.summary(
                    [outcome for outcomes in examined.on_one for outcome in outcomes],
                    {outcome.number for outcome in examined.removed if outcome.kind},
                    {outcome.number for outcome in examined.removed if outcome.kind and outcome.wrong},
                ),
            }
        )
        print(f"{stream.source} {stream.topic}: {len(stream.raws)} frames")
    if not topics:
        sys.exit(f"no recordings in {folder()}; DEPTHWIRE_TAPES may name another folder")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "detection.json").write_text(compact(topics))
    (arguments.out / "detection.md").write_text(page(topics))


def compact(topics: list[dict[str, Any]]) -> str:
    """Return JSON with one line for each list of numbers."""
    return re.sub(r"(?<=\d),\n\s+(?=\d)", ", ", json.dumps(topics, indent=1)) + "\n"


if __name__ == "__main__":
    main()
