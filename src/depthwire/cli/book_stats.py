"""Statistics of a live book: frame rate, latency and gaps."""

import time
from collections import deque
from typing import NamedTuple

import numpy as np

from depthwire.book.types import BookState
from depthwire.cli.output import duration_text
from depthwire.feed.live_book import LiveBook

_MAX_SAMPLES = 16_384

LATENCY_NOTE = "latency is receive time minus exchange time, clock offset included"


class Latency(NamedTuple):
    """Latency percentiles in ns."""

    p50: float
    p99: float

    def __str__(self) -> str:
        return f"p50 {duration_text(self.p50)} p99 {duration_text(self.p99)}"


class BookStats:
    """Rate and latency of a book's frames over the last ``window_s`` seconds, and its gaps since the start."""

    def __init__(self, book: LiveBook, window_s: float = 10.0) -> None:
        self.book = book
        self.frames = 0
        self.gaps = 0
        self._window_ns = int(window_s * 1e9)
        self._since_ns = time.time_ns()
        self._samples: deque[tuple[int, int]] = deque(maxlen=_MAX_SAMPLES)
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
        """Frames per second over the window. O(samples)."""
        count, now_ns = len(self._recent()), time.time_ns()
        since_ns = max(self._since_ns, now_ns - self._window_ns)
        if count == _MAX_SAMPLES:
            since_ns = self._samples[0][0]
        return count * 1e9 / max(now_ns - since_ns, 1)

    @property
    def latency(self) -> Latency | None:
        """Receive time minus exchange time over the window; None without frames. O(samples)."""
        recent = self._recent()
        return Latency(*np.percentile(recent, (50, 99)).tolist()) if recent else None

    def rate_and_latency(self) -> str:
        """Return rate and latency as text."""
        return f"{self.frames_per_s:.1f} frames/s, latency {self.latency or '-'}"
