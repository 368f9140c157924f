"""Tapes: the frames of a feed, as they came off the wire.

A tape is a file of lines ``recv_ns<TAB>raw``: the receive time in ns since the epoch, a tab, and the frame's
payload byte for byte. It may be compressed with zstd, which needs the optional package ``zstandard``.

::

    with TapeReader("btcusd.frames.zst") as tape:
        for recv_ns, raw in tape:
            feed.receive(raw, recv_ns)
"""

import asyncio
import logging
import mmap
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple, Self

import msgspec

from depthwire.errors import TapeError
from depthwire.tape import archives

__all__ = ["Pace", "TapeFrame", "TapeReader", "TapeWriter", "is_secret", "play", "read"]

_log = logging.getLogger("depthwire.tape")

_FORM = (
    "expected lines of recv_ns<TAB>raw: ns since the epoch as digits, a tab, the frame; "
    "or raw frames, one JSON object a line"
)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 18
_ZSTD_CHUNK = 1 << 15  # smaller: what comes out is many times larger
_MAX_LINE = 16 << 20  # above any frame; a file without newlines must not fill the memory
_MAX_NS = (1 << 63) - 1  # an int64, of at most 19 digits
_GIVE_UP_AFTER = 100  # malformed lines before the first good one: the file is no tape
_WARN_LINES = 20
_FLUSH_NS = 1_000_000_000
_FLUSH_BYTES = 1 << 18
_ZSTD_FRAME_BYTES = 4 << 20  # one zstd frame's worth of lines: what `append` may have to write again
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
_UNREADABLE_JSON = (msgspec.MsgspecError, ValueError, RecursionError)

Text = bytes | mmap.mmap


class TapeFrame(NamedTuple):
    """One recorded frame: the receive time in ns since the epoch, and the payload's bytes."""

    recv_ns: int
    raw: bytes


class TapeReader:
    """Streams the frames of a tape, plain or zstd (told by the content), in constant memory.

    A file of raw frames, one JSON object a line, is read as a tape, too, with the frames' own times; and so is a zip
    file that holds one file, as the exchange's archives do.

    Every iteration starts at the first frame (a pipe can be read once). A malformed line is skipped, counted
    in ``skipped`` and logged with its number; lines may end in CRLF. A torn end of the tape is skipped,
    logged, and told in ``torn``; a last line that lacks only its newline, its frame being whole JSON, is
    kept.

    Raises ``TapeError`` where the path cannot be read, the file is no tape, or its zstd data are corrupt.
    Running time: O(1) a frame beyond the copy of its bytes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._file = _open(self.path, "rb")
        try:
            head = _peek(self._file, self.path)
            self._zstd = _zstandard(self.path) if head.startswith(_ZSTD_MAGIC) else None
            self._is_zip = head.startswith(archives.ZIP_MAGIC)
        except TapeError:
            self._file.close()
            raise
        self.size = os.fstat(self._file.fileno()).st_size
        """Bytes of the file as it was opened, compressed if it is; 0 for a pipe."""
        self.bytes_read = 0
        """Bytes of the file read so far in this iteration: with `size`, the progress."""
        self.skipped = 0
        self.torn: str | None = None
        self._lines = self._counted = 0
        self._any_frame = False
        self.is_archive = self._is_zip or (self._zstd is None and archives.is_raw(head))
        """Whether it is a zip file or holds raw frames; of a compressed one that is known from its first frame on."""
        self._stamps: archives.Stamps | None = None

    def __iter__(self) -> Iterator[TapeFrame]:
        self._start()
        return self._frames()

    def close(self) -> None:
        """Closes the file; frames already read stay valid. Idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> None:
        if self._file.closed:
            raise TapeError(f"{self.path}: the tape is closed")
        if self.bytes_read:
            with _file_errors(self.path, "read twice"):
                self._file.seek(0)
            self.bytes_read = 0
        self.skipped, self.torn = 0, None
        self._lines, self._counted, self._any_frame = 0, 0, False
        self._stamps = None

    def feed_to(
        self, receive_lines: Callable[[Text, int, int], int], receive: Callable[[bytes, int], object]
    ) -> Iterator[None]:
        """Hands all frames to a feed's methods, from the first on; what iterating skips and raises holds here too.

        A plain file is read where the system maps it, so it must not be cut short meanwhile. Yields after each block of
        lines, for whoever wants to show the progress.
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
                frame = _frame_of(line)
                if frame is None:
                    self._malformed(self._number_of_line(text, at), line)
                else:
                    self._any_frame = True
                    receive(frame.raw, frame.recv_ns)
                start = newline + 1
            yield

    def _is_mappable(self) -> bool:
        return self._zstd is None and self.size > 0 and not self.is_archive

    def _mapped(self) -> Iterator[tuple[Text, int, int]]:
        """A plain file's memory, whole lines at a time, from where to where."""
        with _file_errors(self.path, "mapped"):
            text = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        with text:
            at = len(archives.BYTE_ORDER_MARK) if text[:3] == archives.BYTE_ORDER_MARK else 0
            while stop := text.rfind(b"\n", at, at + _MAX_LINE) + 1:
                self.bytes_read = stop
                yield text, at, stop
                at = stop
            tail = text[at : at + _MAX_LINE + 1]
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
        """The number of the line that begins there; counts what was not counted yet."""
        for start in range(self._counted, at, _CHUNK):
            self._lines += text[start : min(start + _CHUNK, at)].count(b"\n")
        self._counted = at
        return self._lines + 1

    def _frames(self) -> Iterator[TapeFrame]:
        new_frame = tuple.__new__  # twice as fast as the class' own constructor
        for block in self._blocks():
            lines = block.split(b"\n")
            lines.pop()
            crlf = b"\r" in block
            for number, line in enumerate(lines, self._lines + 1):
                stamp, tab, raw = line.partition(b"\t")
                if tab and stamp.isdigit() and len(stamp) < 20 and (recv_ns := int(stamp)) <= _MAX_NS:
                    self._any_frame = True
                    yield new_frame(TapeFrame, (recv_ns, raw.removesuffix(b"\r") if crlf else raw))
                else:
                    self._malformed(number, line)

    def _blocks(self) -> Iterator[bytes]:
        """The tape's text in blocks of whole lines, each with its newline; `_lines` counts those before the block."""
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
        if len(tail) > _MAX_LINE:
            raise TapeError(f"not a tape: {self.path}: a line is longer than {_MAX_LINE} bytes: {_FORM}")

    def _last(self, tail: bytes, number: int) -> Iterator[bytes]:
        """The tape's last line, if nothing but its newline is missing; tells what is wrong with it otherwise."""
        last = _frame_of(tail)
        if last is not None and _is_json(last.raw):
            yield tail + b"\n"
        elif tail:
            if last is None and not self._any_frame and not self.torn:
                found = f"not one of its {number} lines is valid" if self.skipped else f"it holds {_excerpt(tail)}"
                raise TapeError(f"not a tape: {self.path}: {found}: {_FORM}")
            self._tell_torn(f"line {number} is cut off after {len(tail)} bytes")
        elif self.skipped and not self._any_frame:
            raise TapeError(f"not a tape: {self.path}: not one of its {self.skipped} lines is valid: {_FORM}")

    def _chunks(self) -> Iterator[bytes]:
        """The tape's text, decompressed if need be; a zstd stream may be many frames in a row."""
        if self._zstd is None:
            yield from self._zip_chunks() if self._is_zip else self._file_chunks(_CHUNK)
            return
        decoder: Any = None
        for data in self._file_chunks(_ZSTD_CHUNK):
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
            self._tell_torn("its zstd stream ends in the middle")

    def _zip_chunks(self) -> Iterator[bytes]:
        try:
            with archives.only_member(self._file) as member:
                while chunk := member.read(_CHUNK):
                    self.bytes_read = self._file.tell()
                    yield chunk
        except archives.UNREADABLE as error:
            raise TapeError(f"not a tape: {self.path}: a zip file that cannot be read: {error}") from error

    def _file_chunks(self, size: int) -> Iterator[bytes]:
        while True:
            with _file_errors(self.path, "read"):
                chunk = self._file.read(size)
            if not chunk:
                return
            self.bytes_read += len(chunk)
            yield chunk

    def _malformed(self, number: int, line: bytes) -> None:
        self.skipped += 1
        if self.skipped == _GIVE_UP_AFTER and not self._any_frame:
            raise TapeError(f"not a tape: {self.path}: line {number} is {_excerpt(line)}: {_FORM}")
        if self.skipped <= _WARN_LINES:
            _log.warning("%s: line %d skipped: %s: %s", self.path, number, _excerpt(line), _FORM)
        elif self.skipped == _WARN_LINES + 1:
            _log.warning("%s: further malformed lines are only counted", self.path)

    def _tell_torn(self, what: str) -> None:
        sentence = f"the tape's end is torn: {what}; the whole lines before it were read"
        self.torn = self.torn or sentence
        _log.warning("%s: %s", self.path, sentence)


def read(path: str | os.PathLike[str]) -> Iterator[TapeFrame]:
    """The frames of a tape, the file being closed at its end. Raises ``TapeError`` like `TapeReader`."""
    with TapeReader(path) as tape:
        yield from tape


class TapeWriter:
    """Writes a tape, whole lines at a time, at the file's end only. A ``.zst`` suffix compresses.

    What is written reaches the file at least once a second of tape time, at `flush` and at `close`: a crash
    loses at most that, and tears at most the last line. An existing file is refused unless ``append=True``;
    then a torn end, left by a crash, is cut off first (a whole line that only lacks its newline gets one).
    Appending reads a compressed tape through once.

    Secrets are the caller's to keep out: see `is_secret`. Raises ``TapeError`` where the file exists, cannot
    be written or is no tape.
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self.path = os.fspath(path)
        existing = append and os.path.exists(self.path) and os.path.getsize(self.path) > 0
        salvaged = b""
        if existing:
            salvaged, self._zstd = _mend(self.path)
        else:
            self._zstd = _zstandard(self.path) if self.path.endswith(".zst") else None
        self._file = _open(self.path, "ab" if append else "xb")
        self._encoder: Any = None
        self._in_zstd_frame = 0
        self._pending = bytearray(salvaged)
        self._flushed_ns = 0
        if salvaged:
            self.flush()

    def write(self, recv_ns: int, raw: bytes | memoryview) -> None:
        """Adds one frame, received at ``recv_ns`` (ns since the epoch).

        The bytes are kept as they are, but for CR and LF, which JSON knows only as white space between
        tokens: they become spaces, so that a frame stays one line. Raises ``TapeError`` where the tape is
        closed or the disk refuses, ``ValueError`` where ``recv_ns`` is negative or beyond int64. O(len(raw)).
        """
        if self._file.closed:
            raise TapeError(f"{self.path}: the tape is closed")
        if not 0 <= recv_ns <= _MAX_NS:
            raise ValueError(f"recv_ns is {recv_ns}: expected ns since the epoch, 0 to 2**63 - 1")
        frame = bytes(raw)
        if b"\n" in frame or b"\r" in frame:
            frame = frame.translate(_ONE_LINE)
        self._pending += b"%d\t%b\n" % (recv_ns, frame)
        # A clock that was set back must not put the next flush off.
        if not 0 <= recv_ns - self._flushed_ns < _FLUSH_NS or len(self._pending) >= _FLUSH_BYTES:
            self.flush()
            self._flushed_ns = recv_ns

    def flush(self) -> None:
        """Hands everything written so far to the operating system. Raises ``TapeError`` where the disk
        refuses.
        """
        if not self._pending:
            return
        data = self._encode(self._pending) if self._zstd else bytes(self._pending)
        self._pending.clear()
        self._put(data)

    def lost(self) -> str | None:
        """What happened to the file, where a reader of the path would not find what is written; None: all is well.

        The file may have been removed, moved or replaced. Writing goes on meanwhile, out of reach. O(1).
        """
        try:
            at_path = os.stat(self.path)
        except OSError:
            return "was removed or moved"
        written = os.fstat(self._file.fileno())
        return None if os.path.samestat(at_path, written) else "was replaced by another file"

    def close(self) -> None:
        """Flushes and closes. Idempotent."""
        if self._file.closed:
            return
        try:
            self.flush()
            if self._encoder is not None:
                self._put(self._encoder.flush())
        finally:
            with _file_errors(self.path, "written"):
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _encode(self, lines: bytearray) -> bytes:
        assert self._zstd is not None  # for the type checker: `flush` asked already
        if self._encoder is None:
            self._encoder = self._zstd.ZstdCompressor(level=3).compressobj()
            self._in_zstd_frame = 0
        self._in_zstd_frame += len(lines)
        data: bytes = self._encoder.compress(lines)
        if self._in_zstd_frame < _ZSTD_FRAME_BYTES:
            return data + bytes(self._encoder.flush(self._zstd.COMPRESSOBJ_FLUSH_BLOCK))
        data += self._encoder.flush()
        self._encoder = None
        return data

    def _put(self, data: bytes) -> None:
        with _file_errors(self.path, "written"):
            state = os.fstat(self._file.fileno())
            # Written past its end, the file would get a hole of zeros.
            if stat.S_ISREG(state.st_mode) and state.st_size < self._file.tell():
                raise TapeError(f"{self.path} was cut short to {state.st_size} bytes while it was written")
            self._file.write(data)
            self._file.flush()


def is_secret(raw: bytes | memoryview) -> bool:
    """Whether a frame is an ``auth`` request or its answer, which carry a key and a signature and belong on
    no tape.

    A frame that speaks of auth and cannot be decoded counts as one. O(len(raw)), decoding only what holds the
    word.
    """
    data = bytes(raw)
    if b'"auth"' not in data:
        return False
    try:
        message = msgspec.json.decode(data)
    except _UNREADABLE_JSON:
        return True
    match message:
        case {"op": "auth"} | {"request": {"op": "auth"}}:
            return True
        case _:
            return False


class Pace:
    """Holds a stream of moments to ``speed`` times its own pace; ``math.inf`` waits for nothing.

    The first moment is the anchor, so errors do not add up. Raises ``ValueError`` where ``speed`` is not
    above zero.
    """

    _MOMENTS_A_TURN = 32

    def __init__(self, speed: float) -> None:
        if not speed > 0:
            raise ValueError(f"speed is {speed}: expected a number above 0; math.inf is as fast as possible")
        self._ns_per_second = speed * 1e9
        self._start: tuple[float, int] | None = None
        self._since_turn = 0

    async def wait_until(self, at_ns: int) -> None:
        """Returns when ``at_ns`` (ns, on the stream's own clock) is due; at once, if it was."""
        now = asyncio.get_running_loop().time()
        if self._start is None:
            self._start = now, at_ns
        start, start_ns = self._start
        early = start + (at_ns - start_ns) / self._ns_per_second - now  # with speed inf: never
        self._since_turn += 1
        if early > 0 or self._since_turn >= self._MOMENTS_A_TURN:
            self._since_turn = 0
            await asyncio.sleep(max(early, 0))


async def play(frames: Iterable[TapeFrame], speed: float = 1.0) -> AsyncIterator[TapeFrame]:
    """Yields frames at ``speed`` times the pace at which they were received; ``math.inf`` waits for nothing.

    Raises ``ValueError`` where ``speed`` is not above zero.
    """
    pace = Pace(speed)
    for frame in frames:
        await pace.wait_until(frame.recv_ns)
        yield frame


def _frame_of(line: bytes) -> TapeFrame | None:
    stamp, tab, raw = line.removesuffix(b"\r").partition(b"\t")
    if tab and stamp.isdigit() and len(stamp) < 20 and (recv_ns := int(stamp)) <= _MAX_NS:
        return TapeFrame(recv_ns, raw)
    return None


def _is_json(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw)
    except _UNREADABLE_JSON:
        return False
    return True


def _excerpt(line: bytes) -> str:
    return repr(line[:60])[1:] + ("…" if len(line) > 60 else "")


@contextmanager
def _file_errors(path: str, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = ""
        if isinstance(error, FileExistsError):
            hint = ": pass append=True to go on with it, or name another file"
        raise TapeError(f"{path}: cannot be {done}: {error.strerror}{hint}") from error
    except ValueError as error:  # a closed file, or a path with a NUL
        raise TapeError(f"{path}: cannot be {done}: {error}") from error


def _open(path: str, mode: str) -> BinaryIO:
    with _file_errors(path, "opened"):
        # The file outlives this function: its owner closes it.
        return open(path, mode)  # type: ignore[return-value]


def _peek(file: BinaryIO, path: str) -> bytes:
    with _file_errors(path, "read"):
        return file.peek()  # type: ignore[attr-defined,no-any-return]


def _zstandard(path: str) -> ModuleType:
    try:
        import zstandard  # an optional extra, and slow to import
    except ImportError as error:
        raise TapeError(
            f"{path}: a compressed tape needs the package zstandard: pip install 'depthwire[zstd]'"
        ) from error
    return zstandard


def _mend(path: str) -> tuple[bytes, ModuleType | None]:
    """Cuts a tape's torn end off. Returns whole lines that must be written again, and the zstd module if
    compressed.
    """
    with TapeReader(path) as tape:
        next(iter(tape), None)  # a file that is no tape must not be cut
        if tape.is_archive:
            raise TapeError(f"{path}: raw frames without receive times: record to a new file")
    with _open(path, "r+b") as file:
        zstd = _zstandard(path) if _peek(file, path).startswith(_ZSTD_MAGIC) else None
        keep, torn = _whole_zstd(file, path, zstd) if zstd else _whole_lines(file)
        file.truncate(keep)
    lines, newline, last = torn.rpartition(b"\n")
    frame = _frame_of(last)
    if frame is not None and _is_json(frame.raw):
        last += b"\n"
    elif last:
        _log.warning("%s: torn line of %d bytes cut off before appending", path, len(last))
        last = b""
    return lines + newline + last, zstd


def _whole_lines(file: BinaryIO) -> tuple[int, bytes]:
    """The length of a plain tape up to its last newline, and what stands behind it."""
    end = file.seek(0, os.SEEK_END)
    tail = b""
    while end > 0 and b"\n" not in tail and len(tail) <= _MAX_LINE:
        size = min(_CHUNK, end)
        end = file.seek(end - size)
        tail = file.read(size) + tail
    whole = tail.rfind(b"\n") + 1
    return end + whole, tail[whole:]


def _whole_zstd(file: BinaryIO, path: str, zstd: ModuleType) -> tuple[int, bytes]:
    """The length of a compressed tape up to its last zstd frame that ends a line, and the text behind."""
    file.seek(0)
    keep = position = 0
    text = bytearray()
    too_long = False
    decoder: Any = None
    while data := file.read(_ZSTD_CHUNK):
        position += len(data)
        while data:
            decoder = decoder or zstd.ZstdDecompressor().decompressobj()
            try:
                text += decoder.decompress(data)
            except zstd.ZstdError as error:
                raise TapeError(f"{path}: corrupt zstd data before byte {position}: {error}") from error
            data = decoder.unused_data
            if decoder.eof:
                decoder = None
                if not text or text.endswith(b"\n"):
                    keep = position - len(data)
                    text.clear()
                    too_long = False
        if len(text) > 4 * _ZSTD_FRAME_BYTES:
            # Another writer's long frame costs no memory: if it is whole, it need not be written again.
            too_long = True
            del text[:-1]
    if too_long:
        raise TapeError(
            f"{path}: its last zstd frame is torn and too long to mend: decompress it (zstd -dc) to a new tape first"
        )
    return keep, bytes(text)
