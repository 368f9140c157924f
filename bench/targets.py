"""The targets, each computed from a run: the limit, the measured value, and whether it is met."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from frame_to_book import DECODE, MSGSPEC, ORDER_BOOK, PYBIT_V2, PYBIT_V5, SCANNER, YARDSTICK
from wire_to_book import BUSY, DEPTHWIRE, PICOWS, PYBIT

Results = dict[str, Any]
WIRE_RATE = 2_000  # frames per second, about as many as the topics of a busy day


class Target(NamedTuple):
    """A target; ``reached`` is None if this run did not measure it."""

    what: str
    wanted: str
    reached: str | None
    met: bool


def targets(results: Results) -> list[Target]:
    return [
        *frame_targets(results),
        *replay_targets(results.get("scale", {}).get("replay", {})),
        *wire_targets(results),
        *read_targets(results.get("reads", {})),
        *scale_targets(results.get("scale", {})),
    ]


def at_most(what: str, limit: float, value: float | None, wanted: str = "", unit: str = "", note: str = "") -> Target:
    """Return a target that a value must not exceed."""
    wanted = f"≤ {wanted or f'{limit:g}{unit}'}"
    if value is None:
        return Target(what, wanted, None, False)
    shown = f"1/{1 / value:.1f}" if "1/" in wanted and value > 0 else f"{value:.3g}{unit}"
    return Target(what, wanted, shown + note, value <= limit)


def at_least(what: str, limit: float, value: float | None, unit: str) -> Target:
    """Return a target that a value must reach."""
    if value is None:
        return Target(what, f"≥ {limit:g}{unit}", None, False)
    return Target(what, f"≥ {limit:g}{unit}", f"{value:.3g}{unit}", value >= limit)


def frame_targets(results: Results) -> Iterator[Target]:
    """Yield the targets of frames, for which the worst recording counts."""
    for what, lane, other, dialects, limit, wanted in (
        ("scanner lane / C++ yardstick, each recording", SCANNER, YARDSTICK, ("v2", "v5"), 0.5, ""),
        ("msgspec lane / msgspec decode alone", MSGSPEC, DECODE, ("v2", "v5"), 1.25, ""),
        ("scanner lane / order-book (C) with msgspec, v2", SCANNER, ORDER_BOOK, ("v2",), 1 / 8, "1/8"),
        ("scanner lane / order-book (C) with msgspec, v5", SCANNER, ORDER_BOOK, ("v5",), 1 / 15, "1/15"),
        ("scanner lane / pybit 1.3.6, v2", SCANNER, PYBIT_V2, ("v2",), 1 / 60, "1/60"),
        ("scanner lane / pybit 5.17, v5", SCANNER, PYBIT_V5, ("v5",), 1 / 400, "1/400"),
    ):
        rows = [
            row for row in results.get("frames", {}).get("rows", []) if row["recorded"] and row["dialect"] in dialects
        ]
        found = [(row["ratios"][lane][other], row["stream"]) for row in rows if other in row["ratios"].get(lane, {})]
        worst, stream = max(found, default=(None, ""))
        reaching = sum(ratio <= limit for ratio, _ in found)
        note = f" ({stream}); {reaching} of {len(rows)} recordings reach it"
        target = at_most(what, limit, worst, wanted, note=note)
        # A recording on which one of the two could not be measured does not meet the target.
        yield target._replace(met=target.met and len(found) == len(rows))


def replay_targets(replay: Results) -> Iterator[Target]:
    rate = replay.get("frames_per_s")
    yield at_least("replay, inverse recording, one core", 8, rate and rate / 1e6, " million frames/s")
    yield at_least("replay, inverse recording, one core", 2.5, replay.get("gb_per_s"), " GB/s of frames")


def wire_targets(results: Results) -> Iterator[Target]:
    rows = {
        (row["connection"], row["frames_per_s"], row["receiver"]): row
        for row in results.get("wire", {}).get("latency_us", [])
    }

    def over(percentile: str, other: str) -> float | None:
        mine, base = (rows.get(("plain", WIRE_RATE, name)) for name in (DEPTHWIRE + BUSY, other))
        return mine[percentile] / base[percentile] if mine and base else None

    rate = f"{WIRE_RATE:,} frames/s"
    yield at_most(f"wire to book p50 at {rate}, busy poll / picows alone, busy poll", 1.1, over("p50", PICOWS + BUSY))
    yield at_most(f"wire to book p99 at {rate}, busy poll / picows alone, busy poll", 1.2, over("p99", PICOWS + BUSY))
    yield at_most(f"wire to book p50 at {rate}, busy poll / pybit 1.3.6", 1 / 15, over("p50", PYBIT), "1/15")


def read_targets(reads: Results) -> Iterator[Target]:
    yield at_most("`book.best_bid` from Python", 60, reads.get("best_bid_python_ns"), unit=" ns")
    yield at_most("`book.best_price(0)` from Cython", 5, reads.get("best_price_cython_ns"), unit=" ns")


def scale_targets(scale: Results) -> Iterator[Target]:
    over = [row["over_one"] for row in scale.get("topics", []) if (row["lane"], row["topics"]) == ("scanner", 1000)]
    yield at_most("scanner lane, cost per frame at 1,000 topics / at 1", 1.3, over[0] if over else None)
    yield at_most(
        "a 200-level book, all included", 16, scale.get("memory", {}).get("kib_per_book", {}).get("200"), unit=" KiB"
    )
    counts = [row["per_frame"]["scanner"] for row in scale.get("allocations", [])]
    yield at_most("allocations per frame on the scanner lane", 0, max(counts, default=None))
    imports = scale.get("imports", {})
    yield at_most("`import depthwire`", 100, imports.get("ms", {}).get("depthwire"), unit=" ms")
    yield at_most("`import depthwire` / importing numpy, msgspec and picows", 1.5, imports.get("ratio"))
