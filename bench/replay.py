"""Offline replay as in the command: a tape of the inverse recording's book frames, repeated many times."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import frames
from plan import Plan

RUNS = 3


def measure(plan: Plan) -> dict[str, Any]:
    """Return the median of frames and bytes per second on one core, or the reason why it was not measured."""
    streams = [stream for stream in frames.recorded() if stream.name.startswith("inverse")]
    if not streams:
        return {"skipped": f"no inverse recording in {frames.tapes()}"}
    raws = [raw for stream in streams for raw in (stream.snapshot, *stream.deltas)]
    times = 20 if plan.quick else 200
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "tape.frames"
        with tape.open("wb") as file:
            file.writelines(b"%d\t%s\n" % (frames.START_NS, raw) for raw in raws)
        # A tape may be older than the one before, but frames within a tape must be in order.
        command = [sys.executable, "-m", "depthwire", "replay", "--json", *[str(tape)] * times]
        reports = []
        for _ in range(RUNS):
            finished = subprocess.run(command, capture_output=True, text=True, check=True)
            reports.append(json.loads(finished.stdout))
    report = sorted(reports, key=lambda each: each["seconds"])[RUNS // 2]
    size = times * sum(map(len, raws))
    assert report["frames"] == times * len(raws), report
    return {
        "frames": report["frames"],
        "frames_per_s": round(report["frames_per_s"]),
        "gb_per_s": round(size / report["seconds"] / 1e9, 3),
        "lanes": report["lanes"],
        "skipped_frames": report["skipped"],
    }
