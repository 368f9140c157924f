"""A feed without a socket: tests feed frames, and the owner keeps its reports."""

import json
from typing import Any

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2.dialect import INVERSE
from depthwire.errors import DepthwireError, MalformedFrame
from depthwire.feed.book_channel import BookChannel
from depthwire.feed.channel import Channel
from depthwire.feed.damage import is_answer
from depthwire.feed.event_channel import EventChannel
from depthwire.feed.listener import Feed
from depthwire.feed.live_book import LiveBook
from depthwire.feed.streams import EventStream


class Offline:
    """Owns a feed; routes topics that it was not given only if it ``adopts`` them."""

    def __init__(self, *topics: str, adopts: bool = False, dialect: Dialect = INVERSE) -> None:
        self.errors: list[DepthwireError] = []
        self.answers: list[bytes] = []
        self.adopts = adopts
        self.dialect = dialect
        self.feed = Feed(self)
        for topic in topics:
            self.add(topic)

    def add(self, topic: str) -> Channel | None:
        channel = self.dialect.channel(topic)
        if channel is not None:
            channel.attach(self.errors.append)
            self.feed.channels.add(channel)
        return channel

    def book(self, topic: str) -> LiveBook:
        channel = self.feed.channels.get(topic)
        assert isinstance(channel, BookChannel)
        return channel.book

    def events(self, topic: str) -> EventChannel:
        channel = self.feed.channels.get(topic)
        assert isinstance(channel, EventChannel)
        return channel

    def stream(self, topic: str, capacity: int = 10_000) -> EventStream[Any]:
        channel = self.events(topic)
        stream: EventStream[Any] = EventStream(topic, capacity, on_close=channel.leave)
        channel.join(stream)
        return stream

    def send(self, message: Any, ts_recv_ns: int = 1) -> None:
        raw = (
            message
            if isinstance(message, bytes | bytearray | memoryview)
            else json.dumps(message, separators=(",", ":")).encode()
        )
        self.feed.receive(raw, ts_recv_ns)

    def on_frame_error(self, error: DepthwireError) -> None:
        self.errors.append(error)

    def on_control(self, message: bytes) -> None:
        self.answers.append(message)
        try:
            self.dialect.answer(message)
        except MalformedFrame as error:
            if not is_answer(message):
                self.feed.damaged(message, error.message)

    def on_unrouted(self, topic: str, message: bytes) -> Channel | None:
        return self.add(topic) if self.adopts else None

    def is_topic(self, text: str) -> bool:
        return self.dialect.is_topic(text)

    def on_connected(self, transport: object) -> None: ...

    def on_disconnected(self, transport: object) -> None: ...
