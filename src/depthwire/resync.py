"""Fetching a topic's state anew, alone: after a frame that does not follow, and after silence."""

import asyncio
from collections.abc import Callable
from typing import Final

from depthwire.channel import Channel
from depthwire.connection import Connection
from depthwire.errors import (
    ConnectionLost,
    ContinuityError,
    DepthwireError,
    FrameError,
    SubscriptionRejected,
    TopicSilent,
)
from depthwire.health import TopicRecord
from depthwire.settings import Settings

TICKS_PER_BOUND: Final = 4


class Resyncs:
    """The record of each topic of one session; fetches the state of those that need it, other topics do not notice.

    Of a topic one resync is under way at a time, backed off where it repeats. Silence is looked for by one timer, four
    times in the shortest bound, and what is silent is fetched anew one after the other, however much is.
    """

    def __init__(self, connection: Connection, settings: Settings, report: Callable[[DepthwireError], object]) -> None:
        self.records: dict[str, TopicRecord] = {}
        self.connection = connection
        self._settings = settings
        self._report = report

    def add(self, channel: Channel) -> None:
        """Keep a record of one more topic."""
        self.records[channel.topic] = TopicRecord(channel, self._settings)

    def remove(self, topic: str) -> None:
        """The topic has ended."""
        record = self.records.pop(topic, None)
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
        """No topic is served."""
        for record in self.records.values():
            record.stop_listening()

    def frame_refused(self, error: FrameError) -> None:
        """A frame could not be used: where that left its topic without a state, fetch that."""
        record = self.records.get(error.topic)
        if record is not None:
            record.gaps += isinstance(error, ContinuityError)
            if record.channel.needs_snapshot and self.connection.connected:
                self._begin(record)

    def fetch(self, topic: str) -> None:
        """Fetch a topic's state anew."""
        if topic in self.records:
            self._begin(self.records[topic])

    def _begin(self, record: TopicRecord) -> "asyncio.Task[None]":
        record.refused_again = True
        if record.task is None:
            record.task = self.connection.spawn(self._fetch(record))
        return record.task

    async def _fetch(self, record: TopicRecord) -> None:
        """Unsubscribe and subscribe one topic for a new snapshot, again for as long as that is refused."""
        topic = record.channel.topic
        try:
            while record.refused_again and record.channel.needs_snapshot:
                wait_s = record.backoff.next_s()
                if record.backoff.attempts > 1:
                    await asyncio.sleep(wait_s)
                record.refused_again = False
                record.resyncs += 1
                await self.connection.ask("unsubscribe", [topic])
                answer = await self.connection.ask("subscribe", [topic])
                if not answer.success:
                    self._report(SubscriptionRejected(topic, answer.reason))
        except ConnectionLost:
            pass  # asked again once it is back
        except TimeoutError:
            self.connection.drop(f"no answer to a resync of {topic} within {self._settings.timeout_s:g} s")
        finally:
            record.task = None

    # ---- silence

    async def watch(self) -> None:
        """Look for silent topics, for ever."""
        bounds_s = [bound for bound in (self._settings.book_silence_s, self._settings.instrument_silence_s) if bound]
        while bounds_s:
            await asyncio.sleep(min(bounds_s) / TICKS_PER_BOUND)
            await self.fetch_silent(asyncio.get_running_loop().time())

    async def fetch_silent(self, now_s: float) -> None:
        """Tell of each topic that is silent beyond its bound at ``now_s``, and fetch it anew. O(topics)."""
        silent = [(record, silent_s) for record in self.records.values() if (silent_s := record.silent_s(now_s))]
        for record, silent_s in silent:
            topic = record.channel.topic
            if not self.connection.connected or self.records.get(topic) is not record or record.task is not None:
                continue
            error = TopicSilent(topic, silent_s)
            record.state.mark_stale(str(error))
            self._report(error)
            await asyncio.wait((self._begin(record),))
