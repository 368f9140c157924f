"""Connects channels of events or of live states to a stream of many topics."""

from functools import partial

from depthwire.feed.book_channel import BookChannel
from depthwire.feed.callbacks import Report, report_raised
from depthwire.feed.channel import Channel
from depthwire.feed.event_channel import EventChannel, PatternChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.feed.streams import TopicEvents, TopicInput


def read_channel(stream: TopicEvents, report: Report, channel: Channel) -> None:
    """Let a stream of many topics read one more channel, of events or of a live state.

    Does nothing if the stream is closed or already reads the topic, as when a pattern and a name both cover it.
    """
    if stream.closed or stream.reads(channel.topic):
        return
    if isinstance(channel, PatternChannel):
        source: TopicInput = stream.add_pattern(channel.topic, channel.connection_back)
    else:
        source = stream.add_topic(channel.topic)
    if isinstance(channel, EventChannel):
        channel.join(source)
        stream.when_closed(partial(channel.leave, source))
        return
    assert isinstance(channel, BookChannel | StateChannel)
    state = channel.state

    def failed(error: BaseException, topic: str) -> None:
        report_raised(error, f"{topic}: a callback", report)

    def ended() -> None:
        if state.failure is not None:
            source.break_off(state.failure)
        source.finish()

    stream.when_closed(state.on_change(lambda *_: source.push([state], failed)))
    stream.when_closed(state.on_state(lambda *_: ended() if state.finished else None))
