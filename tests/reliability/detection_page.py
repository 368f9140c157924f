"""The page of a detection run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

Topics = Sequence[dict[str, Any]]

HEAD = """\
# What is noticed of a frame that is lost, late or damaged

Written by `make detection` from recordings of the exchange; only the explanations are typed by hand. In every order-book topic each
single frame is left out in turn, each adjacent pair is swapped, and each frame is damaged in fourteen ways. The remaining frames pass
through the feed as if from a socket, and after every frame the book is compared with the undisturbed one. "After n frames" counts
frames of the topic: 1 is the very next one. A second book, written from the protocol's rules alone (`tests/reliability/rules.py`),
reads the same frames. If it found a broken rule that depthwire missed, the table would say "provable, and not caught".

- **v5 numbers its deltas** (`u` rises by one), so that every lost or late delta is caught by the very next frame.
- **v2's `cross_seq` has gaps even if nothing is lost.** A lost frame shows only when a later one does not fit: it updates or deletes
  a level that does not exist, inserts one that does, crosses the book, or leaves a side with fewer levels. A lost frame that changed
  only sizes leaves every level in place: nothing later can prove it, and the size is wrong until a later frame writes the same
  level again. That hole is in the protocol; a second line closes it, as the last table shows.
- **A frame that arrives damaged is a known loss**, on v2 too: it is caught at once, before any other frame arrives.
"""

WHY = {
    "it changed nothing": "the frame wrote what the book already had",
    "the next frame overwrote it": "the next frame changed everything again: no wrong book was shown",
    "the next snapshot replaced it": "the topic sends only snapshots: each replaces the one before",
    "nothing came after it": "the last frame of the recording: the next one might have proved it",
    "wrong for a while, sizes only": "sizes that were wrong until later frames wrote them again; no number proves it",
    "wrong to the end of the recording, sizes only": "the same, and the recording ended first",
    "wrong for a while, levels": "levels that came and went again before any frame changed them",
    "wrong to the end of the recording, levels": "levels too, far from the market: no frame changed them before the recording ended",
    "wrong for a while, a snapshot": "a snapshot was late, and shown until the next one",
    "wrong to the end of the recording, a snapshot": "an older snapshot was the last one",
    "provable, and not caught": "a rule was broken and depthwire did not notice: a defect",
}

BOUNDS = ((1, 1), (2, 2), (3, 5), (6, 20), (21, None))


def page(topics: Topics) -> str:
    """Return the page in Markdown."""
    return "\n".join(
        [
            HEAD,
            "## One frame left out\n",
            *section(topics, "removed"),
            "## Two frames swapped\n",
            "One connection never does this; two lines, or a relay between, may. The first of the two arrives late.\n",
            *section(topics, "swapped"),
            *of_damage(topics),
            *of_two_lines(topics),
        ]
    )


def of_damage(topics: Topics) -> Iterable[str]:
    """Yield the section about damaged frames."""
    yield "## One frame damaged\n"
    yield (
        "Each frame arrives damaged, and the next one has not arrived yet. A frame that cannot be attributed to a topic affects every topic "
        "that its readable part does not exclude, so nothing has to be proved later, on v2 either. `LIVE` counts the books that continued "
        "as if nothing had happened, `not reported` the frames without an error.\n"
    )
    yield row("what arrives", "v2 frames", "LIVE", "not reported", "v5 frames", "LIVE", "not reported")
    yield row("---", *["--:"] * 6)
    for name in topics[0]["damaged"]:
        cells = []
        for is_v5 in (False, True):
            found = [t["damaged"][name] for t in topics if t["topic"].startswith("orderbook.") is is_v5]
            cells += [sum(each[key] for each in found) for key in ("frames", "live", "unreported")]
        yield row(name, *(f"{cell:,}" for cell in cells))
    yield ""


def of_two_lines(topics: Topics) -> Iterable[str]:
    """Yield the section about two lines."""
    yield "## One frame left out on one of two lines\n"
    yield (
        "The other line brings every frame. Each loss is tried twice: with the lossy line first for every frame, and with the other line "
        "first. A loss is found if the lossy line's book becomes STALE, on its own or because the lines' books at one sequence differ. "
        "`wrong` counts the copies of frames after which the reader's book was LIVE and differed from the venue's at its sequence, `stale` "
        "those after which it was not LIVE.\n"
    )
    names = ("disturbances", "found", "missed_alone", "found_of_these", "wrong_alone", "found_of_the_wrong", "latest")
    titles = (
        "losses",
        "found",
        "missed on one line",
        "of these found",
        "wrong on one line and missed",
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
        "\nA loss that is not found left no wrong book: the next frame wrote the same levels again, or there was no next frame.\n"
    )


def section(topics: Topics, name: str) -> Iterable[str]:
    """Yield the section about one kind of disturbance: by topic, by error, by kind of miss."""
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
    """Return a row with the figures of one topic, or of several."""
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
    """Yield why frames were missed."""
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
    yield f"\nProvable by the protocol's rules and not caught: **{provable}**; caught later than provable: **{late}**.\n"
    wrong: Counter[int] = Counter()
    for topic in topics:
        wrong.update({int(frames): count for frames, count in topic[name]["wrong_of_misses"].items()})
    if any(wrong):
        lengths = sorted(frames for frames, count in wrong.items() if frames for _ in range(count))
        yield (
            f"{sum(wrong.values()) - wrong[0]:,} of the missed ones left wrong sizes, for a median of {lengths[len(lengths) // 2]:,} frames "
            f"and at most {lengths[-1]:,}. `detection.json` lists each by its number.\n"
        )


def row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"
