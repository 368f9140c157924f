"""Text that is not a tape but can be read as one: the exchange's archives of raw frames, one JSON object a line.

``YYYY-MM-DD_BTCUSDT_ob500.data.zip`` holds one such file. Its lines have no receive time: a frame's own time takes the
place.
"""

import re
import zipfile
import zlib
from typing import IO, BinaryIO, Final

ZIP_MAGIC: Final = b"PK\x03\x04"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What reading a broken, encrypted or unusually compressed zip file raises."""

_TIME = re.compile(rb'"(?:(?:ts|creationTime)"\s*:\s*([0-9]{13})|timestamp_e6"\s*:\s*"?([0-9]{16}))(?![0-9])')

_FIRST_LINE = re.compile(rb"^[ \t\r]*(?:(\{)|[0-9]{1,19}\t)", re.MULTILINE)


def only_member(file: BinaryIO) -> IO[bytes]:
    """The one file that a zip archive holds, to be read; raises ValueError where there is not exactly one."""
    archive = zipfile.ZipFile(file)
    # macOS adds its own notes about each file.
    names = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if len(names) != 1:
        raise ValueError(f"it holds {len(names)} files, expected one")
    return archive.open(names[0])


def is_raw(text: bytes) -> bool:
    """Whether a file that begins with this holds raw frames: its first line of a known form is one.

    A JSON array does not, even where each of its items has a line of its own.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    found = _FIRST_LINE.search(text)
    return found is not None and found[1] is not None and not text.lstrip().startswith(b"[")


class Stamps:
    """Puts each raw frame's own time, in ns since the epoch, in front of it. A frame without one has the last one's."""

    def __init__(self) -> None:
        self._last_ns = 0

    def stamped(self, lines: bytes) -> bytes:
        """Raw lines as those of a tape; what does not begin like a JSON object stays as it is. O(size)."""
        return b"\n".join([self._line(line) for line in lines.split(b"\n")])

    def _line(self, line: bytes) -> bytes:
        if not line.lstrip().startswith(b"{"):
            return line
        found = _TIME.search(line)
        if found is not None:
            ms, us = found.groups()
            self._last_ns = int(ms) * 1_000_000 if ms else int(us) * 1000
        return b"%d\t%b" % (self._last_ns, line)
