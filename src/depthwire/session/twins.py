"""Each reader's channel and its twin on a new connection, which takes over when it has caught up.

The channel of a book or an instrument joins the new feed as soon as the twin's state is at least as new as the
reader's. Readers get each event once, whether one connection has brought it or both.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from depthwire.book.types import BookState
from depthwire.bybit.instrument import Instrument
from depthwire.errors import DepthwireError, FrameError, MalformedEvent, StreamGap
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.event_channel import EventChannel, PatternChannel, RawChannel
from depthwire.feed.listener import Feed
from depthwire.feed.live_book import LiveBook
from depthwire.feed.state_channel import StateChannel

LATEST_S: Final = 1.0
"""How far apart two connections may bring one event, in s: a pong proves only what its own server had sent."""
ID_FIELDS: Final = ("trade_id", "exec_id")


class EventLog:
    """A reader that appends a channel's events to ``events``, and a MalformedEvent in place of each refused event.

    ``keys`` identify the events. ``first_s`` and ``last_s`` are when the first and the last of them arrived, in the
    loop's time. ``failure`` is the first error that means that ``events`` may be incomplete, as text; "" if there was
    none.
    """

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.keys: list[Any] = []
        self.first_s, self.last_s = math.inf, -math.inf
        self.failure = ""

    def push(self, events: list[Any], report: object) -> None:
        """Keep a frame's events."""
        self.keep(events)
        self.last_s = asyncio.get_running_loop().time()
        self.first_s = min(self.first_s, self.last_s)

    def keep(self, events: list[Any]) -> None:
        """Keep events, whenever they arrived."""
        self.events += events
        self.keys += map(key_of, events)

    def break_off(self, error: DepthwireError) -> None:
        """Keep a refused event; note any other error."""
        if isinstance(error, MalformedEvent):
            self.push([error], None)
        else:
            self.failure = self.failure or str(error)

    def finish(self) -> None:
        """Do nothing at the end of the events."""


class StateTwin:
    """A book's or an instrument's channel, and its twin on the new connection."""

    def __init__(self, channel: BookChannel | StateChannel, twin: BookChannel | StateChannel) -> None:
        self.channel, self.twin = channel, twin
        self._stops: tuple[Callable[[], None], ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether the twin has a state, if the channel has one."""
        return not self.twin.needs_snapshot or self.channel.needs_snapshot

    @property
    def failure(self) -> str:
        """Why the twin lost its state although the channel has one; "" if it did not."""
        state = self.twin.state
        is_lost = state.state is BookState.STALE and not self.channel.needs_snapshot
        return f"{state.topic}: {state.stale_reason}" if is_lost else ""

    def join(self, feed: Feed) -> None:
        """Route the new feed's frames to the reader's channel: now, or when the twin has caught up with it."""
        if self._caught_up():
            self._take_over(feed)
        elif self.twin.needs_snapshot:
            self.force(feed)
        elif not self._stops:
            # A twin that is STALE has lost a frame that the reader's channel will not get either.
            self._stops = (
                self.twin.state.on_change(lambda *_: self.join(feed)),
                self.twin.state.on_state(lambda twin: self.force(feed) if twin.state is BookState.STALE else None),
            )

    def _caught_up(self) -> bool:
        return not self.twin.needs_snapshot and sequence(self.twin.state) >= sequence(self.channel.state)

    def _take_over(self, feed: Feed) -> None:
        self.leave()
        feed.channels.add(self.channel)
        self.channel.state.adopt(self.twin.state)

    def force(self, feed: Feed) -> None:
        """Join although the twin has not caught up: the state is STALE and will be refetched."""
        self.leave()
        feed.channels.add(self.channel)
        self.channel.state.mark_stale("the new connection is not contiguous with the old one")

    def leave(self) -> None:
        """Stop listening."""
        for stop in self._stops:
            stop()
        self._stops = ()


def sequence(state: LiveBook | Instrument) -> tuple[int, int]:
    """Return a key that orders the states of one topic across connections."""
    if isinstance(state, Instrument):
        return state.frame_seq, state.ts_exchange_us  # it changes with the clock, even without trades
    return (state.cross_seq, 0) if state.cross_seq else (0, state.ts_exchange_us)  # option frames of 2023 have no seq


class Overlap(NamedTuple):
    """A run of events that are in both of two sequences: where it ends in each (exclusive), and how long it is."""

    old: int
    new: int
    length: int

    @property
    def is_contiguous(self) -> bool:
        """Whether one of the sequences begins with the run. Otherwise the events before it differ."""
        return self.length in (self.old, self.new)


class EventTwin:
    """A channel of events, its twin on the new connection, and the events of both since the twin was made.

    Each connection may lag the other. The new one takes over at an event that both have brought, so the old one
    is needed until it has brought the first event of the new one. If the new one brings none, it takes over when the
    old one has been silent for ``quiet_s``: an event that the old one has not brought by then is considered lost.
    """

    def __init__(self, channel: EventChannel, twin: EventChannel, quiet_s: float = LATEST_S) -> None:
        self.channel, self.twin = channel, twin
        self._quiet_s = quiet_s
        self._served_s = math.inf
        self._since_ns = time.time_ns()
        self._old, self._new = EventLog(), EventLog()
        if channel.latest is not None:
            self._old.keep([channel.latest])  # a topic may begin with its last event, which readers have seen
        twin.attach(_ignore)  # the reader's channel reports the refused events that it hands out
        channel.join(self._old)
        twin.join(self._new)
        self._skip: list[Any] = []
        self._feed: Feed | None = None

    def served(self) -> None:
        """Note that the new connection serves the topic. Only the first call counts."""
        self._served_s = min(self._served_s, asyncio.get_running_loop().time())

    @property
    def is_ready(self) -> bool:
        """Whether the new connection's events can be aligned with the old one's without a doubt."""
        if not self._new.events:
            quiet_since_s = max(self._served_s, self._old.last_s)
            return asyncio.get_running_loop().time() >= quiet_since_s + self._quiet_s
        at = overlap(self._old.keys, self._new.keys)
        return at is not None and at.is_contiguous

    @property
    def failure(self) -> str:
        """Why the events of one of the connections may be incomplete; "" if they are complete."""
        return self._old.failure or self._new.failure

    @property
    def may_be_forced(self) -> bool:
        """Whether the new connection may take over although the twin never was ready.

        It may if both have brought the latest events, or if only the new one brings any; then readers get a StreamGap.
        It may not if the old connection may still bring what the new one lacks.
        """
        if overlap(self._old.keys, self._new.keys) is not None:
            return True
        is_refused = any(isinstance(event, MalformedEvent) for event in self._new.events)
        return bool(self._new.events) and not is_refused and self._old.last_s < self._new.first_s

    def join(self, feed: Feed) -> None:
        """Hand out the events that only the new connection has brought; skip those that it will repeat."""
        old, new = self._old, self._new
        self.leave()
        at = overlap(old.keys, new.keys)
        if (at is None and new.events) or (at is not None and self._lacks(at)):
            self.channel.connection_lost(
                "the new connection's events are not contiguous with the old one's", self._since_ns
            )
            self.channel.connection_back(time.time_ns())
        seen_old, seen_new = (0, 0) if at is None else (at.old, at.new)
        self._skip = old.keys[seen_old:]
        if rest := new.events[seen_new:]:
            self.channel.take_over(rest)
        if not self._skip:
            feed.channels.add(self.channel)
            return
        self.twin.join(self)
        self._feed = feed

    def _lacks(self, at: Overlap) -> bool:
        """Return whether the old connection lacks events that the new one brought before a run, with no error for it.

        O(old × new) if the run is not contiguous, else O(1).
        """
        if at.is_contiguous:
            return False
        old, new = self._old.keys[: at.old - at.length], self._new.keys[: at.new - at.length]
        refused = sum(isinstance(key, MalformedEvent) for key in old)
        return sum(key not in old for key in new) > refused

    def push(self, events: list[Any], report: object) -> None:
        """Pass on events of the new connection, except those that the old one has brought."""
        fresh = []
        for event in events:
            key = key_of(event)
            if key in self._skip:
                del self._skip[: self._skip.index(key) + 1]
            else:
                fresh.append(event)
        if fresh:
            self.channel.take_over(fresh)
        if not self._skip and self._feed is not None:
            self.force(self._feed)

    def break_off(self, error: DepthwireError) -> None:
        """Treat a refused event as an event; report that events may be missing after any other error."""
        if isinstance(error, MalformedEvent):
            self.push([error], None)
        else:
            break_off(self.channel, error)

    def finish(self) -> None:
        """Do nothing at the end of the events."""

    def force(self, feed: Feed) -> None:
        """Join the new feed: all further events are new."""
        self.twin.leave(self)
        feed.channels.add(self.channel)

    def leave(self) -> None:
        """Stop listening."""
        self.channel.leave(self._old)
        self.twin.leave(self._new)


class RawTwin:
    """A channel of raw frames, its twin on the new connection, and the frames of the twin so far.

    Frames of two connections cannot be aligned: readers get a StreamGap, then all frames of the new connection.
    """

    is_ready = True

    def __init__(self, channel: RawChannel, twin: RawChannel) -> None:
        self.channel, self.twin = channel, twin
        self._new = EventLog()
        twin.join(self._new)

    @property
    def failure(self) -> str:
        """Why the new connection's frames may be incomplete; "" if they are complete."""
        return self._new.failure

    def join(self, feed: Feed) -> None:
        """Hand out the frames of the new connection, and route further ones to the readers' channel.

        A raw channel of another channel gets its frames from the twin until that other channel joins the feed.
        """
        self.leave()
        if not isinstance(self.channel, PatternChannel):  # it has no frames
            now_ns = time.time_ns()
            self.channel.connection_lost("the connection was replaced by a new one, whose frames follow", now_ns)
            self.channel.connection_back(now_ns)
        if self._new.events:
            self.channel.hand(self._new.events)
        if feed.channels.get(self.channel.topic) is self.twin:
            feed.channels.add(self.channel)
        else:
            self.twin.join(self)

    def push(self, events: list[Any], report: object) -> None:
        """Pass on a frame of the new connection."""
        self.channel.hand(events)

    def break_off(self, error: DepthwireError) -> None:
        """Report that frames may be missing."""
        break_off(self.channel, error)

    def finish(self) -> None:
        """Do nothing at the end of the frames."""

    def force(self, feed: Feed) -> None:
        """Do nothing: it has joined."""

    def leave(self) -> None:
        """Stop listening."""
        self.twin.leave(self._new)


def break_off(channel: EventChannel, error: DepthwireError) -> None:
    """Report to a channel's readers what its twin lost: an unreadable frame, or a damaged one."""
    if isinstance(error, FrameError):
        channel.refuse(error)
    elif isinstance(error, StreamGap):
        channel.damaged(error.reason, error.since_ns, error.until_ns)


def _ignore(error: DepthwireError) -> None:
    """Ignore an error that is reported elsewhere."""


def key_of(event: Any) -> Any:
    """Return what identifies an event: its id, or the event itself if it has none."""
    for name in ID_FIELDS:
        if (key := getattr(event, name, None)) is not None:
            return key
    return event


def overlap(old: list[Any], new: list[Any]) -> Overlap | None:
    """Return the longest run of events that is in both ``old`` and ``new`` and ends with one of them, None if none is.

    ``old`` and ``new`` are parts of one stream; of equally long runs, the first in ``old`` counts. O(old × new) at
    worst, O(old + new) if the events differ.
    """
    if not old or not new:
        return None
    ends = [(at, len(new)) for at, event in enumerate(old, 1) if event == new[-1]]
    ends += [(len(old), at) for at, event in enumerate(new, 1) if event == old[-1]]
    runs = [Overlap(*end, run_length(old, new, *end)) for end in ends]
    return max(runs, key=lambda run: run.length, default=None)


def run_length(old: list[Any], new: list[Any], old_end: int, new_end: int) -> int:
    """Return how many events before two ends are equal. O(result)."""
    most = min(old_end, new_end)
    return next((at for at in range(most) if old[old_end - 1 - at] != new[new_end - 1 - at]), most)
