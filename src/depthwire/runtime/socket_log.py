"""picows' log of its sockets, without messages that may hold secrets."""

import logging

__all__ = ["SocketLog"]


class SocketLog(logging.LoggerAdapter[logging.Logger]):
    """Passes on picows' messages of level INFO and above.

    Lower levels show request lines, whose query may be signed, and sign-in requests. The logger's level is not changed:
    it belongs to the program.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger)

    def isEnabledFor(self, level: int) -> bool:
        """Return whether messages of this level are logged."""
        return level >= logging.INFO and super().isEnabledFor(level)
