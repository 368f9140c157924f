"""Each reader's channel and its twin on a new connection, which takes over when it has caught up.

The channel of a book or an instrument joins the new feed as soon as the twin's state is at least as new as the
reader's. Readers get each event once, whether one connection has brought it or both.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from depthwire.book.types import BookState
from depthwire.bybit.instrument import Instrument
from depthwire.errors import DepthwireError, FrameError, MalformedEvent, StreamGap
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.event_channel import EventChannel, PatternChannel, RawChannel
from depthwire.feed.listener import Feed
from depthwire.feed.live_book import LiveBook
from depthwire.feed.state_channel import StateChannel


class EventLog:
    """A reader that appends a channel's events to ``events``, and a MalformedEvent in place of each refused event.

    ``failure`` is the first error that means that ``events`` may be incomplete, as text; "" if there was none.
    """

    def __init__(self, events: list[Any]) -> None:
        self.events = events
        self.failure = ""

    def push(self, events: list[Any], report: object) -> None:
        """Keep a frame's events."""
        self.events += events

    def break_off(self, error: DepthwireError) -> None:
        """Keep a refused event; note any other error."""
        if isinstance(error, MalformedEvent):
            self.events.append(error)
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
    """The number of events in each of two sequences up to the last event that is in both."""

    old: int
    new: int


class EventTwin:
    """A channel of events, its twin on the new connection, and the events of both since the twin was made."""

    def __init__(self, channel: EventChannel, twin: EventChannel) -> None:
        self.channel, self.twin = channel, twin
        # A topic may begin with its last event, which readers have seen.
        self._old, self._new = EventLog([] if channel.latest is None else [channel.latest]), EventLog([])
        twin.attach(_ignore)  # the reader's channel reports the refused events that it hands out
        channel.join(self._old)
        twin.join(self._new)
        self._skip: list[Any] = []
        self._feed: Feed | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the new connection's events can be aligned with the old one's."""
        return not self._new.events or overlap(self._old.events, self._new.events) is not None

    @property
    def failure(self) -> str:
        """Why the events of one of the connections may be incomplete; "" if they are complete."""
        return self._old.failure or self._new.failure

    @property
    def may_be_forced(self) -> bool:
        """Whether a StreamGap may replace the alignment: not if the old connection may bring a refused event."""
        return not any(isinstance(event, MalformedEvent) for event in self._new.events)

    def join(self, feed: Feed) -> None:
        """Hand out the events that only the new connection has brought; skip those that it will repeat."""
        old, new = self._old.events, self._new.events
        self.leave()
        at = overlap(old, new)
        if at is None and new and old:
            now_ns = time.time_ns()
            self.channel.connection_lost("the new connection's events are not contiguous with the old one's", now_ns)
            self.channel.connection_back(now_ns)
        rest, self._skip = (new, old) if at is None else (new[at.new :], old[at.old :])
        if rest:
            self.channel.take_over(rest)
        if not self._skip:
            feed.channels.add(self.channel)
            return
        self.twin.join(self)
        self._feed = feed

    def push(self, events: list[Any], report: object) -> None:
        """Pass on events of the new connection, except those that the old one has brought."""
        fresh = []
        for event in events:
            if event in self._skip:
                del self._skip[: self._skip.index(event) + 1]
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
        self._new = EventLog([])
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


def overlap(old: list[Any], new: list[Any]) -> Overlap | None:
    """Return where ``old`` and ``new``, two parts of one stream, have brought the same events; ``new`` begins later.

    None if neither contains the beginning of the other. O(old × new) at worst, usually O(old + new).
    """
    for at in range(len(old)):
        count = min(len(old) - at, len(new))
        if count and old[at] == new[0] and old[at : at + count] == new[:count]:
            return Overlap(at + count, count)
    return None
