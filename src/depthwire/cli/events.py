"""Events, instruments and errors as text lines for people and JSON objects for programs."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import fields

from depthwire.book.types import BookState
from depthwire.bybit.instrument import Instrument
from depthwire.cli.cells import Cell, cell_text, cells
from depthwire.errors import DepthwireError

_SCALE: Final = re.compile(r"_e\d$")


def event_object(topic: str, event: msgspec.Struct) -> dict[str, Any]:
    """Return an event's fields by their names on the wire; None for fields that the exchange did not send."""
    return {"topic": topic, **wire_fields(event)}


def wire_fields(struct: msgspec.Struct) -> dict[str, Any]:
    """Return a struct's values by their names on the wire."""
    return {field.encode_name: getattr(struct, field.name) for field in fields(struct)}


def event_line(topic: str, event: msgspec.Struct) -> str:
    """Return an event as one line. A value that the topic already names is left out."""
    named = topic.rpartition(".")[2]
    return f"{topic} " + _joined((name, cell) for name, cell in cells(event).items() if cell != named)


def instrument_object(instrument: Instrument) -> dict[str, Any]:
    """Return an instrument's fields, null if it is not LIVE. ``updated`` names those that the last frame changed."""
    info = instrument.snapshot() if instrument.state is BookState.LIVE else None
    return {
        "topic": instrument.topic,
        "state": instrument.state,
        "reason": instrument.stale_reason,
        "version": instrument.version,
        "frame_seq": instrument.frame_seq,
        "ts_exchange_us": instrument.ts_exchange_us,
        "ts_recv_ns": instrument.ts_recv_ns,
        "updated": sorted(instrument.updated),
        **{key: getattr(info, name, None) for name, key in instrument.names},
        "symbol": instrument.symbol,
    }


def instrument_line(instrument: Instrument) -> str:
    """Return the fields that an instrument's last frame changed, as one line."""
    head = f"{instrument.topic} {instrument.state}"
    if instrument.state is not BookState.LIVE:
        return f"{head}: {instrument.stale_reason}"
    changed = changed_values(instrument)
    return f"{head} " + _joined((name, cell) for name, cell in exact_values(instrument).items() if name in changed)


def exact_values(instrument: Instrument) -> dict[str, Cell]:
    """Return an instrument's known fields, scaled ones as exact values, in any state."""
    info = instrument.snapshot(allow_stale=True)
    values = {name: getattr(info, name) for name in dict.fromkeys(_plain_name(key) for _, key in instrument.names)}
    return {
        name: str(value) if isinstance(value, int) else value
        for name, value in values.items()
        if value is not None and value != ""
    }


def changed_values(instrument: Instrument) -> set[str]:
    """Return the names in `exact_values` that the last frame changed."""
    return {_plain_name(key) for key in instrument.updated}


def _plain_name(key: str) -> str:
    """Strip a scale: ``last_price_e4`` and ``last_price`` on the wire are one value to people."""
    return _SCALE.sub("", key)


def error_object(error: DepthwireError) -> dict[str, Any]:
    """Return a stream's error and its attributes as a JSON object."""
    return {"topic": "", "error": type(error).__name__, "message": str(error), **vars(error)}


def error_line(error: DepthwireError) -> str:
    """Return an error as one line."""
    return f"{type(error).__name__}: {cell_text(str(error))}"


def _joined(named: Iterable[tuple[str, Cell]]) -> str:
    return ", ".join(f"{name} {cell_text(cell)}" for name, cell in named)
