"""Output to stdout and stderr, and numbers as text."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import TextIO

from depthwire.bybit.v5.grammar import BOOK as V5_BOOK
from depthwire.runtime.event_loop import open_standard_fds

_UNITS = ((86_400 * 10**9, "d"), (10**9, "s"), (10**6, "ms"), (10**3, "us"))


class OutputClosed(Exception):
    """The reader of stdout or stderr closed the pipe, as ``head`` does."""


def open_standard_streams() -> None:
    """Open the null device in place of a closed stdin, stdout or stderr."""
    open_standard_fds()
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # open until the process ends
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def sequences(topic: str, cross_seq: int, update_id: int) -> dict[str, int]:
    """Return a book's sequence numbers under the names that its dialect uses."""
    return {"u": update_id, "seq": cross_seq} if topic.startswith(f"{V5_BOOK}.") else {"cross_seq": cross_seq}


def write(text: str) -> None:
    """Write lines to stdout and flush, because a program may be waiting for them on a pipe."""
    _write(sys.stdout, text)


def say(text: str) -> None:
    """Write one line for the user to stderr."""
    _write(sys.stderr, f"depthwire: {text}\n")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # Otherwise the stream's buffered text would raise again when the interpreter exits.
        with suppress(OSError, ValueError), open(os.devnull, "w") as devnull:
            os.dup2(devnull.fileno(), stream.fileno())
        raise OutputClosed from None


class LogLines(logging.Handler):
    """A handler that writes log messages to stderr, one line each, without tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one log message."""
        message = record.getMessage().partition("\n")[0]
        error = record.exc_info[1] if record.exc_info else None
        with suppress(OutputClosed):
            say(f"{message}: {error}" if error else message)


@contextmanager
def log_levels(levels: dict[str, int]) -> Iterator[None]:
    """Set the levels of some loggers for the duration of a block."""
    before = {name: logging.getLogger(name).level for name in levels}
    try:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def log_lines(*names: str) -> Iterator[None]:
    """Write the messages of some loggers to stderr for the duration of a block."""
    handler = LogLines()
    for name in names:
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeHandler(handler)


def price_text(price_id: int, price_decimals: int | None) -> str:
    """Return the exact price of a price id, without trailing zeros: ``606225000`` at 4 decimals is ``"60622.5"``."""
    return plain(Decimal(price_id).scaleb(-(price_decimals or 0)))


def size_text(size: float) -> str:
    """Return the shortest decimal text of a size: ``"994.89996"``, ``"100"``, ``"0.0000001"``."""
    return plain(Decimal(repr(size)))


def plain(number: Decimal) -> str:
    """Return decimal text without an exponent and without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration_text(ns: float) -> str:
    """Return ns in a readable unit: ``"312 us"``, ``"1.24 ms"``, ``"3.00 s"``, ``"2045 d"``."""
    unit_ns, unit = next(((size, name) for size, name in _UNITS if abs(ns) >= size), _UNITS[-1])
    number = ns / unit_ns
    return f"{number:.{max(0, 3 - len(str(int(abs(number)))))}f} {unit}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Format rows of equal length as aligned lines: the first column left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    for cells, (name, *_) in zip(aligned, rows, strict=True):
        cells[0] = name.ljust(widths[0])
    return "".join("  ".join(cells).rstrip() + "\n" for cells in aligned)
