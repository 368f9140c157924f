"""The exchange's archives of raw frames, one JSON object per line, which are read as tapes.

``YYYY-MM-DD_BTCUSDT_ob500.data.zip`` holds one file of this kind. Its lines have no receive time, so each frame's own
time replaces it.
"""

import re
import zipfile
import zlib
from typing import IO, BinaryIO, Final

ZIP_MAGIC: Final = b"PK\x03\x04"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""The exceptions that a damaged, encrypted or unsupported zip file raises."""

_TIME = re.compile(rb'"(?:(?:ts|creationTime)"\s*:\s*([0-9]{13})|timestamp_e6"\s*:\s*"?([0-9]{16}))(?![0-9])')

_FIRST_LINE = re.compile(rb"^[ \t\r]*(?:(\{)|[0-9]{1,19}\t)", re.MULTILINE)


def only_member(file: BinaryIO) -> IO[bytes]:
    """Open the only file in a zip archive. Raises ValueError if the archive does not hold exactly one."""
    archive = zipfile.ZipFile(file)
    # macOS adds metadata files.
    names = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if len(names) != 1:
        raise ValueError(f"it holds {len(names)} files, expected one")
    return archive.open(names[0])


def is_raw(text: bytes) -> bool:
    """Return whether a file that begins with this text holds raw frames, judged by its first line of a known form.

    A JSON array does not, even if each of its items is on its own line.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    found = _FIRST_LINE.search(text)
    return found is not None and found[1] is not None and not text.lstrip().startswith(b"[")


class Stamps:
    """Prefixes raw frames with their own times in ns since the epoch. A frame without one gets the previous time."""

    def __init__(self) -> None:
        self._last_ns = 0

    def stamped(self, lines: bytes) -> bytes:
        """Return raw lines as lines of a tape. A line that is not a JSON object does not change. O(size)."""
        return b"\n".join([self._line(line) for line in lines.split(b"\n")])

    def _line(self, line: bytes) -> bytes:
        if not line.lstrip().startswith(b"{"):
            return line
        found = _TIME.search(line)
        if found is not None:
            ms, us = found.groups()
            self._last_ns = int(ms) * 1_000_000 if ms else int(us) * 1000
        return b"%d\t%b" % (self._last_ns, line)
