"""Detects a venue that has rolled back: it answers requests with snapshots older than the state."""

from typing import Final

CONFIRMING: Final = 3
"""The number of requests in a row, each answered with an older snapshot, that confirm a rollback."""


class RollbackCheck:
    """Counts the successive requests for a topic that were answered with an older snapshot.

    An older snapshot that no request asked for is a late copy and proves nothing.
    """

    def __init__(self) -> None:
        self._is_requested = False
        self._answers = 0

    def requested(self) -> None:
        """Record a request: the next snapshot may be its answer."""
        self._is_requested = True

    def is_confirmed(self) -> bool | None:
        """Count an older snapshot. Return whether it confirms a rollback; None if no request asked for it."""
        if not self._is_requested:
            return None
        self._is_requested = False
        self._answers += 1
        return self._answers >= CONFIRMING

    def contradicted(self) -> None:
        """Record a newer frame: the venue has not rolled back."""
        self._answers = 0

    def reset(self) -> None:
        """Start over: the state is LIVE again, or the connection is lost."""
        self._is_requested = False
        self._answers = 0
