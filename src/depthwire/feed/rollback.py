"""Decides whether a STALE state takes a snapshot that is not newer than itself."""

from typing import Final

CONFIRMING: Final = 3
"""The number of requests in a row, each answered with an older snapshot, that confirm a rollback."""


class RollbackCheck:
    """Counts the successive requests for a topic that were answered with an older snapshot.

    A snapshot that is not newer and that no request asked for is a late copy: it may lack what was lost since.
    """

    def __init__(self) -> None:
        self._is_requested = False
        self._answers = 0

    def requested(self) -> None:
        """Record a request: the next snapshot may be its answer."""
        self._is_requested = True

    def request_failed(self) -> None:
        """Record that a request brings no snapshot: it was refused, or its answer is overdue."""
        self._is_requested = False

    def is_confirmed(self, *, is_same: bool = False) -> bool | None:
        """Count a snapshot that is not newer. Return whether it is applied; None if no request asked for it.

        Give ``is_same`` if it has exactly the state's numbers: such an answer shows that nothing has changed.
        """
        if not self._is_requested:
            return None
        self._is_requested = False
        self._answers += 1
        return is_same or self._answers >= CONFIRMING

    def contradicted(self) -> None:
        """Record a newer frame: the venue has not rolled back."""
        self._answers = 0

    def reset(self) -> None:
        """Start over: the state is LIVE again, or the connection is lost."""
        self._is_requested = False
        self._answers = 0
