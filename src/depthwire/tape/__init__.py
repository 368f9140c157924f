"""Tapes: the frames of a feed, recorded as they arrived.

A tape is a file of lines ``recv_ns<TAB>raw``: the receive time in ns since the epoch, a tab, and the unchanged bytes of
the frame's payload. It may be compressed with zstd, which needs the optional package ``zstandard``.

::

    with TapeReader("btcusd.frames.zst") as tape:
        for recv_ns, raw in tape:
            feed.receive(raw, recv_ns)
"""

from depthwire.tape.format import TapeFrame
from depthwire.tape.player import Pace, play
from depthwire.tape.reader import TapeReader, read
from depthwire.tape.secrets import is_secret
from depthwire.tape.writer import TapeWriter

__all__ = ["Pace", "TapeFrame", "TapeReader", "TapeWriter", "is_secret", "play", "read"]
