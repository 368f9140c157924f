"""The machine and versions of a measurement."""

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import depthwire


def cpu() -> str:
    """Return the processor's name, if the system provides it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def facts() -> str:
    """Return one line of Markdown."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("msgspec", "numpy", "picows"))
    return (
        f"{cpu()}, {platform.system()} {platform.machine()}, CPython {sys.version.split()[0]}, "
        f"depthwire {depthwire.__version__}, {packages}, {datetime.now(UTC):%Y-%m-%d}"
    )
