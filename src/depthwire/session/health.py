"""The health of each topic: statistics next to its channel, off the path of its frames."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from depthwire.book.types import BookState
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.settings import Backoff, Settings

MOST_DOUBLINGS: Final = 4
COUNTS: Final = ("gaps", "resyncs", "silences", "damaged", "dropped", "outdated", "odd_fields", "refused_events")


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one topic at one moment; times are in ns.

    ``state`` and ``stale_reason`` are those of its book or instrument, None if the topic has events. ``frames`` counts
    all that arrived; ``age_ns`` is the time since the last usable one, None before the first. ``gaps`` counts frames
    that were not contiguous with the state, ``resyncs`` how often the state was refetched, ``silences`` how often
    because nothing arrived, ``damaged`` the damaged frames that belonged, or may have belonged, to this topic.
    ``stale_ns`` is the time spent STALE so far, ``dropped`` counts the deltas that arrived in that time, ``outdated``
    the late frames that were left out: old snapshots and, for order books, old deltas. ``odd_fields`` counts optional
    fields that were left out because their value made no sense, ``refused_events`` events left out for a required field
    of that kind: each is a MalformedEvent in its stream. ``lanes`` says how many frames of an order book each decoder
    took, and how many were unusable, as ``client.lanes`` does for all books. ``refusal`` says why a topic is not served
    although its connection is up: its sign-in failed, or its renewed subscription was refused and is tried again.
    """

    state: BookState | None
    stale_reason: str | None
    frames: int
    age_ns: int | None
    gaps: int
    resyncs: int
    silences: int
    damaged: int
    stale_ns: int
    dropped: int
    outdated: int
    odd_fields: int
    refused_events: int
    lanes: dict[str, int]
    refusal: str | None = None

    def of_lines(self, lines: "Sequence[Health]") -> "Health":
        """Return this health, which is what readers see, with the counts of both lines."""
        lanes: Counter[str] = Counter()
        for line in lines:
            lanes.update(line.lanes)
        sums = {name: sum(getattr(line, name) for line in lines) for name in COUNTS}
        ages_ns = [line.age_ns for line in lines if line.age_ns is not None]
        age_ns = min(ages_ns, default=None) if self.state is None else self.age_ns
        refusals = [line.refusal for line in lines]
        refusal = "; ".join(map(str, refusals)) if all(refusals) else None
        return msgspec.structs.replace(self, lanes=dict(lanes), age_ns=age_ns, refusal=refusal, **sums)


class TopicTracker:
    """The history of one topic, and the task that refetches its state, if there is one."""

    def __init__(
        self,
        channel: Channel,
        settings: Settings,
        jitter: Callable[[], float] = random.random,
        on_stale: Callable[["TopicTracker"], object] = id,
    ) -> None:
        self.channel = channel
        self._on_stale = on_stale
        self.state: Any = channel.state if isinstance(channel, BookChannel | StateChannel) else None
        self._clock: Any = channel if self.state is None else self.state  # has the time of the last frame
        self.refusal: str | None = None
        self.gaps = self.resyncs = self.silences = self.damaged = 0
        self.backoff: Backoff = settings.request_backoff(begins_at_once=True, jitter=jitter)
        self.settled = asyncio.Event()  # its snapshot arrived, or a frame was refused again
        self.task: asyncio.Task[None] | None = None
        self._stale_ns = 0
        self._stale_since_ns: int | None = None
        self._silence_s: float | None = None
        if isinstance(channel, BookChannel):
            self._silence_s = settings.book_silence_s
        elif isinstance(channel, StateChannel):
            self._silence_s = settings.instrument_silence_s
        self._snapshot_s = settings.timeout_s
        self._listening_since_s: float | None = None
        self._progress = (True, 0)
        self._doublings = 0
        self._frames_when_silent = 0
        if self.state is not None:
            self.state.on_state(self._on_state)

    def _on_state(self, state: object) -> None:
        now_ns = time.monotonic_ns()
        if self._stale_since_ns is not None:
            self._stale_ns += now_ns - self._stale_since_ns
        is_stale = self.state.state is BookState.STALE and not self.state.finished
        self._stale_since_ns = now_ns if is_stale else None
        if is_stale:
            self._on_stale(self)
        else:
            self.settled.set()

    def asked(self) -> None:
        """Count one more resync, which is not settled yet."""
        self.resyncs += 1
        self.settled.clear()

    @property
    def _outdated(self) -> int:
        """The number of frames that were older than its state."""
        channel = self.channel
        return channel.outdated if isinstance(channel, BookChannel) else self.state.outdated

    # ---- silence

    def listen(self, now_s: float) -> None:
        """Note that the venue serves the topic as of ``now_s``."""
        self._listening_since_s = now_s

    def stop_listening(self) -> None:
        """Note that the connection is lost, so that silence means nothing."""
        self._listening_since_s = None

    def silent_s(self, now_s: float) -> float | None:
        """Return how long no usable frame has arrived, if that is longer than the bound; else None. O(1).

        While a snapshot is due, only snapshots count, and the bound is at most ``timeout_s``, even if silence has none.
        The bound doubles each time, up to 16-fold, until more arrives than the snapshot that is then requested.
        """
        if self.state is None or self._listening_since_s is None:
            return None
        waits, frames = self.channel.needs_snapshot, self.channel.frames - self._outdated
        progress = (waits, self.state.version if waits else frames)
        if progress != self._progress:
            self._progress, self._listening_since_s = progress, now_s
            if not waits and frames > self._frames_when_silent + 1:
                self._doublings = 0
        silence_s = math.inf if self._silence_s is None else self._silence_s
        bound_s = min(silence_s, self._snapshot_s) if waits else silence_s
        found_s = now_s - self._listening_since_s
        if found_s < bound_s * 2**self._doublings:
            return None
        self.silences += 1
        self._listening_since_s, self._frames_when_silent = now_s, frames
        self._doublings = min(self._doublings + 1, MOST_DOUBLINGS)
        return found_s

    # ---- reporting

    def health(self) -> Health:
        """Return the health at this moment. O(1)."""
        channel, state = self.channel, self.state
        stale_ns = self._stale_ns
        if self._stale_since_ns is not None:
            stale_ns += time.monotonic_ns() - self._stale_since_ns
        dropped = outdated = odd_fields = refused_events = 0
        lanes: dict[str, int] = {}
        if isinstance(channel, BookChannel):
            dropped, outdated = channel.dropped, channel.outdated
            lanes = {"scanner": channel.scanned, "msgspec": channel.decoded, "rejected": channel.rejected}
        elif isinstance(channel, EventChannel):
            odd_fields, refused_events = channel.odd_fields, channel.refused_events
        elif state is not None:
            dropped, outdated, odd_fields = state.dropped, state.outdated, state.odd_fields
        return Health(
            state=None if state is None else state.state,
            stale_reason=None if state is None else state.stale_reason,
            frames=channel.frames,
            age_ns=time.time_ns() - last_ns if (last_ns := self._clock.ts_recv_ns) else None,
            gaps=self.gaps,
            resyncs=self.resyncs,
            silences=self.silences,
            damaged=self.damaged,
            stale_ns=stale_ns,
            dropped=dropped,
            outdated=outdated,
            odd_fields=odd_fields,
            refused_events=refused_events,
            lanes=lanes,
            refusal=self.refusal,
        )
