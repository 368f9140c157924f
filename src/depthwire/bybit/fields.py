"""What all typed messages share: exact numbers, times and scaled integers, read as the wire writes them.

Decoded with msgspec's lax mode, a field takes a JSON number or the same number in a string, whichever the dialect
writes. Prices, sizes and money are ``Decimal``, made from the number's own digits; integers are ``int`` of any size.
Neither ever goes through a float.
"""

import re
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from typing import ClassVar, Final, Self, get_args, overload

from msgspec import Struct
from msgspec.structs import fields

from depthwire.feed.repair import OddValue

LARGEST_EXPONENT: Final = 64
"""Beyond 10**±64 a number is no price, size or amount, and printing it could fill the memory."""

_TIME = re.compile(
    r"\s*(\d{4})\s*-\s*(\d\d)\s*-\s*(\d\d)\s*[Tt]?\s*"
    r"(\d\d)\s*:\s*(\d\d)\s*:\s*(\d\d)\s*(?:\.\s*(\d+)\s*)?(?:[Zz]|([+-])\s*(\d\d)\s*:?\s*(\d\d))?\s*",
    re.ASCII,
)
_EPOCH: Final = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=256)  # events of one frame often share their time, which is read again by whoever uses it
def time_ns(text: str) -> int:
    """Nanoseconds since the epoch of a time such as ``2022-06-23T04:08:47.956636888Z``, exact.

    Spaces may stand between its parts, as in some recordings; without a zone it is UTC. Raises ValueError where the
    text is no time, or one finer than a nanosecond.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is no time; one looks like '2022-06-23T04:08:47.956636888Z'")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = match.groups()[6:]
    nanoseconds = (fraction or "").rstrip("0").ljust(9, "0")
    if len(nanoseconds) > 9:
        raise ValueError(f"{text[:60]!r} is finer than a nanosecond")
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second
        raise ValueError(f"{text[:60]!r} is no time of day")
    zone_s = int(f"{sign}1") * (int(zone_hours) * 3600 + int(zone_minutes) * 60) if sign else 0
    days = date(year, month, day).toordinal() - _EPOCH
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - zone_s
    return seconds * 1_000_000_000 + int(nanoseconds)


class Nanoseconds:
    """A read-only attribute: the time that another field holds as text, in ns since the epoch.

    Where that is absent or empty, it is what the field ``or_ns`` holds if there is one, else None. A record whose text
    is no time is refused, or does without the text, when it arrives (see :class:`Record`). O(1).
    """

    def __init__(self, field: str, or_ns: str = "") -> None:
        self.field = field
        self.or_ns = or_ns

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...
    @overload
    def __get__(self, record: object, owner: type) -> int | None: ...
    def __get__(self, record: object | None, owner: type) -> Self | int | None:
        if record is None:
            return self
        text = getattr(record, self.field)
        if text:
            return time_ns(text)
        return getattr(record, self.or_ns) if self.or_ns else None


@cache
def _decimal_fields(record: type[Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record) if Decimal in (field.type, *get_args(field.type)))


@cache
def _time_fields(record: type[Struct]) -> tuple[str, ...]:
    attributes = (attribute for kind in record.__mro__ for attribute in vars(kind).values())
    return tuple(attribute.field for attribute in attributes if isinstance(attribute, Nanoseconds))


def odd_amount(name: str, number: Decimal) -> OddValue:
    """What to raise of a Decimal that is not finite, or beyond LARGEST_EXPONENT."""
    return OddValue(name, f"`{name}` is {number!s:.40}, which is no price, size or amount")


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """The base of a typed item. Fields that it does not name are ignored: the exchange adds some without notice.

    A field whose default is None, or "" for text, may be absent. Where its value is odd (another type, no number, no
    time, a null), it is at that default. An odd value of any other field, or of one in ``NEEDED``, refuses the item.
    """

    NEEDED: ClassVar[frozenset[str]] = frozenset()
    """Fields that may be absent, but without whose value an item cannot be told from another one."""

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
