"""Refetching a topic's state: after a frame that does not follow or arrived damaged, and after silence."""

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
from depthwire.session.health import TopicRecord
from depthwire.session.resubscription import Resubscription
from depthwire.settings import Settings

TICKS_PER_BOUND: Final = 4


class Resyncs:
    """The record of each topic of one session; refetches the state of those that need it, other topics do not notice.

    Each topic has at most one resync at a time, which goes on, backed off, until its snapshot is in. Silence is looked
    for by one timer, four times in the shortest bound; silent topics are refetched one after the other.
    """

    def __init__(
        self,
        connection: Connection,
        args_per_request: int,
        settings: Settings,
        report: Callable[[DepthwireError], object],
        on_unknown: Callable[[str, DepthwireError], object],
    ) -> None:
        self.records: dict[str, TopicRecord] = {}
        self._requests = Resubscription(connection, args_per_request)
        self._settings = settings
        self._report = report
        self._on_unknown = on_unknown
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def connection(self) -> Connection:
        """The one whose topics these are; another one may take its place."""
        return self._requests.connection

    @connection.setter
    def connection(self, connection: Connection) -> None:
        self._requests.connection = connection

    def add(self, channel: Channel) -> None:
        """Keep a record of one more topic."""
        self._loop = asyncio.get_running_loop()
        self.records[channel.topic] = TopicRecord(channel, self._settings, self._requests.jitter, self._went_stale)

    def remove(self, topic: str) -> None:
        """The topic has ended."""
        self.stop(topic)
        self.records.pop(topic, None)

    def stop(self, topic: str) -> None:
        """Refetch a topic no more, as it is about to end."""
        record = self.records.get(topic)
        if record is not None and record.task is not None:
            record.task.cancel()

    def served(self, topic: str) -> None:
        """The venue serves a topic from now on."""
        self.records[topic].listen(asyncio.get_running_loop().time())
        self.records[topic].refusal = None

    def sign_in_refused(self, topic: str, reason: str) -> None:
        """The venue does not serve a topic until a sign-in is accepted."""
        self.records[topic].refusal = reason

    def connection_down(self) -> None:
        """No topic is served; what is wanted is asked for again with the next connection."""
        for topic, record in self.records.items():
            record.stop_listening()
            self.stop(topic)

    def frame_refused(self, error: FrameError) -> None:
        """A frame could not be used: refetch the state of each topic that has none because of it."""
        for topic in error.topics if isinstance(error, DamagedFrame) else (error.topic,):
            record = self.records.get(topic)
            if record is not None:
                record.gaps += isinstance(error, ContinuityError)
                record.damaged += error.is_damage
                self._begin_if_needed(record)

    def fetch(self, topic: str) -> None:
        """Refetch a topic's state."""
        if topic in self.records:
            self._begin(self.records[topic])

    def _went_stale(self, record: TopicRecord) -> None:
        """A state is STALE, perhaps by its reader's word, which may come from another thread."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            self._begin_if_needed(record)
        elif self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin_if_needed, record)

    def _begin_if_needed(self, record: TopicRecord) -> None:
        is_known = self.records.get(record.channel.topic) is record
        if is_known and record.channel.needs_snapshot and self.connection.connected:
            self._begin(record)

    def _begin(self, record: TopicRecord) -> "asyncio.Task[None]":
        record.settled.set()
        if record.task is None:
            record.task = self.connection.spawn(self._fetch(record))
        return record.task

    async def _fetch(self, record: TopicRecord) -> None:
        """Resubscribe one topic for a new snapshot, again until it is in; refused as unknown, the topic ends."""
        topic = record.channel.topic
        try:
            while record.channel.needs_snapshot:
                reason = await self._requests.resubscribe(record, record.backoff.next_s())
                if reason is None:
                    break
                if reason:
                    error = SubscriptionRejected(topic, reason)
                    self._report(error)
                    if means_unknown(reason):
                        self._on_unknown(topic, error)
                        break
                    continue
                await self._snapshot_due(record)
        except ConnectionLost:
            pass  # asked for again once it is back
        finally:
            record.task = None

    async def _snapshot_due(self, record: TopicRecord) -> None:
        """Wait until a snapshot that was asked for is in, or is refused; report where it is overdue."""
        timeout_s = self._settings.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await record.settled.wait()
        except TimeoutError:
            record.silences += 1
            self._report(TopicSilent(record.channel.topic, timeout_s))

    # ---- silence

    async def watch(self) -> None:
        """Look for silent topics, for ever."""
        bounds_s = (self._settings.book_silence_s, self._settings.instrument_silence_s, self._settings.timeout_s)
        while True:
            await asyncio.sleep(min(bound for bound in bounds_s if bound) / TICKS_PER_BOUND)
            await self.fetch_silent(asyncio.get_running_loop().time())

    async def fetch_silent(self, now_s: float) -> None:
        """Report each topic that is silent beyond its bound at ``now_s``, and refetch it. O(topics)."""
        idle = [record for record in self.records.values() if record.task is None]
        silent = [(record, silent_s) for record in idle if (silent_s := record.silent_s(now_s))]
        for record, silent_s in silent:
            topic = record.channel.topic
            if not self.connection.connected or self.records.get(topic) is not record or record.task is not None:
                continue
            error = TopicSilent(topic, silent_s)
            record.state.mark_stale(str(error))
            self._report(error)
            # The next one's turn comes with this one's snapshot, or when that is overdue.
            await asyncio.wait((self._begin(record),), timeout=self._settings.timeout_s)
