"""The examples of the documentation run unchanged."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize(
    ("name", "lines", "shows"),
    [
        ("first_program", 10, "606"),
        ("spread_watcher", 2, "BTCUSD: widest"),
        ("account", 3, "Cancelled"),
        ("v5_markets", 3, "400 levels"),
    ],
)
def test_an_example_runs(name: str, lines: int, shows: str) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == lines
    assert shows in done.stdout
