"""Times that the wire holds as text, in ns since the epoch."""

import re
from datetime import date
from functools import lru_cache
from typing import Final, Self, overload

_TIME = re.compile(
    r"\s*(\d{4})\s*-\s*(\d\d)\s*-\s*(\d\d)\s*[Tt]?\s*"
    r"(\d\d)\s*:\s*(\d\d)\s*:\s*(\d\d)\s*(?:\.\s*(\d+)\s*)?(?:[Zz]|([+-])\s*(\d\d)\s*:?\s*(\d\d))?\s*",
    re.ASCII,
)
_EPOCH: Final = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=256)  # the events of one frame often share their time
def time_ns(text: str) -> int:
    """Return the nanoseconds since the epoch of a time such as ``2022-06-23T04:08:47.956636888Z``, exactly.

    Spaces between its parts are allowed, since some recordings have them. A time without a zone is in UTC. Raises
    ValueError if the text is not a time, or if the time is finer than a nanosecond.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time: {text[:60]!r}; expected one like '2022-06-23T04:08:47.956636888Z'")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = match.groups()[6:]
    nanoseconds = (fraction or "").rstrip("0").ljust(9, "0")
    if len(nanoseconds) > 9:
        raise ValueError(f"a time finer than a nanosecond: {text[:60]!r}")
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second
        raise ValueError(f"not a time of day: {text[:60]!r}")
    zone_s = int(f"{sign}1") * (int(zone_hours) * 3600 + int(zone_minutes) * 60) if sign else 0
    days = date(year, month, day).toordinal() - _EPOCH
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - zone_s
    return seconds * 1_000_000_000 + int(nanoseconds)


class Nanoseconds:
    """A read-only attribute: the time that another field holds as text, in ns since the epoch.

    If that text is absent or empty, it is the value of the field ``or_ns``, if there is one, else None. O(1).
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
