"""The combined figures of all processes of a soak, and the bounds that they must meet."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tests.reliability.book_reader import WRONG

MEMORY_GROWTH: Final = 0.05
TOPICS: Final = 50
SUMS: Final = ("frames", "warm_up", "clients", "connections", "connects", "seconds", "cpu_seconds")
COUNTS: Final = ("faults", "traceless", "seen", "errors")
NAMED_COUNTS: Final = ("books", "line_books", "causes", "events", "event_causes")


class Bound(NamedTuple):
    """One bound, and whether the run meets it."""

    name: str
    value: str
    bound: str
    holds: bool


def combined(shards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of all processes as one; ``memory`` has the size of each after each tenth of its checkpoints."""
    figures: dict[str, Any] = {name: sum(shard[name] for shard in shards) for name in SUMS}
    figures["seconds"] = max(shard["seconds"] for shard in shards)
    figures["checkpoints"] = min(shard["checkpoints"] for shard in shards)
    figures["topics"] = min(shard["topics"] for shard in shards)
    for name in COUNTS:
        figures[name] = dict(sum((Counter(shard[name]) for shard in shards), Counter()))
    for name in NAMED_COUNTS:
        keys = dict.fromkeys(key for shard in shards for key in shard[name])
        figures[name] = {
            key: dict(sum((Counter(shard[name].get(key, {})) for shard in shards), Counter())) for key in keys
        }
    figures["memory"] = [shard["memory"] for shard in shards]
    figures["seeds"] = [shard["seed"] for shard in shards]
    figures["defects"] = [text for shard in shards for text in shard["defects"]]
    return figures


def total(counts: dict[str, dict[str, int]], name: str) -> int:
    """Return the sum of one count."""
    return sum(each.get(name, 0) for each in counts.values())


def bounds_of(figures: dict[str, Any], *, frames: int, checkpoints: int, each_fault: int) -> list[Bound]:
    """Return the bounds of a run of this size."""
    books, events, faults = figures["books"], figures["events"], figures["faults"]
    compared = sum(sum(counts.values()) for counts in books.values()) - total(books, "not live")
    rarest = min(faults, key=lambda kind: faults[kind])
    wrong = total(books, WRONG) + total(figures["line_books"], WRONG)
    growths = [sizes[-1] / sizes[0] - 1 for sizes in figures["memory"] if len(sizes) > 1]
    lost = total(events, "lost")
    return [
        Bound("frames received", f"{figures['frames']:,}", f"at least {frames:,}", figures["frames"] >= frames),
        Bound("topics", str(figures["topics"]), f"at least {TOPICS}", figures["topics"] >= TOPICS),
        Bound(
            "checkpoints of each process",
            f"{figures['checkpoints']:,}",
            f"at least {checkpoints:,}",
            figures["checkpoints"] >= checkpoints,
        ),
        Bound("LIVE books compared", f"{compared:,}", "at least one", compared > 0),
        Bound("wrong books served as LIVE, except unprovable ones", f"{wrong:,}", "0", wrong == 0),
        Bound("events lost without a gap or error, except unprovable ones", f"{lost:,}", "0", lost == 0),
        Bound(
            "memory growth after the first tenth",
            ", ".join(f"{growth:+.1%}" for growth in growths) or "not measured",
            f"at most {MEMORY_GROWTH:+.0%} in each process",
            len(growths) == len(figures["memory"]) and max(growths) <= MEMORY_GROWTH,
        ),
        Bound(
            "faults of the rarest kind",
            f"{faults[rarest]:,} ({rarest})",
            f"at least {each_fault:,}",
            faults[rarest] >= each_fault,
        ),
    ]
