"""How often this process may connect to a host: the exchange bans addresses that connect too often.

Source: the exchange's v5 document, which allows 500 connections in 5 minutes from one address.
"""

import ipaddress
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

CONNECTIONS: Final = 500
WINDOW_S: Final = 300.0 + 10.0  # and how much longer one connection may take to get there than the next


class RateLimiter:
    """Turns, at most ``count`` in any ``window_s``, given in the order in which they were asked for. Thread-safe.

    Half of them may be taken at once, the others come evenly: who spends all at once would stand idle for the rest of
    the window, however soon the venue is back. (The generic cell rate algorithm of ATM's traffic management.)
    """

    def __init__(self, count: int, window_s: float, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        at_once = max(1, count // 2)
        self._interval_s = window_s / max(1, count - at_once)
        self._tolerance_s = (at_once - 1) * self._interval_s
        self._due_s = -math.inf
        self._clock_s = clock_s
        self._lock = threading.Lock()

    def wait_s(self) -> float:
        """Take the next turn; returns how long to wait for it, in seconds. O(1)."""
        with self._lock:
            now_s = self._clock_s()
            turn_s = max(now_s, self._due_s - self._tolerance_s)
            self._due_s = max(turn_s, self._due_s) + self._interval_s
            return turn_s - now_s


_limiters: defaultdict[str, RateLimiter] = defaultdict(lambda: RateLimiter(CONNECTIONS, WINDOW_S))


def connection_wait_s(host: str) -> float:
    """How long to wait before this process connects to a host once more, in seconds; 0 for this machine itself."""
    return 0.0 if is_loopback(host) else _limiters[host.lower()].wait_s()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
