"""One contender in a separate process, which measures on request: ``python worker.py KIND MODULE FILE``.

Runs in any contender's environment, so it needs nothing but Python. First one line per case, ``top …`` (what the book
ends with), ``ok`` or ``cannot …``; then, for each line ``CASE BUDGET_NS`` on stdin, the median ns per item of as many
passes as fit into the budget, after one that is not counted. The C++ yardstick speaks the same protocol. Frames are
timed by the thread's processor time, which excludes other processes.

KIND ``frames``: MODULE is one of ``peers``, FILE the streams as ``streams.write`` made them. KIND ``sides``: one of
``sides``, no FILE.
"""

import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter_ns, thread_time_ns
from typing import NamedTuple

sys.path.insert(0, __file__.rpartition("/")[0] or ".")


class Case(NamedTuple):
    """A case: ``measure()`` makes one pass and returns its ns per item; the parent checks ``answer``."""

    answer: str
    measure: Callable[[], float]


def streams(path: str) -> Iterator[tuple[str, int, list[bytes]]]:
    """Return topic, depth and frames of each stream of a file."""
    topic, depth, frames = "", 0, []
    with open(path, "rb") as file:
        for line in file:
            if line.startswith(b"#"):
                if frames:
                    yield topic, depth, frames
                name, _, levels = line[1:].decode().partition("\t")
                topic, depth, frames = name, int(levels), []
            else:
                frames.append(line.rstrip(b"\n"))
    yield topic, depth, frames


def frame_case(module: str, topic: str, depth: int, frames: list[bytes]) -> Case:
    """Return the case of one stream: its snapshot is not timed, its deltas are."""
    try:
        peer = importlib.import_module(f"peers.{module}")
        replay, top = peer.start(topic, depth)
        snapshot, *deltas = map(getattr(peer, "wire", bytes), frames)

        def measure() -> float:
            replay([snapshot])
            start = thread_time_ns()
            replay(deltas)
            return (thread_time_ns() - start) / len(deltas)

        measure()
        best = top()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return Case("cannot " + " ".join(reason.split()), lambda: 0.0)
    return Case("ok" if best is None else "top " + " ".join(map(repr, map(float, best))), measure)


def cases(kind: str, module: str, path: str) -> list[Case]:
    if kind == "frames":
        return [frame_case(module, *stream) for stream in streams(path)]
    from operations import operation_cases

    return [Case("ok", measure) for measure in operation_cases(importlib.import_module(f"sides.{module}"))]


def main(kind: str, module: str, path: str = "") -> None:
    known = cases(kind, module, path)
    gc.collect()
    gc.freeze()
    for case in known:
        print(case.answer, flush=True)
    for line in sys.stdin:
        number, budget_ns = line.split()
        measure = known[int(number)].measure
        measure()
        passes = []
        end = perf_counter_ns() + float(budget_ns)
        while not passes or perf_counter_ns() < end:
            passes.append(measure())
        print(median(passes), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
