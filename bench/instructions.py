"""Instructions per frame, counted by valgrind: ``python bench/instructions.py`` prints Markdown.

A count is the same on a busy machine as on an idle one. It says nothing of caches and mispredicted branches, of which
applying has more than decoding: expect the ratio in time to be somewhat higher.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

import machine
from compiled import build, load
from frames import Stream, streams
from offline import feed, typed_decode

PASSES = 3
# Cython's C name of loops.measured; callgrind heeds one option for each pattern, so there are two.
COUNTED, DUMPED = "__pyx_pw_5loops_*measured", "*measured*"
CHILD_TIMEOUT_S = 600


def work(stream: Stream) -> list[Callable[[], None]]:
    """Decoding alone; a snapshot, which is not counted; decoding, routing and applying."""
    path = feed()
    path.channels.add(stream.channel())
    receive, deltas = path.receive, stream.deltas

    def decode() -> None:
        for raw in deltas:
            typed_decode(raw)

    def restart() -> None:
        receive(stream.snapshot, 0)

    def decode_and_apply() -> None:
        for raw in deltas:
            receive(raw, 0)

    return [decode, restart, decode_and_apply]


def child(module: Path, frames: Path) -> None:
    """Runs under valgrind, which writes a dump for each call of ``measured``: two a pass, of which the last counts."""
    measured = load(module).measured
    for stream in msgspec.msgpack.decode(frames.read_bytes(), type=list[Stream]):
        decode, restart, decode_and_apply = work(stream)
        for _ in range(PASSES):
            restart()
            measured(decode)
            measured(decode_and_apply)


def counts(measurable: list[Stream], folder: Path) -> list[int]:
    """Instructions of each call of ``measured`` in a child, in order."""
    frames = folder / "frames"
    frames.write_bytes(msgspec.msgpack.encode(measurable))
    command = [
        "valgrind",
        "--tool=callgrind",
        "--collect-atstart=no",
        f"--toggle-collect={COUNTED}",
        f"--dump-after={DUMPED}",
        f"--callgrind-out-file={folder}/out",
        *(sys.executable, __file__, str(build(folder)), str(frames)),
    ]
    # Idle threads and a random hash seed would make two counts of the same code differ.
    quiet = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    finished = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=CHILD_TIMEOUT_S)
    if finished.returncode:
        sys.exit(f"valgrind failed:\n{finished.stderr[-2000:]}")
    dumps = sorted(folder.glob("out.*"), key=lambda path: int(path.suffix[1:]))
    totals = (re.search(r"^(?:totals|summary): (\d+)", dump.read_text(), re.MULTILINE) for dump in dumps)
    return [int(total[1]) for total in totals if total]


def main() -> None:
    if shutil.which("valgrind") is None:
        sys.exit("skipped: valgrind is not installed, and it counts the instructions")
    measurable = streams()
    with tempfile.TemporaryDirectory() as folder:
        found = counts(measurable, Path(folder))
    print(f"{machine.facts()}\n")
    print("| frames | deltas | msgspec decodes | decoded, routed and applied | more | ratio |")
    print("|---|--:|--:|--:|--:|--:|")
    for stream, end in zip(measurable, range(2 * PASSES, len(found) + 1, 2 * PASSES), strict=True):
        decode, both = (count / len(stream.deltas) for count in found[end - 2 : end])
        print(
            f"| {stream.name} | {len(stream.deltas)} | {decode:.0f} | {both:.0f} | {both - decode:.0f} "
            f"| {both / decode:.3f} |"
        )


if __name__ == "__main__":
    if sys.argv[1:]:
        child(*map(Path, sys.argv[1:]))
    else:
        main()
