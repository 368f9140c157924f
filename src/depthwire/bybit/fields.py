"""The base of all typed events: exact numbers and times, read as the wire writes them.

In msgspec's lax mode a field takes a JSON number or the same number as a string, so that both dialects share a Struct.
Prices, sizes and amounts are ``Decimal``, made from the number's own digits; integers are ``int`` of any size. Neither
ever becomes a float on the way.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Final, get_args

from msgspec import Struct
from msgspec.structs import fields, force_setattr

from depthwire.bybit import records
from depthwire.bybit.times import Nanoseconds, time_ns
from depthwire.feed.repair import OddValue

__all__ = ["LARGEST_EXPONENT", "Nanoseconds", "Record", "odd_amount", "time_ns"]

LARGEST_EXPONENT: Final = 64
"""A number beyond 10**±64 is not a price, a size or an amount, and printing it could fill the memory."""


@cache
def _decimal_fields(record: type[Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record) if Decimal in (field.type, *get_args(field.type)))


@cache
def _time_fields(record: type[Struct]) -> tuple[str, ...]:
    attributes = (attribute for kind in record.__mro__ for attribute in vars(kind).values())
    return tuple(attribute.field for attribute in attributes if isinstance(attribute, Nanoseconds))


def odd_amount(name: str, number: Decimal) -> OddValue:
    """Return the error for a Decimal that is not finite, or beyond LARGEST_EXPONENT."""
    return OddValue(name, f"`{name}` is {number!s:.40}; expected a finite number within 10**±{LARGEST_EXPONENT}")


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """The base of a typed event. Unknown fields are ignored, because the exchange adds fields without notice.

    A field whose default is None, or "" for text, may be absent. If its value is invalid (another type, not a number,
    not a time, null), it gets that default. If any other field, or one in ``NEEDED``, has an invalid value, the event
    is refused.

    A Decimal is computed from the wire's text when it is first read, and kept. Comparing, hashing, printing and
    pickling read all numbers. ``msgspec.structs.asdict`` and ``astuple`` do not: call :meth:`read` first.
    """

    NEEDED: ClassVar[frozenset[str]] = frozenset()
    """Fields that may be absent, but whose invalid value would make an event look like another one."""
    DERIVED: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Fields that, if absent, take the value of the first of these fields that is present."""
    DERIVED_REQUIRED: ClassVar[frozenset[str]] = frozenset()
    """Derived fields without which an event is refused."""

    def __post_init__(self) -> None:
        for name in _decimal_fields(type(self)):
            number = getattr(self, name)
            if isinstance(number, Decimal) and not (number.is_finite() and abs(number.adjusted()) <= LARGEST_EXPONENT):
                raise odd_amount(name, number)
        for name in _time_fields(type(self)):
            text = getattr(self, name)
            if text:
                try:
                    time_ns(text)
                except ValueError as error:
                    raise OddValue(name, f"`{name}`: {error}") from None
        for name, sources in self.DERIVED.items():
            if getattr(self, name) in (None, ""):
                values = (getattr(self, source) for source in sources)
                value = next((value for value in values if value not in (None, "")), None)
                if value is not None:
                    force_setattr(self, name, value)
                elif name in self.DERIVED_REQUIRED:
                    either = " nor ".join(f"`{each}`" for each in (name, *sources))
                    raise ValueError(f"an event with neither {either}")

    as_float = records.as_float
    as_floats = records.as_floats
    read = records.read_all

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return Struct.__eq__(records.read_all(self), records.read_all(other))

    def __hash__(self) -> int:
        return Struct.__hash__(records.read_all(self))

    def __repr__(self) -> str:
        return Struct.__repr__(records.read_all(self))

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return Struct.__rich_repr__(records.read_all(self))

    def __reduce__(self) -> str | tuple[Any, ...]:
        return Struct.__reduce__(records.read_all(self))
