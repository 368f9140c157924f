"""The interface of a feed's owner."""

from typing import Protocol

import picows

from depthwire.errors import FrameError
from depthwire.feed.channel import Channel


class FeedOwner(Protocol):
    """Receives from a :class:`~depthwire.feed.listener.Feed` everything that is not a topic's data."""

    def on_control(self, message: bytes) -> object: ...
    def on_frame_error(self, error: FrameError) -> object: ...
    def on_unrouted(self, topic: str, message: bytes) -> Channel | None: ...
    def is_topic(self, text: str) -> bool:
        """Return whether frames can have this topic, subscribed or not."""

    def on_connected(self, transport: picows.WSTransport) -> object: ...
    def on_disconnected(self, transport: picows.WSTransport) -> object: ...
