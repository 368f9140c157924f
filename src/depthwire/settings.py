"""How a session behaves over time."""

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
    """Deadlines, heartbeat, backoff, limits and socket options of a client; the units end the names.

    ``timeout_s`` bounds connecting and each wait for an answer; a ping goes out every ``ping_interval_s`` (20 s is the
    exchange's advice) and its pong is due within ``pong_timeout_s``: who fell silent is noticed within their sum. The
    wait before a reconnect doubles from ``backoff_first_s`` to ``backoff_cap_s``, each shortened by up to a half at
    random; next to none where the venue closed a connection that had stood for long. A request for a served topic that
    is refused, or whose snapshot does not come within ``timeout_s``, is repeated after 0.25 s, doubling up to 30 s, or
    with the bounds of reconnects where they are shorter. A sign-in is valid for ``auth_window_s``. A message above
    ``max_message_size`` bytes is reported as a MalformedFrame and ends the connection.

    Sockets send at once (TCP_NODELAY), always. ``receive_buffer_bytes`` (SO_RCVBUF) replaces the size that the kernel
    adapts by itself; Linux caps it at ``net.core.rmem_max``. ``kernel_busy_poll_us`` (SO_BUSY_POLL, Linux) lets the
    kernel poll the network card's queue for so long where a read finds nothing: it spares the interrupt on cards that
    support it, may need the capability CAP_NET_ADMIN, and does nothing on loopback. A kernel that refuses either makes
    connecting fail with ConnectError.

    An order book that says nothing for ``book_silence_s`` though its connection lives, or an instrument for
    ``instrument_silence_s``, is STALE, told of as a TopicSilent, and fetched anew; noticed up to a quarter of the bound
    later. The bound doubles while the topic stays silent, up to 16-fold. None: a thin market may be silent for ever.

    A frame whose callbacks are over later than ``slow_callback_s`` after it came is told of as a SlowCallback, by a
    clock that is good to 10 ms; None reads none.

    A connection that is ``max_connection_age_s`` old, or up to a tenth younger, is followed by a new one that takes
    over its topics before it ends, so that readers notice nothing. The exchange names no such age, hence None.

    Raises ValueError where one is not above 0, or a socket option above 2**31 - 1.
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
        """A new backoff with these bounds."""
        return Backoff(self.backoff_first_s, self.backoff_cap_s)

    def request_backoff(
        self, *, begins_at_once: bool = False, jitter: Callable[[], float] = random.random
    ) -> "Backoff":
        """One for requests that are repeated on a connection that lives."""
        first_s, cap_s = min(self.backoff_first_s, REQUEST_FIRST_S), min(self.backoff_cap_s, REQUEST_CAP_S)
        return Backoff(first_s, cap_s, begins_at_once=begins_at_once, jitter=jitter)


class Backoff:
    """How long to wait before the next attempt: doubling up to a cap, with jitter; calm again after twice the cap.

    Where it ``begins_at_once`` there is no wait before the first attempt; ``first_s`` bounds that before the second.
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
        """All is calm again in ``for_s`` seconds at the earliest, however long ago the last attempt was."""
        self._calm_s = self._clock_s() + for_s

    def next_s(self, *, at_once: bool = False) -> float:
        """The next wait in seconds, between a half of its bound and the bound itself.

        ``at_once`` makes the first wait, where all was calm before, up to a fifth of its bound: enough that many do not
        come at the same moment.
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
