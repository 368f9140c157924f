"""Allocations while a frame is applied to a book, counted in front of Python's allocators."""

import tempfile
from pathlib import Path
from typing import Any

import frames
from compiled import build, load
from offline import feed, restart


def measure() -> list[dict[str, Any]]:
    """Return the allocations per frame, by stream and lane."""
    with tempfile.TemporaryDirectory() as folder:
        loops = load(build(Path(folder)))
    rows = []
    for stream in frames.streams():
        per_frame = {}
        for lane in "scanner", "msgspec":
            channel, path = stream.channel(scanner=lane == "scanner"), feed()
            path.channels.add(channel)
            raws = [stream.snapshot, *stream.deltas]
            loops.receive(path, raws)  # after growth that happens once
            restart(path, stream.snapshot)
            per_frame[lane] = loops.allocations_of(path, stream.deltas) / len(stream.deltas)
        rows.append({"stream": stream.name, "per_frame": per_frame})
    return rows
