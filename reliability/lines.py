"""What came on one line of a client, message by message."""

from typing import Final

from depthwire.session import Session

MOST_FRAMES: Final = 300
"""Of each topic of events: more than may come between two checkpoints."""
_TOPIC: Final = b'{"topic":"'


class Line:
    """The sessions of one line, as their feeds saw the frames: of books since the last checkpoint, of events longer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.by_topic: dict[str, list[bytes]] = {}
        """The frames of each book topic that is watched, in order."""
        self.hashes: dict[str, dict[int, None]] = {}
        """The hashes of the latest frames of each topic of events that is watched."""
        self.sessions: list[Session] = []
        self._raws: list[bytes] = []

    def tap(self, ts_recv_ns: int, payload: memoryview) -> None:
        """A message has come, and is not applied yet."""
        self._raws.append(bytes(payload))

    def state(self) -> str:
        """How its connections are, for who looks for a mistake."""
        each = (session.connection.status for session in self.sessions)
        return "; ".join(f"{one.phase}, lost {one.losses}, last at {one.lost_ns}: {one.last_loss}" for one in each)

    def sort(self) -> None:
        """Puts to its topic what came since the last call."""
        raws, self._raws = self._raws, []
        for raw in raws:
            if not raw.startswith(_TOPIC):
                continue
            start = len(_TOPIC)
            topic = raw[start : raw.find(b'"', start)].decode("latin-1")
            if (frames := self.by_topic.get(topic)) is not None:
                frames.append(raw)
            elif (hashes := self.hashes.get(topic)) is not None:
                hashes[hash(raw)] = None
                if len(hashes) > MOST_FRAMES:
                    del hashes[next(iter(hashes))]
