"""Opens a tape's file and imports the optional package zstandard; errors name the path."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import BinaryIO

from depthwire.errors import TapeError


@contextmanager
def file_errors(path: str, done: str) -> Iterator[None]:
    """Turn the operating system's errors into ``TapeError``. ``done`` completes "cannot be ..."."""
    try:
        yield
    except OSError as error:
        hint = ""
        if isinstance(error, FileExistsError):
            hint = ": pass append=True to continue it, or choose another file"
        raise TapeError(f"{path}: cannot be {done}: {error.strerror}{hint}") from error
    except ValueError as error:  # a closed file, or a path with a NUL
        raise TapeError(f"{path}: cannot be {done}: {error}") from error


def open_file(path: str, mode: str) -> BinaryIO:
    """Open a file that the caller closes. Raises ``TapeError``."""
    with file_errors(path, "opened"):
        return open(path, mode)  # type: ignore[return-value]


def peek(file: BinaryIO, path: str) -> bytes:
    """Return some bytes from the file's start without moving its position. Raises ``TapeError``."""
    with file_errors(path, "read"):
        return file.peek()  # type: ignore[attr-defined,no-any-return]


def zstandard(path: str) -> ModuleType:
    """Return the package zstandard. Raises ``TapeError`` if it is not installed."""
    try:
        import zstandard  # an optional extra, and slow to import
    except ImportError as error:
        raise TapeError(
            f"{path}: a compressed tape needs the package zstandard: pip install 'depthwire[zstd]'"
        ) from error
    return zstandard
