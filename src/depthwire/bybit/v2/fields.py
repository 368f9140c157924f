"""How messages of the v2 dialects are decoded."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from depthwire.bybit.records import EventDecoder


class V2Message(Struct, gc=False):
    """The base of the messages that hold events. Where one dialect writes a number, the other may write a string."""

    topic: str

    @classmethod
    def decoder(cls) -> Callable[[Any], Any]:
        """Return the function that decodes plain frames; it returns None for any other."""
        return EventDecoder(cls, False)
