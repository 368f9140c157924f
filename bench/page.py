"""The Markdown page of a run."""

from collections.abc import Iterable, Sequence
from typing import Any

from frame_to_book import MSGSPEC, SCANNER
from targets import targets

Results = dict[str, Any]

HEAD = """\
# Benchmarks

Written by `make bench`, which measures everything below in one run on one machine. Before you read the numbers:

- **They are not your machine's.** Ratios between contenders that took turns in the same run carry over; nanoseconds
  do not.
- **They do not include the network.** A frame that has crossed an ocean is milliseconds old; wire to book is loopback.
- **Frames differ.** Cost grows with the changes in a frame; recordings of quiet symbols do not show a crash.
- **Caches are warm.** A contender replays one stream for a while before the next takes its turn. In a process that does
  other work between frames every contender is slower, and those that touch less memory lose less.
- **Contenders do different work.** depthwire checks each frame against the book (sequence, depth, crossing, each price
  against its id) and rolls it back if it does not fit; the yardstick and most of the others do not check. Those with
  callbacks, copies and histories pay for what they offer beyond a book.
- **A contender that is used wrongly would look slow.** Each runs the handler that its users run; `bench/peers` shows
  which. Its time counts only if it ends each stream with the same best bid and ask as the others, and the same sizes.
- **Some contenders are missing.** Those that could not be installed are listed with the reason.
"""

FRAMES = """\
## Frame to book

From a frame's bytes in memory to an updated book, called from Python (except the C++ yardstick), in ns per delta:
medians of rounds in which all contenders took turns, in processor time of their thread. `msgspec decode alone` makes
typed messages and no book. The yardstick, `bench/yardstick`, is simdjson On-Demand with sorted vectors, in C++17 at
`-O3 -march=native`; depthwire is compiled for any processor of the platform, like its wheels.
"""

OPERATIONS = """\
## One operation

In ns, called from Python, including the loop's own time, on one side of a book with the given number of levels (± 4).
Keys are integers.
"""

WIRE = """\
## Wire to book

One-way latency over loopback in µs: from the time at which a sender in another process should send a frame to the time
at which the receiver's user gets it. If there are two CPUs, each process is pinned to one. The sender keeps its
schedule even if the receiver does not keep up, and latency is measured from the schedule, which corrects for
coordinated omission. HdrHistogram, 3 digits. Receivers named `alone` keep no book.
"""


def page(results: Results, charts: Sequence[str]) -> str:
    sections = [
        HEAD,
        f"Machine: {', '.join((results['machine'], *results['peers']))}.\n",
        *([QUICK] if results["quick"] else []),
        goals(results),
    ]
    if "frames" in results:
        sections += [FRAMES, frames(results["frames"])]
    if "operations" in results:
        sections += [OPERATIONS, operations(results["operations"])]
    if "wire" in results:
        sections += [WIRE, wire(results["wire"])]
    if "scale" in results:
        sections.append(scale(results["scale"]))
    sections += [f"![{name}]({name}.svg)\n" for name in charts]
    sections.append(f"All numbers: [results.json](results.json). Seconds by part: {results['seconds']}.\n")
    return "\n".join(sections)


QUICK = "**A quick run, which only checks that everything works. Its numbers are not reliable.**\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table, with numbers aligned right and the first column left."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def goals(results: Results) -> str:
    rows = [
        (
            goal.what,
            goal.wanted,
            goal.reached or "not measured",
            {True: "yes", False: "**no**"}[goal.met] if goal.reached else "",
        )
        for goal in targets(results)
    ]
    return "## Targets\n\n" + table(("what", "target", "measured", "met"), rows)


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def skipped(reasons: dict[str, str]) -> str:
    return "".join(f"\nNot measured: {name}: {reason}\n" for name, reason in reasons.items())


def frames(part: Results) -> str:
    rows = part["rows"]
    names = list(dict.fromkeys(name for row in rows for name in row["ns_per_frame"]))
    body = []
    for dialect in "v2", "v5":
        mine = [row for row in rows if row["dialect"] == dialect]
        shown = [name for name in names if any(name in row["ns_per_frame"] for row in mine)]
        if not mine:
            continue
        body.append(
            table(
                (f"{dialect}: frames", "bytes", *shown),
                [
                    (row["stream"], row["mean_bytes"], *(number(row["ns_per_frame"].get(name)) for name in shown))
                    for row in mine
                ],
            )
        )
        others = [name for name in shown if name not in (SCANNER, MSGSPEC)]
        body.append(
            table(
                (f"{dialect}: times the scanner lane", MSGSPEC, *others),
                [
                    (row["stream"], *(times(row["ratios"].get(SCANNER, {}).get(name)) for name in (MSGSPEC, *others)))
                    for row in mine
                ],
            )
        )
    unable = {
        f"{row['stream']}, {name}": reason
        for row in rows
        for name, reason in row["unable"].items()
        if "Unspoken" not in reason
    }
    return "\n".join(body) + skipped(part["skipped"] | unable)


def times(ratio: float | None) -> str:
    return "" if not ratio else f"{1 / ratio:,.0f}" if ratio < 0.1 else f"{1 / ratio:.1f}"


def operations(part: Results) -> str:
    names = list(part["rows"][0]["ns"])
    levels = sorted({row["levels"] for row in part["rows"]})
    cells = {(row["kind"], row["place"], row["levels"]): row["ns"] for row in part["rows"]}
    body = [
        (f"{kind} {place}".strip(), name, *(number(cells[kind, place, level].get(name)) for level in levels))
        for kind, place in dict.fromkeys((row["kind"], row["place"]) for row in part["rows"])
        for name in names
    ]
    return table(("operation", "contender", *(f"{level:,} levels" for level in levels)), body) + skipped(
        part["skipped"]
    )


def wire(part: Results) -> str:
    labels = "p50", "p90", "p99", "p99.9", "max"
    rows = sorted(part["latency_us"], key=lambda row: (row["connection"], row["frames_per_s"], row["p50"]))
    latencies = table(
        ("connection", "frames/s", "receiver", *labels),
        [
            (row["connection"], f"{row['frames_per_s']:,}", row["receiver"], *(number(row[label]) for label in labels))
            for row in rows
        ],
    )
    bursts = table(
        ("burst", "receiver", "frames at once", "ms until the last is in", "µs a frame"),
        [
            (
                row["connection"],
                row["receiver"],
                f"{row['frames']:,}",
                row["ms"],
                number(row["ms"] * 1e3 / row["frames"]),
            )
            for row in sorted(part["burst"], key=lambda row: (row["connection"], row["ms"]))
        ],
    )
    return f"{latencies}\n{bursts}{skipped(part['skipped'])}"


def scale(part: Results) -> str:
    topics = table(
        ("topics on one connection", "lane", "ns per frame", "times one topic's"),
        [(f"{row['topics']:,}", row["lane"], number(row["ns_per_frame"]), row["over_one"]) for row in part["topics"]],
    )
    lanes = list(part["allocations"][0]["per_frame"])
    asked = table(
        ("allocations per frame", *lanes),
        [(row["stream"], *(f"{row['per_frame'][lane]:.1f}" for lane in lanes)) for row in part["allocations"]],
    )
    memory, replay, imports = part["memory"], part["replay"], part["imports"]
    facts = [
        f"- memory of a book of {depth} levels per side, including channel, scanner and routes: {kib:.1f} KiB"
        for depth, kib in memory.get("kib_per_book", {}).items()
    ]
    facts += [f"- importing {what}: {ms:.0f} ms" for what, ms in imports["ms"].items()]
    if "skipped" not in replay:
        facts.append(
            f"- `depthwire replay` of the inverse recording's book frames: {replay['frames_per_s'] / 1e6:.2f} million "
            f"frames/s, {replay['gb_per_s']:.2f} GB/s, on one core; frames by lane {replay['lanes']}"
        )
    reasons = {name: part[name]["skipped"] for name in ("memory", "replay") if "skipped" in part[name]}
    return "\n".join(["## Scale\n", topics, asked, *facts, skipped(reasons)])
