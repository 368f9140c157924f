"""Memory of one book, all included: ``python memory.py DEPTH`` prints bytes per book in a process of its own."""

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
_decoder = LINEAR.book_decoder()  # one for all books, as a session has it


def private_bytes() -> int:
    """What the process has of its own, as the system counts it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(MEASURE))


def per_book(depth: int) -> float:
    """Channel, live book, scanner, routes and levels, after a snapshot and some deltas; bytes."""
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
    """Books that are not counted: what grows once for all is grown."""
    for number in range(10):
        add(path, depth, f"WARM{number:04}USDT", raws)


def add(path: Any, depth: int, name: str, raws: list[bytes]) -> None:
    channel = LINEAR.channel(f"{KINDS[depth]}.{name}", decoder=_decoder)
    assert channel is not None
    path.channels.add(channel)
    for raw in raws:
        path.receive(raw.replace(b"COIN0000USDT", name.encode()), 0)


def measure() -> dict[str, Any]:
    """KiB per book by depth, or why not."""
    if not Path("/proc/self/smaps_rollup").exists():
        return {"skipped": "the system does not tell what memory a process has of its own"}
    found = {}
    for depth in KINDS:
        run = subprocess.run([sys.executable, __file__, str(depth)], capture_output=True, text=True, check=True)
        found[str(depth)] = round(float(run.stdout) / 1024, 2)
    return {"kib_per_book": found}


if __name__ == "__main__":
    print(per_book(int(sys.argv[1])))
