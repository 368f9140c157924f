"""Instructions per frame, counted by valgrind: ``python bench/instructions.py`` prints Markdown.

A count is the same on a busy machine and on an idle one. It does not show cache misses and mispredicted branches, of
which applying has more than decoding: expect the ratio in time to be somewhat higher.

``--gate`` compares the counts with those in ``instructions.json`` and exits with status 1 if one rose by more than 3 %.
``--write`` accepts the counts: commit the file together with the change that caused them.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

import baseline
import machine
from compiled import build, load
from depthwire.book import book
from dialects import typed_decoder
from frames import Stream, streams
from offline import feed, restart

PASSES = 2
# Cython's C name of loops.measured. Callgrind takes a pattern for one option only, so there are two.
COUNTED, DUMPED = "__pyx_pw_5loops_*measured", "*measured*"
CHILD_TIMEOUT_S = 600


def work(stream: Stream) -> tuple[Callable[[], None], list[tuple[Callable[[], None], Callable[[], None]]]]:
    """Return decoding alone, and the way into a book on either lane; the snapshot before it is not counted."""
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
    """Run under valgrind, which dumps each call of ``measured``: three in a pass, and only the last pass counts."""
    measured = load(module).measured
    for stream in msgspec.msgpack.decode(frames.read_bytes(), type=list[Stream]):
        decode, lanes = work(stream)
        for _ in range(PASSES):
            measured(decode)
            for begin, replay in lanes:
                begin()
                measured(replay)


def counts(measurable: list[Stream], folder: Path) -> list[int]:
    """Return the instructions of each call of ``measured`` in a child, in order."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    purpose = parser.add_mutually_exclusive_group()
    purpose.add_argument("--gate", action="store_true", help="fail if a count rose by more than 3 %%")
    purpose.add_argument("--write", action="store_true", help="accept the counts as the new baseline")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("cannot count instructions: valgrind is not installed (Debian, Ubuntu: apt install valgrind)")
    measurable = streams()
    with tempfile.TemporaryDirectory() as folder:
        found = counts(measurable, Path(folder))
    print(f"{machine.facts()}\n")
    print("| frames | deltas | msgspec decodes | msgspec lane | more | ratio | scanner lane |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    measured: baseline.Counts = {}
    for stream, end in zip(measurable, range(3 * PASSES, len(found) + 1, 3 * PASSES), strict=True):
        decode, msgspec_lane, scanner_lane = (count / len(stream.deltas) for count in found[end - 3 : end])
        measured[stream.name] = {"msgspec lane": round(msgspec_lane), "scanner lane": round(scanner_lane)}
        print(
            f"| {stream.name} | {len(stream.deltas)} | {decode:.0f} | {msgspec_lane:.0f} | {msgspec_lane - decode:.0f} "
            f"| {msgspec_lane / decode:.3f} | {scanner_lane:.0f} |"
        )
    toolchain = baseline.key(Path(book.__file__))
    print(f"\n{toolchain}")
    if arguments.write:
        baseline.write(toolchain, measured)
    elif arguments.gate:
        verdict = baseline.compare(baseline.read().get(toolchain), measured)
        print(*verdict.lines, sep="\n")
        if verdict.has_risen:
            sys.exit(
                "more instructions than accepted; if there is a reason, run 'make instructions' and commit its file"
            )


if __name__ == "__main__":
    if len(sys.argv) == 3:  # under valgrind
        child(*map(Path, sys.argv[1:]))
    else:
        main()
