"""Writing a tape, plain or compressed."""

import os
import stat
from typing import Any, Self

from depthwire.errors import TapeError
from depthwire.tape.files import file_errors, open_file, zstandard
from depthwire.tape.format import MAX_NS, ZSTD_FRAME_BYTES
from depthwire.tape.torn_end import cut_torn_end

_FLUSH_NS = 1_000_000_000
_FLUSH_BYTES = 1 << 18
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


class TapeWriter:
    """Writes a tape in complete lines, only at the end of the file. A tape whose path ends in ``.zst`` is compressed.

    Frames reach the file within a second of tape time, on `flush` and on `close`. A crash loses no more than that, and
    tears no more than the last line. Appending first cuts off a torn end that a crash left, but keeps a complete line
    that lacks its newline. To do so, it reads a compressed tape once.

    The caller must leave out secrets: see `is_secret`. Raises ``TapeError`` if the file exists and ``append`` is false,
    cannot be written, or is not a tape.
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self.path = os.fspath(path)
        existing = append and os.path.exists(self.path) and os.path.getsize(self.path) > 0
        salvaged = b""
        if existing:
            salvaged, self._zstd = cut_torn_end(self.path)
        else:
            self._zstd = zstandard(self.path) if self.path.endswith(".zst") else None
        self._file = open_file(self.path, "ab" if append else "xb")
        self._encoder: Any = None
        self._in_zstd_frame = 0
        self._pending = bytearray(salvaged)
        self._flushed_ns = 0
        if salvaged:
            self.flush()

    def write(self, recv_ns: int, raw: bytes | memoryview) -> None:
        """Add one frame, received at ``recv_ns`` (ns since the epoch).

        The bytes do not change, except that each CR and LF becomes a space so that a frame stays on one line; in JSON
        both are white space. Raises ``TapeError`` if the tape is closed or cannot be written, ``ValueError`` if
        ``recv_ns`` is negative or does not fit int64. O(len(raw)).
        """
        if self._file.closed:
            raise TapeError(f"{self.path}: the tape is closed")
        if not 0 <= recv_ns <= MAX_NS:
            raise ValueError(f"recv_ns must be 0 to 2**63 - 1 (ns since the epoch), not {recv_ns}")
        frame = bytes(raw)
        if b"\n" in frame or b"\r" in frame:
            frame = frame.translate(_ONE_LINE)
        self._pending += b"%d\t%b\n" % (recv_ns, frame)
        # A clock that was set back must not postpone the next flush.
        if not 0 <= recv_ns - self._flushed_ns < _FLUSH_NS or len(self._pending) >= _FLUSH_BYTES:
            self.flush()
            self._flushed_ns = recv_ns

    def flush(self) -> None:
        """Pass all frames written so far to the operating system. Raises ``TapeError`` if that fails."""
        if not self._pending:
            return
        data = self._encode(self._pending) if self._zstd else bytes(self._pending)
        self._pending.clear()
        self._put(data)

    def lost(self) -> str | None:
        """Return what happened to the file if its path no longer leads to it, else None. O(1).

        The file may have been removed, moved or replaced. Frames are still written to it, but no reader can open it.
        """
        try:
            at_path = os.stat(self.path)
        except OSError:
            return "was removed or moved"
        written = os.fstat(self._file.fileno())
        return None if os.path.samestat(at_path, written) else "was replaced by another file"

    def close(self) -> None:
        """Flush and close. Idempotent. Raises ``TapeError`` if that fails."""
        if self._file.closed:
            return
        try:
            self.flush()
            if self._encoder is not None:
                self._put(self._encoder.flush())
        finally:
            with file_errors(self.path, "written"):
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _encode(self, lines: bytearray) -> bytes:
        assert self._zstd is not None  # for the type checker: `flush` has checked
        if self._encoder is None:
            self._encoder = self._zstd.ZstdCompressor(level=3).compressobj()
            self._in_zstd_frame = 0
        self._in_zstd_frame += len(lines)
        data: bytes = self._encoder.compress(lines)
        if self._in_zstd_frame < ZSTD_FRAME_BYTES:
            return data + bytes(self._encoder.flush(self._zstd.COMPRESSOBJ_FLUSH_BLOCK))
        data += self._encoder.flush()
        self._encoder = None
        return data

    def _put(self, data: bytes) -> None:
        with file_errors(self.path, "written"):
            state = os.fstat(self._file.fileno())
            # Writing past the end would leave a hole of zeros.
            if stat.S_ISREG(state.st_mode) and state.st_size < self._file.tell():
                raise TapeError(f"{self.path} was cut short to {state.st_size} bytes while it was written")
            self._file.write(data)
            self._file.flush()
