"""Whether a venue that answers requests with old snapshots has really started over in the past."""

from typing import Final

CONVINCING: Final = 3
"""So many requests in a row, each answered with an older snapshot."""


class Insistence:
    """Counts, for one topic, the requests in a row that were answered with a snapshot older than the state.

    A snapshot that no request asked for is a late copy, however often it comes: it proves nothing.
    """

    def __init__(self) -> None:
        self._is_asked = False
        self._answers = 0

    def asked(self) -> None:
        """The venue is asked for a snapshot: the next one may be the answer."""
        self._is_asked = True

    def older(self) -> bool | None:
        """An older snapshot came: whether so many requests were answered so that it counts; None where none asked."""
        if not self._is_asked:
            return None
        self._is_asked = False
        self._answers += 1
        return self._answers >= CONVINCING

    def contradicted(self) -> None:
        """A newer frame came: the venue goes on where it was."""
        self._answers = 0

    def forget(self) -> None:
        """The state is LIVE again, or the connection is lost: requests begin anew."""
        self._is_asked = False
        self._answers = 0
