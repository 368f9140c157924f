"""What is wanted from one endpoint: topics, their channels, resubscription after a reconnect."""

import asyncio
import os
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from depthwire.bybit.dialect import Dialect, means_unknown
from depthwire.bybit.topics import Topic
from depthwire.endpoints import elsewhere
from depthwire.errors import (
    AuthError,
    ClientClosed,
    ConnectionLost,
    DepthwireError,
    FrameError,
    SubscriptionRejected,
    SubscriptionTimeout,
    shortened,
)
from depthwire.feed.channel import Channel, EventChannel, with_raw
from depthwire.feed.listener import Feed
from depthwire.runtime.loop_end import when_closed
from depthwire.session.channels import SessionChannels
from depthwire.session.connection import Connection
from depthwire.session.handover import keep_young
from depthwire.session.options import ConnectOptions
from depthwire.session.reports import Reports
from depthwire.session.resync import Resyncs
from depthwire.session.subscription import Subscription, raise_all, refuse_unsubscribed


class Session:
    """Keeps one endpoint's topics served until it is closed.

    Its ``channels``, by topic, outlive connections: a book goes STALE when the connection is lost, and LIVE with the
    snapshot that its resubscription brings.
    """

    def __init__(self, url: str, dialect: Dialect, options: ConnectOptions, reports: Reports) -> None:
        self.dialect = dialect
        self.earlier_frames = 0
        self.subscriptions: dict[Topic, Subscription] = {}
        self.report = reports.report
        self.settings = options.settings
        self._new: list[Subscription] = []
        self._forget_loop: Callable[[], None] = lambda: None
        self.connection = Connection(self, url, dialect, options)
        self.resyncs = Resyncs(
            self.connection, dialect.limits.args_per_request, self.settings, self.report, self.topic_unknown
        )
        self.registry = SessionChannels(dialect, options, self.resyncs, self.report)
        _sessions.add(self)

    @property
    def channels(self) -> dict[str, Channel]:
        """The channels by topic."""
        return self.registry.by_topic

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
        self._forget_loop()
        self._forget_loop = when_closed(asyncio.get_running_loop(), self.loop_closed)
        await self.connection.open()
        self._begin_tasks()

    def _begin_tasks(self) -> None:
        """What is done beside a connection, for as long as it is the session's."""
        self.connection.spawn(self.resyncs.watch())
        if self.settings.max_connection_age_s is not None:
            self.connection.spawn(keep_young(self, self.settings.max_connection_age_s))

    def keep_trying(self) -> None:
        """Connect as soon as that can be done, where :meth:`open` has failed and nothing tries again."""
        if not self.connection.is_kept:
            self.connection.keep_trying()
            self._begin_tasks()

    def continue_on(self, connection: Connection) -> None:
        """Go on with another connection, which serves all of the session's topics; the old one is the caller's."""
        old, self.connection = self.connection, connection
        self.resyncs.connection = connection
        self.earlier_frames += old.feed.frames
        connection.succeed(old, self)
        for subscription in self.subscriptions.values():
            subscription.confirm()
        self._begin_tasks()

    async def close(self, error: DepthwireError | None = None) -> None:
        """End the connection and all readers; callers that wait get ``error``, or else a ClientClosed."""
        self._forget_loop()
        await self.connection.close()
        for subscription in self.subscriptions.values():
            for channel in with_raw(subscription.channels.values()):
                channel.finish("the client was closed")
            if not subscription.confirmed.done():
                subscription.confirmed.set_exception(error or ClientClosed("the client was closed"))

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
        self._finish_all("this process was forked from the client's")

    def loop_closed(self) -> None:
        """The event loop was closed under the client: nothing comes any more, and none of it must look alive."""
        if not self.connection.closed:
            self.connection.strand()
            self._finish_all("the event loop was closed before the client")

    def _finish_all(self, reason: str) -> None:
        for channel in with_raw(self.channels.values()):
            # A loop that does not run, or runs in another thread, may refuse to wake readers; none of them runs anyway.
            with suppress(RuntimeError):
                channel.finish(reason)

    # ---- what the connection and the feed tell

    def connection_up(self) -> None:
        """Ask again for all that is wanted; for private topics once the connection has signed in."""
        self._new.clear()
        self._subscribe(list(self.subscriptions.values()))

    def signed_in(self) -> None:
        """Ask for the private topics, for which :meth:`connection_up` came too early."""
        self._subscribe([each for each in self.subscriptions.values() if each.topic.is_private])

    def sign_in_refused(self, error: AuthError) -> None:
        """Private topics bring nothing until a later sign-in is accepted: tell all who read them or wait for them."""
        for subscription in [each for each in self.subscriptions.values() if each.topic.is_private]:
            for channel in with_raw(subscription.channels.values()):
                assert isinstance(channel, EventChannel), "private topics bring events"
                channel.refuse(error)
                self.resyncs.sign_in_refused(channel.topic, str(error))
            self._settle(subscription, error)

    def connection_down(self, reason: str) -> None:
        """Every channel learns it at once; who subscribes from now on waits for the resubscription."""
        self.resyncs.connection_down()
        for subscription in self.subscriptions.values():
            subscription.await_again()
        for channel in with_raw(self.channels.values()):
            channel.connection_lost(reason, self.feed.last_recv_ns or time.time_ns())

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        """A topic that was not asked for by its own name: a pattern's, or nobody's."""
        for subscription in self.subscriptions.values():
            if subscription.topic.covers(topic):
                channel = self.registry.hold(topic, subscription)
                if channel is not None:
                    self.resyncs.served(topic)
                if (pattern := subscription.channels.get(subscription.topic.text)) is not None:
                    pattern.connection_back(time.time_ns())  # data may come before the answer
                return channel
        return None

    def on_frame_error(self, error: FrameError) -> None:
        """A frame could not be used: report it, and refetch each state that is LIVE no more because of it."""
        self.report(error)
        self.resyncs.frame_refused(error)

    # ---- subscribing

    def add(
        self,
        topics: Iterable[Topic],
        on_channel: Callable[[Channel], object] = lambda channel: None,
        *,
        raw: bool = False,
    ) -> list[Subscription]:
        """Want topics; new ones are asked for in the loop's next turn.

        ``on_channel`` gets each channel that serves one; with ``raw`` that of its raw frames, which any topic has.
        Raises ClientClosed or ClientForked.
        """
        self.connection.refuse_closed()
        registry = self.registry
        hand = (lambda channel: on_channel(registry.raw(channel))) if raw else on_channel
        found, new = [], []
        for topic in topics:
            subscription = self.subscriptions.get(topic)
            if subscription is None:
                subscription = self.subscriptions[topic] = Subscription.to(topic, self.settings.request_backoff())
                new.append(subscription)
            subscription.is_typed |= not raw
            own = () if topic.is_pattern and not raw and self._brings_states(topic) else (topic.text,)
            for name in dict.fromkeys((*own, *subscription.channels)):
                self.registry.hold(name, subscription)
            if topic.is_pattern:
                subscription.on_channel.append(hand)
            for channel in subscription.channels.values():
                hand(channel)
            subscription.callers += 1
            found.append(subscription)
        if new and not self._new:
            asyncio.get_running_loop().call_soon(self._subscribe_new)
        self._new += new
        return found

    def _brings_states(self, topic: Topic) -> bool:
        """Whether a topic keeps books or instruments, which need no gap: each begins with a snapshot."""
        return topic.kind in self.dialect.books or topic.kind == self.dialect.instrument_kind

    def _subscribe_new(self) -> None:
        """What many callers may have added in one turn of the loop is asked for with as few requests as can be."""
        new, self._new = self._new, []
        if self.connection.connected:
            self._subscribe(new)
        if self.connection.auth.policy.refusal is not None and not self.connection.auth.signed_in:
            for subscription in [each for each in new if each.topic.is_private]:
                self._settle(subscription, AuthError(str(self.connection.auth.policy.refusal)))

    def held(self, topic: str) -> tuple[Channel, ...]:
        """The channel of a concrete topic, if there is one."""
        channel = self.channels.get(topic)
        return () if channel is None else (channel,)

    def _subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        wanted = [each for each in subscriptions if self.subscriptions.get(each.topic) is each and self._may_ask(each)]
        for subscription in wanted:
            subscription.await_again()
        most = self.dialect.limits.args_per_request
        for part in ([each for each in wanted if each.topic.is_private is private] for private in (False, True)):
            for start in range(0, len(part), most):
                self.connection.spawn(self._subscribe_some(part[start : start + most]))

    def _may_ask(self, subscription: Subscription) -> bool:
        """Whether the venue would serve a topic now: private ones need a sign-in."""
        return self.connection.auth.signed_in or not subscription.topic.is_private

    async def _subscribe_some(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscribe with one request; settles the subscriptions' ``confirmed``."""
        timeout_s = self.settings.timeout_s
        for subscription in subscriptions:
            for channel in with_raw(subscription.channels.values()):
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
        if not answer.success and answer.by_topic is None and len(subscriptions) > 1:
            # One bad topic refuses the whole request: ask for each half, down to the bad one alone.
            middle = len(subscriptions) // 2
            for half in (subscriptions[:middle], subscriptions[middle:]):
                self._subscribe(half)
            return
        for subscription in subscriptions:
            reason = "" if answer.is_served else answer.refusal(subscription.topic.text)
            if reason:
                self._refused(subscription, reason)
            else:
                self._served(subscription)

    def _served(self, subscription: Subscription) -> None:
        """The venue has confirmed a topic."""
        subscription.confirm()
        for channel in with_raw(subscription.channels.values()):
            self.resyncs.served(channel.topic)
            channel.connection_back(time.time_ns())

    def _refused(self, subscription: Subscription, reason: str) -> None:
        """The venue refused a topic: what was served before is asked for again, if the venue still knows it."""
        topic, was_served = subscription.topic, subscription.established
        refused_sign_in = self.connection.auth.policy.refusal if topic.is_private else None
        if hint := elsewhere(topic.filter, self.dialect):
            reason = f"{reason}; {hint}"
        error = refused_sign_in or SubscriptionRejected(topic.text, reason)
        self.give_up(subscription, error)
        if was_served and means_unknown(reason):
            self._forget(subscription, error)
        elif was_served and refused_sign_in is None:
            self.connection.spawn(self._ask_again(subscription))

    async def _ask_again(self, subscription: Subscription) -> None:
        """Subscribe once more after a wait, on this connection: the next one asks for everything anyway."""
        connects = self.connection.status.connects
        await asyncio.sleep(subscription.backoff.next_s())
        if self.connection.connected and self.connection.status.connects == connects:
            self._subscribe([subscription])

    def give_up(self, subscription: Subscription, error: DepthwireError) -> None:
        """A subscription failed: tell whoever waits for it. One served before stays wanted, and that is reported."""
        if subscription.established:
            self.report(error)
        self._settle(subscription, error)

    def _settle(self, subscription: Subscription, error: DepthwireError) -> None:
        """Tell whoever waits for a subscription that it failed; one that was never served is wanted no more."""
        if not subscription.confirmed.done():
            if not subscription.established:
                self._forget(subscription, error)
            subscription.confirmed.set_exception(error)

    def topic_unknown(self, topic: str, error: DepthwireError) -> None:
        """The venue serves a concrete topic no more: its readers meet the error, and the topic ends."""
        for subscription in tuple(self.subscriptions.values()):
            if subscription.topic.text == topic:
                self._forget(subscription, error)
            elif topic in subscription.channels:
                self.registry.release(topic, subscription, error)

    def _forget(self, subscription: Subscription, why: str | DepthwireError) -> None:
        """Want a topic no more; its channels end, but those that another subscription shares."""
        if self.subscriptions.get(subscription.topic) is subscription:
            del self.subscriptions[subscription.topic]
        for topic in tuple(subscription.channels):
            self.registry.release(topic, subscription, why)

    async def confirmed(self, subscriptions: Iterable[Subscription]) -> None:
        """Wait for the venue's answers; raises SubscriptionRejected, of all refused ones, or SubscriptionTimeout."""
        subscriptions = list(subscriptions)
        waiting = [each.confirmed for each in subscriptions if not each.confirmed.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=self.settings.timeout_s)
        raise_all(map(self._failure_of, subscriptions))

    def _failure_of(self, subscription: Subscription) -> BaseException | None:
        """Why a subscription was not confirmed in time; None where it was."""
        if subscription.confirmed.done():
            return subscription.confirmed.exception()
        error = SubscriptionTimeout(f"{subscription.topic.text}: not confirmed within {self.settings.timeout_s:g} s")
        if not subscription.established:
            self.give_up(subscription, error)
        return error

    async def take_back(self, subscriptions: Iterable[Subscription]) -> None:
        """The caller no longer wants these: end those that no other caller asked for. Reports what fails."""
        unwanted = []
        for subscription in subscriptions:
            subscription.callers -= 1
            if not subscription.callers and self.subscriptions.get(subscription.topic) is subscription:
                unwanted.append(subscription.topic)
        if unwanted and not self.connection.closed:
            try:
                await self.unsubscribe(unwanted)
            except DepthwireError as error:
                self.report(error)

    async def unsubscribe(self, topics: Sequence[Topic]) -> None:
        """End topics, with as few requests as the limits allow: their readers end, and the venue is told.

        Raises TopicError where one was not subscribed (then none is ended), ClientClosed, SubscriptionRejected (of all
        that the venue refuses) or SubscriptionTimeout where it does not answer (the readers are ended all the same).
        """
        self.connection.refuse_closed()
        refuse_unsubscribed(topics, self.subscriptions)
        subscriptions = [self.subscriptions.pop(topic) for topic in topics]
        for topic in topics:
            self.resyncs.stop(topic.text)
        for subscription in subscriptions:
            if not subscription.confirmed.done():
                subscription.confirmed.set_exception(ClientClosed(f"{subscription.topic.text}: unsubscribed"))
        new = set(self._new)  # the venue has not been asked for them yet
        names = [each.topic.text for each in subscriptions if each not in new and self._may_ask(each)]
        # The venue ends what a pattern and a name both asked for; ask again for what was wanted before and still is.
        shared = [
            other
            for other in self.subscriptions.values()
            if other not in new
            and any(other.topic.covers(ended.text) or ended.covers(other.topic.text) for ended in topics)
        ]
        most = self.dialect.limits.args_per_request
        works = [self._unsubscribe_some(names[start : start + most]) for start in range(0, len(names), most)]
        try:
            outcomes = await asyncio.gather(*works, return_exceptions=True)
        finally:
            # Only now: until the answer, frames of the topic were still on their way.
            for subscription in subscriptions:
                self._forget(subscription, "unsubscribed")
        self._subscribe(shared)
        raise_all(outcomes)

    async def _unsubscribe_some(self, names: Sequence[str]) -> None:
        """Unsubscribe with one request; raises SubscriptionRejected or SubscriptionTimeout."""
        try:
            answer = await self.connection.ask("unsubscribe", names)
        except ConnectionLost:
            return  # a connection that is gone has no subscriptions
        except TimeoutError:
            text = shortened(", ".join(names))
            message = f"{text}: the venue did not answer within {self.settings.timeout_s:g} s"
            raise SubscriptionTimeout(message) from None
        reasons = {name: reason for name in names if (reason := answer.refusal(name))}
        if reasons:
            raise SubscriptionRejected.of(reasons)


Held = Mapping[Session, Sequence[Subscription]]
"""What one caller has asked for, by the session that serves it."""


@asynccontextmanager
async def taken_back_on_failure(held: Held) -> AsyncIterator[None]:
    """Where the block fails, end what its caller alone asked for; where it is cancelled, without waiting for that."""
    try:
        yield
    except DepthwireError:
        await asyncio.gather(*(session.take_back(subscriptions) for session, subscriptions in held.items()))
        raise
    except BaseException:
        for session, subscriptions in held.items():
            if not session.connection.closed:
                session.connection.spawn(session.take_back(subscriptions))
        raise


_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()


def _after_fork() -> None:
    for session in tuple(_sessions):
        session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
