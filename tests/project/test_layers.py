"""Imports run one way. The table says which way, for all sources including stubs and compiled modules."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "depthwire"

# A room is a package or a module of depthwire. It imports rooms of earlier rows only, never of the same row.
ROWS = [
    {"errors", "settings", "wire"},
    {"book", "runtime"},
    {"feed"},
    {"bybit"},
    {"endpoints", "tape"},
    {"session", "venue"},
    {"arbitration", "simulated"},
    {"client"},
    {"connect"},
    {"blocking"},
    {"compat"},
    {"depthwire"},  # the package's own __init__: the names that users see
    {"cli"},
    {"__main__"},
]
ROW_OF = {room: number for number, row in enumerate(ROWS) for room in row}

# Stricter than the order of the rows: these rooms import the given rooms and no others.
ONLY = {
    "bybit": {"errors", "wire", "book", "feed"},
    "tape": {"errors", "wire", "feed"},
    "venue": {"errors", "runtime", "book", "bybit", "tape"},
    # The drop-ins use what any program may use: a client's public face, and no feed or session.
    "compat": {"errors", "settings", "book", "bybit", "endpoints", "connect", "blocking"},
}
SOCKETS = {"aiofastnet", "aiohappyeyeballs", "asyncio", "picows", "selectors", "socket", "ssl", "uvloop"}

CYTHON_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n#]+)|c?import[ \t]+([^\n#]+))", re.MULTILINE
)


def python_imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import; this package writes its name out"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def cython_imports(source: str) -> Iterator[str]:
    for module, names, plain in CYTHON_IMPORT.findall(source):
        for name in (names or plain).strip("()").split(","):
            bare = name.split(" as ")[0].strip()
            if bare:
                yield f"{module}.{bare}" if module else bare


def room_of(imported: str, rooms: set[str]) -> str:
    """Return the room: ``book`` for ``depthwire.book.book.Book``, the package's ``__init__`` for ``depthwire.connect``."""
    name = imported.split(".")[1] if "." in imported else ""
    return name if name in rooms else "depthwire"


def complaints(package: Path) -> list[str]:
    """Return every import under ``package`` that the table forbids."""
    found = []
    sources = [path for path in sorted(package.rglob("*")) if path.suffix in (".py", ".pyi", ".pyx", ".pxd")]
    rooms = {path.relative_to(package).parts[0].split(".")[0] for path in sources}
    for path in sources:
        where = path.relative_to(package)
        if str(where) == "__init__.pxd":
            continue  # the public cimports name what Cython users may use, of any room
        room = "depthwire" if str(where.with_suffix("")) == "__init__" else where.parts[0].split(".")[0]
        if room not in ROW_OF:
            found.append(f"{where}: no place in the table of rows")
            continue
        read = python_imports if path.suffix in (".py", ".pyi") else cython_imports
        for imported in read(path.read_text()):
            top = imported.split(".")[0]
            if room in ("bybit", "book", "wire") and top in SOCKETS:
                found.append(f"{where}: knows a socket: {imported}")
            if top != "depthwire":
                continue
            target = room_of(imported, rooms)
            allowed = ONLY[room] if room in ONLY else {other for other in ROW_OF if ROW_OF[other] < ROW_OF[room]}
            if target != room and target not in allowed:
                found.append(f"{where}: imports {imported}")
    return found


def rooms_of_the_page() -> list[set[str]]:
    """Return the rooms in each row of the first table of docs/architecture.md."""
    page = (PACKAGE.parents[1] / "docs" / "architecture.md").read_text()
    table = page[page.index("| room |") : page.index("## From a socket's bytes")]
    first_cells = [line.split("|")[1] for line in table.splitlines()[2:] if line.startswith("|")]
    return [{name.rstrip("/").removesuffix(".py") for name in re.findall("`([^`]+)`", cell)} for cell in first_cells]


def insides(source: str) -> list[str]:
    """Each underscore attribute that is read of anything but ``self`` and ``super()``."""
    return [
        f"{ast.unparse(node)}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and re.match("_(?!_)", node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    ]


def test_the_drop_ins_reach_into_no_client() -> None:
    paths = list((PACKAGE / "compat").glob("*.py"))
    assert len(paths) == 4
    assert [(path.name, found) for path in paths for found in insides(path.read_text())] == []
    assert insides("self._client.subscribe(self._client._served)") == ["self._client._served"]


def test_imports_run_one_way() -> None:
    assert complaints(PACKAGE) == []


def test_the_page_lists_the_rooms_in_the_order_of_imports() -> None:
    without_room = {"depthwire", "__main__"}  # the names that users see, and `python -m`
    assert rooms_of_the_page() == [row for row in ROWS if not row <= without_room]


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("book/ladder.pyx", "from depthwire.feed.channel cimport Channel", "imports depthwire.feed.channel.Channel"),
        ("wire/scan.pxd", "cimport depthwire.book.update as f", "imports depthwire.book.update"),
        ("book/update.pxd", "from depthwire.book.ladder cimport (\n    Ladder,\n    LevelChange,\n)", None),
        ("book/book.pyx", "def f():\n    from depthwire import errors, feed", "imports depthwire.feed"),
        ("errors.py", "import depthwire.book.types", "imports depthwire.book.types"),
        ("feed/streams.py", "import asyncio", None),
        ("feed/channel.pyx", "from depthwire.bybit import v2", "imports depthwire.bybit.v2"),
        (
            "feed/listener.pyx",
            "from depthwire.session.session import Session",
            "imports depthwire.session.session.Session",
        ),
        (
            "feed/listener.pyi",
            "from depthwire.session.session import Session",
            "imports depthwire.session.session.Session",
        ),
        ("session/session.py", "from depthwire.connect import connect", "imports depthwire.connect.connect"),
        ("session/session.py", "from depthwire import connect", "imports depthwire.connect"),
        ("client.py", "from depthwire.cli import main", "imports depthwire.cli.main"),
        ("blocking/__init__.py", "from depthwire.compat import WebSocket", "imports depthwire.compat.WebSocket"),
        ("compat/plain.py", "from depthwire.feed.channel import Channel", "imports depthwire.feed.channel.Channel"),
        ("compat/plain.py", "from depthwire.session import status", "imports depthwire.session.status"),
        ("__init__.py", "from depthwire import cli", "imports depthwire.cli"),
        ("bybit/v2/dialect.py", "import asyncio", "knows a socket: asyncio"),
        ("bybit/v2/scanner.pyx", "from picows.picows cimport WSFrame", "knows a socket: picows.picows.WSFrame"),
        (
            "bybit/v2/dialect.py",
            "from depthwire.session.session import Session",
            "imports depthwire.session.session.Session",
        ),
        ("bybit/v2/dialect.py", "from depthwire.bybit.topics import split_topic", None),
        (
            "venue/server/server.py",
            "from depthwire.session.session import Session",
            "imports depthwire.session.session.Session",
        ),
        ("venue/server/server.py", "if TYPE_CHECKING:\n    import depthwire.client", "imports depthwire.client"),
        ("venue/server/server.py", "import asyncio\nfrom depthwire.tape import Pace", None),
        ("tape/__init__.py", "from depthwire.session import session", "imports depthwire.session.session"),
        ("cli/demo.py", "from depthwire import __version__, connect", None),
        ("nowhere.pyx", "", "no place in the table of rows"),
    ],
)
def test_a_broken_arrow_is_found(tmp_path: Path, file: str, line: str, complaint: str | None) -> None:
    for room in ROW_OF:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line)
    assert complaints(tmp_path) == ([f"{file}: {complaint}"] if complaint else [])
