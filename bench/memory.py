"""Memory of one book, everything included: ``python memory.py DEPTH`` prints bytes per book."""

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

from depthwire.bybit.v2.dialect import LINEAR
from frames import DeepBook
from offline import feed

BOOKS = 1_000
KINDS = {25: "orderBookL2_25", 200: "orderBook_200.100ms"}
MEASURE = "Private_Dirty"
_decoder = LINEAR.book_decoder()  # one for all books, as in a session


def private_bytes() -> int:
    """Return the private memory of the process, as the system counts it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(MEASURE))


def per_book(depth: int) -> float:
    """Return the bytes of channel, live book, scanner, routes and levels, after a snapshot and some deltas."""
    path = feed()
    source = DeepBook(depth, topic=f"{KINDS[depth]}.COIN0000USDT")
    raws = [source.snapshot(), *(source.delta() for _ in range(20))]
    names = [f"COIN{number:04}USDT" for number in range(BOOKS)]
    warm(path, depth, raws)
    gc.collect()
    before = private_bytes()
    for name in names:
        add(path, depth, name, raws)
    gc.collect()
    return (private_bytes() - before) / BOOKS


def warm(path: Any, depth: int, raws: list[bytes]) -> None:
    """Make books that are not counted, so that everything shared has grown already."""
    for number in range(10):
        add(path, depth, f"WARM{number:04}USDT", raws)


def add(path: Any, depth: int, name: str, raws: list[bytes]) -> None:
    channel = LINEAR.channel(f"{KINDS[depth]}.{name}", decoder=_decoder)
    assert channel is not None
    path.channels.add(channel)
    for raw in raws:
        path.receive(raw.replace(b"COIN0000USDT", name.encode()), 0)


def measure() -> dict[str, Any]:
    """Return KiB per book by depth, or the reason why it was not measured."""
    if not Path("/proc/self/smaps_rollup").exists():
        return {"skipped": "the system does not report the private memory of a process"}
    found = {}
    for depth in KINDS:
        run = subprocess.run([sys.executable, __file__, str(depth)], capture_output=True, text=True, check=True)
        found[str(depth)] = round(float(run.stdout) / 1024, 2)
    return {"kib_per_book": found}


if __name__ == "__main__":
    print(per_book(int(sys.argv[1])))
