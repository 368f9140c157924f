"""The examples of the documentation run as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

from v5_server import market, served

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


@pytest.mark.parametrize(
    ("name", "lines", "shows"),
    [("first_program", 10, "606"), ("spread_watcher", 2, "BTCUSD: widest"), ("account", 3, "Cancelled")],
)
def test_an_example_runs(name: str, lines: int, shows: str) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == lines
    assert shows in done.stdout


def test_the_v5_example_runs_at_any_v5_endpoint() -> None:
    with served(market) as server:
        done = subprocess.run(
            [sys.executable, EXAMPLES / "v5_markets.py", server.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "BTCUSDT: 100.5 / 100.6, 2 levels up to update 1\nlast 100.50, mark None" in done.stdout
    assert done.stdout.endswith("Buy 0.0040 at 100.60\n")
