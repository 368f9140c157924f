"""The format of a tape: one line per frame, ``recv_ns<TAB>raw``."""

import mmap
from typing import Final, NamedTuple

import msgspec

EXPECTED: Final = (
    "expected lines of recv_ns<TAB>raw: ns since the epoch as digits, a tab, the frame; "
    "or raw frames, one JSON object per line"
)
MAX_LINE: Final = 16 << 20
"""Longer than any frame, in bytes: a file without newlines must not fill the memory."""
MAX_NS: Final = (1 << 63) - 1
"""The highest time, an int64 of at most 19 digits."""
UNREADABLE_JSON: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""The errors that msgspec raises for bytes that are not JSON."""
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
ZSTD_CHUNK: Final = 1 << 15
"""Bytes to decompress at a time; the text is many times larger."""
CHUNK: Final = 1 << 18
"""Bytes of text to read at a time."""
ZSTD_FRAME_BYTES: Final = 4 << 20
"""Text in one zstd frame: what appending to a tape may have to write again."""

Text = bytes | mmap.mmap


class TapeFrame(NamedTuple):
    """One recorded frame: its receive time in ns since the epoch, and the bytes of its payload."""

    recv_ns: int
    raw: bytes


def parse_line(line: bytes) -> TapeFrame | None:
    """Return the frame of a line without its newline, or None if the line is malformed. O(length)."""
    stamp, tab, raw = line.removesuffix(b"\r").partition(b"\t")
    if tab and stamp.isdigit() and len(stamp) < 20 and (recv_ns := int(stamp)) <= MAX_NS:
        return TapeFrame(recv_ns, raw)
    return None


def is_complete(line: bytes) -> bool:
    """Return whether a line without its newline is a frame whose payload is valid JSON. O(length)."""
    frame = parse_line(line)
    if frame is None:
        return False
    try:
        msgspec.json.decode(frame.raw)
    except UNREADABLE_JSON:
        return False
    return True


def excerpt(line: bytes) -> str:
    """Return the beginning of a line for an error message."""
    return repr(line[:60])[1:] + ("…" if len(line) > 60 else "")
