"""Charts of a run, as SVG."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "depthwire", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})

from matplotlib import pyplot as plt  # noqa: E402  # after its backend is chosen

Results = dict[str, Any]
OURS, OTHERS = "#0b6e4f", "#9aa5b1"


def color(name: str) -> str:
    return OURS if name.startswith("depthwire") else OTHERS


def frames(results: Results) -> Any:
    """The recording of each dialect whose frames are the largest."""
    rows = results["frames"]["rows"]
    chosen = [
        max((row for row in rows if row["dialect"] == dialect and row["recorded"]), key=lambda row: row["mean_bytes"])
        for dialect in ("v2", "v5")
        if any(row["dialect"] == dialect and row["recorded"] for row in rows)
    ] or rows[:1]
    figure, axes = plt.subplots(1, len(chosen), figsize=(5 * len(chosen), 3.5), squeeze=False)
    for axis, row in zip(axes[0], chosen, strict=True):
        bars = sorted(row["ns_per_frame"].items(), key=lambda item: -item[1])
        drawn = axis.barh([name for name, _ in bars], [ns for _, ns in bars], color=[color(name) for name, _ in bars])
        axis.bar_label(drawn, fmt="{:,.0f}", padding=2)
        axis.set_xscale("log")
        axis.margins(x=0.2)
        axis.set_title(row["stream"], fontsize=9)
        axis.set_xlabel("ns per frame (log)")
    return figure


def operations(results: Results) -> Any:
    """Each kind of change at the top, by depth."""
    rows = [row for row in results["operations"]["rows"] if row["place"] in ("top", "middle")]
    panels = list(dict.fromkeys((row["kind"], row["place"]) for row in rows))
    figure, axes = plt.subplots(2, len(panels) // 2, figsize=(10, 5), sharex=True, sharey=True)
    for axis, panel in zip(axes.T.flat, panels, strict=True):
        mine = [row for row in rows if (row["kind"], row["place"]) == panel]
        for name in mine[0]["ns"]:
            style = {"color": OURS} if name == "depthwire" else {"linestyle": "--"}
            axis.plot(
                [row["levels"] for row in mine], [row["ns"][name] for row in mine], marker="o", label=name, **style
            )
        axis.set(xscale="log", yscale="log", title=" ".join(panel))
    axes.flat[0].legend()
    figure.supxlabel("levels")
    figure.supylabel("ns")
    return figure


def wire(results: Results) -> Any:
    """Percentiles at each rate, plain."""
    rows = [row for row in results["wire"]["latency_us"] if row["connection"] == "plain"]
    rates = sorted({row["frames_per_s"] for row in rows})
    labels = "p50", "p90", "p99", "p99.9", "max"
    figure, axes = plt.subplots(1, len(rates), figsize=(11, 3.5), sharey=True, squeeze=False)
    for axis, rate in zip(axes[0], rates, strict=True):
        for row in (row for row in rows if row["frames_per_s"] == rate):
            style = {"linewidth": 2.5} if row["receiver"].startswith("depthwire") else {"linestyle": "--"}
            axis.plot(labels, [row[label] for label in labels], marker="o", label=row["receiver"], **style)
        axis.set(yscale="log", title=f"{rate:,} frames/s")
    axes[0][0].set_ylabel("µs, one way")
    axes[0][0].legend(fontsize=7)
    return figure


def topics(results: Results) -> Any:
    """Cost per frame by topics."""
    rows = results["scale"]["topics"]
    figure, axis = plt.subplots(figsize=(5, 3))
    for lane in dict.fromkeys(row["lane"] for row in rows):
        mine = [row for row in rows if row["lane"] == lane]
        axis.plot([row["topics"] for row in mine], [row["ns_per_frame"] for row in mine], marker="o", label=lane)
    axis.set(xscale="log", xlabel="topics on one connection", ylabel="ns per frame", ylim=(0, None))
    axis.legend()
    return figure


CHARTS: dict[str, tuple[str, Callable[[Results], Any]]] = {
    "frame-to-book": ("frames", frames),
    "one-operation": ("operations", operations),
    "wire-to-book": ("wire", wire),
    "topics": ("scale", topics),
}


def draw(results: Results, folder: Path) -> list[str]:
    """Write the charts of the parts that were measured; returns their names."""
    drawn = []
    for name, (part, chart) in CHARTS.items():
        if results.get(part):
            figure = chart(results)
            figure.tight_layout()
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)
            drawn.append(name)
    return drawn
