"""The instructions per frame that are accepted: ``instructions.json``, one entry for each toolchain.

Counts of different compilers or interpreters cannot be compared, so an entry's key names all of them. This module needs
nothing but the standard library and no other file of this folder.
"""

import json
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.03
"""A count may rise by this share before the comparison fails."""

Counts = dict[str, dict[str, int]]
"""Instructions per frame by recording, then by lane."""


class Verdict(NamedTuple):
    """The lines to print, and whether any count has risen too far."""

    lines: list[str]
    has_risen: bool


def key(module: Path) -> str:
    """Return the key of the toolchain that built a compiled module and runs it."""
    built = module.read_bytes()
    compiler = re.search(rb"(GCC): \([^)]*\) ([\d.]+)|(clang) version ([\d.]+)", built)
    names = [part.decode().lower() for part in compiler.groups() if part] if compiler else ["unknown compiler"]
    return ", ".join(
        (
            platform.machine(),
            " ".join(names),
            f"CPython {platform.python_version()}",
            f"Cython {version('Cython')}",
        )
    )


def read(file: Path = FILE) -> dict[str, Counts]:
    """Return the accepted counts of each toolchain; none if there is no file."""
    accepted: dict[str, Counts] = json.loads(file.read_text()) if file.exists() else {}
    return accepted


def write(toolchain: str, measured: Counts, file: Path = FILE) -> None:
    """Accept the counts of a toolchain. Those of other toolchains and of recordings not measured here are kept."""
    accepted = read(file)
    accepted[toolchain] = accepted.get(toolchain, {}) | measured
    file.write_text(json.dumps(accepted, indent=1, sort_keys=True) + "\n")


def compare(accepted: Counts | None, measured: Counts) -> Verdict:
    """Compare measured counts with those accepted for this toolchain, None if there are none."""
    if accepted is None:
        return Verdict(["no baseline for this toolchain"], has_risen=False)
    lines, has_risen = [], False
    for name, lanes in measured.items():
        for lane, count in lanes.items():
            before = accepted.get(name, {}).get(lane)
            if before is None:
                lines.append(f"{name}, {lane}: no baseline")
                continue
            change = count / before - 1
            if abs(change) > TOLERANCE:
                has_risen |= change > 0
                lines.append(
                    f"{name}, {lane}: {'ROSE' if change > 0 else 'fell'} from {before} to {count} ({change:+.1%})"
                )
    lines += [f"{name}: not measured" for name in accepted if name not in measured]
    if not lines:
        lines.append(f"within {TOLERANCE:.0%} of the baseline")
    return Verdict(lines, has_risen)
