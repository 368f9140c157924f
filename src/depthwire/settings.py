"""Every setting of a client, and the backoff between attempts."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

REQUEST_FIRST_S: Final = 0.25
REQUEST_CAP_S: Final = 30.0
LARGEST_OPTION: Final = 2**31 - 1  # a socket option is a C int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Deadlines, heartbeat, backoff, limits and socket options of a client; each name ends with its unit.

    ``timeout_s`` bounds connecting and each wait for an answer. A ping is sent every ``ping_interval_s`` (20 s is the
    exchange's advice), and its pong is due within ``pong_timeout_s``: a silent connection is noticed within their sum.
    The wait before a reconnect doubles from ``backoff_first_s`` to ``backoff_cap_s``, each shortened by up to a half at
    random; it is close to none if the venue closed a connection of long standing. If a served topic's request is
    refused, or its snapshot does not arrive within ``timeout_s``, the request is repeated after a wait that doubles
    from 0.25 s to 30 s, or less if the bounds for reconnects are shorter. A sign-in is valid for ``auth_window_s``. A
    message above ``max_message_size`` bytes is reported as a MalformedFrame and ends the connection.

    Sockets always send at once (TCP_NODELAY). ``receive_buffer_bytes`` (SO_RCVBUF) replaces the size that the kernel
    adapts by itself; Linux caps it at ``net.core.rmem_max``. ``kernel_busy_poll_us`` (SO_BUSY_POLL, Linux) lets the
    kernel poll the network card's queue for that time if a read finds nothing. This saves the interrupt on cards that
    support it, may need the capability CAP_NET_ADMIN, and has no effect on loopback. If the kernel refuses either,
    connecting fails with ConnectError.

    If an order book is silent for ``book_silence_s`` although its connection is up, or an instrument for
    ``instrument_silence_s``, it is STALE, reported as a TopicSilent and refetched; this is noticed up to a quarter of
    the bound later. The bound doubles while the topic stays silent, up to 16-fold. None turns this off, for thin
    markets that may stay silent indefinitely.

    If the callbacks of a frame end later than ``slow_callback_s`` after it arrived, a SlowCallback is reported; the
    clock's precision is 10 ms. None turns this off.

    A connection that is ``max_connection_age_s`` old, or up to a tenth younger, is replaced by a new one that takes
    over its topics first, so that readers notice nothing. Events are read from the old one until it has brought the
    first event of the new one, or if the new one brings none, until it has been silent for 1 s, or half of
    ``timeout_s`` if that is shorter. If only the new one brings events for ``timeout_s``, it takes over after a
    StreamGap. If only the old one does, or either of them loses a frame before that, the old one stays in use; the
    failure is reported, and another attempt follows. None, because the exchange documents no such age.

    Raises ValueError if a value is not above 0, or a socket option is above 2**31 - 1.
    """

    timeout_s: float = 10.0
    ping_interval_s: float = 20.0
    pong_timeout_s: float = 5.0
    backoff_first_s: float = 0.5
    backoff_cap_s: float = 30.0
    auth_window_s: float = 5.0
    max_message_size: int = 16 * 1024 * 1024
    receive_buffer_bytes: int | None = None
    kernel_busy_poll_us: int | None = None
    book_silence_s: float | None = 60.0
    instrument_silence_s: float | None = 60.0
    slow_callback_s: float | None = 0.1
    max_connection_age_s: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, not {value!r}")
        for name in ("receive_buffer_bytes", "kernel_busy_poll_us"):
            if (getattr(self, name) or 0) > LARGEST_OPTION:
                raise ValueError(f"{name} must be at most {LARGEST_OPTION}, not {getattr(self, name)!r}")

    def backoff(self) -> "Backoff":
        """Return a new backoff with these bounds, for reconnects."""
        return Backoff(self.backoff_first_s, self.backoff_cap_s)

    def request_backoff(
        self, *, begins_at_once: bool = False, jitter: Callable[[], float] = random.random
    ) -> "Backoff":
        """Return a new backoff for requests that are repeated on one connection."""
        first_s, cap_s = min(self.backoff_first_s, REQUEST_FIRST_S), min(self.backoff_cap_s, REQUEST_CAP_S)
        return Backoff(first_s, cap_s, begins_at_once=begins_at_once, jitter=jitter)


class Backoff:
    """How long to wait before the next attempt: doubling up to a cap, with jitter; reset after twice the cap.

    With ``begins_at_once`` there is no wait before the first attempt, and ``first_s`` bounds the second wait.
    """

    def __init__(
        self,
        first_s: float,
        cap_s: float,
        *,
        begins_at_once: bool = False,
        jitter: Callable[[], float] = random.random,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_s, self._cap_s, self._jitter, self._clock_s = first_s, cap_s, jitter, clock_s
        self._free = int(begins_at_once)
        self._asked_s = self._calm_s = -math.inf
        self.attempts = 0

    def disturb(self, for_s: float) -> None:
        """Do not reset for ``for_s`` seconds, however long ago the last attempt was."""
        self._calm_s = self._clock_s() + for_s

    def next_s(self, *, at_once: bool = False) -> float:
        """Return the next wait in seconds, between a half of its bound and the bound itself.

        With ``at_once`` the first wait after a reset is at most a fifth of its bound: enough to spread many clients.
        """
        now_s = self._clock_s()
        if now_s - self._asked_s > 2 * self._cap_s and now_s > self._calm_s:
            self.attempts = 0
        self._asked_s = now_s
        doublings = self.attempts - self._free
        self.attempts += 1
        if doublings < 0:
            return 0.0
        bound_s = min(self._cap_s, self._first_s * 2.0 ** min(doublings, 63))
        if at_once and self.attempts == 1:
            return bound_s * 0.2 * self._jitter()
        return bound_s * (1.0 - 0.5 * self._jitter())
