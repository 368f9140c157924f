"""The page of a detection run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

Topics = Sequence[dict[str, Any]]

HEAD = """\
# What is noticed of a frame that is lost, late or damaged

Written by `make detection`, from recordings of the exchange: nothing on this page is typed by hand but its explanations.
Of every order-book topic each single frame is left out in turn, each adjacent pair is swapped, and each frame is damaged in
fourteen ways; what remains goes through the feed as from a socket, and the book is compared with the undisturbed one after every frame. "After n frames" counts frames of
the topic: 1 is the very next one. Beside depthwire's book runs a second one, written from the protocol's rules alone
(`tests/reliability/rules.py`); where it finds a rule broken and depthwire goes on, the table would say "provable, and not caught".

- **v5 numbers its deltas** (`u` is one more each time), so that every lost or late delta is caught by the very next frame.
- **v2's `cross_seq` has gaps of its own.** A lost frame shows only in what the later ones do to a book that lacks it: a level
  updated or deleted that does not stand, one inserted that does, a crossed book, a side that is no longer full. A lost frame of sizes
  alone leaves every level where it was: nothing that comes later can prove it, and until a later frame writes the same level
  again its size is wrong. That hole is the protocol's; a second line closes it, which the last table shows.
- **A frame that arrives damaged is a known loss**, on v2 too: it is caught at once, before any other frame comes.
"""

WHY = {
    "it changed nothing": "the frame wrote what stood there already",
    "the next frame wrote over it": "all that it changed was changed again by the next frame: no wrong book was shown",
    "the next snapshot said it all": "the topic sends snapshots alone: each replaces the one before",
    "nothing came behind it": "the last frame of the recording: the next one might have told",
    "wrong for a while, sizes alone": "sizes that were wrong until later frames wrote them again; no number tells",
    "wrong to the end of the recording, sizes alone": "the same, and the recording ended first",
    "wrong for a while, levels": "levels that came and went again before any frame touched them",
    "wrong to the end of the recording, levels": "levels too, far from the market: no frame touched them before the recording ended",
    "wrong for a while, a snapshot": "a snapshot is taken for what it says it is; this one was late, and shown until the next",
    "wrong to the end of the recording, a snapshot": "an older snapshot was the last one",
    "provable, and not caught": "a rule was broken and depthwire went on: a defect",
}

BOUNDS = ((1, 1), (2, 2), (3, 5), (6, 20), (21, None))


def page(topics: Topics) -> str:
    """All of it, Markdown."""
    return "\n".join(
        [
            HEAD,
            "## One frame left out\n",
            *section(topics, "removed"),
            "## Two frames swapped\n",
            "One connection never does this; two lines, or whatever stands between, may. The first of the two comes late.\n",
            *section(topics, "swapped"),
            *of_damage(topics),
            *of_two_lines(topics),
        ]
    )


def of_damage(topics: Topics) -> Iterable[str]:
    """What is noticed of a frame that arrives damaged."""
    yield "## One frame damaged\n"
    yield (
        "Each frame arrives as something else, and the next one has not come yet. A frame that arrived and cannot be attributed to a topic "
        "costs every topic that its readable part does not exclude: there is nothing to be proved later, on v2 either. `LIVE` counts the "
        "books that went on as if nothing had happened, `not reported` the frames without an error.\n"
    )
    yield row("what arrives", "v2 frames", "LIVE", "not reported", "v5 frames", "LIVE", "not reported")
    yield row("---", *["--:"] * 6)
    for name in topics[0]["damaged"]:
        cells = []
        for is_v5 in (False, True):
            found = [t["damaged"][name] for t in topics if t["topic"].startswith("orderbook.") is is_v5]
            cells += [sum(each[key] for each in found) for key in ("frames", "live", "untold")]
        yield row(name, *(f"{cell:,}" for cell in cells))
    yield ""


def of_two_lines(topics: Topics) -> Iterable[str]:
    """What the second line makes up for."""
    yield "## One frame left out on one of two lines\n"
    yield (
        "The other line brings every frame. Each loss is tried twice: with every frame first on the line that loses one, and with every "
        "frame first on the other. A loss is found where the lossy line's book becomes STALE, by itself or because the lines' books of one "
        "sequence differ; `wrong` counts the copies of frames after which the reader's book was LIVE and not the venue's at its sequence, "
        "`stale` those after which it was not LIVE.\n"
    )
    names = ("disturbances", "found", "missed_alone", "found_of_these", "wrong_alone", "found_of_the_wrong", "latest")
    titles = (
        "losses",
        "found",
        "missed on one line",
        "of these found",
        "wrong on one line, and missed",
        "of these found",
        "latest after",
    )
    yield row("", *titles, "wrong", "stale")
    yield row("---", *["--:"] * (len(titles) + 2))
    for dialect, is_v5 in (("v2", False), ("v5", True)):
        found = [topic["on_one_of_two_lines"] for topic in topics if topic["topic"].startswith("orderbook.") is is_v5]
        cells = [
            max((each[name] for each in found), default=0) if name == "latest" else sum(each[name] for each in found)
            for name in names
        ]
        wrong = sum(each["wrong"] + each["wrong_between"] for each in found)
        cells += [wrong, sum(each["stale"] for each in found)]
        yield row(dialect, *(f"{cell:,}" for cell in cells))
    yield (
        "\nWhat is not found has left no wrong book for the next frame to meet: it changed what the next frame wrote again, or nothing came "
        "behind it.\n"
    )


def section(topics: Topics, name: str) -> Iterable[str]:
    """One kind of disturbance: by topic, by error, by kind of miss."""
    spans = [f"{low}" if low == high else f"{low} to {high}" if high else f"over {low - 1}" for low, high in BOUNDS]
    yield row(
        "recording", "topic", name, "caught", *(f"after {span}" for span in spans), "wrong books until then", "missed"
    )
    yield row("---", "---", *["--:"] * (5 + len(spans)))
    for topic in topics:
        yield line(topic["recording"], topic["topic"], [topic[name]])
    for dialect, is_v5 in (("v2", False), ("v5", True)):
        found = [topic[name] for topic in topics if topic["topic"].startswith("orderbook.") is is_v5]
        yield line(f"**all {dialect}**", "", found)
    yield ""
    errors: Counter[str] = Counter()
    for topic in topics:
        errors.update(topic[name]["by_error"])
    yield "Caught by: " + ", ".join(f"`{error}` {count:,}" for error, count in errors.most_common()) + ".\n"
    yield from misses(topics, name)


def line(recording: str, topic: str, found: Sequence[dict[str, Any]]) -> str:
    """The figures of one topic, or of several."""
    total, caught = (sum(each[key] for each in found) for key in ("disturbances", "caught"))
    after: Counter[int] = Counter()
    for each in found:
        after.update({int(frames): count for frames, count in each["after"].items()})
    spans = [
        sum(count for frames, count in after.items() if low <= frames and (high is None or frames <= high))
        for low, high in BOUNDS
    ]
    share = f"{caught:,} ({caught / total:.1%})" if total else "0"
    wrong = sum(each["wrong_until_caught"] for each in found)
    name = f"`{topic}`" if topic else ""
    return row(
        recording, name, f"{total:,}", share, *(f"{count:,}" for count in spans), f"{wrong:,}", f"{total - caught:,}"
    )


def misses(topics: Topics, name: str) -> Iterable[str]:
    """Why what was missed was missed."""
    counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    for topic in topics:
        for kind, numbers in topic[name]["misses"].items():
            counts[topic["topic"].startswith("orderbook.")][kind] += len(numbers)
    kinds = counts[False] + counts[True]
    if not kinds:
        yield "Nothing was missed.\n"
        return
    yield row("missed", "v2", "v5", "why")
    yield row("---", "--:", "--:", "---")
    for kind, _ in kinds.most_common():
        yield row(kind, f"{counts[False][kind]:,}", f"{counts[True][kind]:,}", WHY[kind])
    late = sum(topic[name]["caught_after_the_proof"] for topic in topics)
    provable = kinds["provable, and not caught"]
    yield f"\nProvable by the protocol's rules and not caught: **{provable}**; caught later than they prove it: **{late}**.\n"
    wrong: Counter[int] = Counter()
    for topic in topics:
        wrong.update({int(frames): count for frames, count in topic[name]["wrong_of_misses"].items()})
    if any(wrong):
        lengths = sorted(frames for frames, count in wrong.items() if frames for _ in range(count))
        yield (
            f"Of the missed ones {sum(wrong.values()) - wrong[0]:,} showed wrong sizes, for {lengths[len(lengths) // 2]:,} frames in the "
            f"median and {lengths[-1]:,} at most. `detection.json` lists each by its number.\n"
        )


def row(*cells: str) -> str:
    """A table's row."""
    return f"| {' | '.join(cells)} |"
