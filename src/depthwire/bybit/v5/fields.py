"""How v5 messages are decoded: an empty text means an absent value, and numbers keep the digits of their text."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct

from depthwire.bybit.records import EventDecoder
from depthwire.feed.repair import Reading

_WORDS: Final = {"im": "IM", "mm": "MM", "ltv": "LTV", "upl": "UPL"}


def wire_name(name: str) -> str:
    """Return a field's wire name: ``position_im_by_mp`` is ``positionIMByMp``, ``exec_time_ms`` is ``execTime``."""
    first, *words = name.removesuffix("_ms").split("_")
    return first + "".join(_WORDS.get(word, word[:1].upper() + word[1:]) for word in words)


def exact(text: str) -> Decimal:
    """Return the Decimal of a JSON number with a point or an exponent; raises ValueError if it is too large."""
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError(f"{text[:40]!r} is too large for a price, a size or an amount") from None


_read = msgspec.json.Decoder(float_hook=exact).decode


def without_empty(wire: Any) -> Any:
    """Return a message without the fields whose text is empty. v5 sends "" for an absent value. O(size)."""
    if isinstance(wire, dict):
        return {key: without_empty(value) for key, value in wire.items() if value != ""}
    return [without_empty(item) for item in wire] if isinstance(wire, list) else wire


def read_value(raw: msgspec.Raw, kind: Any) -> Any:
    """Convert one JSON value to a type, as in a frame; raises msgspec's errors."""
    return msgspec.convert(without_empty(_read(raw)), kind, strict=False)


READING: Final = Reading(read_value, absent=b'""')


class V5Message(Struct, gc=False):
    """The base of v5's messages except order books. A field whose text is "" on the wire gets its default."""

    reading: ClassVar[Reading] = READING

    topic: str

    @classmethod
    def decoder(cls) -> Callable[[Any], Any]:
        """Return the function that decodes plain frames; it returns None for any other."""
        return EventDecoder(cls, True)
