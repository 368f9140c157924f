"""Hands a connection's topics over to a new one before it ends, so that readers see neither STALE nor a gap.

The new connection subscribes to the same topics, with separate channels, the twins. When it serves all of them, it
takes the old one's place. Each reader's channel then joins the new feed as soon as its twin has caught up with it.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

from depthwire.bybit.dialect import Dialect, means_unknown
from depthwire.bybit.topics import Topic
from depthwire.errors import (
    AuthError,
    ConnectionLost,
    DepthwireError,
    FrameError,
    SubscriptionRejected,
    SubscriptionTimeout,
    shortened,
)
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel
from depthwire.feed.event_channel import EventChannel, RawChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.session.channels import SessionChannels
from depthwire.session.connection import Connection
from depthwire.session.resync import Resyncs
from depthwire.session.twins import LATEST_S, EventTwin, RawTwin, StateTwin
from depthwire.settings import Settings

POLL_S: Final = 0.01
RETRY_PARTS: Final = 10  # of its age, until a handover that failed is tried again


class Replaceable(Protocol):
    """The part of a session that a handover needs."""

    @property
    def connection(self) -> Connection: ...
    @property
    def channels(self) -> Mapping[str, Channel]: ...
    @property
    def registry(self) -> SessionChannels: ...
    @property
    def resyncs(self) -> Resyncs: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def subscriptions(self) -> Collection[Topic]: ...
    @property
    def dialect(self) -> Dialect: ...
    @property
    def report(self) -> Callable[[DepthwireError], object]: ...
    def topic_unknown(self, topic: str, error: DepthwireError) -> object: ...
    def continue_on(self, connection: Connection) -> object: ...
    def on_unrouted(self, topic: str, message: bytes) -> Channel | None: ...


async def replace_when_old(session: Replaceable, age_s: float) -> None:
    """Replace a session's connection each time it is ``age_s`` old, or up to a tenth younger, until cancelled."""
    while True:
        connection = session.connection
        due_s = connection.live_since_s + age_s * random.uniform(0.9, 1.0)  # noqa: S311  # spread over many clients
        await asyncio.sleep(max(due_s - asyncio.get_running_loop().time(), age_s / RETRY_PARTS))
        if connection.connected and asyncio.get_running_loop().time() >= connection.live_since_s + 0.9 * age_s:
            await Handover(session).run()


class Handover:
    """One handover of a session's connection; it owns the new one until the session does.

    If either connection loses something meanwhile, the handover fails. The old connection stays in use: it brings what
    only the new one has lost, and its readers know what it has lost itself.
    """

    def __init__(self, session: Replaceable) -> None:
        self._session = session
        self._new = session.connection.another(self)
        self._old_lost = session.connection.lost
        self._twins: dict[str, StateTwin | EventTwin | RawTwin] = {}
        self._raw_twins: dict[str, RawTwin] = {}  # of raw channels that belong to others
        self._carried: set[Topic] = set()
        self._ended: set[Topic] = set()  # carried, but their readers have ended, and others may have begun
        self._lost = ""
        self._taped: list[tuple[int, bytes]] = []
        if session.connection.feed.tap is not None:
            self._new.feed.tap = lambda ts_recv_ns, payload: self._taped.append((ts_recv_ns, bytes(payload)))

    async def run(self) -> None:
        """Hand over; if that fails, report why and keep the old connection."""
        session = self._session
        try:
            await self._new.open()
            await self._serve()
        except DepthwireError as error:
            session.report(error)
        except TimeoutError:
            session.report(self._timeout("the venue did not answer in time"))
        finally:
            if self._new is not session.connection:
                for twin in (*self._twins.values(), *self._raw_twins.values()):
                    twin.leave()
                await self._new.close()

    async def _serve(self) -> None:
        """Subscribe to every topic of the session on the new connection, then switch to it."""
        loop, session = asyncio.get_running_loop(), self._session
        deadline_s = loop.time() + session.settings.timeout_s
        while True:
            wanted = set(session.subscriptions)
            ended = self._carried - (wanted - self._ended)
            if any(topic.overlaps(other) for topic in ended for other in self._carried - ended):
                raise ConnectionLost(
                    f"{self._new.url}: a topic ended that shares frames with another during a handover"
                )
            await self._ask("unsubscribe", ended)
            self._ended.clear()
            for name in [name for name in self._twins if any(each.text == name or each.covers(name) for each in ended)]:
                self._drop(name)  # it lacks what comes before the topic is subscribed again
            self._pair_channels()
            if wanted - self._carried:
                await self._ask("subscribe", wanted - self._carried)
                await session.connection.catch_up()  # the new one does not resend what was sent before
            self._pair_channels()
            if lost := self._loss():
                raise ConnectionLost(f"{self._new.url}: no handover: {lost}; it is retried later")
            serves_all = set(session.subscriptions) == self._carried and not self._ended
            if serves_all:
                for twin in self._twins.values():
                    if isinstance(twin, EventTwin):
                        twin.served()
            late = [twin for twin in self._twins.values() if not twin.is_ready]
            is_over = loop.time() > deadline_s
            if serves_all and (
                not late or (is_over and all(isinstance(twin, EventTwin) and twin.may_be_forced for twin in late))
            ):
                self._switch()
                return
            if is_over:
                topics = shortened(", ".join(sorted(twin.channel.topic for twin in late)))
                raise self._timeout(f"the connections differ in {topics}" if late else "the topics keep changing")
            await asyncio.sleep(POLL_S)

    def _timeout(self, why: str) -> SubscriptionTimeout:
        timeout_s = self._session.settings.timeout_s
        return SubscriptionTimeout(f"{self._new.url}: no handover within {timeout_s:g} s: {why}; it is retried later")

    def _loss(self) -> str:
        """Return what one of the connections has lost, "" if nothing. O(topics)."""
        if self._lost:
            return self._lost
        if self._old_lost is None or self._old_lost.done():
            return "the old connection was lost first"
        return next((twin.failure for twin in (*self._raw_twins.values(), *self._twins.values()) if twin.failure), "")

    async def _ask(self, op: str, topics: Iterable[Topic]) -> None:
        most = self._session.dialect.limits.args_per_request
        names = sorted(topics, key=lambda topic: topic.text)
        for start in range(0, len(names), most):
            await self._ask_some(op, names[start : start + most])

    async def _ask_some(self, op: str, topics: Sequence[Topic]) -> None:
        """Send one request, and end topics that the venue does not know. Raises SubscriptionRejected."""
        answer = await self._new.ask(op, [topic.text for topic in topics])
        if not answer.success and answer.by_topic is None and len(topics) > 1:
            # One bad topic fails the whole request: bisect.
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
        """Make a twin for each reader's channel, and drop those of topics that have ended."""
        channels = self._session.channels
        for topic in [topic for topic, twin in self._twins.items() if channels.get(topic) is not twin.channel]:
            self._drop(topic)
            self._ended |= {each for each in self._carried if each.text == topic}
        for topic in channels.keys() - self._twins.keys():
            self._pair(channels[topic])
        for topic, channel in channels.items():
            if topic not in self._raw_twins and isinstance(channel.raw, RawChannel):
                twin = self._twins[topic].twin.raw = RawChannel(topic)
                self._raw_twins[topic] = RawTwin(channel.raw, twin)

    def _drop(self, topic: str) -> None:
        self._twins.pop(topic).leave()
        self._raw_twins.pop(topic, None)
        self._new.feed.end(topic)

    def _pair(self, channel: Channel) -> Channel:
        if isinstance(channel, RawChannel):
            raw = RawChannel(channel.topic)
            self._twins[channel.topic] = RawTwin(channel, raw)
            self._new.feed.channels.add(raw)
            return raw
        twin = self._session.registry.new(channel.topic)
        if isinstance(channel, EventChannel):
            assert isinstance(twin, EventChannel)
            quiet_s = min(LATEST_S, self._session.settings.timeout_s / 2)
            self._twins[channel.topic] = EventTwin(channel, twin, quiet_s)
        else:
            assert isinstance(channel, BookChannel | StateChannel)
            assert isinstance(twin, BookChannel | StateChannel)
            self._twins[channel.topic] = StateTwin(channel, twin)
        self._new.feed.channels.add(twin)
        return twin

    def _switch(self) -> None:
        """Switch the session to the new connection."""
        session, old, new = self._session, self._session.connection, self._new
        session.continue_on(new)
        tap = new.feed.tap
        if tap is not None:
            for ts_recv_ns, payload in self._taped:
                tap(ts_recv_ns, memoryview(payload))
        for twin in (*self._raw_twins.values(), *self._twins.values()):
            twin.join(new.feed)
        new.spawn(self._finish(new.spawn(old.close())))
        old.begin_close()

    async def _finish(self, closing: "asyncio.Task[None]") -> None:
        """Wait for the last twins to catch up. What they have is worth nothing once the new connection is lost."""
        feed, session, lost = self._new.feed, self._session, self._new.lost
        assert lost is not None, "it was connected"
        deadline_s = asyncio.get_running_loop().time() + session.settings.timeout_s
        while left := [twin for twin in self._twins.values() if self._is_left(twin)]:
            if lost.done() or asyncio.get_running_loop().time() > deadline_s:
                for twin in left:
                    twin.force(feed)
                break
            await asyncio.wait((lost,), timeout=POLL_S)
        await closing  # which ends the refetches of the old connection
        for twin in self._twins.values():
            if twin.channel.needs_snapshot and session.channels.get(twin.channel.topic) is twin.channel:
                session.resyncs.fetch(twin.channel.topic)

    def _is_left(self, twin: StateTwin | EventTwin | RawTwin) -> bool:
        """Return whether a channel is still in use and does not get the new feed's frames yet."""
        channel = twin.channel
        is_read = self._session.channels.get(channel.topic) is channel
        return is_read and self._new.feed.channels.get(channel.topic) is not channel

    # ---- called by the new connection until the session owns it

    def connection_up(self) -> None:
        """Do nothing: :meth:`run` subscribes."""

    def connection_down(self, reason: str) -> None:
        """Note that the new connection was lost."""
        self._lost = reason

    def signed_in(self) -> None:
        """Do nothing: it signed in when it was opened."""

    def sign_in_refused(self, error: AuthError) -> None:
        """Note that it cannot serve the private topics."""
        self._lost = str(error)

    def report(self, error: DepthwireError) -> None:
        """Ignore the error: whatever concerns readers also fails the handover, which is reported."""

    def on_frame_error(self, error: FrameError) -> None:
        """Note a damaged frame, which may belong to any topic; the twins note other unusable frames."""
        if error.is_damage:
            self._lost = self._lost or f"a damaged frame arrived: {error}"

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        """Return the twin for a pattern's topic; makes the reader's channel if there is none yet."""
        channel = self._session.channels.get(topic) or self._session.on_unrouted(topic, message)
        return None if channel is None else self._pair(channel)
