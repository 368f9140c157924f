"""Refetches a topic's state after a gap, a damaged frame or silence."""

import asyncio
from collections.abc import Callable
from typing import Final

from depthwire.bybit.dialect import means_unknown
from depthwire.errors import (
    ConnectionLost,
    ContinuityError,
    DamagedFrame,
    DepthwireError,
    FrameError,
    SubscriptionRejected,
    TopicSilent,
)
from depthwire.feed.channel import Channel
from depthwire.session.connection import Connection
from depthwire.session.health import TopicTracker
from depthwire.session.resubscription import Resubscription
from depthwire.settings import Settings

TICKS_PER_BOUND: Final = 4


class Resyncs:
    """Tracks the topics of one session, and refetches states one topic at a time, without disturbing others.

    Each topic has at most one resync, which is repeated with a backoff until its snapshot arrives. One timer looks for
    silent topics, four times in the shortest bound; they are refetched one after the other.
    """

    def __init__(
        self,
        connection: Connection,
        args_per_request: int,
        settings: Settings,
        report: Callable[[DepthwireError], object],
        on_unknown: Callable[[str, DepthwireError], object],
    ) -> None:
        self.trackers: dict[str, TopicTracker] = {}
        self._requests = Resubscription(connection, args_per_request)
        self._settings = settings
        self._report = report
        self._on_unknown = on_unknown
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def connection(self) -> Connection:
        """The current connection."""
        return self._requests.connection

    @connection.setter
    def connection(self, connection: Connection) -> None:
        self._requests.connection = connection

    def add(self, channel: Channel) -> None:
        """Track one more topic."""
        self._loop = asyncio.get_running_loop()
        self.trackers[channel.topic] = TopicTracker(channel, self._settings, self._requests.jitter, self._went_stale)

    def remove(self, topic: str) -> None:
        """Stop tracking a topic that has ended."""
        self.stop(topic)
        self.trackers.pop(topic, None)

    def stop(self, topic: str) -> None:
        """Cancel the resync of a topic that is about to end."""
        tracker = self.trackers.get(topic)
        if tracker is not None and tracker.task is not None:
            tracker.task.cancel()

    def served(self, topic: str) -> None:
        """Note that the venue serves a topic from now on."""
        self.trackers[topic].listen(asyncio.get_running_loop().time())
        self.trackers[topic].refusal = None

    def refused(self, topic: str, reason: str) -> bool:
        """Note why the venue does not serve a topic now; returns whether the reason is new."""
        is_new = self.trackers[topic].refusal != reason
        self.trackers[topic].refusal = reason
        return is_new

    def connection_down(self) -> None:
        """Cancel all resyncs: the next connection subscribes to everything again."""
        for topic, tracker in self.trackers.items():
            tracker.stop_listening()
            self.stop(topic)

    def frame_refused(self, error: FrameError) -> None:
        """Count an unusable frame, and refetch each state that is lost because of it."""
        for topic in error.topics if isinstance(error, DamagedFrame) else (error.topic,):
            tracker = self.trackers.get(topic)
            if tracker is not None:
                tracker.gaps += isinstance(error, ContinuityError)
                tracker.damaged += error.is_damage
                self._begin_if_needed(tracker)

    def fetch(self, topic: str) -> None:
        """Refetch a topic's state."""
        if topic in self.trackers:
            self._begin(self.trackers[topic])

    def _went_stale(self, tracker: TopicTracker) -> None:
        """Refetch a state that became STALE; a reader in another thread may have marked it."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            self._begin_if_needed(tracker)
        elif self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin_if_needed, tracker)

    def _begin_if_needed(self, tracker: TopicTracker) -> None:
        is_known = self.trackers.get(tracker.channel.topic) is tracker
        if is_known and tracker.channel.needs_snapshot and self.connection.connected:
            self._begin(tracker)

    def _begin(self, tracker: TopicTracker) -> "asyncio.Task[None]":
        tracker.settled.set()
        if tracker.task is None:
            tracker.task = self.connection.spawn(self._fetch(tracker))
        return tracker.task

    async def _fetch(self, tracker: TopicTracker) -> None:
        """Resubscribe one topic until its snapshot arrives; if the venue does not know it, the topic ends."""
        topic = tracker.channel.topic
        try:
            while tracker.channel.needs_snapshot:
                reason = await self._requests.resubscribe(tracker, tracker.backoff.next_s())
                tracker.refusal = str(SubscriptionRejected(topic, reason)) if reason else None
                if reason is None:
                    break
                if reason:
                    tracker.channel.request_failed()
                    error = SubscriptionRejected(topic, reason)
                    self._report(error)
                    if means_unknown(reason):
                        self._on_unknown(topic, error)
                        break
                    # It is unsubscribed now, even if a late copy of its snapshot passed for the answer.
                    tracker.state.mark_stale(str(error))
                    continue
                await self._snapshot_due(tracker)
        except ConnectionLost:
            pass  # the next connection subscribes it again
        finally:
            tracker.task = None

    async def _snapshot_due(self, tracker: TopicTracker) -> None:
        """Wait until a requested snapshot arrives or is refused; report it if it is overdue."""
        timeout_s = self._settings.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await tracker.settled.wait()
        except TimeoutError:
            tracker.channel.request_failed()
            tracker.silences += 1
            self._report(TopicSilent(tracker.channel.topic, timeout_s))

    # ---- silence

    async def watch(self) -> None:
        """Look for silent topics until cancelled."""
        bounds_s = (self._settings.book_silence_s, self._settings.instrument_silence_s, self._settings.timeout_s)
        while True:
            await asyncio.sleep(min(bound for bound in bounds_s if bound) / TICKS_PER_BOUND)
            await self.fetch_silent(asyncio.get_running_loop().time())

    async def fetch_silent(self, now_s: float) -> None:
        """Report and refetch each topic that is silent for longer than its bound at ``now_s``. O(topics)."""
        idle = [tracker for tracker in self.trackers.values() if tracker.task is None]
        silent = [(tracker, silent_s) for tracker in idle if (silent_s := tracker.silent_s(now_s))]
        for tracker, silent_s in silent:
            topic = tracker.channel.topic
            if not self.connection.connected or self.trackers.get(topic) is not tracker or tracker.task is not None:
                continue
            error = TopicSilent(topic, silent_s)
            tracker.state.mark_stale(str(error))
            self._report(error)
            # The next one is refetched when this one's snapshot arrives, or is overdue.
            await asyncio.wait((self._begin(tracker),), timeout=self._settings.timeout_s)
