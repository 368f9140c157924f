"""All topics except books with fuzzed frames: typed events, live states and answers, or documented errors."""

import json
from contextlib import suppress
from typing import Any

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.instrument import Instrument
from depthwire.bybit.v2 import dialect as v2
from depthwire.bybit.v5 import dialect as v5
from depthwire.errors import MalformedEvent, MalformedFrame
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.state_channel import StateChannel
from depthwire.feed.streams import EventStream
from tests.fuzz.lanes import DOCUMENTED
from tests.support.offline import Offline

ROOM = 1000


class Reader(Offline):
    """A feed that adds a channel for each topic that a frame names."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(adopts=True)
        self.dialect = dialect
        self.streams: dict[str, EventStream[Any]] = {}
        self.states: dict[str, Instrument] = {}

    def add(self, topic: str) -> Channel | None:
        channel = self.dialect.channel(topic)
        if channel is None or isinstance(channel, BookChannel):
            return None
        channel.attach(self.errors.append)
        self.feed.channels.add(channel)
        if isinstance(channel, EventChannel):
            self.streams[topic] = EventStream(topic, ROOM, on_close=channel.leave)
            channel.join(self.streams[topic])
        elif isinstance(channel, StateChannel):
            self.states[topic] = channel.state
        return channel

    def known(self) -> dict[str, Any]:
        """Return what a refused frame must not change, by topic: the events so far, and the states."""
        events = {
            topic: [event for event in stream._queue if not isinstance(event, Exception)]
            for topic, stream in self.streams.items()
        }
        return events | {topic: (state.version, repr(state._info)) for topic, state in self.states.items()}


def check_events(dialect: Dialect, text: bytes) -> None:
    """Feed a text's lines as frames: each is an answer, events or a state, or is refused as documented without a trace."""
    reader = Reader(dialect)
    for raw in text.split(b"\n"):
        before, errors_before, answers_before = reader.known(), len(reader.errors), len(reader.answers)
        reader.feed.receive(raw, 7)
        told = reader.errors[errors_before:]
        if any(isinstance(error, MalformedEvent) for error in told):
            assert all(isinstance(error, MalformedEvent) for error in told), "a frame is refused, or some of its events"
            topics = {error.topic for error in told}
            assert len(topics) == 1, "one frame is of one topic"
            others = {topic: known for topic, known in before.items() if topic not in topics}
            assert {topic: reader.known()[topic] for topic in others} == others, (
                "a refused event left a trace elsewhere"
            )
        elif told:
            assert len(told) == 1, f"two errors of one frame: {told}"
            assert isinstance(reader.errors[-1], DOCUMENTED), reader.errors[-1]
            new = {topic: known for topic, known in reader.known().items() if topic not in before}
            assert reader.known() == before | new, "a refused frame left a trace"
            assert not any(known for known in new.values() if isinstance(known, list)), "events of a refused frame"
        elif len(reader.answers) > answers_before:
            with suppress(MalformedFrame):
                dialect.answer(reader.answers[-1])
        else:
            # Another JSON reader must accept it, too. Unknown fields may hold any bytes.
            assert isinstance(json.loads(raw.decode("utf-8", "replace")), dict)


def v2_events(text: bytes) -> None:
    """Frames of the inverse and linear dialects."""
    check_events(v2.INVERSE, text)
    check_events(v2.LINEAR, text)


def v5_events(text: bytes) -> None:
    """Frames of v5."""
    check_events(v5.LINEAR, text)
