"""The scripts that look at the repository's English, in a small repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / "ci"
SOURCE = '''"""Return what the reader is told."""

# A comment that stands
# on two lines.
FORMAT = "nobody"


def refuse(name: str) -> None:
    """Refuse a name. The caller gets an error that says why."""
    raise ValueError(
        f"{name} is no symbol; "
        "expected letters"
    )  # beside
'''
DOCUMENT = """# Heading

A paragraph that is behind
another one.

    indented code fetched anew

```python
fetched = "anew and anew"
```

- Only an item. It has two sentences in it.
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the scripts, one module and one document."""
    shutil.copytree(CI, tmp_path / "ci", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "src" / "depthwire").mkdir(parents=True)
    (tmp_path / "src" / "depthwire" / "module.pyx").write_text(SOURCE)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(DOCUMENT)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def run(repository: Path, script: str, *arguments: str) -> tuple[int, list[str]]:
    """Run a script; return its exit status and the lines that it prints."""
    command = [sys.executable, str(repository / "ci" / script), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.stderr == ""
    return finished.returncode, finished.stdout.splitlines()


def test_phrases_are_found_in_all_kinds_of_text_but_not_in_code(repository: Path) -> None:
    status, lines = run(repository, "phrases.py", "src", "docs")
    assert status == 1
    assert [line.partition(" in: ")[0] for line in lines if " in: " in line] == [
        "docs/page.md:3: 'behind'",
        "src/depthwire/module.pyx:1: 'is told'",
        "src/depthwire/module.pyx:3: 'stands'",
        "src/depthwire/module.pyx:11: 'is no'",
        "src/depthwire/module.pyx:13: 'beside'",
    ]
    assert lines[-1] == "5 phrases in 2 files"


def test_a_report_does_not_fail(repository: Path) -> None:
    assert run(repository, "phrases.py", "--report", "src")[0] == 0


def test_text_without_phrases_passes(repository: Path) -> None:
    (repository / "docs" / "page.md").write_text("Short and plain.\n")
    assert run(repository, "phrases.py", "docs") == (0, ["0 phrases in 1 files"])


def test_an_allowed_phrase_passes_until_its_text_is_gone(repository: Path) -> None:
    script = repository / "ci" / "phrases.py"
    script.write_text(
        script.read_text().replace(
            "ALLOWED: dict[tuple[str, str], str] = {", 'ALLOWED = {("docs/page.md", "is behind"): "a place"} or {', 1
        )
    )
    assert run(repository, "phrases.py", "docs") == (0, ["0 phrases in 1 files"])
    (repository / "src" / "depthwire" / "module.pyx").unlink()
    (repository / "docs" / "page.md").write_text("Short and plain.\n")
    status, lines = run(repository, "phrases.py")
    assert status == 1
    assert lines[-2] == "ci/phrases.py allows 'is behind' in docs/page.md, where it no longer appears"


def test_sentences_come_from_docstrings_messages_and_documents(repository: Path) -> None:
    status, lines = run(repository, "sentences.py", "--count", "100")
    assert status == 0
    drawn = {line.partition(". ")[2]: place.strip() for line, place in zip(lines[::2], lines[1::2], strict=True)}
    assert drawn == {
        "A paragraph that is behind another one.": "[docs/page.md:3]",
        "Only an item.": "[docs/page.md:12]",
        "It has two sentences in it.": "[docs/page.md:12]",
        "Return what the reader is told.": "[src/depthwire/module.pyx:1]",
        "Refuse a name.": "[src/depthwire/module.pyx:9]",
        "The caller gets an error that says why.": "[src/depthwire/module.pyx:9]",
        "{name} is no symbol; expected letters": "[src/depthwire/module.pyx:11]",
    }


def test_the_seed_decides_which_sentences_are_drawn(repository: Path) -> None:
    draws = {seed: run(repository, "sentences.py", "--count", "2", "--seed", str(seed)) for seed in range(9)}
    assert draws[1] == run(repository, "sentences.py", "--count", "2", "--seed", "1")
    assert len({str(draw) for draw in draws.values()}) > 1
    assert all(len(lines) == 4 for _, lines in draws.values())
