"""The command line in a separate process, and tapes of the synthetic market for it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from depthwire.tape import TapeWriter
from depthwire.venue import SyntheticMarket

BOUND_S = 60
COMMAND = (sys.executable, "-m", "depthwire")
NEEDS_SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals here")
START_NS = 1_618_677_786_000_000_000


def heed_interrupts() -> None:
    """Restore the handling of Ctrl-C, which a background job inherits as ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def started(*arguments: str, stderr: int | None = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Run a command, and kill it at the end of the block if it still runs; stderr as in Popen."""
    process = subprocess.Popen(
        (*COMMAND, *arguments),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        preexec_fn=heed_interrupts if sys.platform != "win32" else None,
    )
    try:
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        process.wait(BOUND_S)


@contextmanager
def venue(*arguments: str) -> Iterator[dict[str, str]]:
    """Run a venue in a separate process; yield its URLs by symbol."""
    with started("venue", *arguments) as process:
        yield urls(process)


def urls(process: subprocess.Popen[str], lines: int = 1) -> dict[str, str]:
    """The URLs by symbol that a starting venue prints."""
    assert process.stdout is not None
    found: dict[str, str] = {}
    for _ in range(lines):
        url, *symbols = process.stdout.readline().split()
        found = dict.fromkeys(symbols, url) | found  # the first of a symbol is v2's
    return found


def synthetic(frames: int, *topics: str, seed: int = 7) -> list[tuple[int, bytes]]:
    """The first frames of some topics of the seeded market."""
    market = SyntheticMarket(seed, start_ns=START_NS)
    wanted = [topic for topic in market.topics if topic.name in topics]
    return [(at_ns, raw) for at_ns, _, raw in islice(market.frames(wanted), frames)]


def write_tape(path: Path, frames: list[tuple[int, bytes]]) -> Path:
    """A tape of these frames."""
    with TapeWriter(path) as tape:
        for recv_ns, raw in frames:
            tape.write(recv_ns, raw)
    return path


def tape_lines(path: Path) -> list[bytes]:
    """The raw frames of an uncompressed tape that are data, not answers."""
    frames = [line.partition(b"\t")[2] for line in path.read_bytes().splitlines()]
    return [raw for raw in frames if "topic" in json.loads(raw)]


def lines_told(err: str) -> list[str]:
    """Return the lines of stderr, without those that appear only on a busy machine."""
    return [line for line in err.splitlines() if "SlowCallback" not in line]


def objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects of a text, one a line."""
    return [json.loads(line) for line in text.splitlines()]
