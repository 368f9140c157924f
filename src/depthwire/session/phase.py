"""What a connection is about, and what has become of it so far."""

from enum import StrEnum

import msgspec


class Phase(StrEnum):
    """What a connection is about: IDLE until it is wanted, or where its key was given up, and WAITING between two
    attempts.
    """

    IDLE = "IDLE"
    WAITING = "WAITING"
    CONNECTING = "CONNECTING"
    SIGNING_IN = "SIGNING_IN"
    LIVE = "LIVE"
    CLOSED = "CLOSED"


class ConnectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one connection; times are in ns since the epoch.

    ``until_ns`` is when the next attempt begins, None but while WAITING. ``attempts`` counts those so far, ``connects``
    those that succeeded. ``last_loss`` tells why the latest connection that was lost ended, ``lost_ns`` when, and
    ``close_code`` and ``close_reason`` are those of its close frame, None and "" where there was none. A LIVE
    connection whose sign-in was refused serves its public topics alone: ``sign_in_refusal`` tells why, ``sign_in_ns``
    when it is tried again, None where it is not. An IDLE one that is shown is not tried again.
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
