"""The time that importing takes, in a new process each time."""

import os
import subprocess
import sys
from statistics import median
from typing import Any

from plan import Plan

CODE = "from time import perf_counter; start = perf_counter(); import {names}; print(perf_counter() - start)"
WHAT = {"depthwire": "depthwire", "its dependencies": "numpy, msgspec, picows"}


def measure(plan: Plan) -> dict[str, Any]:
    """Return the median ms, and the median of the ratios of all rounds."""
    seconds: dict[str, list[float]] = {what: [] for what in WHAT}
    # If no bytecode may be written, an editable package is compiled at each import, unlike an installed one.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(1 + 2 * plan.frame_rounds):
        for what, names in WHAT.items():
            command = [sys.executable, "-c", CODE.format(names=names)]
            finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            seconds[what].append(float(finished.stdout))
    for each in seconds.values():
        del each[0]  # which wrote the bytecode
    ratios = [own / base for own, base in zip(*seconds.values(), strict=True)]
    return {
        "ms": {what: round(median(each) * 1e3, 1) for what, each in seconds.items()},
        "ratio": round(median(ratios), 3),
    }
