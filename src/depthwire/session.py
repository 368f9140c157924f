"""What is wanted from one endpoint: topics, their channels, resubscription after a reconnect."""

import asyncio
import os
import ssl
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import picows

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.topics import Topic
from depthwire.channel import Channel
from depthwire.connection import AuthWay, Connection, asked_for
from depthwire.errors import (
    ClientClosed,
    ConnectionLost,
    DepthwireError,
    FrameError,
    SubscriptionRejected,
    SubscriptionTimeout,
    TopicError,
)
from depthwire.feed import Feed
from depthwire.handover import keep_young
from depthwire.reports import Reports
from depthwire.resync import Resyncs
from depthwire.settings import Settings


class FeedOwner(Protocol):
    """Whom a :class:`~depthwire.feed.Feed` tells what is not a topic's data."""

    def on_control(self, message: bytes) -> object: ...
    def on_frame_error(self, error: FrameError) -> object: ...
    def on_unrouted(self, topic: str) -> Channel | None: ...
    def on_connected(self, transport: picows.WSTransport) -> object: ...
    def on_disconnected(self, transport: picows.WSTransport) -> object: ...


@dataclass(eq=False)
class Subscription:
    """A topic that is wanted, the channels that serve it, and whether the venue has confirmed it.

    ``confirmed`` is of the connection at hand, ``established`` of any so far. ``callers`` counts who asked for it.
    ``on_channel`` is called with each channel that a pattern's frames bring.
    """

    topic: Topic
    confirmed: "asyncio.Future[None]"
    established: bool = False
    callers: int = 0
    channels: dict[str, Channel] = field(default_factory=dict)
    on_channel: list[Callable[[Channel], object]] = field(default_factory=list)

    @classmethod
    def to(cls, topic: Topic) -> "Subscription":
        """One that is yet to be asked for."""
        return cls(topic, confirmation())

    def await_again(self) -> None:
        """What the venue has said of it holds no more."""
        if self.confirmed.done():
            self.confirmed = confirmation()

    def confirm(self) -> None:
        """The venue serves it."""
        self.established = True
        if not self.confirmed.done():
            self.confirmed.set_result(None)


def confirmation() -> "asyncio.Future[None]":
    """The venue's word that is yet to come."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.add_done_callback(asked_for)
    return future


class Session:
    """Keeps one endpoint's topics served until it is closed.

    Its ``channels``, by topic, outlive connections: a book goes STALE when the connection is lost, and LIVE with the
    snapshot that its resubscription brings.
    """

    def __init__(
        self,
        url: str,
        dialect: Dialect,
        settings: Settings,
        reports: Reports,
        *,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        auth_way: AuthWay = "op",
        scanner: bool = True,
    ) -> None:
        self.dialect = dialect
        self.channels: dict[str, Channel] = {}
        self.earlier_frames = 0
        self.subscriptions: dict[Topic, Subscription] = {}
        self.report = reports.report
        self.settings = settings
        self._scanner = scanner
        self._book_decoder = dialect.book_decoder()
        self._new: list[Subscription] = []
        self._holders: Counter[str] = Counter()  # how many subscriptions each channel serves
        self.connection = Connection(
            self,
            url,
            dialect,
            settings,
            ssl_context=ssl_context,
            proxy=proxy,
            auth_way=auth_way,
        )
        self.resyncs = Resyncs(self.connection, settings, self.report)
        _sessions.add(self)

    @property
    def feed(self) -> Feed:
        """The feed of the connection at hand."""
        return self.connection.feed

    @property
    def frames(self) -> int:
        """How many came, on this connection and those that it followed."""
        return self.earlier_frames + self.feed.frames

    async def open(self) -> None:
        """Connect, and from then on stay so; raises ConnectError or AuthError where the first attempt fails."""
        await self.connection.open()
        self.begin_tasks()

    def begin_tasks(self) -> None:
        """What is done beside a connection, for as long as it is the session's."""
        self.connection.spawn(self.resyncs.watch())
        if self.settings.max_connection_age_s is not None:
            self.connection.spawn(keep_young(self, self.settings.max_connection_age_s))

    def keep_trying(self) -> None:
        """Connect as soon as that can be done, where :meth:`open` has failed and nothing tries again."""
        if not self.connection.is_kept:
            self.connection.keep_trying()
            self.begin_tasks()

    async def close(self) -> None:
        """End the connection and all readers."""
        await self.connection.close()
        for subscription in self.subscriptions.values():
            for channel in subscription.channels.values():
                channel.finish("the client was closed")
            if not subscription.confirmed.done():
                subscription.confirmed.set_exception(ClientClosed("the client was closed"))

    @property
    def last_recv_ns(self) -> int:
        """When the latest frame came, in ns since the epoch; 0 before the first."""
        return self.feed.last_recv_ns

    def probe(self) -> Callable[[], bool]:
        """Have the venue say something now; what is returned tells whether all has come that it had sent before."""
        return self.connection.probe()

    def after_fork(self) -> None:
        """This is a forked child: what its parent's feed keeps current stands still here, and must not look alive."""
        self.connection.after_fork()
        for channel in self.channels.values():
            # A debugging loop refuses to wake readers from another thread; its own thread does not run here anyway.
            with suppress(RuntimeError):
                channel.finish("this process was forked from the client's")

    # ---- what the connection and the feed tell

    def connection_up(self) -> None:
        """Ask again for all that is wanted."""
        self._new.clear()
        self._subscribe(list(self.subscriptions.values()))

    def connection_down(self, reason: str) -> None:
        """Every channel learns it at once; who subscribes from now on waits for the resubscription."""
        self.resyncs.connection_down()
        for subscription in self.subscriptions.values():
            subscription.await_again()
        for channel in self.channels.values():
            channel.connection_lost(reason, self.feed.last_recv_ns or time.time_ns())

    def on_unrouted(self, topic: str) -> Channel | None:
        """A topic that was not asked for by its own name: a pattern's, or nobody's."""
        for subscription in self.subscriptions.values():
            if subscription.topic.covers(topic):
                channel = self._serve(topic, subscription)
                if channel is not None:
                    self.resyncs.served(topic)
                return channel
        return None

    def on_frame_error(self, error: FrameError) -> None:
        """A frame could not be used: report it, and fetch a state that is not LIVE any more anew."""
        self.report(error)
        self.resyncs.frame_refused(error)

    # ---- subscribing

    def add(
        self, topics: Iterable[Topic], on_channel: Callable[[Channel], object] = lambda channel: None
    ) -> list[Subscription]:
        """Want topics; new ones are asked for in the loop's next turn.

        ``on_channel`` gets each channel that serves one. Raises ClientClosed or ClientForked.
        """
        self.connection.refuse_closed()
        found, new = [], []
        for topic in topics:
            subscription = self.subscriptions.get(topic)
            if subscription is None:
                subscription = self.subscriptions[topic] = Subscription.to(topic)
                if not topic.is_pattern:
                    self._serve(topic.text, subscription)
                new.append(subscription)
            if topic.is_pattern:
                subscription.on_channel.append(on_channel)
            for channel in subscription.channels.values():
                on_channel(channel)
            subscription.callers += 1
            found.append(subscription)
        if new and not self._new:
            asyncio.get_running_loop().call_soon(self._subscribe_new)
        self._new += new
        return found

    def _subscribe_new(self) -> None:
        """What many callers may have added in one turn of the loop is asked for with as few requests as can be."""
        new, self._new = self._new, []
        if self.connection.connected:
            self._subscribe(new)

    def new_channel(self, topic: str) -> Channel | None:
        """A channel for a concrete topic, which nobody reads yet; None where the dialect has no such topic."""
        return self.dialect.channel(topic, scanner=self._scanner, decoder=self._book_decoder)

    def _serve(self, topic: str, subscription: Subscription) -> Channel | None:
        """The channel of a concrete topic, made where there is none yet, as one of the subscription's."""
        channel = self.channels.get(topic)
        if channel is None:
            channel = self.new_channel(topic)
            if channel is None:
                return None
            self.channels[topic] = channel
            channel.attach(self.report, self.settings.slow_callback_s or 0.0)
            self.feed.channels.add(channel)
            self.resyncs.add(channel)
        if topic not in subscription.channels:
            self._holders[topic] += 1
        subscription.channels[topic] = channel
        for callback in subscription.on_channel:
            callback(channel)
        return channel

    def _subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        wanted = [each for each in subscriptions if self.subscriptions.get(each.topic) is each]
        for subscription in wanted:
            subscription.await_again()
        most = self.dialect.limits.args_per_request
        for start in range(0, len(wanted), most):
            self.connection.spawn(self._subscribe_some(wanted[start : start + most]))

    async def _subscribe_some(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscribe with one request; settles the subscriptions' ``confirmed``."""
        timeout_s = self.settings.timeout_s
        for subscription in subscriptions:
            for channel in subscription.channels.values():
                channel.asked()
        try:
            answer = await self.connection.ask("subscribe", [subscription.topic.text for subscription in subscriptions])
        except ConnectionLost:
            return  # asked again once it is back
        except TimeoutError:
            if any(subscription.established for subscription in subscriptions):
                # Some were served before: it is the connection that does not answer.
                self.connection.drop(f"no answer to a resubscription within {timeout_s:g} s")
            for subscription in subscriptions:
                message = f"{subscription.topic.text}: the venue did not answer the subscription within {timeout_s:g} s"
                self.give_up(subscription, SubscriptionTimeout(message))
            return
        if answer.success or (answer.is_served and len(subscriptions) == 1):
            for subscription in subscriptions:
                subscription.confirm()
                for channel in subscription.channels.values():
                    self.resyncs.served(channel.topic)
                    channel.connection_back(time.time_ns())
        elif len(subscriptions) > 1:
            # One bad topic refuses the whole request: ask for each half, down to the bad one alone.
            middle = len(subscriptions) // 2
            for half in (subscriptions[:middle], subscriptions[middle:]):
                self._subscribe(half)
        else:
            topic = subscriptions[0].topic
            refused_sign_in = self.connection.sign_in_refusal if topic.is_private else None
            self.give_up(subscriptions[0], refused_sign_in or SubscriptionRejected(topic.text, answer.reason))

    def give_up(self, subscription: Subscription, error: DepthwireError) -> None:
        """A subscription failed: tell whoever waits for it. One served before stays wanted, and that is reported."""
        if subscription.established:
            self.report(error)
        elif not subscription.confirmed.done():
            self._forget(subscription, str(error))
        if not subscription.confirmed.done():
            subscription.confirmed.set_exception(error)

    def _forget(self, subscription: Subscription, reason: str) -> None:
        """Want a topic no more; its channels end, but those that another subscription shares."""
        if self.subscriptions.get(subscription.topic) is subscription:
            del self.subscriptions[subscription.topic]
        channels, subscription.channels = subscription.channels, {}
        for topic, channel in channels.items():
            self._holders[topic] -= 1
            if not self._holders[topic]:
                del self._holders[topic]
                channel.finish(reason)
                del self.channels[topic]
                self.feed.channels.remove(topic)
                self.resyncs.remove(topic)

    async def confirmed(self, subscriptions: Iterable[Subscription]) -> None:
        """Wait until the venue has confirmed all; raises SubscriptionRejected or SubscriptionTimeout."""
        deadline_s = asyncio.get_running_loop().time() + self.settings.timeout_s
        for subscription in subscriptions:
            try:
                async with asyncio.timeout_at(deadline_s):
                    await asyncio.shield(subscription.confirmed)
            except TimeoutError:
                message = f"{subscription.topic.text}: not confirmed within {self.settings.timeout_s:g} s"
                error = SubscriptionTimeout(message)
                if not subscription.established:
                    self.give_up(subscription, error)
                raise error from None

    async def take_back(self, subscriptions: Iterable[Subscription]) -> None:
        """End what nobody but the caller asked for, to whom another topic was refused; reports what fails."""
        topics = [
            each.topic for each in subscriptions if each.callers == 1 and self.subscriptions.get(each.topic) is each
        ]
        if topics and not self.connection.closed:
            try:
                await self.unsubscribe(topics)
            except DepthwireError as error:
                self.report(error)

    async def unsubscribe(self, topics: Sequence[Topic]) -> None:
        """End topics: their readers end, and the venue is told.

        Raises TopicError where one was not subscribed (then none is ended), ClientClosed, SubscriptionRejected or
        SubscriptionTimeout where the venue refuses or does not answer (the readers are ended all the same).
        """
        self.connection.refuse_closed()
        subscriptions = []
        for topic in topics:
            if topic not in self.subscriptions:
                raise TopicError(f"{topic.text!r} is not subscribed")
            subscriptions.append(self.subscriptions[topic])
        text = ", ".join(topic.text for topic in topics)
        for subscription in subscriptions:
            del self.subscriptions[subscription.topic]
            if not subscription.confirmed.done():
                subscription.confirmed.set_exception(ClientClosed(f"{subscription.topic.text}: unsubscribed"))
        try:
            answer = await self.connection.ask("unsubscribe", [topic.text for topic in topics])
            if not answer.success:
                raise SubscriptionRejected(text, answer.reason)
        except ConnectionLost:
            pass  # a connection that is gone has no subscriptions
        except TimeoutError:
            message = f"{text}: the venue did not answer within {self.settings.timeout_s:g} s"
            raise SubscriptionTimeout(message) from None
        finally:
            # Only now: until the answer, frames of the topic were still on their way.
            for subscription in subscriptions:
                self._forget(subscription, "unsubscribed")
        # The venue ended what a pattern and a name both asked for; ask again for what is still wanted.
        shared = [
            other
            for other in self.subscriptions.values()
            if any(other.topic.covers(ended.text) or ended.covers(other.topic.text) for ended in topics)
        ]
        self._subscribe(shared)


_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()


def _after_fork() -> None:
    for session in tuple(_sessions):
        session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
