"""What ``watch`` and ``demo`` know of a book beside its levels: rate, latency and gaps."""

import time
from collections import deque
from typing import NamedTuple

import numpy as np

from depthwire.book.types import BookState
from depthwire.cli.output import duration_text
from depthwire.feed.live_book import LiveBook

_MOST_SAMPLES = 16_384

LATENCY_NOTE = "latency: receive time less exchange time, clock offset included"


class Latency(NamedTuple):
    """Percentiles in ns."""

    p50: float
    p99: float

    def __str__(self) -> str:
        return f"p50 {duration_text(self.p50)} p99 {duration_text(self.p99)}"


class Monitor:
    """A book's frames over the last ``window_s`` seconds, and its gaps since the monitor was made."""

    def __init__(self, book: LiveBook, window_s: float = 10.0) -> None:
        self.book = book
        self.frames = 0
        self.gaps = 0
        self._window_ns = int(window_s * 1e9)
        self._since_ns = time.time_ns()
        self._samples: deque[tuple[int, int]] = deque(maxlen=_MOST_SAMPLES)
        book.on_change(self._on_change)
        book.on_state(self._on_state)

    def _on_change(self, book: LiveBook) -> None:
        self.frames += 1
        self._samples.append((book.ts_recv_ns, book.ts_recv_ns - 1000 * book.ts_exchange_us))

    def _on_state(self, book: LiveBook) -> None:
        self.gaps += book.state is BookState.STALE

    def _recent(self) -> list[int]:
        oldest_ns = time.time_ns() - self._window_ns
        while self._samples and self._samples[0][0] < oldest_ns:
            self._samples.popleft()
        return [latency_ns for _, latency_ns in self._samples]

    @property
    def frames_per_s(self) -> float:
        """The rate over the window. O(samples)."""
        count, now_ns = len(self._recent()), time.time_ns()
        since_ns = max(self._since_ns, now_ns - self._window_ns)
        if count == _MOST_SAMPLES:
            since_ns = self._samples[0][0]
        return count * 1e9 / max(now_ns - since_ns, 1)

    @property
    def latency(self) -> Latency | None:
        """Receive time less exchange time, over the window; None where no frame came. O(samples)."""
        recent = self._recent()
        return Latency(*np.percentile(recent, (50, 99)).tolist()) if recent else None

    def pulse(self) -> str:
        """Rate and latency in words."""
        return f"{self.frames_per_s:.1f} frames/s, latency {self.latency or '-'}"
