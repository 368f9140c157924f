"""Limits how often this process connects to a host: the exchange bans addresses that connect too often.

Source: the exchange's v5 documentation, which allows 500 connections in 5 minutes from one address.
"""

import ipaddress
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

CONNECTIONS: Final = 500
WINDOW_S: Final = 300.0 + 10.0  # a margin: one connection may take longer to arrive than the next


class RateLimiter:
    """Grants turns in the order of the requests, at most ``count`` in any ``window_s``. Thread-safe.

    Half of them may be taken at once, the others at an even rate. Otherwise a client that spends all at once would have
    to wait for the rest of the window, however soon the venue is back. (This is ATM's generic cell rate algorithm.)
    """

    def __init__(self, count: int, window_s: float, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        at_once = max(1, count // 2)
        self._interval_s = window_s / max(1, count - at_once)
        self._tolerance_s = (at_once - 1) * self._interval_s
        self._due_s = -math.inf
        self._clock_s = clock_s
        self._lock = threading.Lock()

    def wait_s(self) -> float:
        """Take the next turn, and return how long to wait for it, in seconds. O(1)."""
        with self._lock:
            now_s = self._clock_s()
            turn_s = max(now_s, self._due_s - self._tolerance_s)
            self._due_s = max(turn_s, self._due_s) + self._interval_s
            return turn_s - now_s


_limiters: defaultdict[str, RateLimiter] = defaultdict(lambda: RateLimiter(CONNECTIONS, WINDOW_S))


def connection_wait_s(host: str) -> float:
    """Take a turn to connect to a host, and return how long to wait, in seconds; 0 for this machine."""
    return 0.0 if is_loopback(host) else _limiters[host.lower()].wait_s()


def is_loopback(host: str) -> bool:
    """Return whether a host name or address means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
