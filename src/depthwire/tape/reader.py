"""Reading a tape, plain or compressed, or an archive of the exchange."""

import logging
import mmap
import os
from collections.abc import Callable, Iterator
from typing import Any, Self

from depthwire.errors import TapeError
from depthwire.tape import archives
from depthwire.tape.files import file_errors, open_file, peek, zstandard
from depthwire.tape.format import (
    CHUNK,
    EXPECTED,
    MAX_LINE,
    MAX_NS,
    ZSTD_CHUNK,
    ZSTD_MAGIC,
    TapeFrame,
    Text,
    excerpt,
    is_complete,
    parse_line,
)

_log = logging.getLogger("depthwire.tape")

_MAX_LEADING_MALFORMED = 100  # lines before the first valid one; a file with more is not a tape
_MAX_WARNINGS = 20


class TapeReader:
    """Streams the frames of a tape in constant memory. The content shows whether it is plain or zstd.

    Two other forms are read as tapes: raw frames, one JSON object per line, whose own times become the receive times;
    and a zip file that holds one file, as the exchange's archives do.

    Each iteration starts at the first frame (a pipe can be read only once). A malformed line is skipped, counted in
    ``skipped`` and logged with its number. Lines may end in CRLF. A torn end is skipped, logged and described in
    ``torn``; a last line that lacks only its newline is kept if its frame is valid JSON.

    Raises ``TapeError`` if the path cannot be read, the file is not a tape or its zstd data are corrupt. O(1) per
    frame, plus a copy of its bytes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._file = open_file(self.path, "rb")
        try:
            head = peek(self._file, self.path)
            self._zstd = zstandard(self.path) if head.startswith(ZSTD_MAGIC) else None
            self._is_zip = head.startswith(archives.ZIP_MAGIC)
        except TapeError:
            self._file.close()
            raise
        self.size = os.fstat(self._file.fileno()).st_size
        """Size of the file in bytes when it was opened, compressed if it is; 0 for a pipe."""
        self.bytes_read = 0
        """Bytes of the file read so far in this iteration; divide by `size` for the progress."""
        self.skipped = 0
        self.torn: str | None = None
        self._lines = self._counted = 0
        self._any_frame = False
        self.is_archive = self._is_zip or (self._zstd is None and archives.is_raw(head))
        """Whether it is a zip file or holds raw frames; for a compressed one, known from its first frame on."""
        self._stamps: archives.Stamps | None = None

    def __iter__(self) -> Iterator[TapeFrame]:
        self._start()
        return self._frames()

    def close(self) -> None:
        """Close the file. Frames already read stay valid. Idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> None:
        if self._file.closed:
            raise TapeError(f"{self.path}: the tape is closed")
        if self.bytes_read:
            with file_errors(self.path, "read twice"):
                self._file.seek(0)
            self.bytes_read = 0
        self.skipped, self.torn = 0, None
        self._lines, self._counted, self._any_frame = 0, 0, False
        self._stamps = None

    def feed_to(
        self, receive_lines: Callable[[Text, int, int], int], receive: Callable[[bytes, int], object]
    ) -> Iterator[None]:
        """Pass all frames to a feed's methods, from the first on. Skips and raises the same as an iteration.

        A plain file is read from a memory map, so it must not be truncated meanwhile. Yields after each block of lines,
        so that the caller can show the progress.
        """
        self._start()
        for text, start, stop in self._mapped() if self._is_mappable() else self._unmapped():
            while True:
                at = receive_lines(text, start, stop)
                self._any_frame |= at > start
                if at >= stop:
                    break
                newline = text.find(b"\n", at, stop)
                line = bytes(text[at:newline])
                frame = parse_line(line)
                if frame is None:
                    self._skip(self._number_of_line(text, at), line)
                else:
                    self._any_frame = True
                    receive(frame.raw, frame.recv_ns)
                start = newline + 1
            yield

    def _is_mappable(self) -> bool:
        return self._zstd is None and self.size > 0 and not self.is_archive

    def _mapped(self) -> Iterator[tuple[Text, int, int]]:
        """Yield a plain file's memory in blocks of complete lines: (text, start, stop)."""
        with file_errors(self.path, "mapped"):
            text = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        with text:
            at = len(archives.BYTE_ORDER_MARK) if text[:3] == archives.BYTE_ORDER_MARK else 0
            while stop := text.rfind(b"\n", at, at + MAX_LINE) + 1:
                self.bytes_read = stop
                yield text, at, stop
                at = stop
            tail = text[at : at + MAX_LINE + 1]
            self._check_length(tail)
            self.bytes_read = len(text)
            number = self._number_of_line(text, at) if tail else 0
            for last in self._last(tail, number):
                yield last, 0, len(last)

    def _unmapped(self) -> Iterator[tuple[Text, int, int]]:
        for block in self._blocks():
            yield block, 0, len(block)
            self._counted = 0

    def _number_of_line(self, text: Text, at: int) -> int:
        """Return the number of the line that begins at an offset. Counts only the lines since the last call."""
        for start in range(self._counted, at, CHUNK):
            self._lines += text[start : min(start + CHUNK, at)].count(b"\n")
        self._counted = at
        return self._lines + 1

    def _frames(self) -> Iterator[TapeFrame]:
        new_frame = tuple.__new__  # twice as fast as the class's own constructor
        for block in self._blocks():
            lines = block.split(b"\n")
            lines.pop()
            crlf = b"\r" in block
            for number, line in enumerate(lines, self._lines + 1):
                stamp, tab, raw = line.partition(b"\t")
                if tab and stamp.isdigit() and len(stamp) < 20 and (recv_ns := int(stamp)) <= MAX_NS:
                    self._any_frame = True
                    yield new_frame(TapeFrame, (recv_ns, raw.removesuffix(b"\r") if crlf else raw))
                else:
                    self._skip(number, line)

    def _blocks(self) -> Iterator[bytes]:
        """Yield the tape's text in blocks of complete lines. `_lines` counts the lines before the block."""
        tail = b""
        is_first = True
        for chunk in self._chunks():
            if is_first:
                chunk = chunk.removeprefix(archives.BYTE_ORDER_MARK)
                if archives.is_raw(chunk):
                    self._stamps, self.is_archive = archives.Stamps(), True
            is_first = False
            newline = chunk.rfind(b"\n") + 1
            if newline:
                block, tail = tail + chunk[:newline], chunk[newline:]
                if self._stamps is not None:
                    block = self._stamps.stamped(block)
                yield block
                self._lines += block.count(b"\n", self._counted)
            else:
                tail += chunk
            self._check_length(tail)
        yield from self._last(tail if self._stamps is None else self._stamps.stamped(tail), self._lines + 1)

    def _check_length(self, tail: bytes) -> None:
        if len(tail) > MAX_LINE:
            raise TapeError(f"not a tape: {self.path}: a line is longer than {MAX_LINE} bytes: {EXPECTED}")

    def _last(self, tail: bytes, number: int) -> Iterator[bytes]:
        """Yield the last line if it lacks only its newline, else report what is wrong with it."""
        if is_complete(tail):
            yield tail + b"\n"
        elif tail:
            if parse_line(tail) is None and not self._any_frame and not self.torn:
                found = f"none of its {number} lines is valid" if self.skipped else f"it holds {excerpt(tail)}"
                raise TapeError(f"not a tape: {self.path}: {found}: {EXPECTED}")
            self._report_torn(f"line {number} is cut off after {len(tail)} bytes")
        elif self.skipped and not self._any_frame:
            raise TapeError(f"not a tape: {self.path}: none of its {self.skipped} lines is valid: {EXPECTED}")

    def _chunks(self) -> Iterator[bytes]:
        """Yield the tape's text, decompressed if necessary. A zstd file may consist of many frames."""
        if self._zstd is None:
            yield from self._zip_chunks() if self._is_zip else self._file_chunks(CHUNK)
            return
        decoder: Any = None
        for data in self._file_chunks(ZSTD_CHUNK):
            while data:
                decoder = decoder or self._zstd.ZstdDecompressor().decompressobj()
                try:
                    text = decoder.decompress(data)
                except self._zstd.ZstdError as error:
                    raise TapeError(
                        f"{self.path}: corrupt zstd data before byte {self.bytes_read}: {error}; "
                        "the frames before it were read"
                    ) from error
                data = decoder.unused_data
                if decoder.eof:
                    decoder = None
                if text:
                    yield text
        if decoder is not None:
            self._report_torn("its zstd stream is cut off")

    def _zip_chunks(self) -> Iterator[bytes]:
        try:
            with archives.only_member(self._file) as member:
                while chunk := member.read(CHUNK):
                    self.bytes_read = self._file.tell()
                    yield chunk
        except archives.UNREADABLE as error:
            raise TapeError(f"not a tape: {self.path}: a zip file that cannot be read: {error}") from error

    def _file_chunks(self, size: int) -> Iterator[bytes]:
        while True:
            with file_errors(self.path, "read"):
                chunk = self._file.read(size)
            if not chunk:
                return
            self.bytes_read += len(chunk)
            yield chunk

    def _skip(self, number: int, line: bytes) -> None:
        """Count and log a malformed line. Raises ``TapeError`` if the file is not a tape."""
        self.skipped += 1
        if self.skipped == _MAX_LEADING_MALFORMED and not self._any_frame:
            raise TapeError(f"not a tape: {self.path}: line {number} is {excerpt(line)}: {EXPECTED}")
        if self.skipped <= _MAX_WARNINGS:
            _log.warning("%s: line %d skipped: %s: %s", self.path, number, excerpt(line), EXPECTED)
        elif self.skipped == _MAX_WARNINGS + 1:
            _log.warning("%s: more malformed lines are counted but not logged", self.path)

    def _report_torn(self, what: str) -> None:
        sentence = f"the tape's end is torn: {what}; the complete lines before it were read"
        self.torn = self.torn or sentence
        _log.warning("%s: %s", self.path, sentence)


def read(path: str | os.PathLike[str]) -> Iterator[TapeFrame]:
    """Yield the frames of a tape, and close the file at its end. Raises ``TapeError`` as `TapeReader` does."""
    with TapeReader(path) as tape:
        yield from tape
