"""How one stream comes to read many topics, of events and of live states."""

from functools import partial

from depthwire.feed.book_channel import BookChannel
from depthwire.feed.callbacks import Report, report_raised
from depthwire.feed.channel import Channel
from depthwire.feed.event_channel import EventChannel, PatternChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.feed.streams import TopicEvents, TopicInlet


def connect_inlet(stream: TopicEvents, report: Report, channel: Channel) -> None:
    """Let a stream of many topics read one more channel, of events or of a live state.

    Not where its reader has gone before a pattern's frames brought the topic, nor where a pattern and a name both did.
    """
    if stream.closed or stream.reads(channel.topic):
        return
    if isinstance(channel, PatternChannel):
        inlet: TopicInlet = stream.pattern_inlet(channel.topic, channel.connection_back)
    else:
        inlet = stream.inlet(channel.topic)
    if isinstance(channel, EventChannel):
        channel.join(inlet)
        stream.when_closed(partial(channel.leave, inlet))
        return
    assert isinstance(channel, BookChannel | StateChannel)
    state = channel.state

    def failed(error: BaseException, topic: str) -> None:
        report_raised(error, f"{topic}: a callback", report)

    def ended() -> None:
        if state.failure is not None:
            inlet.break_off(state.failure)
        inlet.finish()

    stream.when_closed(state.on_change(lambda *_: inlet.push([state], failed)))
    stream.when_closed(state.on_state(lambda *_: ended() if state.finished else None))
