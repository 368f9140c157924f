"""The topics that callers want from one endpoint: subscribed, and resubscribed after a reconnect."""

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
from depthwire.feed.channel import Channel, with_raw
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.listener import Feed
from depthwire.runtime.loop_end import when_closed
from depthwire.session.channels import SessionChannels
from depthwire.session.connection import Connection
from depthwire.session.handover import replace_when_old
from depthwire.session.interruption import Interruption
from depthwire.session.options import ConnectOptions
from depthwire.session.reports import Reports
from depthwire.session.resync import Resyncs
from depthwire.session.subscription import Subscription, raise_all, refuse_unsubscribed


class Session:
    """Keeps one endpoint's topics subscribed until it is closed.

    Its ``channels`` outlive connections: a book is STALE when the connection is lost, and LIVE again with the snapshot
    that its resubscription brings.
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
        """The feed of the current connection."""
        return self.connection.feed

    @property
    def frames(self) -> int:
        """The number of frames received, on this connection and its predecessors."""
        return self.earlier_frames + self.feed.frames

    async def open(self) -> None:
        """Connect, and reconnect from now on; raises ConnectError or AuthError if the first attempt fails."""
        self._forget_loop()
        self._forget_loop = when_closed(asyncio.get_running_loop(), self.loop_closed)
        await self.connection.open()
        self._begin_tasks()

    def _begin_tasks(self) -> None:
        """Start the tasks that run as long as the session uses the current connection."""
        self.connection.spawn(self.resyncs.watch())
        if self.settings.max_connection_age_s is not None:
            self.connection.spawn(replace_when_old(self, self.settings.max_connection_age_s))

    def keep_trying(self) -> None:
        """Keep trying to connect after :meth:`open` failed."""
        if not self.connection.is_kept:
            self.connection.keep_trying()
            self._begin_tasks()

    def continue_on(self, connection: Connection) -> None:
        """Switch to another connection, which serves all topics already; the caller closes the old one."""
        old, self.connection = self.connection, connection
        self.resyncs.connection = connection
        self.earlier_frames += old.feed.frames
        connection.succeed(old, self)
        for subscription in self.subscriptions.values():
            subscription.confirm()
        self._begin_tasks()

    async def close(self, error: DepthwireError | None = None) -> None:
        """Close the connection and end all readers; waiting callers get ``error``, or ClientClosed."""
        self._forget_loop()
        await self.connection.close()
        for subscription in self.subscriptions.values():
            for channel in with_raw(subscription.channels.values()):
                channel.finish("the client was closed")
            if not subscription.confirmed.done():
                subscription.confirmed.set_exception(error or ClientClosed("the client was closed"))

    @property
    def last_recv_ns(self) -> int:
        """When the latest frame arrived, in ns since the epoch; 0 before the first."""
        return self.feed.last_recv_ns

    def probe(self) -> Callable[[], bool]:
        """Send a ping; the returned function returns whether its pong, and so all earlier messages, have arrived."""
        return self.connection.probe()

    def after_fork(self) -> None:
        """End all channels in a forked child, in which they would no longer be updated."""
        self.connection.after_fork()
        self._finish_all("this process was forked from the client's")

    def loop_closed(self) -> None:
        """End all channels, because the event loop was closed before the client."""
        if not self.connection.closed:
            self.connection.strand()
            self._finish_all("the event loop was closed before the client")

    def _finish_all(self, reason: str) -> None:
        for channel in with_raw(self.channels.values()):
            # A loop that is closed, or runs in another thread, may refuse to wake readers; none of them runs anyway.
            with suppress(RuntimeError):
                channel.finish(reason)

    # ---- called by the connection and the feed

    def connection_up(self) -> None:
        """Subscribe to all wanted topics; private ones only if the connection has signed in."""
        self._new.clear()
        self.subscribe(list(self.subscriptions.values()))

    def signed_in(self) -> None:
        """Subscribe to the private topics."""
        self.subscribe([each for each in self.subscriptions.values() if each.topic.is_private])

    def sign_in_refused(self, error: AuthError) -> None:
        """Report a failed sign-in to the readers of private topics, and to callers that wait for them."""
        for subscription in [each for each in self.subscriptions.values() if each.topic.is_private]:
            self._show_refusal(subscription, error)
            self._settle(subscription, error)

    def connection_down(self, reason: str) -> None:
        """Report the loss to every channel; new subscribers wait for the resubscription."""
        self.resyncs.connection_down()
        for subscription in self.subscriptions.values():
            subscription.await_again()
        for channel in with_raw(self.channels.values()):
            channel.connection_lost(reason, self.feed.last_recv_ns or time.time_ns())

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        """Return the channel for a topic that a subscribed pattern covers; None if none does."""
        covering = [each for each in self.subscriptions.values() if self._covers(each.topic, topic)]
        for subscription in covering:
            if self.registry.hold(topic, subscription) is not None:
                self.resyncs.served(topic)
            if (pattern := subscription.channels.get(subscription.topic.text)) is not None:
                pattern.connection_back(time.time_ns())  # data may come before the answer
        return self.channels.get(topic)

    def _covers(self, subscribed: Topic, topic: str) -> bool:
        """Whether a frame of this topic belongs to a subscription; if its kind is known, its symbol must be valid."""
        is_known = subscribed.is_pattern and subscribed.kind in self.dialect.kinds
        return subscribed.covers(topic) and (not is_known or self.dialect.is_topic(topic))

    def on_frame_error(self, error: FrameError) -> None:
        """Report an unusable frame, and refetch each state that is STALE because of it."""
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
        """Add topics; new ones are subscribed in the loop's next turn.

        ``on_channel`` gets each channel that serves one; if ``raw``, the channel of its raw frames.
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
            covered = [name for name in self.channels if topic.is_pattern and self._covers(topic, name)]
            for name in dict.fromkeys((*own, *subscription.channels, *covered)):
                self.registry.hold(name, subscription)
            self._share_with_patterns(subscription)
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

    def _share_with_patterns(self, subscription: Subscription) -> None:
        """Let the patterns that cover a new concrete topic hold its channel, too."""
        name = subscription.topic.text
        if subscription.topic.is_pattern or name not in subscription.channels:
            return
        for other in self.subscriptions.values():
            if other.topic.is_pattern and name not in other.channels and self._covers(other.topic, name):
                self.registry.hold(name, other)

    def _brings_states(self, topic: Topic) -> bool:
        """Return whether a topic has live states; each begins with a snapshot, so readers need no StreamGap."""
        return topic.kind in self.dialect.books or topic.kind == self.dialect.instrument_kind

    def _subscribe_new(self) -> None:
        """Subscribe to all topics that were added in one turn of the loop, with as few requests as possible."""
        new, self._new = self._new, []
        if self.connection.connected:
            self.subscribe(new)
        if self.connection.auth.policy.refusal is not None and not self.connection.auth.signed_in:
            for subscription in [each for each in new if each.topic.is_private]:
                self._settle(subscription, AuthError(str(self.connection.auth.policy.refusal)))

    def held(self, topic: str) -> tuple[Channel, ...]:
        """Return the channel of a concrete topic, if there is one."""
        channel = self.channels.get(topic)
        return () if channel is None else (channel,)

    def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Ask the venue for topics that are still wanted, with as few requests as the limits allow."""
        wanted = [each for each in subscriptions if self.subscriptions.get(each.topic) is each and self._may_ask(each)]
        for subscription in wanted:
            subscription.await_again()
        most = self.dialect.limits.args_per_request
        for part in ([each for each in wanted if each.topic.is_private is private] for private in (False, True)):
            for start in range(0, len(part), most):
                self.connection.spawn(self._subscribe_some(part[start : start + most]))

    def _may_ask(self, subscription: Subscription) -> bool:
        """Whether the venue would serve a topic now; private ones need a sign-in."""
        return self.connection.auth.signed_in or not subscription.topic.is_private

    async def _subscribe_some(self, subscriptions: Sequence[Subscription]) -> None:
        """Subscribe with one request, and settle ``confirmed`` of each subscription."""
        timeout_s = self.settings.timeout_s
        for subscription in subscriptions:
            for channel in with_raw(subscription.channels.values()):
                channel.asked()
        try:
            answer = await self.connection.ask("subscribe", [subscription.topic.text for subscription in subscriptions])
        except ConnectionLost:
            return  # subscribed again after the reconnect
        except TimeoutError:
            if any(subscription.established for subscription in subscriptions):
                # Some were served before, so the connection is at fault.
                self.connection.drop(f"no answer to a resubscription within {timeout_s:g} s")
            for subscription in subscriptions:
                message = f"{subscription.topic.text}: the venue did not answer the subscription within {timeout_s:g} s"
                self.give_up(subscription, SubscriptionTimeout(message))
            return
        if not answer.success and answer.by_topic is None and len(subscriptions) > 1:
            # One bad topic fails the whole request: bisect, down to the bad one.
            middle = len(subscriptions) // 2
            for half in (subscriptions[:middle], subscriptions[middle:]):
                self.subscribe(half)
            return
        for subscription in subscriptions:
            reason = "" if answer.is_served else answer.refusal(subscription.topic.text)
            if reason:
                self._refused(subscription, reason)
            else:
                self._served(subscription)

    def _served(self, subscription: Subscription) -> None:
        """Note that the venue confirmed a topic."""
        subscription.confirm()
        for channel in with_raw(subscription.channels.values()):
            self.resyncs.served(channel.topic)
            channel.connection_back(time.time_ns())

    def _refused(self, subscription: Subscription, reason: str) -> None:
        """Fail a refused topic; if it was served before and is not unknown now, retry it."""
        topic, was_served = subscription.topic, subscription.established
        refused_sign_in = self.connection.auth.policy.refusal if topic.is_private else None
        if hint := elsewhere(topic.filter, self.dialect):
            reason = f"{reason}; {hint}"
        error = refused_sign_in or SubscriptionRejected(topic.text, reason)
        self.give_up(subscription, error)
        if was_served and means_unknown(reason):
            self._forget(subscription, error)
        elif was_served and refused_sign_in is None:
            self._show_refusal(subscription, error)
            self.connection.spawn(self._ask_again(subscription))

    def _show_refusal(self, subscription: Subscription, error: DepthwireError) -> None:
        """Show in ``health()`` why a topic is not served; its streams get the error once for each reason."""
        name, channels = subscription.topic.text, subscription.channels
        for topic, channel in channels.items():
            is_new = self.resyncs.refused(topic, str(error))
            if is_new and topic == (name if name in channels else topic):  # once to a pattern with many topics
                for each in with_raw((channel,)):
                    if isinstance(each, EventChannel):
                        each.refuse(error)

    async def _ask_again(self, subscription: Subscription) -> None:
        """Subscribe again after a wait, if the connection is still the same."""
        connects = self.connection.status.connects
        await asyncio.sleep(subscription.backoff.next_s())
        if self.connection.connected and self.connection.status.connects == connects:
            self.subscribe([subscription])

    def give_up(self, subscription: Subscription, error: DepthwireError) -> None:
        """Fail a subscription for its waiting callers; if it was served before, report the error and keep it."""
        if subscription.established:
            self.report(error)
        self._settle(subscription, error)

    def _settle(self, subscription: Subscription, error: DepthwireError) -> None:
        """Fail a subscription for its waiting callers; drop it if it was never served."""
        if not subscription.confirmed.done():
            if not subscription.established:
                self._forget(subscription, error)
            subscription.confirmed.set_exception(error)

    def topic_unknown(self, topic: str, error: DepthwireError) -> None:
        """End a concrete topic that the venue no longer knows; its readers get the error."""
        for subscription in tuple(self.subscriptions.values()):
            if subscription.topic.text == topic:
                self._forget(subscription, error)
            elif topic in subscription.channels:
                self.registry.release(topic, subscription, error)

    def _forget(self, subscription: Subscription, why: str | DepthwireError) -> None:
        """Drop a subscription; end its channels, except those shared with another subscription."""
        if self.subscriptions.get(subscription.topic) is subscription:
            del self.subscriptions[subscription.topic]
        for topic in tuple(subscription.channels):
            self.registry.release(topic, subscription, why)

    async def confirmed(self, subscriptions: Iterable[Subscription]) -> None:
        """Wait for the venue's answers; raises SubscriptionRejected, for all refused topics, or SubscriptionTimeout."""
        subscriptions = list(subscriptions)
        waiting = [each.confirmed for each in subscriptions if not each.confirmed.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=self.settings.timeout_s)
        raise_all(map(self._failure_of, subscriptions))

    def _failure_of(self, subscription: Subscription) -> BaseException | None:
        """Return why a subscription was not confirmed in time; None if it was."""
        if subscription.confirmed.done():
            return subscription.confirmed.exception()
        error = SubscriptionTimeout(f"{subscription.topic.text}: not confirmed within {self.settings.timeout_s:g} s")
        if not subscription.established:
            self.give_up(subscription, error)
        return error

    async def withdraw(self, subscriptions: Iterable[Subscription]) -> None:
        """Remove one caller of each; unsubscribe those without callers, and report failures."""
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
        """End topics and their readers, with as few requests as the limits allow.

        Raises TopicError if one is not subscribed (then none ends), ClientClosed, SubscriptionRejected (for all refused
        topics) or SubscriptionTimeout if the venue does not answer (the readers end all the same).
        """
        self.connection.refuse_closed()
        refuse_unsubscribed(topics, self.subscriptions)
        subscriptions = [self.subscriptions.pop(topic) for topic in topics]
        for topic in topics:
            self.resyncs.stop(topic.text)
        for subscription in subscriptions:
            if not subscription.confirmed.done():
                subscription.confirmed.set_exception(ClientClosed(f"{subscription.topic.text}: unsubscribed"))
        new = set(self._new)  # not requested yet
        served = [each.topic for each in subscriptions if each not in new and self._may_ask(each)]
        names = [topic.text for topic in served]
        # The venue also ends what another pattern or name covers.
        shared = [
            other
            for other in self.subscriptions.values()
            if other not in new and any(other.topic.overlaps(ended) for ended in served)
        ]
        most = self.dialect.limits.args_per_request
        works = [self._unsubscribe_some(names[start : start + most]) for start in range(0, len(names), most)]
        interruption = Interruption(self, served, shared)
        try:
            outcomes = await asyncio.gather(*works, return_exceptions=True)
        except asyncio.CancelledError:
            interruption.end_later()
            raise
        finally:
            # Only now: until the answer, frames of the topic could still arrive.
            for subscription in subscriptions:
                self._forget(subscription, "unsubscribed")
        if any(isinstance(outcome, SubscriptionTimeout) for outcome in outcomes):
            interruption.end_later()
        else:
            interruption.end()
        raise_all(outcomes)

    async def _unsubscribe_some(self, names: Sequence[str]) -> None:
        """Unsubscribe with one request; raises SubscriptionRejected or SubscriptionTimeout."""
        try:
            answer = await self.connection.ask("unsubscribe", names)
        except ConnectionLost:
            return  # a lost connection has no subscriptions
        except TimeoutError:
            text = shortened(", ".join(names))
            message = f"{text}: the venue did not answer within {self.settings.timeout_s:g} s"
            raise SubscriptionTimeout(message) from None
        reasons = {name: reason for name in names if (reason := answer.refusal(name))}
        if reasons:
            raise SubscriptionRejected.of(reasons)


Held = Mapping[Session, Sequence[Subscription]]
"""The subscriptions of one caller, by session."""


@asynccontextmanager
async def withdrawn_on_failure(held: Held) -> AsyncIterator[None]:
    """If the block fails, end the subscriptions that no other caller holds; do not wait for that if it is cancelled."""
    try:
        yield
    except DepthwireError:
        await asyncio.gather(*(session.withdraw(subscriptions) for session, subscriptions in held.items()))
        raise
    except BaseException:
        for session, subscriptions in held.items():
            if not session.connection.closed:
                session.connection.spawn(session.withdraw(subscriptions))
        raise


_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()


def _after_fork() -> None:
    for session in tuple(_sessions):
        session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
