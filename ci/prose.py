"""Find the English in the repository: docstrings, comments, messages and documents, each with its file and line."""

import io
import re
import subprocess
import token
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PYTHON = {".py", ".pyx", ".pxd", ".pyi"}
C = {".h", ".c", ".cpp"}
WORDS_OF_A_MESSAGE = 3
"""A string literal with fewer words than this is a name or a format, not English."""
FSTRING_START, FSTRING_MIDDLE, FSTRING_END = (
    getattr(token, f"FSTRING_{part}", -1) for part in ("START", "MIDDLE", "END")
)


class Passage(NamedTuple):
    """A piece of text; ``kind`` is docstring, comment, message or document."""

    path: str
    line: int
    kind: str
    text: str


def files() -> list[str]:
    """Return the paths of the text files that the repository holds or is about to hold, relative to its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [path for path in listed if (ROOT / path).is_file()]


def passages(path: str) -> list[Passage]:
    """Return the English of one file, in order. Files of other kinds than those below have none."""
    suffix = Path(path).suffix
    if suffix not in PYTHON | C | {".md", ".toml", ".yml"} and suffix:
        return []
    try:
        text = (ROOT / path).read_text()
    except UnicodeDecodeError:
        return []
    if suffix in PYTHON:
        found = of_python(text)
    elif suffix in C:
        found = of_c(text)
    elif suffix == ".md":
        found = of_markdown(text)
    else:
        found = of_hash_comments(text)
    return [Passage(path, line, kind, piece) for line, kind, piece in found]


def of_python(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield docstrings, comments and messages of Python or Cython source.

    Neighbouring comment lines are one comment, and neighbouring string literals one message.
    """
    comment: list[str] = []
    message: list[str] = []
    comment_line = message_line = last_line = 0
    in_fstring, starts_statement = 0, True
    for kind, string, (line, _), _, source in tokenize.generate_tokens(io.StringIO(text).readline):
        if kind == token.COMMENT:
            is_alone = source.lstrip().startswith("#")
            if comment and not (is_alone and line == last_line + 1):
                yield comment_line, "comment", " ".join(comment)
                comment = []
            if not comment:
                comment_line = line
            comment.append(string.lstrip("#").strip())
            last_line = line
        elif kind == token.STRING or kind == FSTRING_START:
            if comment:
                yield comment_line, "comment", " ".join(comment)
                comment = []
            if not message:
                message_line = line
            if kind == token.STRING:
                message.append(of_literal(string))
            else:
                in_fstring += 1
        elif kind == FSTRING_MIDDLE:
            message.append(string)
        elif kind == FSTRING_END:
            in_fstring -= 1
        elif kind in (token.NL, token.INDENT, token.DEDENT) or in_fstring:
            continue
        else:
            if comment:
                yield comment_line, "comment", " ".join(comment)
                comment = []
            if message:
                is_docstring = starts_statement and kind == token.NEWLINE
                whole = "".join(message)
                if is_docstring or (len(whole.split()) >= WORDS_OF_A_MESSAGE and '":' not in whole):  # that is JSON
                    yield message_line, "docstring" if is_docstring else "message", whole
                message = []
            starts_statement = kind == token.NEWLINE
    if comment:
        yield comment_line, "comment", " ".join(comment)


def of_literal(source: str) -> str:
    """Return the text of a string literal, its escapes left as they are written."""
    body = source[re.match(r"[A-Za-z]*", source).end() :]  # type: ignore[union-attr]
    quotes = 3 if body[:3] in ('"""', "'''") else 1
    return body[quotes:-quotes].replace("\\n", "\n")


def of_c(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the comments of C or C++ source."""
    for found in re.finditer(r"/\*.*?\*/|(?:(?<![:\"])//[^\n]*\n?[ \t]*)+", text, re.DOTALL):
        lines = (re.sub(r"^\s*(//+|/?\*+/?)\s?|\s*\*/$", "", line) for line in found[0].splitlines())
        yield text.count("\n", 0, found.start()) + 1, "comment", " ".join(lines).strip()


def of_hash_comments(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the comments of a shell script, a makefile or a configuration file."""
    comment: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if found := re.match(r"\s*#(?!!)\s*(.*)", line):
            comment.append(found[1])
            continue
        if comment:
            yield number - len(comment), "comment", " ".join(comment)
            comment = []
        if found := re.search(r"\s#\s+(.*)", line):
            yield number, "comment", found[1]


def of_markdown(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the paragraphs, list items and table rows of a document, without its code blocks."""
    paragraph: list[str] = []
    begun, in_code = 0, False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        is_fence = line.lstrip().startswith("```")
        is_code = in_code or is_fence or line.startswith("    ")
        in_code ^= is_fence
        begins = not line.strip() or is_code or re.match(r"\s*([-*|#]|\d+\.)\s*", line)
        if paragraph and begins:
            yield begun, "document", " ".join(paragraph)
            paragraph = []
        if line.strip() and not is_code:
            begun = begun if paragraph else number
            paragraph.append(line.strip())


def sentences(text: str) -> list[str]:
    """Return the sentences of a passage, without code, tables and headings."""
    prose: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        is_code = block.startswith("        ") and prose and prose[-1].endswith("::")
        if lines and not is_code and not lines[0].startswith((">>>", "|", "#", "```")):
            prose.append(" ".join(lines))
    prose = [re.sub(r"^(?:[-*]|\d+\.) ", "", block) for block in prose]
    pieces = (piece for block in prose for piece in re.split(r"(?<=[.!?])\s+(?=[A-Z`'\"*])", block))
    return [piece for piece in map(str.strip, pieces) if len(piece.split()) >= WORDS_OF_A_MESSAGE]
