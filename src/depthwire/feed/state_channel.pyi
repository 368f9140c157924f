from typing import Any

from depthwire.feed.channel import Channel
from depthwire.feed.streams import LiveState

class StateChannel(Channel):
    def __init__(self, topic: str, message_type: Any, state: LiveState) -> None: ...
    # The state that it was given.
    @property
    def state(self) -> Any: ...
