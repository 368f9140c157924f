"""Documents name files, folders and make targets that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "tests").rglob("*.md")),
]
FILE = re.compile(r"`([\w./-]+(?:/|\.(?:py|pyx|pxd|pyi|h|md|json|jsonl|toml|cpp|svg)))`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
SOURCES = {
    f"/{path.relative_to(ROOT).as_posix()}{'/' * path.is_dir()}"
    for folder in ("src", "tests", "bench", "docs", "ci")
    for path in (ROOT / folder).rglob("*")
} | {f"/{path.name}" for path in ROOT.iterdir()}
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_and_file_name_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    links = {link for link in LINK.findall(text) if "://" not in link}
    missing = sorted(link for link in links if not (document.parent / link).exists())
    names = set(FILE.findall(text))
    missing += sorted(name for name in names if not any(path.endswith(f"/{name}") for path in SOURCES))
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_make_target_exists(document: Path) -> None:
    named = set(re.findall(r"(?:`|^ {4})make ([a-z][\w-]*)", document.read_text(), re.MULTILINE))
    assert named <= TARGETS


def test_there_are_documents() -> None:
    names = {document.relative_to(ROOT).as_posix() for document in DOCUMENTS}
    assert {"README.md", "CHANGES.md", "CONTRIBUTING.md", "docs/architecture.md"} <= names
