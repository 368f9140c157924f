"""What picows logs of its sockets, but for what could hold a secret."""

import logging

__all__ = ["SocketLog"]


class SocketLog(logging.LoggerAdapter[logging.Logger]):
    """Takes picows' messages from INFO on.

    Those below show request lines, whose query may be signed, and requests to sign in. This is no level of the logger:
    those are the program's to set.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger)

    def isEnabledFor(self, level: int) -> bool:
        """Whether a message of that level goes anywhere."""
        return level >= logging.INFO and super().isEnabledFor(level)
