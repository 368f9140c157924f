"""What it costs to read the best bid, from Python and from Cython."""

import tempfile
from itertools import repeat
from pathlib import Path
from statistics import median
from time import thread_time_ns
from typing import Any

from compiled import build, load
from frames import generated
from offline import feed
from plan import Plan

PYTHON_READS, CYTHON_READS = 20_000, 1_000_000


def measure(plan: Plan) -> dict[str, Any]:
    """Median ns of one read; from Python the loop's own time is included."""
    plan.say("reads")
    stream = generated(25)
    channel, path = stream.channel(), feed()
    path.channels.add(channel)
    path.receive(stream.snapshot, 0)
    book = channel.book
    with tempfile.TemporaryDirectory() as folder:
        loops = load(build(Path(folder)))
    python, cython = [], []
    for _ in range(10 * plan.frame_rounds):
        start = thread_time_ns()
        for _ in repeat(None, PYTHON_READS):
            book.best_bid  # noqa: B018  # the read is what is measured
        middle = thread_time_ns()
        loops.read_best(book, CYTHON_READS)
        python.append((middle - start) / PYTHON_READS)
        cython.append((thread_time_ns() - middle) / CYTHON_READS)
    return {"best_bid_python_ns": round(median(python), 2), "best_price_cython_ns": round(median(cython), 2)}
