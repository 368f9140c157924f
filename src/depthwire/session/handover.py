"""Handing a connection's topics over to a new one before it ends, so that readers meet neither STALE nor a gap.

The new connection subscribes the same topics into channels of its own, the twins. Once it serves all of them it takes
the old one's place. From then on a reader's channel joins the new feed as soon as its twin is where it is itself.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from depthwire.book.types import BookState
from depthwire.bybit.dialect import Dialect, means_unknown
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.topics import Topic
from depthwire.errors import (
    AuthError,
    ConnectionLost,
    DamagedFrame,
    DepthwireError,
    FrameError,
    StreamGap,
    SubscriptionRejected,
    SubscriptionTimeout,
)
from depthwire.feed.channel import (
    BookChannel,
    Channel,
    EventChannel,
    LiveBook,
    PatternChannel,
    RawChannel,
    StateChannel,
)
from depthwire.feed.listener import Feed
from depthwire.session.connection import Connection
from depthwire.session.resync import Resyncs
from depthwire.settings import Settings

POLL_S: Final = 0.01
RETRY_PARTS: Final = 10  # of its age, until a handover that failed is tried again


class Wanted(Protocol):
    """A subscription, for as much as this module is concerned."""

    def confirm(self) -> object: ...


class Old(Protocol):
    """A session, for as much as this module is concerned."""

    connection: Connection
    channels: dict[str, Channel]
    earlier_frames: int
    resyncs: Resyncs
    settings: Settings

    @property
    def subscriptions(self) -> Mapping[Topic, Wanted]: ...
    @property
    def dialect(self) -> Dialect: ...
    @property
    def report(self) -> Callable[[DepthwireError], object]: ...
    def new_channel(self, topic: str) -> Channel | None: ...
    def topic_unknown(self, topic: str, error: DepthwireError) -> object: ...
    def begin_tasks(self) -> None: ...
    def connection_up(self) -> object: ...
    def connection_down(self, reason: str) -> object: ...
    def signed_in(self) -> object: ...
    def sign_in_refused(self, error: AuthError) -> object: ...
    def on_frame_error(self, error: FrameError) -> object: ...
    def on_unrouted(self, topic: str, message: bytes) -> Channel | None: ...


async def keep_young(session: Old, age_s: float) -> None:
    """Hand a session's connection over whenever it is up to a tenth younger than ``age_s``, for ever."""
    while True:
        connection = session.connection
        due_s = connection.live_since_s + age_s * random.uniform(0.9, 1.0)  # noqa: S311  # not all at one moment
        await asyncio.sleep(max(due_s - asyncio.get_running_loop().time(), age_s / RETRY_PARTS))
        if connection.connected and asyncio.get_running_loop().time() >= connection.live_since_s + 0.9 * age_s:
            await Handover(session).run()


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


class Handover:
    """One handover of a session's connection: the owner of the new one until that is the session's."""

    def __init__(self, session: Old) -> None:
        self._session = session
        self._new = session.connection.another(self)
        self._twins: dict[str, StateTwin | EventTwin | RawTwin] = {}
        self._raw_twins: dict[str, RawTwin] = {}  # of raw channels that belong to others
        self._carried: set[Topic] = set()
        self._lost = ""
        self._taped: list[tuple[int, bytes]] = []
        if session.connection.feed.tap is not None:
            self._new.feed.tap = lambda ts_recv_ns, payload: self._taped.append((ts_recv_ns, bytes(payload)))

    async def run(self) -> None:
        """Hand over, or report why that cannot be done, and leave all as it was."""
        session = self._session
        try:
            await self._new.open()
            await self._serve()
        except TimeoutError:
            timeout_s = session.settings.timeout_s
            session.report(
                SubscriptionTimeout(f"{self._new.url}: no handover within {timeout_s:g} s; trying again later")
            )
        except DepthwireError as error:
            session.report(error)
        finally:
            if self._new is not session.connection:
                for twin in (*self._twins.values(), *self._raw_twins.values()):
                    twin.leave()
                await self._new.close()

    async def _serve(self) -> None:
        """Ask for all that the session wants until the new connection serves it, and take the old one's place."""
        loop, session = asyncio.get_running_loop(), self._session
        deadline_s = loop.time() + session.settings.timeout_s
        while True:
            wanted = set(session.subscriptions)
            await self._ask("unsubscribe", self._carried - wanted)
            self._pair_channels()
            if wanted - self._carried:
                await self._ask("subscribe", wanted - self._carried)
                await session.connection.catch_up()  # the new connection does not bring what the old one was behind
            if self._lost:
                raise ConnectionLost(f"{self._new.url}: {self._lost}")
            if not session.connection.connected:
                raise ConnectionLost(f"{self._new.url}: the old connection was lost before it was handed over")
            self._pair_channels()
            late = [twin for twin in self._twins.values() if not twin.is_ready]
            is_over = loop.time() > deadline_s
            if set(session.subscriptions) == self._carried and (
                not late or (is_over and all(isinstance(twin, EventTwin) for twin in late))
            ):
                self._switch()
                return
            if is_over:
                raise TimeoutError
            await asyncio.sleep(POLL_S)

    async def _ask(self, op: str, topics: Iterable[Topic]) -> None:
        most = self._session.dialect.limits.args_per_request
        names = sorted(topics, key=lambda topic: topic.text)
        for start in range(0, len(names), most):
            await self._ask_some(op, names[start : start + most])

    async def _ask_some(self, op: str, topics: Sequence[Topic]) -> None:
        """One request; raises SubscriptionRejected. A topic that the venue does not know ends, as after a resync."""
        answer = await self._new.ask(op, [topic.text for topic in topics])
        if not answer.success and answer.by_topic is None and len(topics) > 1:
            # One bad topic refuses the whole request.
            middle = len(topics) // 2
            for half in (topics[:middle], topics[middle:]):
                await self._ask_some(op, half)
            return
        reasons = {topic.text: reason for topic in topics if (reason := answer.refusal(topic.text))}
        unknown = {name for name, reason in reasons.items() if op == "subscribe" and means_unknown(reason)}
        for name in unknown:
            error = SubscriptionRejected(name, reasons.pop(name))
            self._session.report(error)
            self._session.topic_unknown(name, error)
        if reasons:
            raise SubscriptionRejected.of(reasons)
        done = {topic for topic in topics if topic.text not in unknown}
        self._carried = self._carried | done if op == "subscribe" else self._carried - done

    def _pair_channels(self) -> None:
        """A twin for each of the readers' channels; those of topics that ended go."""
        channels = self._session.channels
        for topic in [topic for topic, twin in self._twins.items() if channels.get(topic) is not twin.channel]:
            self._twins.pop(topic).leave()
            self._raw_twins.pop(topic, None)
            self._new.feed.end(topic)
        for topic in channels.keys() - self._twins.keys():
            self._pair(channels[topic])
        for topic, channel in channels.items():
            if topic not in self._raw_twins and isinstance(channel.raw, RawChannel):
                twin = self._twins[topic].twin.raw = RawChannel(topic)
                self._raw_twins[topic] = RawTwin(channel.raw, twin)

    def _pair(self, channel: Channel) -> Channel:
        if isinstance(channel, RawChannel):
            raw = RawChannel(channel.topic)
            self._twins[channel.topic] = RawTwin(channel, raw)
            self._new.feed.channels.add(raw)
            return raw
        twin = self._session.new_channel(channel.topic)
        if isinstance(channel, EventChannel):
            assert isinstance(twin, EventChannel)
            self._twins[channel.topic] = EventTwin(channel, twin)
        else:
            assert isinstance(channel, BookChannel | StateChannel)
            assert isinstance(twin, BookChannel | StateChannel)
            self._twins[channel.topic] = StateTwin(channel, twin)
        self._new.feed.channels.add(twin)
        return twin

    def _switch(self) -> None:
        """From here on the session's connection is the new one."""
        session, old, new = self._session, self._session.connection, self._new
        new.owner = session
        new.status = msgspec.structs.replace(
            new.status,
            attempts=old.status.attempts + new.status.attempts,
            connects=old.status.connects + new.status.connects,
            losses=old.status.losses,
            last_loss=old.status.last_loss,
            lost_ns=old.status.lost_ns,
            close_code=old.status.close_code,
            close_reason=old.status.close_reason,
        )
        session.earlier_frames += old.feed.frames
        session.connection = session.resyncs.connection = new
        tap = new.feed.tap = old.feed.tap
        if tap is not None:
            for ts_recv_ns, payload in self._taped:
                tap(ts_recv_ns, memoryview(payload))
        for twin in (*self._raw_twins.values(), *self._twins.values()):
            twin.join(new.feed)
        for subscription in session.subscriptions.values():
            subscription.confirm()
        session.begin_tasks()
        new.spawn(self._finish(old))
        old.begin_close()

    async def _finish(self, old: Connection) -> None:
        """See the old connection out, and the last twins."""
        await old.close()
        feed, session = self._new.feed, self._session
        deadline_s = asyncio.get_running_loop().time() + session.settings.timeout_s
        while left := [twin for twin in self._twins.values() if self._is_left(twin)]:
            if asyncio.get_running_loop().time() > deadline_s:
                for twin in left:
                    twin.force(feed)
                break
            await asyncio.sleep(POLL_S)
        for twin in self._twins.values():
            if twin.channel.needs_snapshot and session.channels.get(twin.channel.topic) is twin.channel:
                session.resyncs.fetch(twin.channel.topic)

    def _is_left(self, twin: StateTwin | EventTwin | RawTwin) -> bool:
        """Whether a channel is still read, and does not get the new feed's frames yet."""
        channel = twin.channel
        is_read = self._session.channels.get(channel.topic) is channel
        return is_read and self._new.feed.channels.get(channel.topic) is not channel

    # ---- what the new connection tells until it is the session's

    def connection_up(self) -> None:
        """It is connected; what it is asked for is asked in order."""

    def connection_down(self, reason: str) -> None:
        """It was lost."""
        self._lost = reason

    def signed_in(self) -> None:
        """It was when it was opened."""

    def sign_in_refused(self, error: AuthError) -> None:
        """It cannot serve what the old one does."""
        self._lost = str(error)

    def report(self, error: DepthwireError) -> None:
        """Nobody reads from it yet: it matters if the handover fails, which is then reported."""

    def on_frame_error(self, error: FrameError) -> None:
        """A frame could not be used: its twin does not get ready. One that may be any topic's ends the handover."""
        if isinstance(error, DamagedFrame):
            self._lost = f"a damaged frame arrived: {error.message}"

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        """A pattern's topic: the twin of the reader's channel, which is made where there is none yet."""
        channel = self._session.channels.get(topic) or self._session.on_unrouted(topic, message)
        return None if channel is None else self._pair(channel)
