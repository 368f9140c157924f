"""The state of a client's connections at one moment."""

import time
from collections.abc import Sequence

import msgspec

from depthwire.session.phase import ConnectionStatus, Phase
from depthwire.session.session import Session


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The state of all connections of a client at one moment.

    ``connected`` says whether all wanted connections are LIVE. ``connections`` has the state of each; ``connects``,
    ``losses`` and ``frames`` are their sums. ``last_loss`` is the reason for the latest loss, ``last_error`` the text
    of the latest reported error. ``age_ns`` is the time since the last frame, None before the first. For the state of
    each topic see ``client.health()``.
    """

    url: str
    connected: bool
    connects: int
    losses: int
    last_loss: str
    last_error: str
    frames: int
    age_ns: int | None
    connections: tuple[ConnectionStatus, ...]


def status_of(url: str, sessions: Sequence[Session], last_error: str) -> Status:
    """Return the status of all sessions together. O(topics)."""
    sessions = [
        session for session in sessions if session.subscriptions or session.connection.status.phase is not Phase.IDLE
    ]
    connections = tuple(session.connection.status for session in sessions)
    frames = sum(session.frames for session in sessions)
    last_recv_ns = max((session.feed.last_recv_ns for session in sessions), default=0)
    return Status(
        url=url,
        connected=bool(connections) and all(connection.phase is Phase.LIVE for connection in connections),
        connects=sum(connection.connects for connection in connections),
        losses=sum(connection.losses for connection in connections),
        last_loss=max(((each.lost_ns, each.last_loss) for each in connections), default=(0, ""))[1],
        last_error=last_error,
        frames=frames,
        age_ns=time.time_ns() - last_recv_ns if frames else None,
        connections=connections,
    )


def lanes_of(sessions: Sequence[Session]) -> dict[str, int]:
    """Return how many order-book frames each decoder took, over all sessions."""
    lanes: dict[str, int] = {}
    for session in sessions:
        for lane, frames in session.feed.lanes.items():
            lanes[lane] = lanes.get(lane, 0) + frames
    return lanes
