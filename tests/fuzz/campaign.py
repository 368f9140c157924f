"""Fuzz the targets: ``python -m tests.fuzz.campaign [TARGET…] [--seconds N] [--until-quiet] [--minimize]``.

Each starts from its corpus and its seeds, in ``build/fuzz/TARGET``, where a later run goes on. What breaks a property
is kept in ``build/fuzz/findings``, shown, and makes the exit status 1; ``replay.py`` tries it on any build.
"""

import argparse
import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.corpus import load, store
from tests.fuzz.seeds import SEEDS, words
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
PYTHON = ROOT / ".venv" / "fuzz" / "bin" / "python"
"""An interpreter whose depthwire is compiled for the fuzzer."""

LONGEST = 4096
LONGEST_KEPT = 1000
SHOWN_LINES = 60


def libfuzzer(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a target under libFuzzer."""
    command = [PYTHON, "-m", "tests.fuzz.run", name, *arguments, f"-max_len={LONGEST}", "-timeout=20"]
    return subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=ROOT,
        check=False,
    )


def write(folder: Path, inputs: list[bytes]) -> None:
    """Write inputs to the folder that libFuzzer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in inputs:
        (folder / hashlib.sha1(each, usedforsecurity=False).hexdigest()).write_bytes(each)


class Round(NamedTuple):
    """The result of a round: whether every property held, and the number of covered edges."""

    is_sound: bool
    edges: int


def fuzz(name: str, seconds: int) -> Round:
    """Fuzz a target for some seconds."""
    folder, findings = BUILD / name, BUILD / "findings"
    findings.mkdir(parents=True, exist_ok=True)
    write(folder, [*load(name), *(seed.encode() for seed in SEEDS[name]())])
    dictionary = BUILD / f"{name}.dict"
    quoted = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in words(name))
    dictionary.write_text("".join(f'"{word}"\n' for word in quoted))
    done = libfuzzer(
        name, folder, f"-max_total_time={seconds}", f"-dict={dictionary}", f"-artifact_prefix={findings}/{name}-"
    )
    lines = [line for line in done.stdout.splitlines() if " cov: " in line]
    ends = [line for line in lines if "INITED" in line][:1] + lines[-1:]
    for line in ends:
        print(f"{name}: {line}", flush=True)
    if done.returncode:
        print(*done.stdout.splitlines()[-SHOWN_LINES:], sep="\n")
    edges = [int(found[1]) for line in ends if (found := re.search(r" cov: (\d+)", line))]
    if not edges and not done.returncode:
        sys.exit(f"{name}: the fuzzer succeeded, but reported no coverage:\n{done.stdout}")
    return Round(not done.returncode, max(edges, default=0))


def fuzz_until_quiet(name: str, seconds: int) -> bool:
    """Fuzz a target in rounds until one covers no new edge; return whether every property held."""
    spent = most = 0
    while True:
        round_ = fuzz(name, seconds)
        spent += seconds
        if not round_.is_sound:
            return False
        if round_.edges <= most:
            print(f"{name}: no new edge in the last {seconds} of {spent} s, {most} edges", flush=True)
            return True
        most = round_.edges


def minimize(name: str) -> None:
    """Reduce the corpus to short inputs that together cover everything that was found."""
    least = BUILD / f"{name}.least"
    for path in least.glob("*"):
        path.unlink()
    least.mkdir(exist_ok=True)
    short = BUILD / f"{name}.short"
    write(short, [text for path in (BUILD / name).iterdir() if len(text := path.read_bytes()) <= LONGEST_KEPT])
    done = libfuzzer(name, "-set_cover_merge=1", least, short)
    inputs = [path.read_bytes() for path in least.iterdir()]
    if done.returncode or not inputs:
        sys.exit("\n".join(done.stdout.splitlines()[-SHOWN_LINES:]))
    store(name, inputs)
    print(f"{name}: {len(inputs)} inputs of {sum(map(len, inputs))} bytes", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="*", choices=[[], *TARGETS], help="all, if none is named")
    parser.add_argument(
        "--seconds", type=int, default=60, help="for each target; 0 fuzzes nothing (default: %(default)s)"
    )
    parser.add_argument("--until-quiet", action="store_true", help="repeat until a round brings no new edge")
    parser.add_argument("--minimize", action="store_true", help="rewrite the corpus from everything that was found")
    given = parser.parse_args()
    sound = True
    for name in given.target or TARGETS:
        if given.seconds:
            sound &= fuzz_until_quiet(name, given.seconds) if given.until_quiet else fuzz(name, given.seconds).is_sound
        if given.minimize:
            minimize(name)
    sys.exit(not sound)


if __name__ == "__main__":
    main()
