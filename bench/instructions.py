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
from dialects import typed_decoder
from frames import Stream, streams
from offline import feed, restart

PASSES = 3
# Cython's C name of loops.measured; callgrind heeds one option for each pattern, so there are two.
COUNTED, DUMPED = "__pyx_pw_5loops_*measured", "*measured*"
CHILD_TIMEOUT_S = 600


def work(stream: Stream) -> tuple[Callable[[], None], list[tuple[Callable[[], None], Callable[[], None]]]]:
    """Decoding alone, and the whole way into a book on either lane; a snapshot before it is not counted."""
    typed_decode = typed_decoder(stream.topic)

    def decode() -> None:
        for raw in stream.deltas:
            typed_decode(raw)

    def on_lane(scanner: bool) -> tuple[Callable[[], None], Callable[[], None]]:
        path = feed()
        path.channels.add(stream.channel(scanner=scanner))
        receive = path.receive

        def replay() -> None:
            for raw in stream.deltas:
                receive(raw, 0)

        return lambda: restart(path, stream.snapshot), replay

    return decode, [on_lane(False), on_lane(True)]


def child(module: Path, frames: Path) -> None:
    """Runs under valgrind, which dumps each call of ``measured``: three a pass, of which the last pass counts."""
    measured = load(module).measured
    for stream in msgspec.msgpack.decode(frames.read_bytes(), type=list[Stream]):
        decode, lanes = work(stream)
        for _ in range(PASSES):
            measured(decode)
            for begin, replay in lanes:
                begin()
                measured(replay)


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
    print("| frames | deltas | msgspec decodes | msgspec lane | more | ratio | scanner lane |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for stream, end in zip(measurable, range(3 * PASSES, len(found) + 1, 3 * PASSES), strict=True):
        decode, msgspec_lane, scanner_lane = (count / len(stream.deltas) for count in found[end - 3 : end])
        print(
            f"| {stream.name} | {len(stream.deltas)} | {decode:.0f} | {msgspec_lane:.0f} | {msgspec_lane - decode:.0f} "
            f"| {msgspec_lane / decode:.3f} | {scanner_lane:.0f} |"
        )


if __name__ == "__main__":
    if sys.argv[1:]:
        child(*map(Path, sys.argv[1:]))
    else:
        main()
