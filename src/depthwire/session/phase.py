"""The state of one connection, and its history."""

from enum import StrEnum

import msgspec


class Phase(StrEnum):
    """The activity of a connection.

    IDLE: not needed yet, or its key was refused permanently. WAITING: between two attempts to connect.
    """

    IDLE = "IDLE"
    WAITING = "WAITING"
    CONNECTING = "CONNECTING"
    SIGNING_IN = "SIGNING_IN"
    LIVE = "LIVE"
    CLOSED = "CLOSED"


class ConnectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one connection; times are in ns since the epoch.

    ``until_ns`` is the time of the next attempt, None unless WAITING. ``attempts`` counts all so far, ``connects``
    those that succeeded, ``losses`` the lost connections. ``last_loss`` says why the latest one was lost, ``lost_ns``
    when; ``close_code`` and ``close_reason`` are from its close frame, None and "" if there was none. A LIVE connection
    whose sign-in failed serves only public topics: ``sign_in_refusal`` says why, ``sign_in_ns`` when the next try is
    due, None if there is none. An IDLE connection does not reconnect.
    """

    url: str
    phase: Phase = Phase.IDLE
    until_ns: int | None = None
    attempts: int = 0
    connects: int = 0
    losses: int = 0
    last_loss: str = ""
    lost_ns: int = 0
    close_code: int | None = None
    close_reason: str = ""
    sign_in_refusal: str = ""
    sign_in_ns: int | None = None
