"""pyproject.toml must be consistent, and agree with the sources and the installed packages."""

import importlib
import re
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

import pytest

import depthwire

ROOT = Path(__file__).parents[2]
PYTHONS = ["3.11", "3.12", "3.13"]


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def ranges(requirements: list[str], name: str) -> list[str]:
    """Return the version range of each requirement on ``name``."""
    return [found[1] for line in requirements if (found := re.fullmatch(rf"{name}\s*([<>=!~][^;]*)", line))]


def test_picows_is_built_against_and_run_with_the_same_range(pyproject: dict[str, Any]) -> None:
    built = ranges(pyproject["build-system"]["requires"], "picows")
    run = ranges(pyproject["project"]["dependencies"], "picows")
    assert built == run
    assert len(run) == 1
    assert re.fullmatch(r">=[\d.]+,<[\d.]+", run[0]), "both ends are bound"


def test_the_installed_picows_is_in_the_range(pyproject: dict[str, Any]) -> None:
    (both,) = ranges(pyproject["project"]["dependencies"], "picows")
    low, high = (tuple(map(int, end.split("."))) for end in re.findall(r"[\d.]+", both))
    assert low <= tuple(map(int, version("picows").split(".")[:3])) < high


def test_cython_users_get_the_cython_that_built_the_package(pyproject: dict[str, Any]) -> None:
    tested = pyproject["project"]["optional-dependencies"]["test"]
    for name in ("cython", "setuptools"):
        assert ranges(tested, name) == ranges(pyproject["build-system"]["requires"], name)


def test_one_list_of_python_versions(pyproject: dict[str, Any]) -> None:
    classifiers = pyproject["project"]["classifiers"]
    assert [text.rpartition(" ")[2] for text in classifiers if re.search(r"Python :: 3\.\d+$", text)] == PYTHONS
    assert pyproject["project"]["requires-python"] == f">={PYTHONS[0]}"
    assert pyproject["tool"]["mypy"]["python_version"] == PYTHONS[0]
    wheels = pyproject["tool"]["cibuildwheel"]["build"]
    assert wheels == [f"cp{text.replace('.', '')}-*" for text in PYTHONS]
    assert " ".join(PYTHONS) in (ROOT / "ci" / "others").read_text()


def test_one_version_everywhere(pyproject: dict[str, Any]) -> None:
    stated = pyproject["project"]["version"]
    assert (depthwire.__version__, version("depthwire")) == (stated, stated)


def test_the_license_is_installed(pyproject: dict[str, Any]) -> None:
    assert metadata("depthwire")["License-Expression"] == pyproject["project"]["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_commands_exist(pyproject: dict[str, Any]) -> None:
    for target in pyproject["project"]["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_all_holds_every_extra_that_users_ask_for(pyproject: dict[str, Any]) -> None:
    extras = pyproject["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    for_developers = {"all", "test", "bench", "interop", "interop-v5", "fuzz", "check"}
    assert set(re.findall(r"\w+", everything)) - {"depthwire"} == set(extras) - for_developers
