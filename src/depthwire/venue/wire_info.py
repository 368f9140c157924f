"""The venue's own merged state of one instrument_info topic, in the wire's own objects."""

from typing import Any

import msgspec

_UNUSABLE = (msgspec.MsgspecError, ValueError, RecursionError, LookupError, TypeError, AttributeError)


class WireInfo:
    """The fields of an instrument as of the last frame: what a new subscriber is sent first."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.is_live = False
        """False before the first snapshot, and after a frame that cannot be read."""
        self._frame: dict[str, Any] = {}

    def apply(self, raw: bytes) -> bool:
        """Takes a frame in. Returns false where it cannot: a new subscriber then waits for the next snapshot."""
        try:
            frame = msgspec.json.decode(raw)
            if frame["type"] == "snapshot":
                self._frame = frame
                self.is_live = isinstance(frame["data"], dict)
            elif self.is_live:
                fields = self._frame["data"]
                for update in frame["data"]["update"]:
                    fields = {**fields, **update}
                stamps = {name: frame[name] for name in ("cross_seq", "timestamp_e6")}
                self._frame = {**self._frame, "data": fields, **stamps}
        except _UNUSABLE:
            self.is_live = False
        return self.is_live

    def snapshot(self) -> bytes:
        """A snapshot frame of the fields as they are."""
        return msgspec.json.encode(self._frame)
