"""The comparison that fails when a frame costs more instructions than accepted."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from depthwire.book import book

BENCH = Path(__file__).parents[2] / "bench"
ACCEPTED = {"one": {"msgspec lane": 1000, "scanner lane": 200}, "two": {"scanner lane": 300}}


@pytest.fixture(scope="module")
def baseline() -> Any:
    """The module under test, which is in no package."""
    spec = importlib.util.spec_from_file_location("baseline", BENCH / "baseline.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_counts_within_the_tolerance_pass(baseline: Any) -> None:
    measured = {"one": {"msgspec lane": 1029, "scanner lane": 195}, "two": {"scanner lane": 300}}
    assert baseline.compare(ACCEPTED, measured) == (["within 3% of the baseline"], False)


def test_a_rise_on_one_lane_of_one_recording_fails(baseline: Any) -> None:
    measured = {"one": {"msgspec lane": 1000, "scanner lane": 207}, "two": {"scanner lane": 300}}
    assert baseline.compare(ACCEPTED, measured) == (["one, scanner lane: ROSE from 200 to 207 (+3.5%)"], True)


def test_a_fall_is_shown_and_passes(baseline: Any) -> None:
    measured = {"one": {"msgspec lane": 900, "scanner lane": 200}, "two": {"scanner lane": 300}}
    assert baseline.compare(ACCEPTED, measured) == (["one, msgspec lane: fell from 1000 to 900 (-10.0%)"], False)


def test_a_fall_does_not_hide_a_rise(baseline: Any) -> None:
    measured = {"one": {"msgspec lane": 1100, "scanner lane": 100}, "two": {"scanner lane": 100}}
    lines, has_risen = baseline.compare(ACCEPTED, measured)
    assert has_risen
    assert len(lines) == 3


def test_an_unknown_toolchain_passes_without_a_baseline(baseline: Any, tmp_path: Path) -> None:
    accepted = baseline.read(tmp_path / "none.json").get("gcc 99")
    assert baseline.compare(accepted, ACCEPTED) == (["no baseline for this toolchain"], False)


def test_recordings_on_one_side_only_are_named_and_pass(baseline: Any) -> None:
    measured = {"two": {"scanner lane": 300}, "three": {"scanner lane": 1}}
    assert baseline.compare(ACCEPTED, measured) == (["three, scanner lane: no baseline", "one: not measured"], False)


def test_accepting_keeps_other_toolchains_and_recordings(baseline: Any, tmp_path: Path) -> None:
    file = tmp_path / "instructions.json"
    baseline.write("gcc 1", ACCEPTED, file)
    baseline.write("gcc 2", {"one": {"scanner lane": 7}}, file)
    baseline.write("gcc 1", {"two": {"scanner lane": 310}}, file)
    assert baseline.read(file) == {
        "gcc 1": {"one": ACCEPTED["one"], "two": {"scanner lane": 310}},
        "gcc 2": {"one": {"scanner lane": 7}},
    }
    assert file.read_text().endswith("}\n")


def test_the_key_names_all_that_shapes_the_count(baseline: Any) -> None:
    machine, compiler, python, cython = baseline.key(Path(book.__file__)).split(", ")
    assert machine
    assert compiler
    assert python == f"CPython {sys.version.split()[0]}"
    assert cython.startswith("Cython ")


def test_the_repository_s_baseline_can_be_read(baseline: Any) -> None:
    for toolchain, recordings in json.loads((BENCH / "instructions.json").read_text()).items():
        assert len(toolchain.split(", ")) == 4
        assert all(count > 0 for lanes in recordings.values() for count in lanes.values())


def test_without_valgrind_nothing_is_counted(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / "instructions.py"), "--gate"]
    finished = subprocess.run(
        command, env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "valgrind is not installed" in finished.stderr
