"""The compiled modules are really compiled, and carry what other Cython code, type checkers and readers need."""

import importlib
import inspect
import re
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path
from types import ModuleType

import pytest

import depthwire
from depthwire.book.book import Book
from depthwire.book.ladder import Ladder
from depthwire.feed.routes import Routes

SOURCE = Path(__file__).parents[2] / "src"
COMPILED = sorted(".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in SOURCE.rglob("*.pyx"))


@pytest.fixture(params=COMPILED)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def location(module: ModuleType) -> Path:
    assert module.__file__
    return Path(module.__file__)


def test_the_hot_path_is_compiled() -> None:
    hot = {
        "book.ladder",
        "book.update",
        "book.book",
        "feed.live_book",
        "feed.channel",
        "feed.book_channel",
        "feed.state_channel",
        "feed.event_channel",
        "feed.routes",
        "feed.listener",
        "bybit.v2.book_decoder",
    }
    assert {f"depthwire.{name}" for name in hot} <= set(COMPILED)


def test_an_extension_is_loaded_and_no_python_file(module: ModuleType) -> None:
    assert module.__spec__
    assert isinstance(module.__spec__.loader, ExtensionFileLoader)
    assert location(module).name.endswith(tuple(EXTENSION_SUFFIXES))


def test_types_and_declarations_ship_beside_it(module: ModuleType) -> None:
    stem = module.__name__.rpartition(".")[2]
    for suffix in (".pyi", ".pxd"):
        assert location(module).with_name(stem + suffix).is_file()


def test_headers_ship_for_the_declarations_that_include_them() -> None:
    package = location(depthwire).parent
    included = {
        (path.name, header)
        for suffix in ("pxd", "h")
        for path in package.rglob(f"*.{suffix}")
        for header in re.findall(r'(?:cdef extern from|#include) "(depthwire/[^"]+)"', path.read_text())
    }
    assert ("scan.pxd", "depthwire/wire/scan.h") in included
    assert [entry for entry in included if not (package.parent / entry[1]).is_file()] == []


def test_the_package_is_marked_as_typed() -> None:
    assert location(depthwire).with_name("py.typed").is_file()


@pytest.mark.parametrize("structure", [Ladder, Book, Routes])
def test_docstrings_of_data_structures_state_running_times(structure: type) -> None:
    public = {name: inspect.getdoc(member) for name, member in vars(structure).items() if name[0] != "_"}
    # Plain attributes have no docstring.
    assert [name for name, text in public.items() if text and "O(" not in text] == []
    assert any(public.values())
