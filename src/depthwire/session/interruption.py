"""Renews the topics that the venue ended together with others that were unsubscribed."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from depthwire.bybit.topics import Topic
from depthwire.errors import ConnectionLost
from depthwire.feed.channel import with_raw
from depthwire.session.connection import Connection
from depthwire.session.resync import Resyncs
from depthwire.session.subscription import Subscription


class Interruptible(Protocol):
    """The part of a session that an interruption needs."""

    @property
    def connection(self) -> Connection: ...
    @property
    def resyncs(self) -> Resyncs: ...
    @property
    def subscriptions(self) -> Mapping[Topic, Subscription]: ...
    def subscribe(self, subscriptions: Sequence[Subscription]) -> None: ...


class Interruption:
    """The time in which ``shared`` subscriptions are not served, because ``ended`` topics that overlap them end.

    It begins now, before the venue ends the topics. Nothing follows if the connection is lost before it ends: the next
    one subscribes all topics.
    """

    def __init__(self, session: Interruptible, ended: Collection[Topic], shared: Sequence[Subscription]) -> None:
        self._session = session
        self._ended, self._shared = ended, shared
        self._connects = session.connection.status.connects
        self._since_ns = session.connection.feed.last_recv_ns or time.time_ns()

    def end(self) -> None:
        """Subscribe the topics again. Their streams get a StreamGap, their states are STALE until a new snapshot."""
        session = self._session
        if not session.connection.connected or session.connection.status.connects != self._connects:
            return
        session.subscribe([each for each in self._shared if not self._is_refetched(each)])

    def end_later(self) -> None:
        """Do the same without the venue's answer, when all that it sent before it ended the topics has arrived."""
        if self._shared and not self._session.connection.closed:
            self._session.connection.spawn(self._catch_up())

    async def _catch_up(self) -> None:
        connection = self._session.connection
        try:
            await connection.catch_up()
        except ConnectionLost:
            return
        except TimeoutError:
            connection.drop("no answer after topics were unsubscribed that others share")
        else:
            self.end()

    def _is_refetched(self, subscription: Subscription) -> bool:
        """Note that frames are missing; returns whether all topics that lack some have states, which are refetched."""
        session = self._session
        topics = [topic for topic in subscription.channels if any(ended.covers(topic) for ended in self._ended)]
        channels = [subscription.channels[topic] for topic in topics]
        if session.subscriptions.get(subscription.topic) is not subscription:
            return False
        for each in with_raw(channels):
            each.connection_lost("the venue ended it together with a topic that was unsubscribed", self._since_ns)
            if each.needs_snapshot:
                session.resyncs.fetch(each.topic)
        return bool(channels) and all(channel.needs_snapshot for channel in channels)
