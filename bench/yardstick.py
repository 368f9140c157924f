"""Build the C++ yardstick: ``python bench/yardstick.py`` prints its path."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from environments import FOLDER

SOURCE = Path(__file__).with_name("yardstick") / "yardstick.cpp"
FLAGS = "-O3", "-march=native", "-std=c++17"


class NoYardstick(Exception):
    """The yardstick cannot be built here; the message says why."""


def build() -> Path:
    """Compile it if it is older than its source. Raises NoYardstick."""
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    target = FOLDER / "yardstick"
    if target.exists() and target.stat().st_mtime > SOURCE.stat().st_mtime:
        return target
    if shutil.which(compiler[0]) is None:
        raise NoYardstick(f"no C++ compiler ({compiler[0]})")
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [*compiler, *FLAGS, str(SOURCE), "-lsimdjson", "-o", str(target)]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        errors = [line for line in finished.stderr.splitlines() if "error" in line] or ["the compiler failed"]
        hint = " (Debian, Ubuntu: apt install libsimdjson-dev)" if "simdjson" in errors[0] else ""
        raise NoYardstick(errors[0] + hint)
    return target


if __name__ == "__main__":
    try:
        print(build())
    except NoYardstick as error:
        sys.exit(f"skipped: {error}")
