"""Reads a frame that is not plain field by field, so that one invalid value affects as little as possible.

An invalid value of an optional field is left out. If any other field is invalid, the innermost event that contains it
is refused. Plain frames never come here.

A text is read as a number only if it is ASCII digits, with a minus sign, a point and more digits at most. One damaged
byte turns "1.000" into "1_000", which Python reads as 1000. Only a JSON number may have an exponent.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import FieldInfo, fields

from depthwire.errors import UNDECODABLE, MalformedEvent, MalformedFrame

EXCERPT: Final = 120
_NUMBER_TEXT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_SURROGATES: Final = re.compile(  # an escaped backslash, a pair of surrogates, or (the group) half a pair
    rb"\\\\|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|\\(ud[89a-f][0-9a-f]{2})", re.IGNORECASE
)
_MARKED: Final = re.compile(rb"\xff(ud[89a-f][0-9a-f]{2})", re.IGNORECASE)


class OddValue(ValueError):
    """Raised by a Struct for a ``field`` whose value has the right type but makes no sense."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Refused(Exception):
    """A Struct that cannot be made; the message says what is missing or invalid."""


class Reading(NamedTuple):
    """How a dialect reads one value: ``value(raw, type)`` raises UNDECODABLE; ``absent`` is JSON for no value."""

    value: Callable[[Raw, Any], Any]
    absent: bytes | None = None


def _lax(raw: Raw, kind: Any) -> Any:
    return msgspec.json.decode(raw, type=kind, strict=False)


PLAIN: Final = Reading(_lax)


class Repaired(NamedTuple):
    """The usable part of a frame, with an error in place of each refused event, and the number of fields left out."""

    found: Any
    odd_fields: int


def repaired(repair: Callable[[Any, bytes], Repaired], message: Any, frame: bytes) -> Repaired:
    """Return what can be read of a frame; raises MalformedFrame if that is nothing."""
    try:
        return repair(message, marked(frame))
    except (*UNDECODABLE, Refused) as error:
        raise MalformedFrame(f"{error}; it reads {frame[:120]!r}") from None


def marked(frame: bytes) -> bytes:
    """Return a frame with 0xFF for the backslash of each lone surrogate. O(size).

    msgspec refuses a frame with a lone surrogate even in a text that it skips, but one with invalid UTF-8 only when it
    reads that text.
    """
    return _SURROGATES.sub(lambda found: found[0] if found[1] is None else b"\xff" + found[1], frame)


def _unmarked(raw: Raw) -> bytes:
    """Return a part of a marked frame as it arrived."""
    return _MARKED.sub(rb"\\\1", bytes(raw))


def repaired_events(message: type[Struct], frame: bytes) -> Repaired:
    """Return the events in a frame's ``data``, each an item or a MalformedEvent. O(size).

    Raises one of UNDECODABLE, or Refused, if the frame holds no list of events.
    """
    repair = _Repair(getattr(message, "reading", PLAIN))
    wire = msgspec.json.decode(frame, type=dict[str, Raw])
    of_data = next(field for field in fields(message) if field.name == "data")
    item, many, one = _nested(of_data.type)
    raw = wire.pop(of_data.encode_name, None)
    if item is None or raw is None:
        raise Refused("no `data`")
    repair.envelope(message, wire)
    if one and bytes(raw)[:1] == b"{":
        return Repaired([repair.event(item, raw)], repair.odd_fields)
    if not many:
        raise Refused("`data` is not an object")
    events = [repair.event(item, each) for each in msgspec.json.decode(raw, type=list[Raw])]
    return Repaired(events, repair.odd_fields)


def repaired_message(message: Any, frame: bytes) -> Repaired:
    """Return a frame as one of the Structs of ``message``, a type or a tagged union. O(size).

    Raises one of UNDECODABLE, or Refused, if a required value is invalid.
    """
    kinds: Sequence[type[Struct]] = get_args(message) or (message,)
    repair = _Repair(getattr(kinds[0], "reading", PLAIN))
    wire = msgspec.json.decode(frame, type=dict[str, Raw])
    for kind in kinds:
        config = kind.__struct_config__
        if config.tag is None or wire.get(config.tag_field or "") == Raw(msgspec.json.encode(config.tag)):
            return Repaired(repair.struct(kind, wire), repair.odd_fields)
    raise Refused("unknown `type`")


def repaired_struct(kind: type[Struct], wire: dict[str, Raw], reading: Reading) -> Repaired:
    """Return an object's members as a Struct. O(members). Raises Refused if a required value is odd or missing."""
    repair = _Repair(reading)
    return Repaired(repair.struct(kind, wire), repair.odd_fields)


class _Repair:
    """Repairs one frame."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.odd_fields = 0

    def event(self, kind: type[Struct], raw: Raw) -> Struct | MalformedEvent:
        """Return one item of ``data``. Fields left out of a refused item do not count."""
        before = self.odd_fields
        try:
            return self.item(kind, raw)
        except Refused as refusal:
            self.odd_fields = before
            text = _unmarked(raw)
            shown = f"{text[:EXCERPT]!r}" + ("" if len(text) <= EXCERPT else f"… ({len(text)} bytes)")
            return MalformedEvent(f"an event is left out: {refusal}; it reads {shown}", raw=text)

    def envelope(self, kind: type[Struct], wire: dict[str, Raw]) -> None:
        """Count the invalid fields outside a frame's events; the events can be read without them."""
        for field in fields(kind):
            raw = wire.get(field.encode_name)
            if raw is not None and bytes(raw) != self._reading.absent:
                try:
                    self._value(field.type, raw)
                except UNDECODABLE:
                    self.odd_fields += 1

    def item(self, kind: type[Struct], raw: Raw) -> Struct:
        """Return an object as a Struct; raise Refused if that is not possible."""
        try:
            wire = msgspec.json.decode(raw, type=dict[str, Raw])
        except UNDECODABLE as error:
            raise Refused(str(error)) from None
        return self.struct(kind, wire)

    def struct(self, kind: type[Struct], wire: dict[str, Raw]) -> Struct:
        """Return an object's members as a Struct; raise Refused if that is not possible."""
        by_name = {field.name: field for field in fields(kind)}
        found: dict[str, Any] = {}
        for name, field in by_name.items():
            raw = wire.get(field.encode_name)
            if raw is None or bytes(raw) == self._reading.absent:
                if field.required:
                    raise Refused(f"`{field.encode_name}` is missing")
                continue
            try:
                found[name] = self._value(field.type, raw)
            except UNDECODABLE as error:
                self._leave_out(kind, field, found, error)
        while True:
            try:
                return kind(**found)
            except OddValue as error:
                if found.get(error.field) is None:
                    raise Refused(str(error)) from None
                self._leave_out(kind, by_name[error.field], found, error)
            except ValueError as error:
                raise Refused(str(error)) from None

    def _leave_out(self, kind: type[Struct], field: FieldInfo, found: dict[str, Any], error: Exception) -> None:
        """Replace an invalid value with None if the field allows it, or with "" if it is optional text."""
        may_be_none = type(None) in get_args(field.type)
        may_be_empty = field.type is str and field.default == ""
        if field.required or field.name in getattr(kind, "NEEDED", ()) or not (may_be_none or may_be_empty):
            raise Refused(f"`{field.encode_name}` is invalid: {error}") from None
        found[field.name] = None if may_be_none else ""
        self.odd_fields += 1

    def _value(self, kind: Any, raw: Raw) -> Any:
        item, many, one = _nested(kind)
        opening = bytes(raw)[:1]
        if item is not None and many and opening == b"[":
            return [self.item(item, each) for each in msgspec.json.decode(raw, type=list[Raw])]
        if item is not None and one and opening == b"{":
            return self.item(item, raw)
        self._check_numbers(kind, raw)
        return self._reading.value(raw, kind)

    def _check_numbers(self, kind: Any, raw: Raw) -> None:
        """Raise ValidationError for a text that is read as a number but does not have the form of one."""
        options = get_args(kind) or (kind,)
        values = next((get_args(option)[1] for option in (kind, *options) if get_origin(option) is dict), None)
        opening = bytes(raw)[:1]
        if values is not None:
            if opening == b"{":
                for each in msgspec.json.decode(raw, type=dict[str, Raw]).values():
                    self._check_numbers(values, each)
        elif str not in options and (Decimal in options or int in options):
            if opening != b'"' or bytes(raw) == self._reading.absent:
                return
            text = msgspec.json.decode(raw, type=str)
            if not _NUMBER_TEXT.fullmatch(text):
                raise msgspec.ValidationError(f"expected a number such as '-1.5', got {text[:40]!r}")


@cache
def _nested(kind: Any) -> tuple[type[Struct] | None, bool, bool]:
    """Return the Struct inside a type, whether it may be in a list, and whether it may be on its own."""
    options = (kind,) if get_origin(kind) is list or isinstance(kind, type) else get_args(kind)
    item, many, one = None, False, False
    for option in options:
        if get_origin(option) is list and _is_struct(get_args(option)[0]):
            item, many = get_args(option)[0], True
        elif _is_struct(option):
            item, one = option, True
    return item, many, one


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)
