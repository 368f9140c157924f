"""The channels of one session's topics: who holds each, and when it ends."""

from collections.abc import Callable

from depthwire.bybit.dialect import Dialect
from depthwire.errors import DepthwireError
from depthwire.feed.channel import Channel, with_raw
from depthwire.feed.event_channel import PatternChannel, RawChannel
from depthwire.session.options import ConnectOptions
from depthwire.session.resync import Resyncs
from depthwire.session.subscription import Subscription


class SessionChannels:
    """Makes a channel for each topic that a subscription holds, and ends it with the last one."""

    def __init__(
        self, dialect: Dialect, options: ConnectOptions, resyncs: Resyncs, report: Callable[[DepthwireError], object]
    ) -> None:
        self.by_topic: dict[str, Channel] = {}
        self._dialect = dialect
        self._scanner = options.scanner
        self._slow_callback_s = options.settings.slow_callback_s or 0.0
        self._book_decoder = dialect.book_decoder()
        self._resyncs = resyncs
        self._report = report
        self._holders: dict[str, set[Subscription]] = {}

    def new(self, topic: str) -> Channel | None:
        """Return a new channel for a concrete topic, without readers; None if the dialect has no such topic."""
        return self._dialect.channel(topic, scanner=self._scanner, decoder=self._book_decoder)

    def hold(self, topic: str, subscription: Subscription) -> Channel | None:
        """Return the channel of a topic or pattern, and hold it for the subscription; make it if there is none.

        None if the dialect has no such topic.
        """
        known = channel = self.by_topic.get(topic)
        if known is None and subscription.topic.is_pattern and subscription.topic.text == topic:
            channel = PatternChannel(topic)
            self._route(channel)
        elif known is None or (subscription.is_typed and type(known) is RawChannel):
            channel = self.new(topic) if subscription.is_typed else RawChannel(topic)
            if channel is None:
                return None
            self._route(channel)
            if known is not None:
                self._replace(known, channel)
        assert channel is not None
        self._holders.setdefault(topic, set()).add(subscription)
        subscription.channels[topic] = channel
        for callback in subscription.on_channel:
            callback(channel)
        return channel

    def raw(self, channel: Channel) -> Channel:
        """Return the channel of a topic's raw frames; make it if there is none."""
        if isinstance(channel, RawChannel):
            return channel
        if channel.raw is None:
            channel.raw = RawChannel(channel.topic)
            channel.raw.attach(self._report, self._slow_callback_s)
        return channel.raw

    def release(self, topic: str, subscription: Subscription, why: str | DepthwireError) -> None:
        """Let a subscription no longer hold a topic; with the last one the channel ends, for a reason or an error."""
        subscription.channels.pop(topic, None)
        holders = self._holders[topic]
        holders.discard(subscription)
        if holders:
            return
        del self._holders[topic]
        self._resyncs.connection.feed.end(topic)
        self._resyncs.remove(topic)
        channel = self.by_topic.pop(topic)
        for each in with_raw((channel,)):
            if isinstance(why, str):
                each.finish(why)
            else:
                each.fail(why)

    def _route(self, channel: Channel) -> None:
        self.by_topic[channel.topic] = channel
        channel.attach(self._report, self._slow_callback_s)
        self._resyncs.connection.feed.channels.add(channel)
        self._resyncs.add(channel)

    def _replace(self, raw: Channel, channel: Channel) -> None:
        """Decode a topic of which only raw frames were read so far."""
        channel.raw, topic = raw, raw.topic
        for subscription in self._holders[topic]:
            subscription.channels[topic] = channel
            if subscription.is_confirmed:
                self._resyncs.served(topic)
                if channel.needs_snapshot:
                    self._resyncs.fetch(topic)
