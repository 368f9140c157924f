"""The page of a soak."""

from collections.abc import Sequence
from typing import Any

from tests.reliability.figures import Bound

HEAD = """\
# A soak with fault injection

Written by `make soak`. Clients of every dialect, with one line and with two, receive millions of frames from the embedded venue
over real sockets. Meanwhile the venue loses, duplicates, reorders, delays, alters, cuts and splits frames, falls silent, and ends
connections at the worst moments, all at random from a seed. At each checkpoint every LIVE book is compared, level by level by a
digest, with what the venue really sent at the book's own sequence number, update id and time. Each event of trades, orders and
executions must have arrived, or its stream must have an error in its place.

What the protocol cannot prove is counted separately, and verified each time instead of assumed. A book that differs is
"unprovable" only if the frames that arrived on its line break no rule and give exactly the book that is shown. A second book,
which knows only the protocol's rules and shares no code with depthwire, checks that. With two lines their books must also
never have differed at a sequence number that both had reached. An event is "unprovable" only if its frame was lost on that line, or
altered into another valid one.

Damage that the reader can see is provable, even if the reader cannot tell which topic the frame belonged to. The harness knows the
topic: from the moment the frame arrived, its book must not be LIVE until the next snapshot, even if its levels are right, and its
stream must have an error. A book must not be LIVE without a connection either.
"""


def page(figures: dict[str, Any], bounds: Sequence[Bound]) -> str:
    """Return the page in Markdown."""
    return "\n".join([HEAD, *verdict(figures, bounds), *books(figures), *events(figures), *faults(figures)]) + "\n"


def verdict(figures: dict[str, Any], bounds: Sequence[Bound]) -> list[str]:
    """Return the table of bounds."""
    minutes, rate = figures["seconds"] / 60, figures["frames"] / figures["seconds"]
    memory = "; ".join(", ".join(f"{size / (1 << 20):.1f}" for size in sizes) for sizes in figures["memory"])
    return [
        "## What must hold\n",
        row("", "measured", "bound", "holds"),
        row("---", "--:", "---", "---"),
        *(row(bound.name, bound.value, bound.bound, "yes" if bound.holds else "**no**") for bound in bounds),
        "",
        f"{figures['warm_up']:,} frames before that warmed up the processes; the tables below count them, too.\n",
        f"{figures['clients']} clients on {figures['connections']} connections, opened {figures['connects']:,} times; {minutes:.1f} minutes, "
        f"{rate:,.0f} frames per second, {figures['cpu_seconds'] / figures['frames'] * 1e6:.0f} µs of processor time per frame, the "
        f"venue included; resident memory of each process after each tenth, after a garbage collection and after returning malloc's "
        f"reserves: {memory} MiB; seeds "
        f"{', '.join(map(str, figures['seeds']))}.\n",
        *([*("- " + defect for defect in figures["defects"]), ""] if figures["defects"] else []),
    ]


def books(figures: dict[str, Any]) -> list[str]:
    """Return the tables of the comparisons."""
    names = ("right", "unprovable", "wrong", "not live")
    head = row("", "right", "unprovable", "wrong", "not LIVE", "frames before it became wrong")
    return [
        "## Books\n",
        "Comparisons of what clients show, at checkpoints. The last column says what had happened to the frames before a book became wrong.\n",
        head,
        row("---", *["--:"] * 4, "---"),
        *(
            row(key, *(f"{counts.get(name, 0):,}" for name in names), causes(figures, key))
            for key, counts in figures["books"].items()
        ),
        "",
        "The same for the separate book of each of two lines, which is what a client with only that line would show.\n",
        row("", "right", "unprovable", "wrong", "not LIVE"),
        row("---", *["--:"] * 4),
        *(
            row(key, *(f"{counts.get(name, 0):,}" for name in names))
            for key, counts in figures["line_books"].items()
            if "two lines" in key
        ),
        "",
    ]


def causes(figures: dict[str, Any], key: str) -> str:
    """Return how often a line's book became wrong, by what had happened to the frames."""
    counts = figures["causes"].get(key, {})
    return ", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def events(figures: dict[str, Any]) -> list[str]:
    """Return the table of events."""
    names = ("came", "reported", "unprovable", "displaced", "lost", "altered", "again")
    causes = "; ".join(
        f"{key}: " + ", ".join(f"{kind} {count:,}" for kind, count in counts.items())
        for key, counts in figures["event_causes"].items()
        if counts
    )
    return [
        "## Events\n",
        "`came`: arrived; `reported`: missing, with an error in their place; `unprovable`: missing, because the frame was lost or altered "
        "without a trace; `displaced`: an altered copy from one line arrived before the intact one from the other, and was taken for it; "
        "`altered`: arrived with a value that the venue never sent, because a fault altered the frame into another valid one; `again`: arrived "
        "twice.\n",
        row("", *names),
        row("---", *["--:"] * len(names)),
        *(row(key, *(f"{counts.get(name, 0):,}" for name in names)) for key, counts in figures["events"].items()),
        "",
        f"Faults that made events unprovable or displaced: {causes or 'none'}.\n",
    ]


def faults(figures: dict[str, Any]) -> list[str]:
    """Return how often each kind of fault happened, and which errors were reported."""
    reported = ", ".join(
        f"`{name}` {count:,}" for name, count in sorted(figures["errors"].items(), key=lambda item: -item[1])
    )
    traceless, seen = (
        ", ".join(f"{name} {count:,}" for name, count in sorted(figures[key].items())) for key in ("traceless", "seen")
    )
    return [
        "## Faults\n",
        row("kind", "times"),
        row("---", "--:"),
        *(row(kind, f"{count:,}") for kind, count in figures["faults"].items()),
        "",
        f"Faults that left no trace, by the topic of their frame: {traceless or 'none'}.\n",
        f"Faults that the reader can see, because the frame arrives damaged, by its topic: {seen or 'none'}.\n",
        f"Errors reported to `on_error`: {reported}.",
    ]


def row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"
