"""The venue's own order book of one topic, in the wire's own objects.

It shares no code with `depthwire.book`, on purpose: a mistake in either shows as a difference between them.
"""

from typing import Any

import msgspec

from depthwire.venue.market import Dialect

_UNUSABLE = (msgspec.MsgspecError, ValueError, RecursionError, LookupError, TypeError, AttributeError)


class WireBook:
    """The levels of one book topic, keyed by their id as the wire writes it (int on inverse, str on linear).

    ``levels`` maps an id to the level's whole JSON object. ``cross_seq`` and ``timestamp_e6`` (µs) are the
    last frame's, in the wire's own type. ``is_live`` is false before the first snapshot, after a frame that
    cannot be read, and between the end of a market and the snapshot of its next round.
    """

    def __init__(self, topic: str, dialect: Dialect) -> None:
        self.topic = topic
        self.dialect = dialect
        self.levels: dict[int | str, dict[str, Any]] = {}
        self.cross_seq: int | str = 0
        self.timestamp_e6: int | str = 0
        self.is_live = False

    def apply(self, raw: bytes) -> bool:
        """Takes a frame in: O(levels in the frame). Returns false where it cannot: the book is not live then.

        Lenient about levels, as a recording may be of a stream with gaps: deleting what is not there changes
        nothing.
        """
        try:
            frame = msgspec.json.decode(raw)
            data = frame["data"]
            if frame["type"] == "snapshot":
                levels = data if self.dialect is Dialect.INVERSE else data["order_book"]
                self.levels = {level["id"]: level for level in levels}
                self.is_live = True
            elif self.is_live:
                for level in data["delete"]:
                    self.levels.pop(level["id"], None)
                for level in (*data["update"], *data["insert"]):
                    self.levels[level["id"]] = level
            self.cross_seq, self.timestamp_e6 = frame["cross_seq"], frame["timestamp_e6"]
        except _UNUSABLE:
            self.is_live = False
        return self.is_live

    def snapshot(self) -> bytes:
        """A snapshot frame of the book as it is: all Buys, then all Sells, each by ascending price. O(n log
        n).
        """
        levels = sorted(self.levels.values(), key=lambda level: (level["side"] != "Buy", int(level["id"])))
        return msgspec.json.encode(
            {
                "topic": self.topic,
                "type": "snapshot",
                "data": levels if self.dialect is Dialect.INVERSE else {"order_book": levels},
                "cross_seq": self.cross_seq,
                "timestamp_e6": self.timestamp_e6,
            }
        )
