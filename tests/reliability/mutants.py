"""Check that a short soak notices a broken engine: ``python -m tests.reliability.mutants [NAME ...]``.

Each mutant is a copy of the package with one broken line, compiled if necessary, and soaked with a stepped clock until
the harness finds a defect, seed after seed. The unchanged engine must pass. Prints how many frames each mutant took; the
exit status is 1 if one survives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.reliability.shard import Plan
from tests.reliability.stepped import SteppedShard, soaked

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = "src/depthwire"
FRAMES: Final = 10_000
CHECKPOINTS: Final = 250
SEEDS: Final = (1, 2, 3)
MINUTES: Final = 5.0
FOUND: Final = 3
"""The exit status of a soak that found a defect."""


class Mutant(NamedTuple):
    """One broken line of one file."""

    name: str
    file: str
    old: str
    new: str


MUTANTS: Final = (
    Mutant(
        "a delta skipped",
        "feed/book_channel.pyx",
        "        self.book.apply(frame, ts_recv_ns)\n",
        "        if frame.is_snapshot or frame.cross_seq % 50:\n            self.book.apply(frame, ts_recv_ns)\n",
    ),
    Mutant(
        "a level left out",
        "book/book.pyx",
        "        cdef Py_ssize_t i, count = frame.count\n        cdef LevelChange* changes",
        "        cdef Py_ssize_t i, count = frame.count - (frame.count > 5)\n        cdef LevelChange* changes",
    ),
    Mutant(
        "a size off",
        "book/book.pyx",
        "append(levels[i].price_id, levels[i].size)",
        "append(levels[i].price_id, levels[i].size + (i == 7))",
    ),
    Mutant(
        "a level of a snapshot left out",
        "book/book.pyx",
        "            self.ladder(levels[i].side).append(",
        "            if i != 3: self.ladder(levels[i].side).append(",
    ),
    Mutant(
        "a gap in v5's numbers passed over",
        "book/book.pyx",
        "return frame.update_id == self.update_id + 1",
        "return frame.update_id > self.update_id",
    ),
    Mutant(
        "an unreadable frame ignored",
        "feed/book_channel.pyx",
        "        self.rejected += 1\n        self.book.go_stale(error.message)",
        "        self.rejected += 1",
    ),
    Mutant(
        "LIVE without a connection",
        "feed/book_channel.pyx",
        "        self._rollback.reset()\n        self.book.go_stale(reason)",
        "        self._rollback.reset()",
    ),
    Mutant(
        "a late snapshot applied",
        "feed/book_channel.pyx",
        "        if age == LATE:\n",
        "        if False:\n",
    ),
    Mutant(
        "damage that costs nothing",
        "feed/listener.pyx",
        "        for each in with_raw(channels):",
        "        for each in ():",
    ),
    Mutant(
        "damage that costs one topic alone",
        "feed/listener.pyx",
        "        for each in with_raw(channels):",
        "        for each in with_raw(channels[:1]):",
    ),
    Mutant(
        "damage kept from books",
        "feed/book_channel.pyx",
        "    def damaged(self, reason, since_ns, until_ns):\n        self.book.go_stale(reason)",
        "    def damaged(self, reason, since_ns, until_ns):\n        pass",
    ),
    Mutant(
        "damage kept from streams",
        "feed/event_channel.pyx",
        "            self.watcher.damaged(error)\n        self.break_off(error)",
        "            self.watcher.damaged(error)",
    ),
    Mutant(
        "a StreamGap dropped",
        "feed/event_channel.pyx",
        "                if stream in self._streams:\n                    stream.break_off(error)",
        "                pass",
    ),
    Mutant(
        "an unreadable frame kept from its stream",
        "feed/event_channel.pyx",
        "    def refuse(self, error):\n        self.break_off(error)",
        "    def refuse(self, error):\n        pass",
    ),
    Mutant(
        "an overflow swallowed",
        "feed/streams.py",
        "        if self._lost:\n            self._queue.append",
        "        if False:\n            self._queue.append",
    ),
    Mutant(
        "the last of many events swallowed",
        "feed/event_channel.pyx",
        "stream.push(events, self._callback_failed)",
        "stream.push(events[: max(1, len(events) - 1)], self._callback_failed)",
    ),
    Mutant(
        "a message in fragments lost",
        "feed/listener.pyx",
        "            self.on_message(message, len(message), ts_recv_ns)\n",
        "            pass\n",
    ),
    Mutant(
        "sides swapped",
        "arbitration/states.pyx",
        "shown.bid_ladder, shown.ask_ladder = book.bid_ladder, book.ask_ladder",
        "shown.bid_ladder, shown.ask_ladder = book.ask_ladder, book.bid_ladder",
    ),
    Mutant(
        "the wrong line shown",
        "arbitration/states.pyx",
        "cdef LiveBook book = self._books[line], shown",
        "cdef LiveBook book = self._books[1 - line], shown",
    ),
    Mutant(
        "lines that differ believed",
        "arbitration/states.pyx",
        "            return self._judge(line, applied, theirs)",
        "            return 0",
    ),
    Mutant(
        "a line that is STALE still shown",
        "arbitration/states.pyx",
        "            if was_live:\n                self._fall_back(line, False)\n",
        "",
    ),
    Mutant(
        "a gap of both lines kept from readers",
        "arbitration/events.py",
        "        if has_caught_up and other.is_up:\n            return\n",
        "        return\n",
    ),
    Mutant(
        "a state never fetched again",
        "session/resync.py",
        "            while tracker.channel.needs_snapshot:",
        "            while False:",
    ),
    Mutant(
        "a silent connection kept",
        "session/connection.py",
        "            if not pong.done() and not lost.done():\n",
        "            if False:\n",
    ),
    Mutant(
        "topics not asked for after a reconnect",
        "session/session.py",
        "        self._new.clear()\n        self.subscribe(list(self.subscriptions.values()))",
        "        self._new.clear()",
    ),
)


class Found(Exception):
    """The harness noticed something."""


def attempt(seed: int) -> None:
    """Soak the imported depthwire; end the process with status `FOUND` if the harness notices anything."""
    frames = 0

    def tell(progress: dict[str, Any]) -> None:
        nonlocal frames
        frames = progress["frames"]
        if progress["defects"]:
            raise Found(progress["defects"][0])

    plan = Plan(FRAMES, CHECKPOINTS, seed, MINUTES, each_fault=0, one_line=1, two_lines=1)
    try:
        defects = soaked(SteppedShard(plan, tell))["defects"]
    except Found as found:
        defects = [str(found)]
    except TimeoutError:
        defects = ["what is sound does not recover"]
    if defects:
        print(f"after {frames:,} frames of seed {seed}: {defects[0]}")
        sys.exit(FOUND)


def mutated(tree: Path, mutant: Mutant | None) -> Path:
    """A copy of the package with the mutant's line, compiled where it must be; returns the folder to import it from.

    Raises ValueError where the line is not there exactly once.
    """
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    if mutant is not None:
        path = tree / PACKAGE / mutant.file
        path.write_text(changed(mutant))
        if path.suffix == ".pyx":
            for other in (tree / "src").rglob("*.pyx"):
                if other != path:
                    other.unlink()  # so that this module alone is compiled: of others it needs the .pxd
            for name in ("setup.py", "pyproject.toml", "README.md"):
                shutil.copy2(ROOT / name, tree)
            command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
            subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return tree / "src"


def changed(mutant: Mutant) -> str:
    """The text of a mutant's file. Raises ValueError where its line is not there exactly once."""
    text = (ROOT / PACKAGE / mutant.file).read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(
            f"{mutant.name}: {mutant.file} has {mutant.old!r} {text.count(mutant.old)} times; expected once"
        )
    return text.replace(mutant.old, mutant.new)


def outcome(mutant: Mutant | None) -> str:
    """What the harness found, "" where it found nothing."""
    with tempfile.TemporaryDirectory(prefix="depthwire-mutant-") as folder:
        environment = os.environ | {"PYTHONPATH": str(mutated(Path(folder), mutant))}
        for seed in SEEDS:
            command = [sys.executable, "-m", "tests.reliability.mutants", "--attempt", str(seed)]
            run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            if run.returncode:
                if run.returncode == FOUND:
                    return run.stdout.strip()
                return f"seed {seed}: ended with status {run.returncode}: {run.stderr[-400:]}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to try, by default all and the engine itself")
    parser.add_argument("--attempt", type=int, metavar="SEED", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.attempt is not None:
        attempt(arguments.attempt)
        return
    chosen = [mutant for mutant in MUTANTS if mutant.name in arguments.names]
    if unknown := set(arguments.names).difference(mutant.name for mutant in chosen):
        parser.error(f"no mutants: {', '.join(sorted(unknown))}; there are: {', '.join(each.name for each in MUTANTS)}")
    failed = 0
    for mutant in chosen or (None, *MUTANTS):
        begun_s = time.monotonic()
        found = outcome(mutant)
        is_as_it_should_be = bool(found) is (mutant is not None)
        failed += not is_as_it_should_be
        name = "the engine itself" if mutant is None else mutant.name
        verdict = "caught" if found else "clean" if mutant is None else "SURVIVED"
        seconds = time.monotonic() - begun_s
        print(f"{verdict:8} {name} ({seconds:.0f} s): {' '.join(found.split())[:300]}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
