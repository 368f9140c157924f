"""Check that each sdist or wheel named on the command line holds every required file and no others."""

import re
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "depthwire").rglob("*")}


def sources(*suffixes: str) -> set[str]:
    return {name for name in SOURCES if name.endswith(suffixes)}


def check_sdist(path: Path) -> None:
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "setup.py", "LICENSE", "README.md", "tests/conftest.py"}
    needed |= {f"src/{name}" for name in sources(".py", ".pyx", ".pxd", ".h", ".pyi", "py.typed")}
    assert needed <= names, f"missing: {sorted(needed - names)}"
    junk = sorted(name for name in names if name.endswith((".c", ".so", ".pyd", ".html", ".pyc", ".frames")))
    assert not junk, f"generated or recorded files: {junk}"


def check_wheel(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        notes = {name.partition("/")[2] for name in archive.namelist() if ".dist-info/" in name}
    extensions = {name for name in names if name.endswith((".so", ".pyd"))}
    expected = sources(".py", ".pxd", ".h", ".pyi", "py.typed")
    assert names - extensions == expected, f"differ: {sorted((names - extensions) ^ expected)}"
    compiled = sorted(name.partition(".")[0] + ".pyx" for name in extensions)
    assert compiled == sorted(sources(".pyx")), f"compiled: {compiled}"
    python = path.name.split("-")[2].removeprefix("cp")
    foreign = [name for name in extensions if not re.search(rf"\.cp(ython-)?{python}-", name)]
    assert not foreign, f"not for Python {python}: {foreign}"
    assert {"licenses/LICENSE", "entry_points.txt", "METADATA"} <= notes, f"dist-info holds {sorted(notes)}"


for name in sys.argv[1:]:
    (check_wheel if name.endswith(".whl") else check_sdist)(Path(name))
    print(f"{Path(name).name}: {Path(name).stat().st_size // 1024} KiB, contents are correct")
