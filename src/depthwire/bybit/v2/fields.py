"""How messages of the v2 dialects are decoded."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from depthwire.bybit.records import EventDecoder


class V2Message(Struct, gc=False):
    """The base of the messages that hold events. Where one dialect writes a number, the other may write a string."""

    topic: str

    @classmethod
    def decoder(cls) -> Callable[[Any], Any]:
        """Return the function that decodes frames; it raises msgspec's errors."""
        return EventDecoder(cls, cls.any_form_decoder(), False)

    @classmethod
    def any_form_decoder(cls) -> Callable[[Any], Any]:
        """Return a slower function that accepts every form of a value and reports what is wrong with it."""
        return msgspec.json.Decoder(cls, strict=False).decode
