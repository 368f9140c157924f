"""How often this process may connect to a host: the exchange bans addresses that connect too often.

Source: the exchange's v5 document, which allows 500 connections in 5 minutes from one address.
"""

import ipaddress
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Final

CONNECTIONS: Final = 500
WINDOW_S: Final = 300.0 + 10.0  # and how much longer one connection may take to get there than the next


class Pace:
    """Turns, at most ``count`` in any ``window_s``, each given in the order in which it was asked for. Thread-safe."""

    def __init__(self, count: int, window_s: float, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._turns_s: deque[float] = deque(maxlen=count)
        self._window_s = window_s
        self._clock_s = clock_s
        self._lock = threading.Lock()

    def wait_s(self) -> float:
        """Take the next turn; returns how long to wait for it, in seconds. O(1)."""
        with self._lock:
            now_s = turn_s = self._clock_s()
            if len(self._turns_s) == self._turns_s.maxlen:
                turn_s = max(now_s, self._turns_s[0] + self._window_s)
            self._turns_s.append(turn_s)
            return turn_s - now_s


_paces: defaultdict[str, Pace] = defaultdict(lambda: Pace(CONNECTIONS, WINDOW_S))


def connection_wait_s(host: str) -> float:
    """How long to wait before this process connects to a host once more, in seconds; 0 for this machine itself."""
    return 0.0 if is_loopback(host) else _paces[host.lower()].wait_s()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
