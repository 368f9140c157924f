"""The page of a soak."""

from collections.abc import Sequence
from typing import Any

from tests.reliability.figures import Bound

HEAD = """\
# A soak at a venue that lies

Written by `make soak`: clients of every dialect, of one line and of two, receive millions of frames from the embedded venue over
real sockets, while it loses, doubles, reorders, delays, alters, cuts and splits frames, falls silent, and ends connections at the
worst moments, all at random from a seed. At each checkpoint each LIVE book is compared, level by level by a digest, with what the
venue truly told at the book's own sequence number, update id and time; each event of trades, orders and executions must have come,
or an error must stand in its stream where it is missing.

What cannot be known is counted apart, and is not assumed but shown each time: a book that differs is "unprovable" only where the
frames that really came on its line, read by a second book that knows the protocol's rules alone and shares no code with depthwire,
break no rule and make exactly the book that is shown; of two lines, only where furthermore their books never differed at a number
that both had reached. An event is "unprovable" only where its frame was lost on that very line, or altered to another valid one.

What arrives damaged so that its reader can see it is provable, whether or not the reader can tell of which topic it was. The harness
knows the topic: from the moment the frame arrived, its book must not be LIVE until the next snapshot, right as its levels may be,
and an error must stand in its stream. A book must not be LIVE without a connection either.
"""


def page(figures: dict[str, Any], bounds: Sequence[Bound]) -> str:
    """All of it, Markdown."""
    return "\n".join([HEAD, *verdict(figures, bounds), *books(figures), *events(figures), *faults(figures)]) + "\n"


def verdict(figures: dict[str, Any], bounds: Sequence[Bound]) -> list[str]:
    """The bounds."""
    minutes, rate = figures["seconds"] / 60, figures["frames"] / figures["seconds"]
    memory = "; ".join(", ".join(f"{size / (1 << 20):.1f}" for size in sizes) for sizes in figures["memory"])
    return [
        "## What must hold\n",
        row("", "measured", "bound", "holds"),
        row("---", "--:", "---", "---"),
        *(row(bound.name, bound.value, bound.bound, "yes" if bound.holds else "**no**") for bound in bounds),
        "",
        f"Before that, {figures['warm_up']:,} frames went by to warm up; what was shown then is counted below, too.\n",
        f"{figures['clients']} clients on {figures['connections']} connections, made {figures['connects']:,} times; {minutes:.1f} minutes, "
        f"{rate:,.0f} frames a second, {figures['cpu_seconds'] / figures['frames'] * 1e6:.0f} µs of processor time a frame, the venue's "
        f"included; resident memory of each process after each tenth, garbage collected and what malloc keeps in reserve given "
        f"back first: {memory} MiB; seeds "
        f"{', '.join(map(str, figures['seeds']))}.\n",
        *([*("- " + defect for defect in figures["defects"]), ""] if figures["defects"] else []),
    ]


def books(figures: dict[str, Any]) -> list[str]:
    """What the comparisons showed."""
    names = ("right", "unprovable", "wrong", "not live")
    head = row("", "right", "unprovable", "wrong", "not LIVE", "ceased to be right by frames")
    return [
        "## Books\n",
        "Comparisons at checkpoints, of what clients show. The last column tells why: what had happened to the frames.\n",
        head,
        row("---", *["--:"] * 4, "---"),
        *(
            row(key, *(f"{counts.get(name, 0):,}" for name in names), causes(figures, key))
            for key, counts in figures["books"].items()
        ),
        "",
        "The same of the book that each line keeps on its own; of two lines, that is what a client would show that had only this one.\n",
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
    """By what had happened to the frames, how often a line's book ceased to be right."""
    counts = figures["causes"].get(key, {})
    return ", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def events(figures: dict[str, Any]) -> list[str]:
    """What became of events."""
    names = ("came", "told", "unprovable", "displaced", "lost", "altered", "again")
    causes = "; ".join(
        f"{key}: " + ", ".join(f"{kind} {count:,}" for kind, count in counts.items())
        for key, counts in figures["event_causes"].items()
        if counts
    )
    return [
        "## Events\n",
        "`told`: missing, and an error stood at their place; `unprovable`: missing, the frame having been lost or altered without a trace; "
        "`displaced`: an altered copy of one line came before the whole one of the other, and was taken for it; `altered`: came with a value that the venue never told, of a frame that a fault altered to another valid one; `again`: came twice.\n",
        row("", *names),
        row("---", *["--:"] * len(names)),
        *(row(key, *(f"{counts.get(name, 0):,}" for name in names)) for key, counts in figures["events"].items()),
        "",
        f"By which fault events are unprovable or displaced: {causes or 'none are'}.\n",
    ]


def faults(figures: dict[str, Any]) -> list[str]:
    """How often each kind happened, and what readers were told."""
    told = ", ".join(
        f"`{name}` {count:,}" for name, count in sorted(figures["errors"].items(), key=lambda item: -item[1])
    )
    traceless, seen = (
        ", ".join(f"{name} {count:,}" for name, count in sorted(figures[key].items())) for key in ("untold", "seen")
    )
    return [
        "## Faults\n",
        row("kind", "times"),
        row("---", "--:"),
        *(row(kind, f"{count:,}") for kind, count in figures["faults"].items()),
        "",
        f"Of these, those that leave no trace, by the topic of their frame: {traceless or 'none'}.\n",
        f"Those that its reader can see, as the frame arrives damaged, by the topic that it was of: {seen or 'none'}.\n",
        f"Errors told to `on_error`: {told}.",
    ]


def row(*cells: str) -> str:
    """A table's row."""
    return f"| {' | '.join(cells)} |"
