"""The torn end that a crash leaves on a tape: cut off before appending, without losing a complete line."""

import logging
import os
from types import ModuleType
from typing import Any, BinaryIO

from depthwire.errors import TapeError
from depthwire.tape.files import open_file, peek, zstandard
from depthwire.tape.format import CHUNK, MAX_LINE, ZSTD_CHUNK, ZSTD_FRAME_BYTES, ZSTD_MAGIC, is_complete
from depthwire.tape.reader import TapeReader

_log = logging.getLogger("depthwire.tape")


def cut_torn_end(path: str) -> tuple[bytes, ModuleType | None]:
    """Truncate a tape to its last intact part.

    Return the complete lines that were truncated, which must be written again, and the zstd module if the tape is
    compressed. Raises ``TapeError`` if the file is not a tape or cannot be repaired; the file does not change.
    """
    with TapeReader(path) as tape:
        next(iter(tape), None)  # raises if the file is not a tape
        if tape.is_archive:
            raise TapeError(f"{path}: raw frames without receive times cannot be appended to: record to a new file")
    with open_file(path, "r+b") as file:
        zstd = zstandard(path) if peek(file, path).startswith(ZSTD_MAGIC) else None
        keep, rest = _intact_zstd(file, path, zstd) if zstd else _intact_lines(file)
        file.truncate(keep)
    lines, newline, last = rest.rpartition(b"\n")
    if is_complete(last):
        last += b"\n"
    elif last:
        _log.warning("%s: torn line of %d bytes cut off before appending", path, len(last))
        last = b""
    return lines + newline + last, zstd


def _intact_lines(file: BinaryIO) -> tuple[int, bytes]:
    """Return the length of a plain tape up to its last newline, and the text after it."""
    end = file.seek(0, os.SEEK_END)
    tail = b""
    while end > 0 and b"\n" not in tail and len(tail) <= MAX_LINE:
        size = min(CHUNK, end)
        end = file.seek(end - size)
        tail = file.read(size) + tail
    intact = tail.rfind(b"\n") + 1
    return end + intact, tail[intact:]


def _intact_zstd(file: BinaryIO, path: str, zstd: ModuleType) -> tuple[int, bytes]:
    """Return the length of a compressed tape up to its last zstd frame that ends a line, and the text after it."""
    file.seek(0)
    keep = position = 0
    text = bytearray()
    too_long = False
    decoder: Any = None
    while data := file.read(ZSTD_CHUNK):
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
        if len(text) > 4 * ZSTD_FRAME_BYTES:
            # Another program may have written a frame of any length. If it is intact, its text is not needed.
            too_long = True
            del text[:-1]
    if too_long:
        raise TapeError(
            f"{path}: its last zstd frame is torn and too long to repair: decompress it (zstd -dc) to a new tape first"
        )
    return keep, bytes(text)
