"""Each reader's channel and its twin on a new connection, which takes over when it has caught up.

A book or an instrument joins the new feed as soon as its twin is as new as itself. Of events, those that only one of
the connections has brought are handed out, and those that both have are handed out once.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from depthwire.book.types import BookState
from depthwire.bybit.instrument import Instrument
from depthwire.errors import DepthwireError, FrameError, StreamGap
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.event_channel import EventChannel, PatternChannel, RawChannel
from depthwire.feed.listener import Feed
from depthwire.feed.live_book import LiveBook
from depthwire.feed.state_channel import StateChannel


class Recorder:
    """A reader of events that keeps them, behind ``events`` from before."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events

    def push(self, events: list[Any], report: object) -> None:
        """Take a frame's events."""
        self.events += events

    def break_off(self, error: DepthwireError) -> None:
        """Nobody reads it here."""

    def finish(self) -> None:
        """No more events will come."""


class StateTwin:
    """A book's or an instrument's channel, and its twin on the new connection."""

    def __init__(self, channel: BookChannel | StateChannel, twin: BookChannel | StateChannel) -> None:
        self.channel, self.twin = channel, twin
        self._stops: tuple[Callable[[], None], ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether the new connection has what the old one had."""
        return not self.twin.needs_snapshot or self.channel.needs_snapshot

    def join(self, feed: Feed) -> None:
        """Lead the new feed's frames to the reader's channel: now, or when the twin has caught up with it."""
        if self._caught_up():
            self._take_over(feed)
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
        """The twin does not catch up: the state must be fetched anew."""
        self.leave()
        feed.channels.add(self.channel)
        self.channel.state.mark_stale("the new connection does not go on where the old one ended")

    def leave(self) -> None:
        """Listen no more."""
        for stop in self._stops:
            stop()
        self._stops = ()


def sequence(state: LiveBook | Instrument) -> tuple[int, int]:
    """By which states of one topic compare, whichever connection they are from."""
    if isinstance(state, Instrument):
        return state.frame_seq, state.ts_exchange_us  # it changes with the clock, too, where nobody trades
    return (state.cross_seq, 0) if state.cross_seq else (0, state.ts_exchange_us)  # option frames of 2023 have no seq


class Overlap(NamedTuple):
    """How many events of either part come before the end of what both have."""

    old: int
    new: int


class EventTwin:
    """A channel of events, its twin on the new connection, and what each of them brought since both were asked for."""

    def __init__(self, channel: EventChannel, twin: EventChannel) -> None:
        self.channel, self.twin = channel, twin
        # A topic may begin with its last event, which readers have had.
        self._old, self._new = Recorder([] if channel.latest is None else [channel.latest]), Recorder([])
        channel.join(self._old)
        twin.join(self._new)
        self._skip: list[Any] = []
        self._feed: Feed | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it is known where in the old connection's events the new one's begin."""
        return not self._new.events or overlap(self._old.events, self._new.events) is not None

    def join(self, feed: Feed) -> None:
        """Hand out what the new connection is ahead, or skip what it is yet to bring once more."""
        old, new = self._old.events, self._new.events
        self.leave()
        at = overlap(old, new)
        if at is None and new and old:
            now_ns = time.time_ns()
            self.channel.connection_lost("the new connection's events do not go on where the old one's ended", now_ns)
            self.channel.connection_back(now_ns)
        rest, self._skip = (new, old) if at is None else (new[at.new :], old[at.old :])
        if rest:
            self.channel.hand(rest)
        if not self._skip:
            feed.channels.add(self.channel)
            return
        self.twin.join(self)
        self._feed = feed

    def push(self, events: list[Any], report: object) -> None:
        """Events of the new connection, of which the old one has brought the first ones already."""
        fresh = []
        for event in events:
            if event in self._skip:
                del self._skip[: self._skip.index(event) + 1]
            else:
                fresh.append(event)
        if fresh:
            self.channel.hand(fresh)
        if not self._skip and self._feed is not None:
            self.force(self._feed)

    def break_off(self, error: DepthwireError) -> None:
        """Events may be missing here: a frame could not be read, or arrived damaged."""
        if isinstance(error, FrameError):
            self.channel.refuse(error)
        elif isinstance(error, StreamGap):
            self.channel.damaged(error.reason, error.since_ns, error.until_ns)

    def finish(self) -> None:
        """No more events will come."""

    def force(self, feed: Feed) -> None:
        """Whatever comes from now on is new."""
        self.twin.leave(self)
        feed.channels.add(self.channel)

    def leave(self) -> None:
        """Listen no more."""
        self.channel.leave(self._old)
        self.twin.leave(self._new)


class RawTwin:
    """A channel of raw frames, its twin on the new connection, and the frames that this one brought so far.

    Bytes of two connections cannot be joined: readers meet a StreamGap, and after it all frames of the new connection.
    """

    is_ready = True

    def __init__(self, channel: RawChannel, twin: RawChannel) -> None:
        self.channel, self.twin = channel, twin
        self._new = Recorder([])
        twin.join(self._new)

    def join(self, feed: Feed) -> None:
        """Hand out what the new connection brought, and lead its frames to the readers' channel.

        A channel that belongs to another one is fed by the twin until that other one joins the feed.
        """
        self.leave()
        if not isinstance(self.channel, PatternChannel):  # which has no frames
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
        """A frame of the new connection."""
        self.channel.hand(events)

    def break_off(self, error: DepthwireError) -> None:
        """Frames may be missing here."""
        if isinstance(error, FrameError):
            self.channel.refuse(error)

    def finish(self) -> None:
        """No more frames will come."""

    def force(self, feed: Feed) -> None:
        """It has joined already."""

    def leave(self) -> None:
        """Record no more."""
        self.twin.leave(self._new)


def overlap(old: list[Any], new: list[Any]) -> Overlap | None:
    """Behind which events two parts of one stream, of which ``new`` begins later, have both brought the same.

    None where neither begins in the other. O(old × new), as a rule O(old + new).
    """
    for at in range(len(old)):
        count = min(len(old) - at, len(new))
        if count and old[at] == new[0] and old[at : at + count] == new[:count]:
            return Overlap(at + count, count)
    return None
