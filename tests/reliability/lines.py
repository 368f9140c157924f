"""The messages of one line of a client."""

from collections.abc import MutableMapping
from typing import Final

from depthwire.session.session import Session
from tests.reliability.truth import Damaged

MOST_FRAMES: Final = 300
"""Frames remembered of each topic of events: more than can arrive between two checkpoints."""
MOST_DAMAGED: Final = 1_000
"""Damaged messages remembered: more than can arrive while an event can still be reported."""
_UNREADABLE: Final = b""
_TOPIC: Final = b'{"topic":"'


class Line:
    """The sessions of one line, as their feeds saw the frames: of books since the last checkpoint, of events longer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.by_topic: dict[str, list[bytes]] = {}
        """The frames of each book topic that is watched, in order; a damaged one has no more than its place."""
        self.hashes: dict[str, dict[int, None]] = {}
        """The hashes of the latest frames of each topic of events that is watched."""
        self.damaged: dict[int, None] = {}
        """The numbers of the latest messages that arrived damaged."""
        self.doubtful: dict[str, bytes] = {}
        """The last of those that arrived since the last checkpoint, by topic."""
        self.sessions: list[Session] = []
        self._raws: list[bytes] = []

    def tap(self, ts_recv_ns: int, payload: memoryview) -> None:
        """A message has arrived, and is not applied yet."""
        self._raws.append(bytes(payload))

    def state(self) -> str:
        """Return the state of its connections as text, for debugging."""
        each = (session.connection.status for session in self.sessions)
        return "; ".join(f"{one.phase}, lost {one.losses}, last at {one.lost_ns}: {one.last_loss}" for one in each)

    def sort(self, damaged: MutableMapping[tuple[str, int], Damaged]) -> None:
        """Assign the messages since the last call to topics; ``damaged`` has the topic of a damaged message."""
        raws, self._raws = self._raws, []
        self.doubtful.clear()
        for raw in raws:
            if damaged and (found := damaged.pop((self.name, hash(raw)), None)) is not None:
                self._mark(found, raw)
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

    def _mark(self, damaged: Damaged, raw: bytes) -> None:
        """A visibly damaged message has arrived."""
        self.damaged[damaged.number] = None
        if len(self.damaged) > MOST_DAMAGED:
            del self.damaged[next(iter(self.damaged))]
        if (frames := self.by_topic.get(damaged.topic)) is not None:
            frames.append(_UNREADABLE)
            self.doubtful[damaged.topic] = raw
